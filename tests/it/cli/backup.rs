//! `clade backup`, with and without a clade that runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use clade::log::embedded::{EmbeddedLog, Options};
use clade::log::{Log as _, Offset, Record, TopicPartition, for_each};
use clade::record::Topic;

use super::shell::Shell;
use crate::support::digest;

const FILE: &str = "log.redb";
/// The time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

fn names(dir: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The lineage of all images of a data directory, or of the process that serves it.
fn lineage(shell: &Shell, dir: &str) -> Vec<String> {
    let told = shell.ok(&["export", "lineage", "--data-dir", dir]);
    let mut lines: Vec<String> = told.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn images(shell: &Shell, dir: &str) -> u64 {
    let status = shell.json(&["status", "-o", "json", "--data-dir", dir]);
    status["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|partition| partition["images"].as_u64().unwrap())
        .sum()
}

fn assert_whole(shell: &Shell, dir: &str) {
    let told = shell.ok(&["log", "check", "--data-dir", dir]);
    assert!(told.contains("whole: "), "{told}");
}

/// The records that sources and people have caused, in order.
fn inputs(dir: &str) -> Vec<(TopicPartition, Vec<(Offset, Record)>)> {
    let log = EmbeddedLog::open(Path::new(dir), Options::default()).unwrap();
    let mut all = Vec::new();
    for topic in [Topic::Images, Topic::Tags, Topic::Catalog] {
        for partition in clade::log::follow::partitions(&log, topic) {
            let (of, mut records) = (TopicPartition { topic, partition }, Vec::new());
            for_each(&log, of, |stored| records.push((stored.offset, stored.record.clone()))).unwrap();
            all.push((of, records));
        }
    }
    all
}

#[test]
fn a_backup_under_a_running_import_is_whole_and_goes_on_to_the_same_state() {
    const IMAGES: u64 = 20_000;
    let shell = Shell::empty();
    let history = shell.path("history");
    shell.ok(&["generate", &history, "--images", &IMAGES.to_string()]);
    let data = shell.path("data");
    let running = shell.serve(&["--from", &history]);
    let deadline = Instant::now() + PATIENCE;
    let mut copies = Vec::new();
    loop {
        let before = images(&shell, &data);
        let copy = shell.path(&format!("copy-{}", copies.len()));
        let told = shell.ok(&["backup", &copy]);
        assert!(
            told.starts_with(&format!("{copy}/{FILE}: ")) && told.ends_with(" bytes, checked\n"),
            "{told}"
        );
        assert_eq!(names(&copy), [FILE]);
        assert_whole(&shell, &copy);
        let found = images(&shell, &copy);
        assert!(found >= before, "{found} images, and {before} were there before the backup");
        let earlier = copies.last().map_or(0, |(_, found)| *found);
        assert!(found >= earlier, "{found} images, and an earlier backup has {earlier}");
        copies.push((copy, found));
        if found == IMAGES && images(&shell, &data) == IMAGES {
            break;
        }
        assert!(Instant::now() < deadline, "the import does not end: {found} images");
    }
    // All is quiet now: the copy says what the process says.
    let quiet = shell.path("quiet");
    shell.ok(&["backup", &quiet]);
    let expected = lineage(&shell, &data);
    assert_eq!(expected.len() as u64, IMAGES);
    assert!(lineage(&shell, &quiet) == expected, "the copy says something else");
    assert!(running.stop());
    let of_original = inputs(&data);
    let (copy, found) =
        copies.iter().find(|(_, found)| (1..IMAGES).contains(found)).expect("a backup while it imports");
    for ((of, original), (of_copy, copied)) in of_original.iter().zip(inputs(copy)) {
        assert_eq!(*of, of_copy);
        assert!(original.starts_with(&copied), "{of} has other records than the original had");
    }
    shell.ok(&["import", "--data-dir", copy, &history]);
    assert!(lineage(&shell, copy) == expected, "a copy of {found} images ends elsewhere than the original");
}

#[test]
fn one_backup_at_a_time_is_made_and_a_client_that_does_not_read_stops_nothing() {
    let shell = Shell::empty();
    shell.ok(&["generate", &shell.path("history"), "--images", "10000"]);
    shell.ok(&["import", &shell.path("history")]);
    let running = shell.serve(&[]);
    let address = std::fs::read_to_string(shell.path("data/api.url")).unwrap();
    let address = address.trim().trim_start_matches("http://");
    let host = format!("Host: {address}\r\n");
    let unread = || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(connection, "POST /v1/backup HTTP/1.1\r\n{host}\r\n").unwrap();
        let mut status = [0; 12];
        connection.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        connection
    };
    let first = unread();
    let answer = ask(address, "POST", &host);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"busy\""), "{answer}");
    shell.ok(&["apply", "-f", &shell.path("classes.yaml")]);
    drop(first);
    // The command asks again until the place is free.
    shell.ok(&["backup", &shell.path("copy")]);
    assert_eq!(shell.ok(&["get", "classes", "-o", "name", "--data-dir", &shell.path("copy")]), "base\n");
    let _unread = unread();
    assert!(running.stop());
    assert_whole(&shell, &shell.path("data"));
}

