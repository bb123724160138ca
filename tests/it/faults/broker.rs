//! A broker that is stopped and killed.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use super::process::{eventually_gone, signal};

/// A broker of this test's own, since it is stopped and killed.
pub(super) struct Broker(tempfile::TempDir);

impl Broker {
    pub(super) fn start() -> Self {
        let broker = Self(tempfile::tempdir().unwrap());
        broker.run(&["start", &broker.dir().display().to_string()]);
        broker
    }

    pub(super) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn run(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker.sh");
        // To a file: what the broker inherits must not keep a pipe of ours open.
        let log = File::create(self.dir().join("broker.log")).unwrap();
        let status = Command::new(script)
            .args(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap();
        let said = std::fs::read_to_string(self.dir().join("broker.log")).unwrap();
        assert!(status.success(), "broker.sh {arguments:?} failed: {said}");
    }

    pub(super) fn restart(&self, is_killed: bool) {
        let dir = self.dir().display().to_string();
        if is_killed {
            let pid = std::fs::read_to_string(self.dir().join("node1/pid")).unwrap();
            signal("KILL", pid.trim());
            eventually_gone(pid.trim());
        } else {
            self.run(&["stop", &dir]);
        }
        self.run(&["restart", &dir, "1"]);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.run(&["stop", &self.dir().display().to_string()]);
    }
}
