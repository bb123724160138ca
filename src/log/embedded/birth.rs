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
    let new = Unfinished::of(dir);
    let made = Store::open(
        new.path(),
        || Database::builder().create(new.path()),
        |error| cannot_open(dir, new.path(), error),
    )?;
    create(&made, partitions)?;
    drop(made);
    new.put(path)?;
    Ok(())
}

/// A file that is being made. It is removed when this is dropped.
pub(super) struct Unfinished {
    dir: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    /// Names a file in `dir`, which nobody else has. It does not exist yet.
    pub(super) fn of(dir: &Path) -> Self {
        let path = dir.join(format!("{FILE}.{}-{:08x}{NEW}", std::process::id(), fastrand::u32(..)));
        Self { dir: dir.to_owned(), path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, if no file has that name: a link, unlike a renaming, never replaces a file. Returns `false`
    /// if one has it.
    pub(super) fn put(self, path: &Path) -> Result<bool, LogError> {
        let linked = std::fs::hard_link(&self.path, path).or_else(|error| match error.kind() {
            // Some file systems have no links.
            std::io::ErrorKind::Unsupported | std::io::ErrorKind::PermissionDenied if !path.exists() => {
                std::fs::rename(&self.path, path)
            }
            _ => Err(error),
        });
        let is_ours = linked.is_ok();
        if let Err(error) = linked
            && !path.exists()
        {
            return Err(LogError::caused(format!("cannot make {}", path.display()), error));
        }
        if is_ours {
            sync(&self.dir)?;
        }
        // Once there is a log, files that killed processes have left are of no use to anybody. Before, another process may be
        // about to give its file the name.
        sweep(&self.dir);
        Ok(is_ours)
    }

    /// Gives the file a name that another file has, which is gone then. The caller has locked that one.
    pub(super) fn replace(self, path: &Path) -> Result<(), LogError> {
        std::fs::rename(&self.path, path)
            .map_err(|error| LogError::caused(format_args!("cannot replace {}", path.display()), error))?;
        sync(&self.dir)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn sync(dir: &Path) -> Result<(), LogError> {
    std::fs::File::open(dir)
        .and_then(|opened| opened.sync_all())
        .map_err(|error| LogError::caused(format!("cannot sync {}", dir.display()), error))
}

/// Removes the files that killed processes have left in a directory that has a log.
pub(super) fn sweep(dir: &Path) {
    for old in unfinished(dir) {
        // One that stays costs space only.
        let _ = std::fs::remove_file(old);
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
