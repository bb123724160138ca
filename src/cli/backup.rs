//! `clade backup`.

use std::sync::{Mutex, PoisonError};

use super::args::BackupArgs;
use super::client::{Here, Reached, nothing_in, of};
use super::error::CliError;
use super::patience::once_it_is_time;
use super::{output, progress};
use crate::api::Client;
use crate::log::embedded::{EmbeddedLog, Restored, Restoring};
use crate::log::{Copies as _, LogError};
use crate::node::local;

pub(super) fn backup(
    server: Option<(&str, Option<String>)>,
    here: Here<'_>,
    args: &BackupArgs,
) -> Result<(), CliError> {
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
        let mut copying = Copying::begin(args)?;
        client.download("/v1/backup", |piece| copying.take(piece).map_err(std::io::Error::other))?;
        copying.finish()
    })
}

/// Makes the copy of a log that this process has open.
fn from(log: &EmbeddedLog, args: &BackupArgs) -> Result<Restored, CliError> {
    let mut copying = Copying::begin(args)?;
    log.copy(&mut |piece| copying.take(piece))?;
    copying.finish()
}

/// A copy that is being made, with its progress.
struct Copying {
    restoring: Restoring,
    bar: progress::Progress,
}

impl Copying {
    fn begin(args: &BackupArgs) -> Result<Self, CliError> {
        Ok(Self { restoring: Restoring::begin(&args.dir)?, bar: progress::count(0, "copying") })
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), LogError> {
        self.restoring.take(piece)?;
        let (done, of) = self.restoring.records();
        self.bar.set(done, of);
        Ok(())
    }

    fn finish(self) -> Result<Restored, CliError> {
        self.bar.finish();
        // redb reads on one thread at a time, and tells from within.
        let bar = Mutex::new(progress::bytes(0, "checking"));
        let restored = self.restoring.finish(move |done, of| {
            bar.lock().unwrap_or_else(PoisonError::into_inner).set(done, of);
        });
        Ok(restored?)
    }
}
