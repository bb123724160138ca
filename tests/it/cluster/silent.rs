//! Subscribers of a process on Kafka that take nothing of what they asked for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clade::log::{Log as _, TopicPartition};
use clade::record::{State, Topic};

use crate::kafka::fresh_config;
use crate::subscribe::transition;

/// Transitions on the topic, and the tags of each, which make it long.
const EVENTS: usize = 2_000;
const TAGS: usize = 300;
/// Each of a hundred subscriptions may keep 16 MiB that librdkafka has fetched.
const MOST_MEMORY_KIB: u64 = 100 * 16 * 1024 + 512 * 1024;
const PATIENCE: Duration = Duration::from_secs(90);

/// A process that is killed in the end.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Serving {
    fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

fn ask(address: &str, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    connection
}

fn first_line(connection: TcpStream) -> String {
    let mut line = String::new();
    let _ = BufReader::new(connection).read_line(&mut line);
    line.trim_end().to_owned()
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn subscribers_that_read_nothing_stop_no_question_and_lose_their_places() {
    let config = fresh_config(2);
    let log = crate::kafka::open(&config);
    let tags: Vec<String> = (0..TAGS).map(|tag| format!("shop/application-{tag}:release-{tag}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut writer = log.writer("test").unwrap();
    for part in 0..EVENTS / 100 {
        let of = TopicPartition { topic: Topic::Outdated, partition: u16::try_from(part % 2).unwrap() };
        let event =
            |number| transition(&format!("image {part} {number}"), None, Some(State::Outdated), &tags);
        writer.append((0..100).map(|number| (of, event(number))).collect()).unwrap();
    }
    let mut serving = Command::new(env!("CARGO_BIN_EXE_clade"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--kafka",
            &config.bootstrap,
            "--kafka-prefix",
            &config.prefix,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let serving = Serving(serving);
    let address = url.trim().rsplit("http://").next().unwrap().to_owned();

    let deadline = Instant::now() + PATIENCE;
    while !first_line(ask(&address, "/readyz")).contains(" 200 ") {
        assert!(Instant::now() < deadline, "it is not ready");
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let all = "/v1/subscribe/outdated?follow=true";
    let silent: Vec<TcpStream> = (0..100).map(|_| ask(&address, all)).collect();
    let deadline = Instant::now() + PATIENCE;
    // They are there once one more is refused.
    while !first_line(ask(&address, all)).contains(" 503 ") {
        assert!(Instant::now() < deadline, "a hundred do not fill the places");
    }
    for path in ["/healthz", "/v1/classes", "/v1/images?limit=1"] {
        let asked = Instant::now();
        let line = first_line(ask(&address, path));
        assert!(line.contains(" 200 ") && asked.elapsed() < Duration::from_secs(10), "{path}: {line}");
    }
    let memory = serving.memory_kib();
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    // Whoever takes nothing loses the place, and another gets everything.
    let mut reading = loop {
        let connection = ask(&address, all);
        let mut status = [0; 12];
        if (&connection).read_exact(&mut status).is_ok() && status == *b"HTTP/1.1 200" {
            break BufReader::new(connection);
        }
        assert!(Instant::now() < deadline, "nobody loses a place");
        std::thread::park_timeout(Duration::from_millis(500));
    };
    let (mut found, mut line) = (0, String::new());
    while found < EVENTS {
        line.clear();
        assert!(reading.read_line(&mut line).unwrap() > 0, "after {found} events it ends");
        found += usize::from(line.contains("\"outdated\""));
    }
    drop(silent);
}
