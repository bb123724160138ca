//! Tests that the programs in `examples/` do what they say.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::help::{clade, run};
use super::reference::{Running, eventually};

/// Returns the path of an example. `cargo test` builds it; if only some tests were built, this function builds it.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples").join(name);
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--locked", "--example", name]).arg("--target-dir");
        build.arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "cargo cannot build the example {name}");
    }
    path
}

/// Returns a data directory with a made-up registry whose year is over.
fn registry() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--images", "800", "--data-dir", dir.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dir
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn outdated_tags(running: &Running) -> String {
    let arguments =
        ["get", "tags", "--class", "openjdk8", "--state", "outdated", "-o", "name", "--server", &running.url];
    output(&mut clade(&arguments))
}

#[test]
fn the_examples_subscribe_and_ask() {
    let dir = registry();
    let subscribed = output(Command::new(example("subscribe")).arg(dir.path()).arg("openjdk8"));
    assert!(subscribed.lines().any(|line| line.contains(" is outdated: ")), "{subscribed}");

    let running = Running::start(dir.path(), &[]);
    let asked = output(Command::new(example("ask")).args([&running.url, "openjdk8"]));
    assert!(!asked.is_empty());
    assert_eq!(asked, outdated_tags(&running));
    let refused = Command::new(example("ask")).args([&running.url, "nobody"]).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("404") && told.contains("nobody"), "{told}");
}

/// The receiver, and its output.
struct Receiver(Child, Lines<BufReader<ChildStdout>>);

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Receiver {
    /// Starts the receiver. Returns it with the address at which it listens.
    fn start(secret: &Path) -> (Self, String) {
        let mut command = Command::new(example("webhook"));
        let mut child = command.arg("127.0.0.1:0").arg(secret).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.strip_prefix("listening on ").unwrap().to_owned();
        (Self(child, lines), url)
    }
}

#[test]
fn the_receiver_of_webhooks_takes_what_is_signed_and_refuses_what_is_not() {
    let dir = registry();
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    std::fs::write(&ours, "whsec_c2VzYW1l\n").unwrap();
    std::fs::write(&theirs, "another\n").unwrap();
    for (secret, expected) in [(&ours, "rebuild \""), (&theirs, "refused: the signature is wrong")] {
        let (mut receiver, url) = Receiver::start(secret);
        let running =
            Running::start(dir.path(), &["--sink", &url, "--sink-secret-file", ours.to_str().unwrap()]);
        eventually("a rebuild has begun", || {
            let asked = ["rebuild", "--class", "openjdk8", "--notify", "--server", &running.url];
            run(&asked).status.success().then_some(())
        });
        let line = receiver.1.next().unwrap().unwrap();
        assert!(line.starts_with(expected), "{line}");
    }
}
