//! Where a command's answers come from: the process that runs on the data directory, or an engine started for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::CliError;
use super::patience::patiently;
use super::progress;
use crate::api::Client;
use crate::engine::Engine;
use crate::log::LogError;
use crate::log::embedded::{EmbeddedLog, Options};
use crate::log::kafka::{Config, KafkaLog};
use crate::oci::Digest;
use crate::processor;
use crate::snapshot::Snapshots;

/// In a data directory, snapshots are mostly taken when a command ends; this is for those that run on and on.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(300);

/// So long another command that has the data directory is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file in which a running process tells where its API is.
pub(super) fn address_file(dir: &Path) -> PathBuf {
    dir.join("api.url")
}

/// Where a process on this machine is asked that listens there: one that listens everywhere does so here as well.
pub(super) fn local_url(listen: SocketAddr) -> String {
    let here: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(here, listen.port()))
}

/// A client of the server that was named; else of a follower of the cluster, started for this command; else of what
/// the data directory has.
pub(super) fn of(
    server: Option<(&str, Option<String>)>,
    cluster: Option<Config>,
    local: impl FnOnce() -> Result<Client, CliError>,
) -> Result<Client, CliError> {
    if let Some((url, token)) = server {
        if !url.trim().starts_with("http://") {
            return Err(CliError::Usage(format!("--server {url}: write http://HOST:PORT")));
        }
        return Client::at(url, token, None)?.ok_or_else(|| {
            CliError::Failed(format!("no clade answers at {url}: is it running, and is that its address?"))
        });
    }
    let Some(cluster) = cluster else { return local() };
    let waiting = progress::spinner("reading the cluster's topics");
    let engine = Engine::follow(Arc::new(KafkaLog::open(cluster)?), &processor::Options::default())?;
    engine.wait_until_restored()?;
    waiting.finish();
    Ok(Client::of(&Arc::new(engine))?)
}

/// A client for data that exists.
pub(super) fn open(
    dir: &Path,
    token: Option<String>,
    options: &processor::Options,
) -> Result<Client, CliError> {
    if !EmbeddedLog::exists(dir) {
        return Err(CliError::NotFound(format!(
            "there is no data in {}: import something first (`clade import`, or `clade demo` to look around), or name \
             another directory with --data-dir",
            dir.display()
        )));
    }
    open_or_create(dir, token, options)
}

/// A client for data that may not exist yet.
pub(super) fn open_or_create(
    dir: &Path,
    token: Option<String>,
    options: &processor::Options,
) -> Result<Client, CliError> {
    if let Some(client) = of_whoever_serves(dir, token.clone())? {
        return Ok(client);
    }
    let engine = match start(dir, None, options) {
        Ok(engine) => engine,
        // Whoever has it may have been about to serve.
        Err(error @ CliError::InUse(_)) => return of_whoever_serves(dir, token)?.ok_or(error),
        Err(error) => return Err(error),
    };
    engine.catch_up(|_| {})?;
    Ok(Client::of(&Arc::new(engine))?)
}

/// What a process that serves a data directory is known by: another may listen at the address of one that was killed.
pub(super) fn identity(dir: &Path) -> std::io::Result<String> {
    Ok(Digest::of(dir.canonicalize()?.as_os_str().as_encoded_bytes()).to_string())
}

/// A client of the process that serves what a data directory has, if one does.
fn of_whoever_serves(dir: &Path, token: Option<String>) -> std::io::Result<Option<Client>> {
    match std::fs::read_to_string(address_file(dir)) {
        Ok(url) => Client::at(&url, token, Some(&identity(dir)?)),
        Err(_) => Ok(None),
    }
}

/// The token in a file.
pub(super) fn token(path: &Path) -> Result<String, CliError> {
    let wrong = |problem: String| CliError::Failed(format!("the token in {}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    match text.trim() {
        "" => Err(wrong("the file is empty".to_owned())),
        token => Ok(token.to_owned()),
    }
}

/// Where a data directory has its snapshots.
pub(super) fn snapshots_of(dir: &Path) -> PathBuf {
    dir.join("snapshots")
}

/// Starts an engine for this command.
pub(super) fn start(
    dir: &Path,
    partitions: Option<u16>,
    options: &processor::Options,
) -> Result<Engine, CliError> {
    start_on(open_log(dir, partitions)?, dir, options)
}

/// Starts an engine on the log of a data directory.
pub(super) fn start_on(
    log: EmbeddedLog,
    dir: &Path,
    options: &processor::Options,
) -> Result<Engine, CliError> {
    let snapshots = Some(Snapshots::new(snapshots_of(dir), SNAPSHOT_EVERY));
    Ok(Engine::process(Arc::new(log), &processor::Options { snapshots, ..options.clone() })?)
}

/// Opens the log of a data directory, or makes one there. Another command that has it is waited for, since most have it for a
/// moment only; a process that serves is not.
pub(super) fn open_log(dir: &Path, partitions: Option<u16>) -> Result<EmbeddedLog, CliError> {
    let command = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let options = Options { partitions, command: format!("clade {command}"), ..Options::default() };
    let waiting = progress::spinner("opening the data directory");
    let has_nobody_who_serves = || matches!(of_whoever_serves(dir, None), Ok(None));
    let log = patiently(
        PATIENCE,
        || EmbeddedLog::open(dir, options.clone()),
        |error| match error {
            LogError::InUse(_) if has_nobody_who_serves() => {
                Some(format!("another command has {} open", dir.display()))
            }
            _ => None,
        },
    );
    waiting.finish();
    Ok(log?)
}
