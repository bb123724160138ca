//! Processes that are paused and killed, and what they leave behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A `clade process`.
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) log: PathBuf,
    pub(super) snapshots: PathBuf,
}

impl Process {
    pub(super) fn signal(&self, name: &str) {
        signal(name, &self.child.id().to_string());
    }

    /// Its snapshots, as files.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.snapshots).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file is deleted, cut off or damaged.
pub(super) fn spoil(file: &Path, random: &mut fastrand::Rng) {
    let mut bytes = std::fs::read(file).unwrap();
    match random.u8(0..3) {
        0 => return std::fs::remove_file(file).unwrap(),
        1 => bytes.truncate(random.usize(0..=bytes.len())),
        _ => {
            let at = random.usize(0..bytes.len().max(1));
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(0..8));
        }
    }
    std::fs::write(file, bytes).unwrap();
}

pub(super) fn signal(name: &str, pid: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), pid]).stderr(Stdio::null()).status();
}

pub(super) fn eventually_gone(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    // One that has ended may stay in the table until somebody asks for it.
    let runs = || {
        std::fs::read_to_string(Path::new("/proc").join(pid).join("status"))
            .is_ok_and(|status| !status.contains("State:\tZ"))
    };
    while runs() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
