//! A clade that speaks TLS, and clients that do, do not, or never finish.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use openssl::pkey::PKey;
use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use super::asked::{Asked, token};
use super::shell::Shell;
use crate::certificate::certify;

/// The time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn serving(is_here: bool) -> Asked {
    let shell = Shell::new();
    certify(shell.dir.path(), 1, "clade.example.com", is_here);
    token(&shell, "reads", &["read"]);
    let [cert, key, tokens] = ["tls.crt", "tls.key", "tokens"].map(|name| shell.path(name));
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tokens-file", &tokens];
    Asked::new(shell, &[&["--listen", "0.0.0.0:0"][..], &files].concat())
}

/// A connection after its handshake, whatever the certificate.
fn connect(address: &str) -> Option<SslStream<TcpStream>> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    connector.build().connect("clade.example.com", stream).ok()
}

fn ask(stream: &mut SslStream<TcpStream>) -> String {
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn a_client_asks_over_tls_whom_it_can_tell_by_the_certificate() {
    let asked = serving(false);
    let server = format!("https://{}", asked.address);
    let [ca, token] = ["tls.crt", "reads.token"].map(|name| asked.shell.path(name));
    let get = ["get", "classes", "-o", "name", "--server", &server, "--token-file", &token];
    let (code, told) = asked.shell.fails(&get);
    assert!(code == 1 && told.contains("--ca-file"), "it trusts nobody yet: {told}");
    let (_, told) = asked.shell.fails(&[&get[..], &["--ca-file", &ca]].concat());
    assert!(told.contains("--tls-server-name"), "the certificate is for another name: {told}");
    let named = ["--ca-file", &ca, "--tls-server-name", "clade.example.com"];
    assert_eq!(asked.shell.ok(&[&get[..], &named].concat()), "base\n");
    let other = ["--ca-file", &ca, "--tls-server-name", "other.example.com"];
    assert_eq!(asked.shell.fails(&[&get[..], &other].concat()).0, 1);
    // A command on the data directory knows its process by the key.
    assert_eq!(asked.shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    assert!(asked.shell.ok(&["delete", "class", "base"]).contains("deleted"));
    assert!(asked.running.stop());
}

#[test]
fn who_speaks_plain_http_where_tls_is_expected_is_told() {
    let asked = serving(true);
    let mut stream = TcpStream::connect(&asked.address).unwrap();
    write!(stream, "GET /v1/classes HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("ask it with https"), "{answer}");
    // And the other way about.
    let plain = Asked::new(Shell::new(), &[]);
    let (code, told) =
        plain.shell.fails(&["get", "classes", "--server", &format!("https://{}", plain.address)]);
    assert!(code == 1 && told.contains("http://"), "{told}");
    assert!(asked.running.stop() && plain.running.stop());
}

#[test]
fn a_certificate_is_replaced_while_clade_runs_and_a_bad_one_is_not_taken() {
    let asked = serving(true);
    let serial = || {
        let stream = connect(&asked.address)?;
        let certificate = stream.ssl().peer_certificate()?;
        certificate.serial_number().to_bn().ok()?.to_dec_str().ok().map(|text| text.to_string())
    };
    let becomes = |expected: &str| {
        let deadline = Instant::now() + PATIENCE;
        while serial().as_deref() != Some(expected) {
            assert!(Instant::now() < deadline, "{:?} instead of {expected}; {}", serial(), asked.said());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    };
    becomes("1");
    let mut before = connect(&asked.address).unwrap();
    certify(asked.shell.dir.path(), 2, "clade.example.com", true);
    becomes("2");
    assert!(ask(&mut before).starts_with("HTTP/1.1 200 "), "a connection goes on with the one before");
    std::fs::write(
        asked.shell.path("tls.key"),
        PKey::generate_ed25519().unwrap().private_key_to_pem_pkcs8().unwrap(),
    )
    .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !asked.said().contains("the key is not that of the certificate") {
        assert!(Instant::now() < deadline, "the bad pair is not told: {}", asked.said());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    becomes("2");
    certify(asked.shell.dir.path(), 3, "clade.example.com", true);
    becomes("3");
    assert!(!asked.said().contains("PRIVATE KEY"));
    assert!(asked.running.stop());
}

#[test]
fn handshakes_that_never_end_make_room_for_those_who_ask() {
    let asked = serving(true);
    // The head of a record with a client's hello, of which nothing follows.
    for begun in [&b""[..], &[0x16], &[0x16, 3, 1, 1, 0, 1, 0]] {
        let silent: Vec<TcpStream> = (0..700)
            .map(|_| {
                let mut connection = TcpStream::connect(&asked.address).unwrap();
                connection.set_read_timeout(Some(PATIENCE)).unwrap();
                connection.write_all(begun).unwrap();
                connection
            })
            .collect();
        for _ in 0..10 {
            let mut stream = connect(&asked.address).unwrap();
            assert!(ask(&mut stream).starts_with("HTTP/1.1 200 "), "{begun:?}");
        }
        let mut first = &silent[0];
        assert!(matches!(first.read(&mut [0; 16]), Ok(0) | Err(_)), "the first made room: {begun:?}");
    }
    assert!(asked.running.stop());
}
