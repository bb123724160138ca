//! The arguments of `clade log`.

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
