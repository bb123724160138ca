//! `clade audit head` and `clade audit keygen`.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{archive, entries};
use crate::audit::SigningKey;
use crate::cli::args::{KeygenArgs, TrailArgs};
use crate::cli::error::CliError;
use crate::cli::output::lines;

pub(super) fn head(dir: &Path, args: &TrailArgs) -> Result<(), CliError> {
    let report = entries(&*archive(dir, args)?, |_, _| {})?;
    if !report.findings.is_empty() {
        return Err(CliError::failed("a trail that is not as it was written has no head to be kept"));
    }
    match report.last {
        Some((seq, hash, _)) => lines([format!("{seq}:{hash}")]),
        None => Err(CliError::NotFound("the trail has no entry yet".to_owned())),
    }
}

pub(super) fn keygen(args: &KeygenArgs) -> Result<(), CliError> {
    let public = PathBuf::from(format!("{}.pub", args.file.display()));
    let key = SigningKey::generate()?;
    write(&args.file, 0o600, &key.pem()?)?;
    write(&public, 0o644, &key.public().pem()?)?;
    eprintln!("wrote {} (keep it secret) and {}", args.file.display(), public.display());
    lines([key.public().to_string()])
}

/// Writes a new file. It never overwrites one, as an overwritten key is lost.
fn write(path: &Path, mode: u32, content: &[u8]) -> Result<(), CliError> {
    let write = || {
        let mut file = File::options().write(true).create_new(true).mode(mode).open(path)?;
        // The mask of the process does not apply to a public key.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| {
        CliError::Failed(format!("cannot write {}: {error}", path.display()))
    })
}
