//! Names the process that has the log open. The lock itself is redb's; this file only says which process holds it.

use std::path::{Path, PathBuf};

/// Writes this process's ID beside the log and removes it when dropped.
pub(super) struct Owner {
    path: PathBuf,
}

impl Owner {
    pub(super) fn note(dir: &Path, command: &str) -> Self {
        let path = path(dir);
        // A failure is ignored: the text is only a hint for the message of another process.
        let _ = std::fs::write(&path, format!("{} ({command})", std::process::id()));
        Self { path }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The process that has the log in `dir` open, if known.
pub(super) fn owner(dir: &Path) -> String {
    match std::fs::read_to_string(path(dir)) {
        Ok(owner) if !owner.is_empty() => format!("process {owner}"),
        _ => "another process".to_owned(),
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("log.owner")
}
