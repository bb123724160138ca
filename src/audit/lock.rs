//! Locks a trail's directory: one auditor per directory.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::AuditError;

const FILE: &str = "audit.lock";
/// Time for which a lock is retried. A process that only checks the lock holds it for far less.
const PATIENCE: Duration = Duration::from_millis(200);

/// The lock, held until it is dropped. The operating system releases it when the process ends, even if it is killed.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of an existing directory.
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
        // A failure here is ignored: the text is only a hint for the message above.
        let _ = file.set_len(0);
        let _ = write!(file, "{} ({command})", std::process::id());
        Ok(Self { _file: file })
    }

    /// Returns `true` if an auditor writes there now. The check takes a shared lock for a moment.
    pub(super) fn is_held(dir: &Path) -> bool {
        let Ok(file) = File::open(dir.join(FILE)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// Retries for a moment.
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
