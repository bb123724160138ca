//! Clients of the webhook, by the certificates that they show over TLS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clade::api::{self, Router, Tls};
use clade::crypto::Acceptor;
use clade::reload::FromFiles;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslStream, SslVerifyMode};
use serde_json::json;

use super::webhook::webhook_for;
use crate::certificate::certify;

/// A webhook behind TLS, and certificates of its own, of two clients that it knows, and of a stranger.
struct Door {
    address: SocketAddr,
    tls: Tls,
    dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

fn serve(router: Router) -> Door {
    let dir = tempfile::tempdir().unwrap();
    for name in ["webhook", "api-server", "gatekeeper", "stranger"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        certify(&dir.path().join(name), 1, name, true);
    }
    let known =
        ["api-server", "gatekeeper"].map(|name| std::fs::read(certificate(dir.path(), name)).unwrap());
    let clients = dir.path().join("clients.pem");
    std::fs::write(&clients, known.concat()).unwrap();
    let files = vec![certificate(dir.path(), "webhook"), key(dir.path(), "webhook"), clients];
    let parse = |files: &[Vec<u8>]| Acceptor::of(&files[0], &files[1], Some(&files[2]));
    let tls: Tls = Arc::new(FromFiles::open(files, parse).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(api::serve(listener, router, Some(Arc::clone(&tls))));
    Door { address, tls, dir, _runtime: runtime }
}

fn certificate(dir: &Path, name: &str) -> PathBuf {
    dir.join(name).join("tls.crt")
}

fn key(dir: &Path, name: &str) -> PathBuf {
    dir.join(name).join("tls.key")
}

impl Door {
    /// A connection of a client with a certificate, or with none.
    fn connect(&self, client: Option<&str>) -> SslStream<TcpStream> {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_ca_file(certificate(self.dir.path(), "webhook")).unwrap();
        connector.set_verify(SslVerifyMode::PEER);
        if let Some(client) = client {
            connector.set_certificate_file(certificate(self.dir.path(), client), SslFiletype::PEM).unwrap();
            connector.set_private_key_file(key(self.dir.path(), client), SslFiletype::PEM).unwrap();
        }
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        connector.build().connect("127.0.0.1", stream).unwrap()
    }

    /// The answer to a client.
    fn asked(&self, client: Option<&str>, path: &str, body: &str) -> String {
        let mut stream = self.connect(client);
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}"
        );
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn validates(&self, client: Option<&str>) -> String {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "shop", "operation": "CREATE",
            "object": {"spec": {"containers": [{"name": "app", "image": "app:01"}]}},
        }});
        self.asked(client, "/validate", &review.to_string())
    }
}

#[test]
fn a_webhook_that_asks_for_certificates_answers_those_alone_who_show_one_that_counts() {
    let webhook = webhook_for(1, Some(Vec::new()));
    let door = serve(webhook.router);
    for client in ["api-server", "gatekeeper"] {
        let answer = door.validates(Some(client));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"allowed\":true"), "{answer}");
    }
    for path in ["/validate", "/mutate", "/gatekeeper/vendor"] {
        let answer = door.asked(None, path, "{}");
        assert!(
            answer.starts_with("HTTP/1.1 403 ") && answer.contains("it shows no certificate"),
            "{answer}"
        );
        assert!(
            answer.contains("content-type: text/plain"),
            "an API server passes on nothing else: {answer}"
        );
    }
    // The answer comes also to somebody who has sent much by then.
    let answer = door.asked(None, "/validate", &"x".repeat(1 << 20));
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let answer = door.validates(Some("stranger"));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("does not count"), "{answer}");
    assert!(webhook.metrics.text().contains("clade_admission_refused_total 5"));
}

#[test]
fn a_webhook_that_knows_its_clients_by_name_answers_no_others_of_the_same_authorities() {
    let door = serve(webhook_for(1, Some(vec!["api-server".to_owned()])).router);
    assert!(door.validates(Some("api-server")).starts_with("HTTP/1.1 200 "));
    let answer = door.validates(Some("gatekeeper"));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("gatekeeper"), "{answer}");
}

#[test]
fn a_connection_ends_with_its_next_answer_after_an_authority_was_replaced() {
    let door = serve(webhook_for(1, Some(Vec::new())).router);
    let mut stream = door.connect(Some("api-server"));
    let only = std::fs::read(certificate(door.dir.path(), "gatekeeper")).unwrap();
    std::fs::write(door.dir.path().join("clients.pem"), only).unwrap();
    assert_eq!(door.tls.look(), Some(Ok(())));
    write!(stream, "POST /validate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the end, and not a connection that waits for more");
    assert!(answer.contains("connection: close"), "{answer}");
    let answer = door.validates(Some("api-server"));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("does not count"), "{answer}");
    assert!(door.validates(Some("gatekeeper")).starts_with("HTTP/1.1 200 "));
}

#[test]
fn authorities_that_are_none_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    certify(dir.path(), 1, "webhook", true);
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    for (authorities, problem) in [(&b""[..], "no certificate in it"), (&key[..], "no certificate in it")] {
        let refused = Acceptor::of(&certificate, &key, Some(authorities)).err().unwrap();
        assert!(refused.contains(problem), "{refused}");
    }
}