#[test]
fn without_a_process_the_command_copies_the_log_itself() {
    let shell = Shell::new();
    let copy = shell.path("to/copy");
    shell.ok(&["backup", &copy]);
    assert_whole(&shell, &copy);
    let ask = ["get", "tags", "--class", "base", "-o", "json"];
    assert_eq!(shell.ok(&[&ask[..], &["--data-dir", &copy]].concat()), shell.ok(&ask));
    assert_eq!(lineage(&shell, &copy), lineage(&shell, &shell.path("data")));
    let (code, told) = Shell::empty().fails(&["backup", &copy]);
    assert!(code == 3 && told.contains("there is no data in"), "{told}");
}

#[test]
fn a_restored_copy_is_a_log_of_its_own() {
    let shell = Shell::new();
    let running = shell.serve(&[]);
    let copy = shell.path("copy");
    shell.ok(&["backup", &copy]);
    // Nothing in the copy leads to the process that has made it.
    shell.ok(&["delete", "class", "base", "--data-dir", &copy]);
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    let restored = shell.serve(&["--data-dir", &copy]);
    assert_eq!(shell.ok(&["get", "classes", "-o", "name", "--data-dir", &copy]), "");
    assert!(restored.stop() && running.stop());
    // Snapshots of the log that went on are not taken for those of the copy.
    std::fs::rename(shell.path("copy/log.redb"), shell.path("data/log.redb")).unwrap();
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "");
    assert_eq!(shell.ok(&["get", "images", "-o", "name"]).lines().count(), 8);
}

#[test]
fn the_trail_of_the_original_goes_on_beside_its_copy() {
    let shell = Shell::new();
    let running = shell.serve(&["--audit"]);
    shell.ok(&["delete", "class", "base"]);
    let copy = shell.path("copy");
    shell.ok(&["backup", &copy]);
    assert!(running.stop());
    assert!(!Path::new(&copy).join("audit").exists());
    let restored = shell.serve(&["--data-dir", &copy, "--audit-dir", &shell.path("data/audit")]);
    shell.ok(&["apply", "-f", &shell.path("classes.yaml"), "--data-dir", &copy]);
    let audit = |action: &str| shell.ok(&["audit", action, "--audit-dir", &shell.path("data/audit")]);
    let shown = || shell.ok(&["audit", "show", "-o", "json", "--audit-dir", &shell.path("data/audit")]);
    let deadline = Instant::now() + PATIENCE;
    while shown().matches("\"class.created\"").count() < 2 {
        assert!(Instant::now() < deadline, "{}", shown());
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert!(restored.stop());
    assert!(!shown().contains("made anew"), "the copy is taken for another log: {}", shown());
    assert!(audit("verify").contains("verified: everything is as it was written"));
}

#[test]
fn a_backup_over_a_log_is_refused_and_changes_nothing() {
    let (shell, other) = (Shell::new(), Shell::new());
    let there = other.path("data");
    let before = std::fs::read(other.path("data/log.redb")).unwrap();
    let refused = |dir: &str| {
        let (code, told) = shell.fails(&["backup", dir]);
        assert_eq!(code, 1, "{told}");
        assert!(
            told.contains("is there already") && told.contains("name a directory that has none"),
            "{told}"
        );
    };
    refused(&there);
    refused(&shell.path("data"));
    let running = shell.serve(&[]);
    refused(&there);
    refused(&shell.path("data"));
    assert!(running.stop());
    assert!(std::fs::read(other.path("data/log.redb")).unwrap() == before, "the log was changed");
    assert_eq!(names(&there).iter().filter(|name| name.ends_with(".new")).count(), 0);
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
}

/// The end of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Proper,
    /// The connection is closed, as by a process that is killed.
    Closed,
    /// Nothing more comes.
    Silence,
}

