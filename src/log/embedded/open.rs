//! Opens the file, and reports every way in which that can fail.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use redb::Database;

use super::content::{FORMAT, extents};
use super::due::Due;
use super::fault::damaged;
use super::meta::{EMPTY, FILE, Found, cannot_open, found};
use super::recent::Recent;
use super::store::Store;
use super::writer::{PackingByTopic, QUEUE, WriterThread};
use super::{EmbeddedLog, LogError, Shared, birth, history, lock, upgrade};

/// Size of redb's page cache. Reads pass through the log once; data that is read repeatedly is in memory elsewhere.
const CACHE_BYTES: usize = 256 << 20;

/// The options of a log.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number of partitions of a new log (4 if `None`). For an existing log it must be the number that the log was
    /// created with.
    pub partitions: Option<u16>,
    /// The command of this process. Another process that wants the log shows it.
    pub command: String,
    /// The time in milliseconds since the Unix epoch.
    pub clock: fn() -> i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { partitions: None, command: "clade".to_owned(), clock: now }
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn open(dir: &Path, options: Options) -> Result<EmbeddedLog, LogError> {
    let path = dir.join(FILE);
    std::fs::create_dir_all(dir).map_err(|error| {
        LogError::storage(format!(
            "cannot make the data directory {}: {error}; choose another with --data-dir",
            dir.display()
        ))
    })?;
    if !path.exists() {
        birth::make(dir, &path, options.partitions)?;
    }
    // A log is made under another name, so a file of this name that has nothing was cut off. redb would make a new one of it.
    if std::fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
        return Err(damaged(&path, EMPTY));
    }
    let file = upgrade::FileId::of(&path)?;
    let mut store = open_file(dir, &path)?;
    let mut about = found(&store, options.partitions)?;
    if about.format != FORMAT {
        upgrade::upgrade(dir, &file, store, &about, &options.command)?;
        store = open_file(dir, &path)?;
        about = found(&store, options.partitions)?;
    }
    let Found { partitions, .. } = about;
    history::begin(&store, (options.clock)())?;
    let extents = store.read("cannot read the log", extents)?;
    let due = Due::of(&extents, (options.clock)());
    let ends = extents.into_iter().map(|(partition, extent)| (partition, extent.end)).collect();
    let shared = Arc::new(Shared {
        store,
        ends: Mutex::new(ends),
        committed: Condvar::new(),
        epochs: Mutex::default(),
        recent: Recent::default(),
        _owner: lock::Owner::note(dir, &options.command),
    });
    let (queue, requests) = std::sync::mpsc::sync_channel(QUEUE);
    let thread = WriterThread {
        shared: Arc::clone(&shared),
        requests,
        clock: options.clock,
        due,
        packing: PackingByTopic::default(),
    };
    let thread = std::thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || thread.run())
        .map_err(|error| LogError::caused("cannot start the log's thread", error))?;
    Ok(EmbeddedLog { shared, partitions, queue: Some(queue), thread: Some(thread) })
}

fn open_file(dir: &Path, path: &Path) -> Result<Store, LogError> {
    Store::open(
        path,
        || Database::builder().set_cache_size(CACHE_BYTES).create(path),
        |error| cannot_open(dir, path, error),
    )
}
