//! Those who ask a clade that knows who they are: tokens, and what each may do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::shell::{Running, Shell};

/// The time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Within this time after a token is taken back its streams end: the file is looked at each second, a stream each 5 s.
const ENDS: Duration = Duration::from_secs(20);

/// A clade that knows these tokens and writes down what it says.
pub(super) struct Asked {
    pub(super) shell: Shell,
    pub(super) running: Running,
    pub(super) address: String,
}

impl Asked {
    pub(super) fn new(shell: Shell, arguments: &[&str]) -> Self {
        let file = std::fs::File::create(shell.path("said")).unwrap();
        let mut command = shell.command(&[&["run", "--verbose"], arguments].concat());
        let child =
            command.env("CLADE_LOG", "trace").stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let running = Running(child);
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            assert!(Instant::now() < deadline, "it does not serve:\n{}", said(&shell));
            match std::fs::read_to_string(shell.path("data/api.url")) {
                Ok(url) if !url.is_empty() => break url.split_once("://").unwrap().1.to_owned(),
                _ => std::thread::park_timeout(Duration::from_millis(50)),
            }
        };
        Self { shell, running, address }
    }

    fn open(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        // As from elsewhere: this machine needs no token under a local name.
        write!(connection, "{method} {path} HTTP/1.1\r\nHost: clade.clade.svc\r\nConnection: close\r\n")
            .unwrap();
        for (name, value) in headers {
            write!(connection, "{name}: {value}\r\n").unwrap();
        }
        write!(connection, "\r\n").unwrap();
        connection
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let mut answer = Vec::new();
        self.open(method, path, headers).read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status of an answer to somebody with this token.
    fn status(&self, method: &str, path: &str, token: &str) -> String {
        let answer = self.ask(method, path, &[("Authorization", &format!("Bearer {token}"))]);
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    pub(super) fn said(&self) -> String {
        said(&self.shell)
    }

    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not within a minute: {what}; it said:\n{}", self.said());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

fn said(shell: &Shell) -> String {
    std::fs::read_to_string(shell.path("said")).unwrap()
}

/// Makes a token; its line is added to the file of tokens.
pub(super) fn token(shell: &Shell, name: &str, more: &[&str]) -> String {
    let path = shell.path(&format!("{name}.token"));
    let line = shell.ok(&[&["token", name, "--out", &path, "--scope"], more].concat());
    let tokens = std::fs::read_to_string(shell.path("tokens")).unwrap_or_default();
    std::fs::write(shell.path("tokens"), tokens + &line).unwrap();
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn a_token_is_good_for_its_scopes_and_nobody_says_it_aloud() {
    let shell = Shell::new();
    let reads = token(&shell, "reads", &["read"]);
    let commands = token(&shell, "commands", &["command"]);
    let declares = token(&shell, "declares", &["declare"]);
    let expired = token(&shell, "expired", &["read,command,declare", "--expires", "2020-01-01T00:00:00Z"]);
    let tokens = shell.path("tokens");
    let asked = Asked::new(shell, &["--tokens-file", &tokens]);
    asked.until("it is ready", || asked.ask("GET", "/readyz", &[]).starts_with("HTTP/1.1 200 "));
    let unknown = "clade_thisOneWasMadeUpByAStranger";
    let all = [reads.as_str(), &commands, &declares, &expired, unknown];
    for (method, path, statuses) in [
        ("GET", "/v1/classes", ["200", "403", "403", "401", "401"]),
        ("GET", "/v1/explain?ref=shop/app1:1", ["200", "403", "403", "401", "401"]),
        ("GET", "/v1/status", ["200", "403", "403", "401", "401"]),
        ("GET", "/v1/subscribe/catalog", ["200", "403", "403", "401", "401"]),
        ("POST", "/v1/backup", ["403", "200", "403", "401", "401"]),
        ("DELETE", "/v1/groups?name=os", ["403", "403", "200", "401", "401"]),
        ("GET", "/healthz", ["200"; 5]),
        ("GET", "/readyz", ["200"; 5]),
        ("GET", "/metrics", ["200"; 5]),
    ] {
        for (token, status) in all.iter().zip(statuses) {
            assert_eq!(asked.status(method, path, token), status, "{method} {path} {token}");
        }
    }
    let none = asked.ask("GET", "/v1/images", &[]);
    assert!(none.starts_with("HTTP/1.1 401 ") && none.contains("www-authenticate: Bearer"), "{none}");
    assert!(none.contains("--token-file"), "it says what to do: {none}");
    let other = asked.ask("DELETE", "/v1/groups?name=x", &[("Authorization", &format!("Bearer {reads}"))]);
    assert!(other.contains("reads may not do that") && other.contains("the scope declare"), "{other}");
    let bodies = [none, other, asked.ask("GET", "/metrics", &[]), asked.said()].concat();
    for token in all {
        assert!(!bodies.contains(token), "{token} is told");
    }
    // The commands of this machine need none, and whoever gives one is taken for its owner.
    assert_eq!(asked.shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    let server = format!("http://{}", asked.address);
    let path = asked.shell.path("reads.token");
    let with_token = ["--server", &server, "--token-file", &path];
    assert_eq!(asked.shell.ok(&[&["get", "classes", "-o", "name"][..], &with_token].concat()), "base\n");
    let (code, told) = asked.shell.fails(&[&["delete", "class", "base"][..], &with_token].concat());
    assert!(code == 1 && told.contains("reads may not do that"), "{code} {told}");
    assert!(asked.running.stop());
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let shell = Shell::new();
    let commands = token(&shell, "all", &["read,command,declare"]);
    let tokens = shell.path("tokens");
    let asked = Asked::new(shell, &["--tokens-file", &tokens]);
    let authorization = format!("Bearer {commands}");
    for (header, status) in [
        (("Sec-Fetch-Site", "cross-site"), "403"),
        (("Origin", "https://evil.example"), "403"),
        (("Content-Type", "text/plain"), "415"),
    ] {
        let headers = [("Authorization", authorization.as_str()), header];
        for (method, path) in
            [("POST", "/v1/backup"), ("DELETE", "/v1/classes?name=base"), ("POST", "/v1/apply")]
        {
            let answer = asked.ask(method, path, &headers);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{header:?} {path}: {answer}");
        }
        assert!(asked.ask("GET", "/v1/classes", &headers).starts_with("HTTP/1.1 200 "), "{header:?}");
    }
    assert!(asked.running.stop());
}

#[test]
fn a_token_that_is_taken_from_the_file_ends_its_stream_and_a_bad_file_changes_nothing() {
    let shell = Shell::new();
    let stays = token(&shell, "stays", &["read"]);
    let kept = std::fs::read_to_string(shell.path("tokens")).unwrap();
    let goes = token(&shell, "goes", &["read"]);
    let tokens = shell.path("tokens");
    let asked = Asked::new(shell, &["--tokens-file", &tokens]);
    let path = "/v1/subscribe/catalog?follow=true";
    let follow = |token: &str| {
        let mut stream = asked.open("GET", path, &[("Authorization", &format!("Bearer {token}"))]);
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    let (mut going, staying) = (follow(&goes), follow(&stays));
    let all = std::fs::read_to_string(&tokens).unwrap();
    std::fs::write(&tokens, format!("{all}who? {goes}\n")).unwrap();
    asked.until("the bad file is told", || asked.said().contains("tokens:3: it has 2 fields"));
    assert!(asked.said().contains("those before stay in force"));
    assert_eq!(asked.status("GET", "/v1/classes", &goes), "200");
    std::fs::write(&tokens, kept).unwrap();
    let begun = Instant::now();
    let mut rest = Vec::new();
    // It breaks off: the last piece of a whole answer has the length 0.
    let _ = going.read_to_end(&mut rest);
    assert!(begun.elapsed() < ENDS, "{:?}", begun.elapsed());
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the answer seems to be complete");
    assert_eq!(asked.status("GET", "/v1/classes", &goes), "401");
    assert_eq!(asked.status("GET", "/v1/classes", &stays), "200");
    staying.set_nonblocking(true).unwrap();
    let is_open = |mut stream: &TcpStream| loop {
        match stream.read(&mut [0; 1 << 10]) {
            Ok(0) => break false,
            Ok(_) => {}
            Err(error) => break error.kind() == std::io::ErrorKind::WouldBlock,
        }
    };
    assert!(is_open(&staying), "the other stream goes on");
    assert!(!asked.said().contains(&goes), "a token is told");
    assert!(asked.running.stop());
}

#[test]
fn a_clade_that_others_could_reach_does_not_start_without_tls_and_tokens() {
    let shell = Shell::new();
    let (code, told) = shell.fails(&["run", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, 2, "{told}");
    for word in ["0.0.0.0:0", "--tls-cert-file", "--tokens-file", "--authenticate kubernetes", "--insecure"] {
        assert!(told.contains(word), "{told}");
    }
    std::fs::write(shell.path("tokens"), "somebody\n").unwrap();
    let (code, told) = shell.fails(&["run", "--tokens-file", &shell.path("tokens")]);
    assert!(code == 2 && told.contains("tokens:1: it has 1 fields"), "{told}");
    let (code, told) = shell.fails(&["run", "--tokens-file", &shell.path("none")]);
    assert!(code == 2 && told.contains("cannot read") && told.contains("none"), "{told}");
}

#[test]
fn a_token_goes_into_a_new_file_that_its_owner_alone_may_read() {
    let shell = Shell::empty();
    let path = shell.path("ci.token");
    let make = ["token", "ci", "--scope", "read", "--scope", "command", "--out", &path];
    let line = shell.ok(&make);
    let token = std::fs::read_to_string(&path).unwrap();
    assert!(token.starts_with("clade_") && !line.contains(token.trim()), "{line}");
    assert!(line.starts_with("ci sha256:") && line.ends_with(" read,command\n"), "{line}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, told) = shell.fails(&make);
    assert!(code == 1 && told.contains("ci.token"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), token, "it is replaced");
    let (code, told) = shell.fails(&["token", "ci", "--scope", "write", "--out", &path]);
    assert!(code == 2 && told.contains("read, command and declare"), "{told}");
}
