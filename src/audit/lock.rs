//! One auditor a directory.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::AuditError;

const FILE: &str = "audit.lock";
/// Whoever only looks whether the lock is held has it for far less.
const PATIENCE: Duration = Duration::from_millis(200);

/// Held for as long as it lives. The operating system gives it back when the process ends, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory that is there.
    pub(super) fn take(dir: &Path, command: &str) -> Result<Self, AuditError> {
        let path = dir.join(FILE);
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&path)
            .map_err(|error| AuditError::file("open", &path, &error))?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = std::fs::read_to_string(&path).unwrap_or_default();
                let owner =
                    if owner.is_empty() { "another process".to_owned() } else { format!("process {owner}") };
                return Err(AuditError::InUse(format!(
                    "{owner} writes the audit trail in {}: one auditor a directory; stop it, or choose another with \
                     --audit-dir",
                    dir.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(AuditError::file("lock", &path, &error)),
        }
        // Only a hint for the message above: not worth failing for.
        let _ = file.set_len(0);
        let _ = write!(file, "{} ({command})", std::process::id());
        Ok(Self { _file: file })
    }

    /// Whether somebody writes there now. Who looks holds the lock for a moment, shared.
    pub(super) fn is_held(dir: &Path) -> bool {
        let Ok(file) = File::open(dir.join(FILE)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// Tries for a moment.
fn lock(file: &File) -> Result<(), TryLockError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                std::thread::park_timeout(PATIENCE.mul_f64(0.1 * fastrand::f64()));
            }
            outcome => return outcome,
        }
    }
}
