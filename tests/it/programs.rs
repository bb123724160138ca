//! Programs of others that ask: the requests that documents show, what stock tools make of the API's description, and a
//! browser.

mod browser;
mod cluster;
mod prometheus;

use std::path::Path;
use std::process::Command;

use crate::documents::help::clade;
use crate::documents::markdown::documents;
use crate::documents::reference::Running;

/// The address that documents name.
const ADDRESS: &str = "http://127.0.0.1:7878";

/// `clade run` on the demo's data.
struct Demo {
    dir: tempfile::TempDir,
    running: Running,
}

impl Demo {
    fn start() -> Self {
        let dir = made();
        let running = Running::start(dir.path(), &["--listen", "127.0.0.1:0"]);
        Self { dir, running }
    }
}

/// A folder with the demo's data.
fn made() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    ok(&["demo", "--data-dir", dir.path().to_str().unwrap()]);
    dir
}

/// The output of the program, which has to succeed.
fn ok(arguments: &[&str]) -> String {
    let ran = clade(arguments).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// A command of a document, which may go on over lines that end in a backslash, and what it prints.
fn commands(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((command, _))) if goes_on => *command += &format!("\n{line}"),
            (None, Some((_, output))) => *output += &format!("{line}\n"),
            (None, None) => panic!("output before any command: {line}"),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}

#[test]
#[ignore = "needs curl and Python: make test"]
fn the_requests_that_documents_show_are_answered_as_they_show() {
    let demo = Demo::start();
    let mut shown = 0;
    for document in documents() {
        for block in document.blocks().iter().filter(|block| block.language == "shell-session") {
            for (command, output) in commands(&block.text) {
                let there = command.replace(ADDRESS, &demo.running.url);
                assert!(there != command, "{}: {command} asks nobody", document.name);
                let run = Command::new("bash").args(["-c", &there]).output().unwrap();
                assert!(
                    run.status.success(),
                    "{command}: {}{}",
                    String::from_utf8_lossy(&run.stdout),
                    String::from_utf8_lossy(&run.stderr)
                );
                assert_eq!(String::from_utf8(run.stdout).unwrap(), output, "{}: {command}", document.name);
                shown += 1;
            }
        }
    }
    assert!(shown >= 6, "documents show requests");
}

#[test]
#[ignore = "needs Python: make test"]
fn answers_are_as_the_description_says_and_a_generated_client_lists_pages_and_watches() {
    let demo = Demo::start();
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/check.sh");
    let checked = Command::new(check).arg(&demo.running.url).output().unwrap();
    let told = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{told}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(told.contains("the generated client has listed"), "{told}");
}
