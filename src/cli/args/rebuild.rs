//! The arguments of rebuilds.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::ask::Format;
use crate::cli::error::CliError;
use crate::cli::secret;
use crate::http::signature::webhook_key;
use crate::node::{Acting, Labelling};
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
    /// Rebuild images that are built on an image of this class
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: Option<String>,
    /// Show the plan and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Rebuild images that are already current as well
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Only BuildConfigs and tags of this namespace
    #[arg(long, short, value_name = "NAME")]
    pub(in crate::cli) namespace: Option<String>,
    /// Only images in this group, as os or os=rhel7
    #[arg(long, value_name = "GROUP[=CLASS]")]
    pub(in crate::cli) group: Option<String>,
    /// Only BuildConfigs with these labels
    #[arg(long, short = 'l', value_name = "KEY=VALUE", value_delimiter = ',', value_parser = label)]
    pub(in crate::cli) selector: Vec<(String, String)>,
    /// Notify the sink of outdated tags that no BuildConfig builds
    #[arg(long)]
    pub(in crate::cli) notify: bool,
    /// Priority; builds of a rebuild with a higher one begin first
    #[arg(long, default_value_t = 0, value_name = "N", allow_negative_numbers = true)]
    pub(in crate::cli) priority: i32,
    /// Run at most this many builds at once
    #[arg(long, default_value = "5", value_name = "N")]
    pub(in crate::cli) max_concurrent: NonZeroU32,
    /// Run at most this many builds at once in one namespace
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_concurrent_per_namespace: Option<NonZeroU32>,
    /// Stop after this many targets have failed
    #[arg(long, default_value = "3", value_name = "N")]
    pub(in crate::cli) max_failures: NonZeroU32,
    /// Retries of a failed build, at most
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(..=10))]
    pub(in crate::cli) retries: u32,
    /// Count a build that takes longer as failed
    #[arg(long, default_value_t = 3_600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(in crate::cli) build_timeout: u64,
    /// Begin builds only in this window, in UTC: Sat,Sun/22:00-06:00, or 22:00-06:00 for every day
    #[arg(long, value_name = "[DAYS/]HH:MM-HH:MM")]
    pub(in crate::cli) window: Option<String>,
    /// The reason; clade writes it on every build
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Wait until the rebuild is over, and fail if a target was not built
    #[arg(long, conflicts_with = "dry_run")]
    pub(in crate::cli) wait: bool,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

/// The commands on existing rebuilds.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RebuildCommand {
    /// List all rebuilds, newest first
    List {
        /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
        #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
        output: Format,
    },
    /// Show one rebuild with all its targets
    Show {
        /// The rebuild, as vendor-3
        id: String,
        /// Wait until the rebuild is over, and fail if a target was not built
        #[arg(long)]
        wait: bool,
        /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
        #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
        output: Format,
    },
    /// Pause a rebuild: no further build begins until it is resumed
    Pause {
        /// The rebuild
        id: String,
    },
    /// Resume a rebuild that was paused or has stopped
    Resume {
        /// The rebuild
        id: String,
    },
    /// Cancel a rebuild: no further build begins
    Cancel {
        /// The rebuild
        id: String,
    },
}

/// The arguments of the rebuilder.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct RebuildingArgs {
    /// Notify this address of outdated tags that no BuildConfig builds, with a CloudEvent by HTTP POST
    #[arg(long, env = "CLADE_SINK", value_name = "URL")]
    pub(in crate::cli) sink: Option<String>,
    /// File with the secret that signs notifications, as Standard Webhooks defines it
    #[arg(long, env = "CLADE_SINK_SECRET_FILE", value_name = "FILE", requires = "sink")]
    pub(in crate::cli) sink_secret_file: Option<PathBuf>,
    /// Run at most this many builds at once over all rebuilds [default: the limits of each rebuild]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_builds: Option<NonZeroU32>,
    /// Run at most this many builds at once in one namespace, over all rebuilds
    #[arg(long, value_name = "N")]
    pub(in crate::cli) max_builds_per_namespace: Option<NonZeroU32>,
    /// Wait this long for an ImageChange trigger to start a build after its base is there, then start the build
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(in crate::cli) trigger_patience: u64,
    /// Delay before a failed build is retried; it doubles with each attempt, up to 15 minutes
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub(in crate::cli) retry_after: u64,
}

impl RebuildingArgs {
    /// The options of the acting services, with the objects to label per second.
    pub(in crate::cli) fn acting(&self, labelling: Labelling) -> Result<Acting, CliError> {
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
        Ok(Acting { labelling, sink: self.sink()?, reports: false, rebuilds })
    }

    /// The sink, if one was named.
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
