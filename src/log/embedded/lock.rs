//! Who has the log open. The lock itself is redb's; this file only tells whom to look for.

use std::path::{Path, PathBuf};

/// Notes this process beside the log for as long as it lives.
pub(super) struct Owner {
    path: PathBuf,
}

impl Owner {
    pub(super) fn note(dir: &Path, command: &str) -> Self {
        let path = path(dir);
        // Only a hint for the message that another process will print: not worth failing for.
        let _ = std::fs::write(&path, format!("{} ({command})", std::process::id()));
        Self { path }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The process that has the log in `dir` open, as far as it is known.
pub(super) fn owner(dir: &Path) -> String {
    match std::fs::read_to_string(path(dir)) {
        Ok(owner) if !owner.is_empty() => format!("process {owner}"),
        _ => "another process".to_owned(),
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("log.owner")
}
