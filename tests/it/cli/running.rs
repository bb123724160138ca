//! Commands beside a clade that runs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::{Json, Router};
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
fn a_run_that_was_killed_is_no_obstacle_to_the_next() {
    let shell = Shell::new();
    drop(shell.serve(&[]));
    assert!(shell.dir.path().join("data/api.url").exists(), "it had no time to tidy up");
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    assert!(shell.serve(&[]).stop());
}

#[test]
fn a_run_that_listens_everywhere_takes_commands_from_its_own_machine() {
    let shell = Shell::new();
    let running = shell.serve(&["--listen", "0.0.0.0:0"]);
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
    let other = Shell::new();
    let _running = other.serve(&[]);
    let held = EmbeddedLog::open(shell.dir.path().join("data").as_path(), Options::default()).unwrap();
    let mut asked = waiting(&shell, &["get", "classes", "-o", "name"]);
    std::fs::copy(other.path("data/api.url"), shell.path("data/api.url")).unwrap();
    assert_eq!(first_line(&mut asked), "base\n");
    assert!(asked.wait().unwrap().success());
    std::fs::remove_file(shell.path("data/api.url")).unwrap();
    let mut asked = waiting(&shell, &["get", "classes", "-o", "name"]);
    drop(held);
    assert_eq!(first_line(&mut asked), "base\n");
    assert!(asked.wait().unwrap().success());
}

#[test]
fn what_is_only_just_being_made_is_no_data_yet() {
    let shell = Shell::empty();
    std::fs::create_dir(shell.path("data")).unwrap();
    std::fs::write(shell.path("data/log.redb"), "").unwrap();
    let (code, told) = shell.fails(&["get", "images"]);
    assert!(code == 3 && told.contains("there is no data in"), "{told}");
}

/// A clade that is asked too early the first time, and the second time has nothing of the kind; returns where it is.
fn not_yet() -> String {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let is_asked = Arc::new(AtomicBool::new(false));
            let answer = move |request: Request| {
                let answer = match request.uri().path() {
                    "/healthz" => (StatusCode::OK, "well"),
                    _ if is_asked.swap(true, Ordering::Relaxed) => (StatusCode::NOT_FOUND, "no rebuild a-1"),
                    _ => (StatusCode::SERVICE_UNAVAILABLE, "not yet"),
                };
                std::future::ready((answer.0, Json(json!({"error": answer.1}))))
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
    });
    address.recv().unwrap()
}

#[test]
fn a_command_that_comes_too_early_is_given_again() {
    let shell = Shell::empty();
    let (code, told) = shell.fails(&["rebuild", "pause", "a-1", "--server", &not_yet()]);
    assert_eq!((code, told.as_str()), (3, "not yet (trying again for up to 30 s)\nerror: no rebuild a-1\n"));
}
