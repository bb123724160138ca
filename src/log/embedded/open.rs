//! Opens the file, and reports every way in which that can fail.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable};

use super::birth;
use super::tables::{META, PARTITIONS, RECORDS, topic};
use super::writer::{QUEUE, WriterThread};
use super::{EmbeddedLog, LogError, Shared, lock};
use crate::log::TopicPartition;

pub(super) const FILE: &str = "log.redb";
const FORMAT: u64 = 1;
/// Few, since one machine has few cores; more than two, so that processors share partitions evenly.
const DEFAULT_PARTITIONS: u16 = 4;
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
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(&path)
        .map_err(|error| cannot_open(dir, &path, error))?;
    let storage = |error: redb::Error| LogError::caused(format!("cannot read {}", path.display()), error);
    let partitions = check_meta(&database, &path, options.partitions)?;
    let mut ends = HashMap::new();
    let read = database.begin_read().map_err(|error| storage(error.into()))?;
    let table = read.open_table(PARTITIONS).map_err(|error| storage(error.into()))?;
    for entry in table.iter().map_err(|error| storage(error.into()))? {
        let (key, value) = entry.map_err(|error| storage(error.into()))?;
        let ((number, partition), (end, ..)) = (key.value(), value.value());
        if let Some(topic) = topic(number) {
            ends.insert(TopicPartition { topic, partition }, end);
        }
    }
    drop(table);
    drop(read);
    let shared = Arc::new(Shared {
        database,
        ends: Mutex::new(ends),
        committed: Condvar::new(),
        epochs: Mutex::default(),
        _owner: lock::Owner::note(dir, &options.command),
    });
    let (queue, requests) = std::sync::mpsc::sync_channel(QUEUE);
    let thread = WriterThread { shared: Arc::clone(&shared), requests, clock: options.clock };
    let thread = std::thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || thread.run())
        .map_err(|error| LogError::caused("cannot start the log's thread", error))?;
    Ok(EmbeddedLog { shared, partitions, queue: Some(queue), thread: Some(thread) })
}

/// Reads what the log was made with, or notes it in a new one. Returns the number of partitions.
pub(super) fn check_meta(database: &Database, path: &Path, asked: Option<u16>) -> Result<u16, LogError> {
    let storage = |error: redb::Error| LogError::caused(format!("cannot write {}", path.display()), error);
    let transaction = database.begin_write().map_err(|error| storage(error.into()))?;
    let partitions = {
        let mut meta = transaction.open_table(META).map_err(|error| storage(error.into()))?;
        let stored = |meta: &redb::Table<'_, &str, u64>, name| {
            meta.get(name)
                .map(|value| value.map(|value| value.value()))
                .map_err(|error| storage(error.into()))
        };
        match stored(&meta, "format")? {
            None => {
                meta.insert("format", FORMAT).map_err(|error| storage(error.into()))?;
                let partitions = asked.unwrap_or(DEFAULT_PARTITIONS).max(1);
                meta.insert("partitions", u64::from(partitions)).map_err(|error| storage(error.into()))?;
                partitions
            }
            Some(FORMAT) => {
                let stored = stored(&meta, "partitions")?.and_then(|stored| u16::try_from(stored).ok());
                let stored = stored.filter(|stored| *stored > 0).ok_or_else(|| {
                    LogError::Incompatible(format!(
                        "{} does not say how many partitions it has",
                        path.display()
                    ))
                })?;
                if let Some(asked) = asked.filter(|asked| *asked != stored) {
                    return Err(LogError::Incompatible(format!(
                        "{} has {stored} partitions and cannot be opened with {asked}: leave --partitions out, or \
                         import into a new data directory",
                        path.display()
                    )));
                }
                stored
            }
            Some(found) => {
                return Err(LogError::Incompatible(format!(
                    "{} has format {found}, and this version of clade reads format {FORMAT}: use the version that \
                     wrote it, or import into a new data directory",
                    path.display()
                )));
            }
        }
    };
    transaction.open_table(RECORDS).map_err(|error| storage(error.into()))?;
    transaction.open_table(PARTITIONS).map_err(|error| storage(error.into()))?;
    transaction.commit().map_err(|error| storage(error.into()))?;
    Ok(partitions)
}

pub(super) fn cannot_open(dir: &Path, path: &Path, error: DatabaseError) -> LogError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => LogError::InUse(format!(
            "the data directory {} is in use by {}; stop it first, or choose another with --data-dir",
            dir.display(),
            lock::owner(dir)
        )),
        DatabaseError::UpgradeRequired(version) => LogError::Incompatible(format!(
            "{} is a redb file of format {version}, which this version of clade cannot read",
            path.display()
        )),
        error => LogError::storage(format!(
            "cannot open {}: {error}; if the file is damaged, move it away and import again",
            path.display()
        )),
    }
}
