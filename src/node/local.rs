//! Handles data directories: their log, their snapshots, and the address of the process that serves one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;

use super::NodeError;
use crate::engine::Engine;
use crate::log::LogError;
use crate::log::embedded::{EmbeddedLog, Options};
use crate::processor;
use crate::retry;
use crate::snapshot::Snapshots;
use crate::telemetry::Telemetry;

/// Interval of snapshots in processes that run on a data directory. A command takes its snapshot when it ends.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(300);

/// Time for which a command waits for another that has the data directory.
const PATIENCE: Duration = Duration::from_secs(10);
/// Delay between two attempts to open it.
const AGAIN: Duration = Duration::from_millis(200);

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// The file in which a running process writes the address of its API.
pub fn address_file(dir: &Path) -> PathBuf {
    dir.join("api.url")
}

/// The snapshots of a data directory.
pub fn snapshots_of(dir: &Path) -> PathBuf {
    dir.join("snapshots")
}

/// The key by which the commands on a data directory recognise the process that serves it: another process may listen at
/// the address of one that was killed. `None` if there is no whole key.
pub fn key(dir: &Path) -> Option<String> {
    let key = std::fs::read_to_string(key_file(dir)).ok()?;
    let is_whole = HEXLOWER.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
    is_whole.then_some(key)
}

/// Makes a new key for the process that begins to serve a data directory. The address of an earlier process goes first, so
/// that no client asks there for an answer under the new key.
pub fn make_key(dir: &Path) -> std::io::Result<String> {
    match std::fs::remove_file(address_file(dir)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)?;
    let key = HEXLOWER.encode(&bytes);
    // Nobody but the process that has the log writes it.
    std::fs::write(key_file(dir), &key)?;
    Ok(key)
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("api.key")
}

/// Returns `true` if the data directory has a log.
pub fn exists(dir: &Path) -> bool {
    EmbeddedLog::exists(dir)
}

/// Opens the log of a data directory, or creates it, for a command of this name. It waits for another command that has
/// the log while `is_passing` returns `true`.
pub fn open_log(
    dir: &Path,
    partitions: Option<u16>,
    command: &str,
    is_passing: impl Fn() -> bool,
) -> Result<EmbeddedLog, LogError> {
    let options = Options { partitions, command: command.to_owned(), ..Options::default() };
    while_in_use(dir, is_passing, || EmbeddedLog::open(dir, options.clone()))
}

/// Does something with a data directory that no other process may have. It waits for another command that has the directory
/// while `is_passing` returns `true`.
pub fn while_in_use<T>(
    dir: &Path,
    is_passing: impl Fn() -> bool,
    attempt: impl FnMut() -> Result<T, LogError>,
) -> Result<T, LogError> {
    let in_use = |error: &LogError| {
        let waits = matches!(error, LogError::InUse(_)) && is_passing();
        waits.then(|| format!("another command has {} open", dir.display()))
    };
    retry::while_early(PATIENCE, AGAIN, attempt, in_use)
}

/// Starts the workers on the log of a data directory.
pub fn start(log: EmbeddedLog, dir: &Path, telemetry: &Telemetry) -> Result<Engine, NodeError> {
    let snapshots = Some(Snapshots::new(snapshots_of(dir), SNAPSHOT_EVERY));
    Ok(Engine::process(Arc::new(log), &processor::Options::of(telemetry, snapshots))?)
}
