//! The arguments of rebuilds.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::ask::Format;
use crate::cli::error::CliError;
use crate::cli::secret;
use crate::http::signature::webhook_key;
use crate::node::Acting;
use crate::rebuilder::{self, Caps, Sink, SinkConfig};

#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
BuildConfigs are built in waves: a base before what is built on it. What an ImageChange trigger builds by itself once its
base is there is left to it.

Examples:
  clade rebuild --class vendor --dry-run                 what would be built, in which order, and why
  clade rebuild --class vendor --reason CVE-2016-5195 --priority 10
  clade rebuild --class vendor --namespace payments -l tier=web --max-concurrent 2 --wait
  clade rebuild --class vendor --window Sat,Sun/22:00-06:00
  clade rebuild list
  clade rebuild show vendor-3 --wait"
)]
pub(in crate::cli) struct RebuildArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<RebuildCommand>,
    #[command(flatten)]
    pub(in crate::cli) start: StartRebuildArgs,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StartRebuildArgs {
    /// What is built on an image of this class
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: Option<String>,
    /// Show the plan and do nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Also what is up to date already
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Only in this namespace
    #[arg(long, short, value_name = "NAME")]
    pub(in crate::cli) namespace: Option<String>,
    /// Only what is in this group, as os or os=rhel7
    #[arg(long, value_name = "GROUP[=CLASS]")]
    pub(in crate::cli) group: Option<String>,
    /// Only BuildConfigs with these labels
    #[arg(long, short = 'l', value_name = "KEY=VALUE", value_delimiter = ',', value_parser = label)]
    pub(in crate::cli) selector: Vec<(String, String)>,
    /// Tell the sink of outdated tags that no BuildConfig builds
    #[arg(long)]
    pub(in crate::cli) notify: bool,
    /// The builds of a rebuild with a higher one begin first
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true)]
    pub(in crate::cli) priority: i32,
    /// So many builds at once
    #[arg(long, default_value = "5", value_name = "N")]
    pub(in crate::cli) max_concurrent: NonZeroU32,
    /// So many builds at once in one namespace
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_concurrent_per_namespace: Option<NonZeroU32>,
    /// Stop after so many targets that could not be built
    #[arg(long, default_value = "3", value_name = "N")]
    pub(in crate::cli) max_failures: NonZeroU32,
    /// How often one build is tried again when it fails
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10))]
    pub(in crate::cli) retries: u32,
    /// A build that takes longer counts as failed
    #[arg(long, default_value_t = 3_600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(in crate::cli) build_timeout: u64,
    /// Builds begin only then, in UTC: Sat,Sun/22:00-06:00, or 22:00-06:00 for every day
    #[arg(long, value_name = "[DAYS/]HH:MM-HH:MM")]
    pub(in crate::cli) window: Option<String>,
    /// Why; it stands on every build
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Wait until it is over, and fail if anything could not be built
    #[arg(long, conflicts_with = "dry_run")]
    pub(in crate::cli) wait: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub(in crate::cli) output: Format,
}

/// What is done with rebuilds that there are.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RebuildCommand {
    /// List all rebuilds, the newest first
    List {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Show one rebuild with everything that it builds
    Show {
        /// The rebuild, as vendor-3
        id: String,
        /// Wait until it is over, and fail if anything could not be built
        #[arg(long)]
        wait: bool,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Have nothing more begin until it is resumed
    Pause {
        /// The rebuild
        id: String,
    },
    /// Go on with a rebuild that was paused or has stopped
    Resume {
        /// The rebuild
        id: String,
    },
    /// Have nothing more begin
    Cancel {
        /// The rebuild
        id: String,
    },
}

/// How rebuilds are carried out.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct RebuildingArgs {
    /// Where outdated tags are told that no BuildConfig builds: a CloudEvent by HTTP POST
    #[arg(long, env = "CLADE_SINK", value_name = "URL")]
    pub(in crate::cli) sink: Option<String>,
    /// A file with the secret that what is told is signed with, as Standard Webhooks has it
    #[arg(long, env = "CLADE_SINK_SECRET_FILE", value_name = "FILE", requires = "sink")]
    pub(in crate::cli) sink_secret_file: Option<PathBuf>,
    /// So many builds at once, of all rebuilds together [default: as their own limits say]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_builds: Option<NonZeroU32>,
    /// The same in one namespace
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_builds_per_namespace: Option<NonZeroU32>,
    /// A trigger that has not begun a build so long after its base is there is given up, and clade begins it
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(in crate::cli) trigger_patience: u64,
    /// How long a build that has failed waits for its next attempt; twice as long each time, 15 minutes at the most
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub(in crate::cli) retry_after: u64,
}

impl RebuildingArgs {
    /// How the process acts, and how many objects it labels a second.
    pub(in crate::cli) fn acting(&self, label_rate: Option<NonZeroU32>) -> Result<Acting, CliError> {
        let seconds = Duration::from_secs;
        let rebuilds = rebuilder::Options {
            caps: Caps {
                builds: self.max_builds.map(NonZeroU32::get),
                builds_per_namespace: self.max_builds_per_namespace.map(NonZeroU32::get),
            },
            trigger_patience: seconds(self.trigger_patience),
            retry_after: seconds(self.retry_after),
            ..rebuilder::Options::default()
        };
        Ok(Acting { label_rate, sink: self.sink()?, rebuilds })
    }

    /// The sink that was named.
    fn sink(&self) -> Result<Option<Sink>, CliError> {
        let Some(url) = self.sink.clone() else { return Ok(None) };
        let key = match &self.sink_secret_file {
            None => None,
            Some(path) => {
                let secret = secret::read("the secret", path)?;
                let wrong = |problem| CliError::Failed(format!("{}: {problem}", path.display()));
                Some(webhook_key(&secret).map_err(wrong)?)
            }
        };
        Ok(Some(Sink::new(SinkConfig { url, key })?))
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !key.ends_with('!') && !value.starts_with('=') => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("say KEY=VALUE, as tier=web".to_owned()),
    }
}
