//! Chooses the source of a command's answers: the process that serves the data directory, or an engine started for the
//! command.

use std::path::Path;
use std::sync::Arc;

use super::args::Args;
use super::error::CliError;
use super::{progress, secret};
use crate::api::{Access, Client, Server};
use crate::engine::Engine;
use crate::log::LogError;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::{Config, KafkaLog};
use crate::node::{Node, local};
use crate::processor::Options;
use crate::telemetry::Telemetry;

/// The server that the arguments name.
pub(super) fn server(args: &Args, token: Option<String>) -> Result<Option<Server>, CliError> {
    let Some(url) = args.server.as_deref().map(str::trim) else { return Ok(None) };
    if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(CliError::Usage(format!("--server {url}: write https://HOST:PORT or http://HOST:PORT")));
    }
    let authorities =
        args.ca_file.as_deref().map(|path| secret::read("the certificates", path)).transpose()?;
    let authorities = authorities.map(String::into_bytes);
    Ok(Some(Server { url: url.to_owned(), token, authorities, name: args.tls_server_name.clone() }))
}

/// Returns a client of the named server; without one, of a follower of the cluster started for this command; without a
/// cluster, of the data directory.
pub(super) fn of(
    server: Option<Server>,
    cluster: Option<Config>,
    local: impl FnOnce() -> Result<Client, CliError>,
) -> Result<Client, CliError> {
    if let Some(server) = server {
        let url = server.url.clone();
        let client = Client::of_server(server)
            .map_err(|error| CliError::Failed(format!("cannot ask the clade at {url}: {error}")))?;
        return client.ok_or_else(|| {
            CliError::Failed(format!("no clade answers at {url}: is it running, and is that its address?"))
        });
    }
    let Some(cluster) = cluster else { return local() };
    let waiting = progress::spinner("reading the cluster's topics");
    let engine = Engine::follow(Arc::new(KafkaLog::open(cluster)?), &Options::default())?;
    engine.wait_until_restored()?;
    waiting.finish();
    here(Arc::new(engine), &Telemetry::default())
}

/// The data directory of a command.
pub(super) struct Here<'a> {
    pub(super) dir: &'a Path,
    /// The name of the command, shown to another command that waits for the directory.
    pub(super) command: &'static str,
    /// The token for commands to a process that serves the directory.
    pub(super) token: Option<String>,
    pub(super) telemetry: &'a Telemetry,
}

impl Here<'_> {
    /// Returns a client for existing data.
    pub(super) fn open(self) -> Result<Client, CliError> {
        if !local::exists(self.dir) {
            return Err(nothing_in(self.dir));
        }
        self.open_or_create()
    }

    /// Returns a client for data that may not exist yet.
    pub(super) fn open_or_create(self) -> Result<Client, CliError> {
        let Self { dir, telemetry, .. } = self;
        match self.reach()? {
            Reached::Process(client) => Ok(client),
            Reached::Log(log) => {
                let engine = local::start(log, dir, telemetry)?;
                engine.catch_up(|_| {})?;
                here(Arc::new(engine), telemetry)
            }
        }
    }

    /// Returns a client of the process that serves the directory, or else its log. Creates a log if there is none.
    pub(super) fn reach(self) -> Result<Reached, CliError> {
        let Self { dir, command, token, .. } = self;
        if let Some(client) = of_whoever_serves(dir, token.clone())? {
            return Ok(Reached::Process(client));
        }
        match open_log(dir, None, command) {
            Ok(log) => Ok(Reached::Log(log)),
            // The process that has the directory may just have begun to serve.
            Err(error @ CliError::InUse(_)) => {
                of_whoever_serves(dir, token)?.map(Reached::Process).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}

/// The access to a data directory.
pub(super) enum Reached {
    /// Through the process that serves it.
    Process(Client),
    /// Through its log, which this process has open now.
    Log(EmbeddedLog),
}

/// The error of a directory without data.
pub(super) fn nothing_in(dir: &Path) -> CliError {
    CliError::NotFound(format!(
        "there is no data in {}: import something first (`clade import`, or `clade demo` to look around), or name \
         another directory with --data-dir",
        dir.display()
    ))
}

/// A client of workers that were started for this command.
pub(super) fn here(engine: Arc<Engine>, telemetry: &Telemetry) -> Result<Client, CliError> {
    Ok(Client::of(Node::of(engine, telemetry)?.router(Access::default(), false))?)
}

/// Returns a client of the process that serves the data directory, if there is one.
fn of_whoever_serves(dir: &Path, token: Option<String>) -> std::io::Result<Option<Client>> {
    match (std::fs::read_to_string(local::address_file(dir)), local::key(dir)) {
        (Ok(url), Some(key)) => Client::with_key(&url, token, &key),
        _ => Ok(None),
    }
}

/// Opens the log of a data directory, or creates it. It waits for another command that has the directory, since most
/// commands have it only for a moment, and does not wait for a process that serves.
/// `command` is shown to another command that waits for the directory.
pub(super) fn open_log(dir: &Path, partitions: Option<u16>, command: &str) -> Result<EmbeddedLog, CliError> {
    let waiting = progress::spinner("opening the data directory");
    let log = local::open_log(dir, partitions, &format!("clade {command}"), || has_nobody_who_serves(dir));
    waiting.finish();
    Ok(log?)
}

/// Does something with a data directory that no other process may have. It waits as [`open_log`] does.
pub(super) fn while_in_use<T>(
    dir: &Path,
    attempt: impl FnMut() -> Result<T, LogError>,
) -> Result<T, CliError> {
    Ok(local::while_in_use(dir, || has_nobody_who_serves(dir), attempt)?)
}

fn has_nobody_who_serves(dir: &Path) -> bool {
    matches!(of_whoever_serves(dir, None), Ok(None))
}
