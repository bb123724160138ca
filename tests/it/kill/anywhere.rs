//! The program, killed at random moments: while it makes its log, takes declarations, imports, and processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clade::record::ClassificationRecord;

use super::outputs;

/// Kills of one run; `CLADE_KILLS` makes more of them, `CLADE_KILL_SEED` others.
const KILLS: u32 = 30;
/// Kills of one data directory, the first of them while it is made.
const OF_A_DIRECTORY: u32 = 5;

const CLASSES: &str = r#"{"apiVersion": "clade.dev/v1alpha1", "kind": "ImageClass", "metadata": {"name": "os", "labels": {"os": "rhel7"}},
 "spec": {"from": {"kind": "ImageStreamTag", "namespace": "base", "name": "rhel7:latest"}}}"#;

struct Scene {
    input: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let input = tempfile::tempdir().unwrap();
        let registry = input.path().join("registry");
        let generated = Command::new(env!("CARGO_BIN_EXE_clade"))
            .args(["generate", "--images", "400", "--seed", "3", registry.to_str().unwrap()])
            .stderr(Stdio::null())
            .status();
        assert!(generated.unwrap().success());
        std::fs::write(input.path().join("classes.json"), CLASSES).unwrap();
        Self { input }
    }

    /// Begins the commands that take everything in.
    fn begin(&self, dir: &Path, step: usize) -> Child {
        let path = |name: &str| self.input.path().join(name).display().to_string();
        let command = match step {
            0 => vec!["apply".to_owned(), "-f".to_owned(), path("classes.json")],
            _ => vec!["import".to_owned(), path("registry")],
        };
        Command::new(env!("CARGO_BIN_EXE_clade"))
            .args(command)
            .args(["--data-dir", dir.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the commands to their ends.
    fn finish(&self, dir: &Path, at: &str) {
        for step in 0..2 {
            let output = self.begin(dir, step).wait_with_output().unwrap();
            assert!(output.status.success(), "{at}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Waits so long for the end of the process, or kills it. Returns `true` if it was killed.
fn killed_after(child: &mut Child, pause: Duration) -> bool {
    let deadline = Instant::now() + pause;
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        std::thread::park_timeout(Duration::from_micros(500));
    }
}

/// Returns `true` if a process was making the log there.
fn is_unfinished(data: &Path) -> bool {
    let files = std::fs::read_dir(data).into_iter().flatten().flatten();
    let names: Vec<_> = files.filter_map(|file| file.file_name().into_string().ok()).collect();
    names.iter().any(|name| name.ends_with(".new")) && names.iter().all(|name| name != "log.redb")
}

fn classifications(dir: &Path) -> BTreeMap<String, ClassificationRecord> {
    let found = outputs(dir).0;
    assert!(found.len() > 100, "a history in which something happens");
    found
}

#[test]
fn a_process_that_is_killed_at_any_moment_leaves_a_log_that_goes_on_to_the_same_end() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let kills: u32 = number("CLADE_KILLS", KILLS);
    let scene = Scene::new();
    let undisturbed = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    scene.finish(undisturbed.path(), "undisturbed");
    let takes = begun.elapsed();
    let expected = classifications(undisturbed.path());
    let (mut killed, mut births, mut round) = (0, 0, number("CLADE_KILL_SEED", 0));
    while killed < kills {
        round += 1;
        let random = &mut fastrand::Rng::with_seed(round.into());
        let dir = tempfile::tempdir().unwrap();
        // It does not exist before the first process makes it.
        let data = dir.path().join("data");
        for part in 0..OF_A_DIRECTORY {
            let step = if part == 0 { 0 } else { random.usize(0..2) };
            // A log is made within milliseconds.
            let longest = if part == 0 { Duration::from_millis(40) } else { takes };
            let mut child = scene.begin(&data, step);
            let was_killed = killed_after(&mut child, longest.mul_f64(random.f64()));
            killed += u32::from(was_killed);
            births += u32::from(was_killed && part == 0 && is_unfinished(&data));
        }
        let at = format!("CLADE_KILL_SEED={}", round - 1);
        scene.finish(&data, &at);
        assert!(classifications(&data) == expected, "{at}: other classifications than undisturbed");
    }
    println!("{killed} kills, {births} of them while a log was made: nothing lost");
}
