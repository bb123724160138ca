//! The arguments of `clade backup`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The copy has everything as it stood at one moment. While clade runs on the data directory,
that process reads it and this command writes it; with --server, also from another machine.
The copy is checked as a whole before it gets its name. To restore, use DIR, or a directory
with a copy of its log.redb, as a data directory. The audit trail, keys and tokens are not in it.
Exit code 0 if the copy is whole; 1 if something failed or is damaged, and nothing of it is kept;
4 if a command that cannot be asked has the data directory, as clade import.

Examples:
  clade backup /backup/2026-01-31 --data-dir /var/lib/clade
  clade --data-dir /backup/2026-01-31 get classes")]
pub(in crate::cli) struct BackupArgs {
    /// Directory that gets the copy; one that has a log is refused
    #[arg(value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
}
