//! Commands beside a clade that runs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use clade::http::signature::hmac;
use clade::log::embedded::{EmbeddedLog, Options};
use serde_json::json;

use super::shell::{Running, Shell};
use crate::support::digest;

#[test]
fn while_clade_runs_other_commands_ask_it_and_nobody_else_opens_its_data() {
    let shell = Shell::new();
    let alone = shell.ok(&["get", "images", "-o", "json"]);
    let running = shell.serve(&[]);
    assert_eq!(shell.ok(&["get", "images", "-o", "json"]), alone);
    assert_eq!(shell.ok(&["delete", "class", "base"]), "imageclass.clade.dev/base deleted\n");
    assert_eq!(shell.json(&["get", "classes", "-o", "json"])["items"], json!([]));
    let (code, message) = shell.fails(&["import", &shell.path("registry")]);
    assert_eq!(code, 4, "{message}");
    assert!(message.contains(&format!("process {} (clade run)", running.0.id())), "{message}");
    assert!(!message.contains("trying again"), "it runs on: {message}");
    assert!(running.stop());
    assert_eq!(shell.json(&["get", "classes", "-o", "json"])["items"], json!([]));
}

#[test]
fn while_clade_runs_it_takes_in_what_is_added_to_its_sources() {
    let shell = Shell::empty();
    let _running = shell.serve(&["--from", &shell.path("registry")]);
    let images = || shell.ok(&["get", "images", "-o", "name"]).lines().count();
    let until = |expected: usize| {
        let deadline = Instant::now() + Duration::from_secs(120);
        while images() != expected {
            assert!(Instant::now() < deadline, "{} images instead of {expected}", images());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    };
    until(8);
    let more =
        json!({"repository": "shop/more", "digest": digest("more"), "layers": [{"digest": digest("A")}]});
    std::fs::write(shell.path("registry/more.jsonl"), more.to_string()).unwrap();
    until(9);
}

#[test]
fn a_source_that_is_missing_at_the_start_is_reported() {
    let shell = Shell::empty();
    let missing = shell.path("not there");
    let mut command = shell.command(&["run", "--listen", "127.0.0.1:0", "--from", &missing]);
    let mut running = Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    let (out, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| out.send(line)));
    let next = || told.recv_timeout(Duration::from_secs(60)).expect("clade reports the missing source");
    while !next().contains(&format!("cannot read {missing}")) {}
}

#[test]
fn a_run_that_was_killed_is_no_obstacle_to_the_next() {
    let shell = Shell::new();
    drop(shell.serve(&[]));
    assert!(shell.dir.path().join("data/api.url").exists(), "it had no time to tidy up");
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    assert!(shell.serve(&[]).stop());
}

#[test]
fn whoever_listens_where_a_killed_run_has_listened_is_not_taken_for_it() {
    let (shell, other) = (Shell::new(), Shell::empty());
    let killed = shell.serve(&[]);
    let address = std::fs::read_to_string(shell.path("data/api.url")).unwrap();
    drop(killed);
    let listen = address.strip_prefix("http://").unwrap();
    let _other = other.serve(&["--listen", listen]);
    assert_eq!(std::fs::read_to_string(other.path("data/api.url")).unwrap(), address);
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    assert_eq!(other.ok(&["get", "classes", "-o", "name"]), "");
}

#[test]
fn a_run_that_listens_everywhere_takes_commands_from_its_own_machine() {
    let shell = Shell::new();
    let running = shell.serve(&["--listen", "0.0.0.0:0", "--insecure"]);
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    assert!(shell.ok(&["delete", "class", "base"]).contains("deleted"));
    assert!(running.stop());
}

/// A command that has said that it waits for the data directory.
fn waiting(shell: &Shell, args: &[&str]) -> Child {
    let mut child = shell.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert!(told.starts_with("another command has /"), "{told:?}");
    child
}

/// The first line that a command prints.
fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_run_that_is_started_while_a_command_has_its_data_waits_for_it() {
    let shell = Shell::new();
    let held = EmbeddedLog::open(shell.dir.path().join("data").as_path(), Options::default()).unwrap();
    let mut run = waiting(&shell, &["run"]);
    drop(held);
    let url = first_line(&mut run);
    assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
    assert!(Running(run).stop());
}