/// A process that sends these bytes as a copy.
fn sending(bytes: Vec<u8>, end: End) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (connection, bytes) = (connection.unwrap(), bytes.clone());
            // A client may ask on another connection while this one is open.
            std::thread::spawn(move || send(connection, &bytes, end));
        }
    });
    address
}

/// Answers the requests of a connection.
fn send(mut connection: TcpStream, bytes: &[u8], end: End) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
    while let Some(asked) = lines.next() {
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        if asked.starts_with("GET /healthz") {
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell").unwrap();
            continue;
        }
        assert!(asked.starts_with("POST /v1/backup"), "{asked}");
        let head = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", bytes.len());
        // A client that has seen a damage closes the connection, and another one may come.
        if connection.write_all(&[head.as_bytes(), bytes, b"\r\n"].concat()).is_err() {
            return;
        }
        match end {
            End::Proper if connection.write_all(b"0\r\n\r\n").is_err() => return,
            End::Proper => {}
            // The client may have closed it first.
            End::Closed => drop(connection.shutdown(Shutdown::Both)),
            // The connection stays open.
            End::Silence => {}
        }
    }
}

/// The bytes that a copy of a data directory consists of.
fn sent(shell: &Shell) -> Vec<u8> {
    let log = EmbeddedLog::open(shell.dir.path().join("data").as_path(), Options::default()).unwrap();
    let mut sent = Vec::new();
    // A failure is part of what is sent.
    let _ = log.copies().unwrap().copy(&mut |piece| {
        sent.extend_from_slice(piece);
        Ok(())
    });
    sent
}

