//! The file of a log: its name, its format and number of partitions, and the errors of opening it.

use std::path::Path;

use redb::{Database, DatabaseError, ReadableTable as _};

use super::tables::{META, PARTITIONS, RECORDS};
use super::{LogError, lock};

pub(super) const FILE: &str = "log.redb";
const FORMAT: u64 = 1;
/// Few, since one machine has few cores; more than two, so that processors share partitions evenly.
const DEFAULT_PARTITIONS: u16 = 4;

/// Reads what the log was made with, or notes it in a new one. Returns the number of partitions.
pub(super) fn check_meta(database: &Database, path: &Path, asked: Option<u16>) -> Result<u16, LogError> {
    let storage = |error: redb::Error| LogError::caused(format!("cannot write {}", path.display()), error);
    let mut transaction = database.begin_write().map_err(|error| storage(error.into()))?;
    // As every other transaction: a file that is not closed properly must not need a long repair.
    transaction.set_quick_repair(true);
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
