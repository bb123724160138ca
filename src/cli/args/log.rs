//! The arguments of `clade log`.

use std::path::PathBuf;

use clap::Subcommand;

use super::ask::ReportFormat;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct LogArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: LogCommand,
}

/// The commands on the log of a data directory.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LogCommand {
    /// Check the log of a data directory and list every damage with its place
    Check(CheckArgs),
    /// Make a new log of everything that can still be read of a damaged one
    Repair(RepairArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It reads every record, compares their number with what was written, and checks every page of log.redb. It changes nothing.
Exit code 0 if the log is whole, 1 if something is damaged, 4 if another process has the data directory.

Example:
  clade log check --data-dir /var/lib/clade")]
pub(in crate::cli) struct CheckArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value_t = ReportFormat::Table)]
    pub(in crate::cli) output: ReportFormat,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It writes DIR/log.redb with each block of records that is as it was written, at its old place,
and says how many records are lost. It checks the new log as a whole and changes nothing of the
damaged one. Use it if there is no backup: what is lost stays lost, until a source or a manifest
gives it again. DIR is then a data directory; the audit trail, keys and tokens are not in it.
Exit code 0 if the new log is there, 1 if nothing can be read, 4 if another process has the
data directory.

Example:
  clade log repair /var/lib/clade-repaired --data-dir /var/lib/clade")]
pub(in crate::cli) struct RepairArgs {
    /// Directory that gets the new log; one that has a log is refused
    #[arg(value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = ReportFormat::Table)]
    pub(in crate::cli) output: ReportFormat,
}
