//! The program, as a person runs it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::rest;

fn clade(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
    command.args(args).arg("--data-dir").arg(dir).env_remove("CLADE_AUDIT_DIR").env_remove("CLADE_KAFKA");
    command
}

fn output(dir: &Path, args: &[&str]) -> Output {
    clade(dir, args).output().unwrap()
}

fn ok(dir: &Path, args: &[&str]) -> String {
    let output = output(dir, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A `clade run` with an audit, until it is dropped.
struct Running(Child);

impl Running {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child =
            clade(dir, &["run"]).args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http"), "it does not serve: {url:?}");
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        self.0.wait().unwrap();
    }
}

/// Looks until the trail has entries and no more come.
fn wait_for_entries(dir: &Path) {
    let (deadline, mut before) = (Instant::now() + Duration::from_secs(120), Vec::new());
    loop {
        let head = output(dir, &["audit", "head"]).stdout;
        if !head.is_empty() && head == before {
            return;
        }
        assert!(Instant::now() < deadline, "the trail has no end");
        before = head;
        rest(Duration::from_secs(1));
    }
}

#[test]
fn run_writes_a_trail_that_can_be_verified_shown_and_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = dir.join("key.pem");
    ok(dir, &["audit", "keygen", key.to_str().unwrap()]);
    ok(dir, &["generate", dir.join("registry").to_str().unwrap(), "--images", "60"]);
    ok(dir, &["import", dir.join("registry").to_str().unwrap()]);
    let classes = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/classes.yaml");
    ok(dir, &["apply", "-f", classes.to_str().unwrap()]);
    let running = Running::start(dir, &["--audit", "--audit-signing-key", key.to_str().unwrap()]);
    wait_for_entries(dir);
    let told = ok(dir, &["audit", "verify"]);
    assert!(told.contains("verified: everything is as it was written"), "{told}");

    // Another process may not write there.
    let mut second = clade(&dir.join("other"), &["run", "--audit-dir", dir.join("audit").to_str().unwrap()]);
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(4));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("one auditor a directory") && told.contains("clade run"), "{told}");
    drop(running);

    let head = ok(dir, &["audit", "head"]);
    let told = ok(dir, &["audit", "verify", "--head", head.trim()]);
    assert!(told.contains("compared with 1 heads"), "{told}");

    let shown = ok(dir, &["audit", "show", "--class", "rhel7", "-o", "json"]);
    let lines: Vec<Json> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["what"] == "class.created"), "{shown}");
    assert!(lines.iter().all(|line| line["class"] == "rhel7"));
    let image = lines.iter().find_map(|line| line["image"].as_str()).unwrap();
    let of_image = ok(dir, &["audit", "show", "--image", &image[..19]]);
    assert!(of_image.starts_with("TIME") && of_image.contains("image."), "{of_image}");
    let by_tag = ok(dir, &["audit", "show", "--image", "base/rhel7:latest", "--since", "1h", "--limit", "2"]);
    assert_eq!(by_tag.lines().count(), 3, "{by_tag}");
    assert_eq!(output(dir, &["audit", "show", "--image", "nothing:of-that-name"]).status.code(), Some(3));
    assert_eq!(output(dir, &["audit", "show", "--since", "yesterday"]).status.code(), Some(2));

    // What the replay says of now is what clade answers.
    let replayed: Json =
        serde_json::from_str(&ok(dir, &["audit", "replay", "--at", "0s", "-o", "json"])).unwrap();
    assert_eq!(replayed["complete"], true);
    let classes: Json = serde_json::from_str(&ok(dir, &["get", "classes", "-o", "json"])).unwrap();
    let replayed_summary = ok(dir, &["audit", "replay", "--at", "0s"]);
    for class in classes["items"].as_array().unwrap() {
        let name = class["metadata"]["name"].as_str().unwrap();
        let line = replayed_summary.lines().find(|line| line.starts_with(name)).unwrap();
        let numbers: Vec<u64> = line.split_whitespace().rev().take(2).map(|n| n.parse().unwrap()).collect();
        assert_eq!(Json::from(numbers[1]), class["status"]["members"], "{line}");
        assert_eq!(Json::from(numbers[0]), class["status"]["outdated"], "{line}");
    }
    assert!(!replayed["groups"].as_object().unwrap().is_empty());

    // And a line that is changed is found where it stands.
    let file = dir.join("audit/audit-00000000000000000001.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("image.entered", "image.left", 1)).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("image.entered")).unwrap();
    let found = output(dir, &["audit", "verify"]);
    assert_eq!(found.status.code(), Some(1));
    let told = String::from_utf8(found.stdout).unwrap();
    assert!(
        told.contains(&format!("audit-00000000000000000001.jsonl:{line}: the line was changed")),
        "{told}"
    );
}

#[test]
fn what_is_not_there_is_told_and_not_taken_for_an_empty_trail() {
    let dir = tempfile::tempdir().unwrap();
    for command in
        [&["audit", "verify"][..], &["audit", "show"], &["audit", "head"], &["audit", "replay", "--at", "1"]]
    {
        let told = output(dir.path(), command);
        assert_eq!(told.status.code(), Some(3), "{command:?}");
        assert!(String::from_utf8(told.stderr).unwrap().contains("there is no audit trail in"));
    }
    let told = output(dir.path(), &["run", "--audit-keep-days", "3"]);
    assert_eq!(told.status.code(), Some(2));
}

#[test]
fn a_key_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    ok(dir.path(), &["audit", "keygen", key.to_str().unwrap()]);
    let before = std::fs::read(&key).unwrap();
    assert_eq!(output(dir.path(), &["audit", "keygen", key.to_str().unwrap()]).status.code(), Some(1));
    assert_eq!(std::fs::read(&key).unwrap(), before);
}