/// Waits until the command has begun its file.
fn wait_for_file(child: &mut Child, dir: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !Path::new(dir).exists() || !names(dir).iter().any(|name| name.ends_with(".new")) {
        assert_eq!(child.try_wait().unwrap(), None, "it does not wait for the rest");
        assert!(Instant::now() < deadline, "no file is begun");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_backup_that_is_killed_in_the_middle_leaves_nothing_that_opens_and_the_next_one_works() {
    let shell = Shell::new();
    let whole = sent(&shell);
    let server = sending(whole[..whole.len() / 2].to_vec(), End::Silence);
    let copy = shell.path("copy");
    let mut child =
        shell.command(&["backup", &copy, "--server", &server]).stderr(Stdio::null()).spawn().unwrap();
    wait_for_file(&mut child, &copy);
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, told) = shell.fails(&["get", "images", "--data-dir", &copy]);
    assert!(code == 3 && told.contains("there is no data in"), "{told}");
    shell.ok(&["backup", &copy]);
    assert_eq!(names(&copy), [FILE], "what the killed command has left is gone");
    assert_whole(&shell, &copy);
}

#[test]
fn a_copy_that_breaks_off_is_an_error_and_nothing_of_it_is_kept() {
    let shell = Shell::new();
    let whole = sent(&shell);
    let copy = shell.path("copy");
    for (end, expected) in
        [(End::Proper, "the copy broke off before its end"), (End::Closed, "the answer broke off")]
    {
        let server = sending(whole[..whole.len() / 2].to_vec(), end);
        let (code, told) = shell.fails(&["backup", &copy, "--server", &server]);
        assert!(code == 1 && told.contains(expected), "{told}");
        assert_eq!(names(&copy), [] as [&str; 0]);
    }
    let server = sending(whole, End::Proper);
    shell.ok(&["backup", &copy, "--server", &server]);
    assert_whole(&shell, &copy);
}

#[test]
fn a_damaged_record_ends_a_backup_with_its_place() {
    let shell = Shell::new();
    super::damaged::damage(&shell, &digest("app1conf").to_string());
    let copy = shell.path("copy");
    let server = sending(sent(&shell), End::Proper);
    for from in [&[][..], &["--server", &server]] {
        let (code, told) = shell.fails(&[&["backup", &copy][..], from].concat());
        assert_eq!(code, 1, "{told}");
        let is_told = told.contains("begins with images[") && told.contains("is not what was written");
        assert!(is_told && told.contains("`clade log check --data-dir "), "{told}");
        assert_eq!(names(&copy), [] as [&str; 0]);
    }
}

#[test]
fn a_damaged_record_ends_a_backup_of_a_clade_that_runs_and_the_clade_goes_on() {
    let shell = Shell::empty();
    shell.ok(&["generate", &shell.path("history"), "--images", "10000"]);
    shell.ok(&["import", &shell.path("history")]);
    let images = std::fs::read_to_string(shell.path("history/images.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(images.lines().next().unwrap()).unwrap();
    // With snapshots, the process does not read the record itself.
    super::damaged::change(&shell, first["digest"].as_str().unwrap());
    let running = shell.serve(&[]);
    let copy = shell.path("copy");
    let (code, told) = shell.fails(&["backup", &copy]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("the block of records ") && told.contains("is not what was written"), "{told}");
    assert_eq!(names(&copy), [] as [&str; 0]);
    assert_eq!(shell.ok(&["get", "images", "-o", "name"]).lines().count(), 10_000);
    assert!(running.stop());
}

/// The status of a request for a copy, and the beginning of its answer.
fn ask(address: &str, method: &str, head: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(connection, "{method} /v1/backup HTTP/1.1\r\n{head}Connection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn strangers_without_the_token_get_no_copy() {
    let shell = Shell::new();
    let token = super::asked::token(&shell, "backups", &["command"]);
    let running = shell.serve(&["--tokens-file", &shell.path("tokens")]);
    let address = std::fs::read_to_string(shell.path("data/api.url")).unwrap();
    let address = address.trim().trim_start_matches("http://");
    let as_from = |host: &str, token: &str| format!("Host: {host}\r\nAuthorization: Bearer {token}\r\n");
    for (head, status) in [
        ("Host: clade.clade.svc\r\n".to_owned(), 401),
        (as_from("clade.clade.svc", "sesam"), 401),
        (as_from("evil.example", &token), 421),
        ("Host: evil.example\r\nOrigin: http://localhost\r\n".to_owned(), 421),
    ] {
        let answer = ask(address, "POST", &head);
        let refused = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&refused) && answer.contains("\"forbidden\""), "{answer}");
        assert!(answer.len() < 1_000, "{answer}");
    }
    let with_token = as_from("clade.clade.svc", &token);
    let answer = ask(address, "POST", &with_token);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.len() > 2_000, "{}", answer.len());
    assert!(ask(address, "GET", &with_token).starts_with("HTTP/1.1 405 "));
    assert!(running.stop());
}

#[test]
fn a_cluster_is_not_backed_up_and_the_message_says_who_does_that() {
    let shell = Shell::empty();
    let (code, told) = shell.fails(&["backup", &shell.path("copy"), "--kafka", "127.0.0.1:1"]);
    assert!(code == 2 && told.contains("MirrorMaker"), "{told}");
    assert!(!Path::new(&shell.path("copy")).exists());
}
