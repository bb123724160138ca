//! The file of a log: its name, its format and number of partitions, and the errors of opening it.

use std::path::Path;

use redb::{DatabaseError, ReadTransaction, WriteTransaction};

use super::content::FORMAT;
use super::fault::{Fault, damaged, is_damage};
use super::history::{self, BEGINNING};
use super::store::Store;
use super::tables::{BLOCKS, EXTENTS, META};
use super::{LogError, lock};
use crate::checksum;

pub(super) const FILE: &str = "log.redb";
/// The problem of a file that has nothing. A log is made under another name, so the file had more.
pub(super) const EMPTY: &str = "it is empty";
/// The format of files without a checksum of what stands here.
const FIRST_FORMAT: u64 = 1;
/// Few, since one machine has few cores; more than two, so that processors share partitions evenly.
const DEFAULT_PARTITIONS: u16 = 4;

/// The statements of a file about itself.
pub(super) struct Found {
    pub(super) format: u64,
    pub(super) partitions: u16,
}

/// Makes the tables of a new log.
pub(super) fn create(store: &Store, asked: Option<u16>) -> Result<(), LogError> {
    let partitions = asked.unwrap_or(DEFAULT_PARTITIONS).max(1);
    store.write("cannot write the new log", |transaction| {
        note(transaction, partitions)?;
        transaction.open_table(BLOCKS)?;
        transaction.open_table(EXTENTS)?;
        history::put(transaction, BEGINNING)
    })?;
    Ok(())
}

/// Reads what the log was made with, and compares it with what was asked for.
pub(super) fn found(store: &Store, asked: Option<u16>) -> Result<Found, LogError> {
    let found = store.read("cannot read the log", |read| find(read, store.path()))?;
    match asked {
        Some(asked) if asked != found.partitions => {
            let stored = found.partitions;
            Err(LogError::Incompatible(format!(
                "{} has {stored} partitions and cannot be opened with {asked}: leave --partitions out, or import into a \
                 new data directory",
                store.path().display()
            )))
        }
        _ => Ok(found),
    }
}

fn find(read: &ReadTransaction, path: &Path) -> Result<Found, Fault> {
    let meta = read.open_table(META)?;
    let stored = |name: &str| -> Result<u64, Fault> {
        let value = meta.get(name)?.map(|value| value.value());
        value.ok_or_else(|| Fault::damaged(format_args!("it has lost its entry {name:?}")))
    };
    let format = stored("format")?;
    if !(FIRST_FORMAT..=FORMAT).contains(&format) {
        return Err(Fault::Log(LogError::Incompatible(format!(
            "{} has format {format}, and this version of clade reads the formats up to {FORMAT}: use the version that \
             wrote it, or import into a new data directory",
            path.display()
        ))));
    }
    let partitions = stored("partitions")?;
    if format != FIRST_FORMAT && stored("check")? != check(format, partitions) {
        return Err(Fault::damaged(format_args!(
            "its number of partitions, {partitions}, has another checksum"
        )));
    }
    match u16::try_from(partitions) {
        Ok(partitions @ 1..) => Ok(Found { format, partitions }),
        _ => Err(Fault::damaged(format_args!("it has a number of partitions that cannot be: {partitions}"))),
    }
}

fn note(transaction: &WriteTransaction, partitions: u16) -> Result<(), Fault> {
    let partitions = u64::from(partitions);
    let mut meta = transaction.open_table(META)?;
    for (name, value) in
        [("format", FORMAT), ("partitions", partitions), ("check", check(FORMAT, partitions))]
    {
        meta.insert(name, value)?;
    }
    Ok(())
}

fn check(format: u64, partitions: u64) -> u64 {
    u64::from(checksum::of(&[&format.to_le_bytes(), &partitions.to_le_bytes()]))
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
        error => {
            let error = redb::Error::from(error);
            if is_damage(&error) {
                return damaged(path, error);
            }
            LogError::storage(format!(
                "cannot open {}: {error}; if the file is damaged, put a backup in its place, or move it away and import again",
                path.display()
            ))
        }
    }
}
