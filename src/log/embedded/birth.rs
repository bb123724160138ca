//! Creates a log under another name, and gives it its own name only when the file is whole. A process that is killed
//! meanwhile leaves a file behind that nobody opens, and that the next process removes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use redb::Database;

use super::meta::{FILE, cannot_open, create};
use super::store::Store;
use crate::log::LogError;

/// The end of the names of unfinished files.
const NEW: &str = ".new";

/// Creates the log at `path` in `dir`, unless another process is faster.
pub(super) fn make(dir: &Path, path: &Path, partitions: Option<u16>) -> Result<(), LogError> {
    let new = dir.join(format!("{FILE}.{}-{:08x}{NEW}", std::process::id(), fastrand::u32(..)));
    let made = make_at(dir, &new, partitions).and_then(|()| put(dir, &new, path));
    // Once there is a log, files that killed processes have left are of no use to anybody. Before, another process may be
    // about to give its file the name.
    let old = if made.is_ok() { unfinished(dir) } else { vec![new] };
    for old in old {
        // One that stays costs space only.
        let _ = std::fs::remove_file(old);
    }
    made
}

fn make_at(dir: &Path, new: &Path, partitions: Option<u16>) -> Result<(), LogError> {
    let store = Store::open(new, || Database::builder().create(new), |error| cannot_open(dir, new, error))?;
    create(&store, partitions)
}

/// Gives the file its name, if no file has that name: a link, unlike a renaming, never replaces a file.
fn put(dir: &Path, new: &Path, path: &Path) -> Result<(), LogError> {
    let linked = std::fs::hard_link(new, path).or_else(|error| match error.kind() {
        // Some file systems have no links.
        std::io::ErrorKind::Unsupported | std::io::ErrorKind::PermissionDenied if !path.exists() => {
            std::fs::rename(new, path)
        }
        _ => Err(error),
    });
    match linked {
        Err(error) if !path.exists() => {
            Err(LogError::caused(format!("cannot make {}", path.display()), error))
        }
        Err(_) => Ok(()),
        Ok(()) => std::fs::File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| LogError::caused(format!("cannot sync {}", dir.display()), error)),
    }
}

/// The files of `dir` that processes were making. Another process may still make one of them: it will find the log made.
fn unfinished(dir: &Path) -> Vec<PathBuf> {
    let is_new =
        |name: &OsStr| name.to_str().is_some_and(|name| name.starts_with(FILE) && name.ends_with(NEW));
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.file_name().is_some_and(is_new)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::log::Log as _;
    use crate::log::embedded::{EmbeddedLog, Options};

    #[test]
    fn a_file_that_a_killed_process_has_left_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("log.redb.17-0badcafe.new"), vec![0; 73_728]).unwrap();
        let options = || Options { partitions: Some(3), ..Options::default() };
        assert_eq!(EmbeddedLog::open(dir.path(), options()).unwrap().partitions(), 3);
        assert_eq!(unfinished(dir.path()), [] as [PathBuf; 0]);
        assert_eq!(EmbeddedLog::open(dir.path(), options()).unwrap().partitions(), 3);
    }

    #[test]
    fn of_two_that_make_a_log_at_once_the_second_finds_that_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        make(dir.path(), &path, Some(2)).unwrap();
        make(dir.path(), &path, Some(7)).unwrap();
        let log = EmbeddedLog::open(dir.path(), Options::default()).unwrap();
        assert_eq!(log.partitions(), 2, "no log is replaced");
    }
}