#[test]
fn a_question_waits_for_another_command_and_asks_whoever_serves_meanwhile() {
    let shell = Shell::new();
    let held = EmbeddedLog::open(shell.dir.path().join("data").as_path(), Options::default()).unwrap();
    let mut asked = waiting(&shell, &["get", "classes", "-o", "name"]);
    let key = "0123456789abcdef".repeat(4);
    std::fs::write(shell.path("data/api.key"), &key).unwrap();
    let looks = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&looks);
    let stranger = serving("another key", move |path| {
        assert_eq!(path, "/healthz", "whoever serves something else is not asked");
        told.fetch_add(1, Ordering::Relaxed);
        (StatusCode::OK, "well")
    });
    std::fs::write(shell.path("data/api.url"), stranger).unwrap();
    while looks.load(Ordering::Relaxed) < 2 {
        assert_eq!(asked.try_wait().unwrap(), None, "it does not wait any more");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    std::fs::write(shell.path("data/api.url"), serving(&key, well_and(|| NONE))).unwrap();
    assert_eq!(first_line(&mut asked), "");
    assert!(asked.wait().unwrap().success());
    std::fs::remove_file(shell.path("data/api.url")).unwrap();
    let mut asked = waiting(&shell, &["get", "classes", "-o", "name"]);
    drop(held);
    assert_eq!(first_line(&mut asked), "base\n");
    assert!(asked.wait().unwrap().success());
}

/// No class.
const NONE: (StatusCode, &str) =
    (StatusCode::OK, r#"{"apiVersion": "clade.dev/v1alpha1", "kind": "List", "items": []}"#);

type Said = (StatusCode, &'static str);

/// Says that it is well, and answers everything else.
fn well_and(answer: impl Fn() -> Said + Clone) -> impl Fn(&str) -> Said + Clone {
    move |path| if path == "/healthz" { (StatusCode::OK, "well") } else { answer() }
}

/// Where something answers that has this key.
fn serving(key: &str, answer: impl Fn(&str) -> Said + Clone + Send + Sync + 'static) -> String {
    let (told, address) = std::sync::mpsc::channel();
    let key = key.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let answer = move |request: Request| {
                let (status, body) = answer(request.uri().path());
                let challenge = request.headers().get("clade-challenge").map_or(&b""[..], |of| of.as_bytes());
                let identity = hmac(key.as_bytes(), challenge).map(|byte| format!("{byte:02x}")).concat();
                std::future::ready((status, [("clade-identity", identity)], body))
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
    });
    address.recv().unwrap()
}

const PROBLEM_NOT_YET: &str = r#"{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "not yet", "code": "not-ready"}"#;
const PROBLEM_NO_REBUILD: &str = r#"{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no rebuild a-1", "code": "not-found"}"#;

#[test]
fn a_command_that_comes_too_early_is_given_again() {
    let shell = Shell::empty();
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = well_and(move || match asked.fetch_add(1, Ordering::Relaxed) {
        0 => (StatusCode::SERVICE_UNAVAILABLE, PROBLEM_NOT_YET),
        _ => (StatusCode::NOT_FOUND, PROBLEM_NO_REBUILD),
    });
    let server = serving("", answer);
    let (code, told) = shell.fails(&["rebuild", "pause", "a-1", "--server", &server]);
    assert_eq!((code, told.as_str()), (3, "not yet (trying again for up to 30 s)\nerror: no rebuild a-1\n"));
}

#[test]
fn a_watch_that_the_server_ends_with_an_error_fails() {
    let shell = Shell::empty();
    let ends = "{\"type\":\"BOOKMARK\",\"object\":{}}\n{\"type\":\"ERROR\",\"object\":{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"class \\\"nope\\\" not found\",\"code\":\"not-found\"}}\n";
    let server = serving("", well_and(move || (StatusCode::OK, ends)));
    let output = shell.run(&["get", "images", "--watch", "--server", &server]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), told.as_str()), (Some(1), "error: class \"nope\" not found\n"));
}

#[test]
fn what_something_between_says_is_not_taken_for_clades_own_word() {
    let shell = Shell::empty();
    let between = well_and(|| (StatusCode::SERVICE_UNAVAILABLE, "<html>try later</html>"));
    let server = serving("", between);
    let (code, told) = shell.fails(&["rebuild", "pause", "a-1", "--server", &server]);
    assert!(code == 1 && told.contains("answers 503 Service Unavailable: <html>try later"), "{told}");
    assert!(!told.contains("trying again"), "{told}");
}
