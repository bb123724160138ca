//! `clade audit`.

mod head;
mod replay;
mod show;
mod verify;

use std::path::Path;

use super::args::{AuditArgs, AuditCommand, TrailArgs};
use super::error::CliError;
use crate::audit::{self, Archive, AuditError, Directory, Entry, Report, Store, StoreArchive, Wanted};

pub(super) fn audit(dir: &Path, args: &AuditArgs) -> Result<(), CliError> {
    match &args.command {
        AuditCommand::Verify(verify) => verify::verify(dir, verify),
        AuditCommand::Show(show) => show::show(dir, show),
        AuditCommand::Replay(replay) => replay::replay(dir, replay),
        AuditCommand::Head(trail) => head::head(dir, trail),
        AuditCommand::Keygen(keygen) => head::keygen(keygen),
    }
}

impl From<AuditError> for CliError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::InUse(_) => Self::InUse(error.to_string()),
            AuditError::Configuration(_) => Self::Usage(error.to_string()),
            AuditError::Log(error) => error.into(),
            error => Self::failed(error),
        }
    }
}

/// Opens the trail of the arguments. It returns an error if there is none, as a missing trail would look like an empty,
/// intact one.
fn archive(dir: &Path, args: &TrailArgs) -> Result<Box<dyn Archive>, CliError> {
    let archive: Box<dyn Archive> = match &args.store {
        Some(store) => Box::new(StoreArchive(Store::open(store)?)),
        None => {
            let dir = args.dir(dir);
            if !dir.is_dir() {
                return Err(nothing(&dir.display().to_string()));
            }
            Box::new(Directory(dir))
        }
    };
    if archive.names()?.iter().any(|name| audit::Names::first(name).is_some() || name.ends_with(".head.json"))
    {
        Ok(archive)
    } else {
        Err(nothing(&archive.name()))
    }
}

fn nothing(name: &str) -> CliError {
    CliError::NotFound(format!(
        "there is no audit trail in {name}: `clade run --audit` and `clade auditor` write one; say where with --audit-dir \
         or --store"
    ))
}

/// Reads all entries, and warns on stderr if the trail is not intact.
fn entries(archive: &dyn Archive, visit: impl FnMut(&Entry, &[u8])) -> Result<Report, CliError> {
    let report = audit::read(archive, &Wanted::default(), visit)?;
    let many = report.findings.len() as u64 + report.more;
    if let Some(first) = report.findings.first() {
        eprintln!(
            "warning: the trail is not as it was written, what is printed leaves out what cannot be believed: {first}; \
             {many} in all, see `clade audit verify`"
        );
    }
    Ok(report)
}
