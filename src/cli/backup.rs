//! `clade backup`.

use super::args::BackupArgs;
use super::client::{Here, Reached, nothing_in, of};
use super::copying::Copying;
use super::error::CliError;
use super::output;
use super::patience::once_it_is_time;
use crate::api::{Client, Server};
use crate::log::Copies as _;
use crate::log::embedded::{EmbeddedLog, Restored, Restoring};
use crate::node::local;

pub(super) fn backup(server: Option<Server>, here: Here<'_>, args: &BackupArgs) -> Result<(), CliError> {
    if server.is_none() && !local::exists(here.dir) {
        return Err(nothing_in(here.dir));
    }
    // A directory that cannot be used is refused before anybody is asked.
    drop(Restoring::begin(&args.dir)?);
    let restored = if server.is_some() {
        through(&of(server, None, || here.open())?, args)?
    } else {
        match here.reach()? {
            Reached::Process(client) => through(&client, args)?,
            Reached::Log(log) => from(&log, args)?,
        }
    };
    let Restored { file, bytes, records } = restored;
    output::lines([format!("{}: {records} records, {bytes} bytes, checked", file.display())])?;
    Ok(())
}

/// Makes the copy of what a process sends.
fn through(client: &Client, args: &BackupArgs) -> Result<Restored, CliError> {
    once_it_is_time(|| {
        let mut copying = Copying::begin(&args.dir)?;
        client.download("/v1/backup", |piece| copying.take(piece).map_err(std::io::Error::other))?;
        Ok(copying.finish()?)
    })
}

/// Makes the copy of a log that this process has open.
fn from(log: &EmbeddedLog, args: &BackupArgs) -> Result<Restored, CliError> {
    let mut copying = Copying::begin(&args.dir)?;
    log.copy(&mut |piece| copying.take(piece))?;
    Ok(copying.finish()?)
}
