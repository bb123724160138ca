//! Who may ask, as a real API server says: tokens of ServiceAccounts, and the roles that `deploy/` has for users.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use data_encoding::BASE64URL_NOPAD;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use serde_json::{Value as Json, json};

use super::process::Clade;
use super::server::{Server, eventually};

/// Within this time a stream ends after its token is taken back: clade asks each 5 s and believes an answer for 10 s, and the
/// API server itself believes its own for as long.
const ENDS: Duration = Duration::from_secs(45);

struct Asked<'a> {
    server: &'a Server,
    clade: Clade,
    address: String,
}

impl<'a> Asked<'a> {
    /// A clade that may ask what its own role lets it, and nothing else.
    fn new(server: &'a Server, dir: &Path) -> Self {
        let kubeconfig = server.service("single", "clade");
        let data = dir.join("data").display().to_string();
        let arguments = ["run", "--authenticate", "kubernetes", "--data-dir", &data];
        let clade = Clade::start(&dir.join("run.log"), &arguments, &kubeconfig);
        let url = dir.join("data/api.url");
        eventually("it serves", || std::fs::read_to_string(&url).is_ok_and(|url| !url.is_empty()));
        let address = std::fs::read_to_string(url).unwrap().trim_start_matches("http://").to_owned();
        Self { server, clade, address }
    }

    fn open(&self, method: &str, path: &str, token: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let head =
            format!("Host: clade.clade.svc\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        write!(connection, "{method} {path} HTTP/1.1\r\n{head}").unwrap();
        connection
    }

    fn ask(&self, method: &str, path: &str, token: &str) -> String {
        let mut answer = Vec::new();
        self.open(method, path, token).read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn status(&self, method: &str, path: &str, token: &str) -> String {
        self.ask(method, path, token).split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// A ServiceAccount with a role, if any, and a token of it.
    fn account(&self, name: &str, role: Option<&str>) -> String {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}
        });
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": "default"});
        let binding = role.map(|role| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                "metadata": {"name": format!("asked-{name}")},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [subject],
            })
        });
        self.server.apply(&[Some(account), binding].into_iter().flatten().collect::<Vec<_>>());
        self.server.kubectl(&["create", "token", name, "--namespace", "default"]).trim().to_owned()
    }

    /// A subscription that has begun.
    fn follow(&self, token: &str) -> TcpStream {
        let mut stream = self.open("GET", "/v1/subscribe/catalog?follow=true", token);
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(String::from_utf8_lossy(&first), "HTTP/1.1 200");
        stream
    }
}

/// That a stream breaks off, and soon.
fn breaks_off(mut stream: TcpStream) {
    let begun = Instant::now();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(begun.elapsed() < ENDS, "{:?}", begun.elapsed());
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the answer seems to be complete");
}

/// The same token, as the API server would have signed it long ago.
fn expired(server: &Server, token: &str) -> String {
    let [head, claims, _]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let mut claims: Json =
        serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
    for (claim, time) in [("iat", 1_700_000_000), ("nbf", 1_700_000_000), ("exp", 1_700_003_600)] {
        claims[claim] = json!(time);
    }
    let signed = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    let key = PKey::private_key_from_pem(&std::fs::read(server.dir.join("accounts.key")).unwrap()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let signature = EcdsaSig::from_der(&signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap()).unwrap();
    let raw = [signature.r().to_vec_padded(32).unwrap(), signature.s().to_vec_padded(32).unwrap()].concat();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&raw))
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn the_cluster_says_who_may_ask_and_a_watch_ends_when_it_says_otherwise() {
    let (server, dir) = (Server::begin(), tempfile::tempdir().unwrap());
    let asked = Asked::new(&server, dir.path());
    let reader = asked.account("reader", Some("clade-reader"));
    let other = asked.account("other-reader", Some("clade-reader"));
    let commander = asked.account("commander", Some("clade-commander"));
    let nobody = asked.account("nobody", None);
    let old = expired(&server, &reader);
    eventually("the roles count", || asked.status("GET", "/v1/classes", &reader) == "200");
    for (method, path, token, status) in [
        ("GET", "/v1/classes", &commander, "200"),
        ("GET", "/v1/images", &reader, "200"),
        ("GET", "/v1/status", &reader, "200"),
        ("GET", "/v1/images", &nobody, "403"),
        ("GET", "/v1/images", &old, "401"),
        ("GET", "/v1/images", &"x.y.z".to_owned(), "401"),
        ("POST", "/v1/backup", &reader, "403"),
        ("POST", "/v1/backup", &commander, "200"),
        ("DELETE", "/v1/classes?name=x", &commander, "403"),
        ("GET", "/metrics", &nobody, "200"),
    ] {
        assert_eq!(asked.status(method, path, token), status, "{method} {path}");
    }
    let refused = asked.ask("GET", "/v1/images", &nobody);
    let told = "system:serviceaccount:default:nobody may not do that";
    assert!(refused.contains(told) && refused.contains("list images of clade.dev"), "{refused}");

    // One loses its token, the other its right; who keeps both goes on.
    let (taken, unbound, stays) = (asked.follow(&reader), asked.follow(&other), asked.follow(&commander));
    server.kubectl(&["delete", "serviceaccount", "reader", "--namespace", "default"]);
    server.kubectl(&["delete", "clusterrolebinding", "asked-other-reader"]);
    breaks_off(taken);
    breaks_off(unbound);
    assert_eq!(asked.status("GET", "/v1/images", &reader), "401");
    assert_eq!(asked.status("GET", "/v1/images", &other), "403");
    stays.set_nonblocking(true).unwrap();
    let mut stays = &stays;
    loop {
        match stays.read(&mut [0; 1 << 10]) {
            Ok(read) => assert!(read > 0, "the stream of one who may has ended"),
            Err(error) => break assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }

    // Without the API server nobody is let in, and nobody is turned away for good.
    server.script("stop-apiserver");
    let away = asked.ask("GET", "/v1/tags", &commander);
    server.script("start-apiserver");
    assert!(away.starts_with("HTTP/1.1 503 ") && away.contains("retry-after"), "{away}");
    eventually("it asks again", || asked.status("GET", "/v1/tags", &commander) == "200");
    let said = asked.clade.said();
    for token in [&reader, &other, &commander, &nobody, &old] {
        assert!(!said.contains(token.as_str()) && !away.contains(token.as_str()), "a token is told");
    }
    server.kubectl(&["delete", "clusterrolebinding", "asked-reader", "asked-commander"]);
    asked.clade.stop();
}
