//! Clients that hold connections, threads or memory of a clade that runs.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::shell::Shell;
use crate::support::digest;

/// The time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

fn address(shell: &Shell) -> String {
    std::fs::read_to_string(shell.path("data/api.url"))
        .unwrap()
        .trim()
        .trim_start_matches("http://")
        .to_owned()
}

/// Sends a request, and returns the connection. Nobody reads the answer yet.
fn open(address: &str, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    connection
}

/// The first line of the answer; empty if the connection was closed without one.
fn status(mut connection: &TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while connection.read(&mut byte).is_ok_and(|read| read == 1) && byte != *b"\r" {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

#[test]
fn silent_clients_make_room_for_those_who_ask() {
    let shell = Shell::new();
    let running = shell.serve(&[]);
    let address = address(&shell);
    let half = "POST /v1/rebuilds/plan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    for begun in ["", "GET /v1/ima", half] {
        let silent: Vec<TcpStream> = (0..700)
            .map(|_| {
                let mut connection = TcpStream::connect(&address).unwrap();
                connection.set_read_timeout(Some(PATIENCE)).unwrap();
                connection.write_all(begun.as_bytes()).unwrap();
                connection
            })
            .collect();
        for _ in 0..10 {
            assert_eq!(status(&open(&address, "/healthz")), "HTTP/1.1 200 OK", "{begun:?}");
        }
        assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
        // The first made room.
        assert_eq!(status(&silent[0]), "", "{begun:?}");
    }
    assert!(running.stop());
}

#[test]
fn followers_stop_neither_questions_nor_sources() {
    let shell = Shell::empty();
    let running = shell.serve(&["--from", &shell.path("registry")]);
    let address = address(&shell);
    let followers: Vec<TcpStream> =
        (0..110).map(|_| open(&address, "/v1/subscribe/catalog?follow=true&from=end")).collect();
    let refused = followers.iter().filter(|follower| status(follower).contains(" 503 ")).count();
    assert_eq!(refused, 10, "100 can follow");
    let more =
        json!({"repository": "shop/more", "digest": digest("more"), "layers": [{"digest": digest("A")}]});
    std::fs::write(shell.path("registry/more.jsonl"), more.to_string()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while shell.ok(&["get", "images", "-o", "name"]).lines().count() != 9 {
        assert!(Instant::now() < deadline, "the new file is not taken in");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    // The event that they wait for comes.
    shell.ok(&["apply", "-f", &shell.path("classes.yaml")]);
    let mut follower = &followers[0];
    let (mut answer, mut piece) = (String::new(), [0; 4096]);
    while !answer.contains("\"base\"") {
        let read = follower.read(&mut piece).unwrap();
        assert!(read > 0, "the follower was closed after {answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    // A place that is left can be taken.
    drop(followers);
    while !status(&open(&address, "/v1/subscribe/catalog?follow=true")).contains(" 200 ") {
        assert!(Instant::now() < deadline, "the places are not free again");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(running.stop());
}

#[test]
fn a_web_page_whose_name_suddenly_means_this_machine_reads_nothing() {
    let shell = Shell::new();
    let running = shell.serve(&["--allowed-host", "clade.example.com"]);
    let address = address(&shell);
    let asked_as = |host: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!("GET /v1/classes HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let refused = asked_as("evil.example");
    assert!(refused.starts_with("HTTP/1.1 421 ") && refused.contains("--allowed-host"), "{refused}");
    assert!(!refused.contains("ImageClass"));
    for host in ["clade.example.com", "localhost", "clade-serve.clade.svc:7878"] {
        assert!(asked_as(host).starts_with("HTTP/1.1 200 "), "{host}");
    }
    assert!(running.stop());
}
