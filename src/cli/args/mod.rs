//! What can be typed.

mod registry;
mod services;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use etcetera::BaseStrategy;

use super::error::CliError;
use super::kafka::KafkaArgs;
use super::otlp::OtlpArgs;
pub(in crate::cli) use registry::RegistryArgs;
pub(in crate::cli) use services::{ProcessArgs, RunArgs, ServeArgs, TopicsArgs, TopicsCommand, WatchArgs};

/// Which container images are built on what, and is it the current version?
#[derive(Debug, Parser)]
#[command(name = "clade", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not found or ambiguous; 4 the data directory is in use.

Examples:
  clade demo                                    a generated registry, to look around in
  clade import images.jsonl.gz tags.jsonl.gz    take a registry's history in
  clade apply -f classes.yaml                   declare image classes
  clade get tags --class rhel7 --state outdated which tags sit on an old rhel7?
  clade explain php:7.1-apache                  what is it built on, and how do we know?")]
pub(in crate::cli) struct Args {
    /// Where clade keeps its data [default: clade in the XDG data directory]
    #[arg(long, global = true, env = "CLADE_DATA_DIR", value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,

    /// Ask the clade that serves here
    #[arg(long, global = true, env = "CLADE_SERVER", value_name = "URL")]
    pub(in crate::cli) server: Option<String>,

    /// Log what happens to stderr (CLADE_LOG=filter for more)
    #[arg(long, short, global = true)]
    pub(in crate::cli) verbose: bool,

    #[command(flatten)]
    pub(in crate::cli) kafka: KafkaArgs,

    #[command(flatten)]
    pub(in crate::cli) otlp: OtlpArgs,

    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

impl Args {
    /// The data directory: as given, or the default.
    pub(in crate::cli) fn data_dir(&self) -> Result<PathBuf, CliError> {
        match &self.data_dir {
            Some(dir) => Ok(dir.clone()),
            None => etcetera::choose_base_strategy()
                .map(|strategy| strategy.data_dir().join("clade"))
                .map_err(|error| {
                    CliError::Failed(format!(
                        "there is no home directory to keep data in ({error}): say --data-dir DIR"
                    ))
                }),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Take images, tags and BuildConfigs in from files and folders
    Import(ImportArgs),
    /// Run everything in one process and serve the read API
    Run(RunArgs),
    /// Publish what sources tell to Apache Kafka, and take declarations
    Watch(WatchArgs),
    /// Process partitions on Apache Kafka, together with others of this command
    Process(ProcessArgs),
    /// Answer questions from Apache Kafka: a read replica
    Serve(ServeArgs),
    /// Compare the topics of Apache Kafka with what clade needs, or create them
    Topics(TopicsArgs),
    /// Declare image classes and groups
    Apply(ApplyArgs),
    /// Delete a class or group
    Delete(DeleteArgs),
    #[command(flatten)]
    Ask(Ask),
    /// Show what clade does, on a generated registry
    Demo(DemoArgs),
    /// Write a generated registry's history as JSON lines
    Generate(GenerateArgs),
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether it works on a cluster, if one is named.
    pub(in crate::cli) fn is_for_clusters(&self) -> bool {
        !matches!(self, Self::Run(_) | Self::Demo(_))
    }

    /// What the process is called where spans of several are shown.
    pub(in crate::cli) fn service(&self) -> &'static str {
        match self {
            Self::Import(_) => "clade-import",
            Self::Run(_) => "clade-run",
            Self::Watch(_) => "clade-watch",
            Self::Process(_) => "clade-process",
            _ => "clade",
        }
    }
}

/// What is answered without changing anything.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Ask {
    /// List images, tags, classes or groups
    Get(GetArgs),
    /// List the images that an image is based on, nearest first
    Ancestors(RelatedArgs),
    /// List the images that are based on an image
    Descendants(RelatedArgs),
    /// Tell why an image is what it is
    Explain(ExplainArgs),
    /// Count who uses a class
    Usage(UsageArgs),
    /// Tell how far behind the answers are, by partition
    Status(StatusArgs),
    /// Follow classifications or transitions, one JSON object a line
    Subscribe(SubscribeArgs),
    /// Write everything out, one JSON object a line
    Export(ExportArgs),
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub(in crate::cli) enum Format {
    /// Columns for people
    #[default]
    Table,
    /// More columns
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// Names alone, one a line
    Name,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What a file is, its content tells: JSON lines of images, tags or declared bases (gzip or not), lists that
`oc get images,imagestreams,buildconfigs -o json` prints (whole or split), or an OCI image layout (a folder).
What cannot be read becomes a dead letter; everything else is imported. Importing again changes nothing.

Examples:
  clade import images.jsonl.gz tags.jsonl.gz
  oc get images,imagestreams,buildconfigs -A -o json > cluster.json && clade import cluster.json
  skopeo copy docker://alpine oci:alpine:latest && clade import alpine/")]
pub(in crate::cli) struct ImportArgs {
    /// Files and folders
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// Partitions of a new data directory
    #[arg(long, value_name = "N")]
    pub(in crate::cli) partitions: Option<u16>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example of a file:
  apiVersion: clade.dev/v1alpha1
  kind: ImageClass
  metadata: {name: rhel7, labels: {os: rhel7}}
  spec: {from: {kind: ImageStreamTag, namespace: openshift, name: 'rhel7:latest'}}
  ---
  apiVersion: clade.dev/v1alpha1
  kind: ImageClassGroup
  metadata: {name: os}
  spec: {selector: {matchExpressions: [{key: os, operator: Exists}]}}")]
pub(in crate::cli) struct ApplyArgs {
    /// Manifests, YAML or JSON; - for standard input
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    pub(in crate::cli) filenames: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DeleteArgs {
    /// What to delete
    pub(in crate::cli) kind: Declared,
    /// Their names
    #[arg(required = true)]
    pub(in crate::cli) names: Vec<String>,
}

/// What is declared, and so can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Declared {
    /// An image class
    #[value(aliases = ["classes", "imageclass", "imageclasses", "imgclass"])]
    Class,
    /// A group of classes
    #[value(aliases = ["groups", "imageclassgroup", "imageclassgroups", "imgclassgroup"])]
    Group,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  clade get classes
  clade get images --class rhel7 --state outdated -o wide
  clade get tags --group os=rhel7 -o json
  clade get images --platform linux/arm64 --repository php -o name")]
pub(in crate::cli) struct GetArgs {
    /// What to list
    pub(in crate::cli) kind: Listed,
    /// One class or group by name
    pub(in crate::cli) name: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// At most so many images or tags
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub(in crate::cli) output: Format,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Listed {
    /// Images
    #[value(alias = "image")]
    Images,
    /// Tags
    #[value(alias = "tag")]
    Tags,
    /// Image classes
    #[value(aliases = ["class", "imageclasses", "imageclass", "imgclass"])]
    Classes,
    /// Groups of classes
    #[value(aliases = ["group", "imageclassgroups", "imageclassgroup", "imgclassgroup"])]
    Groups,
}

/// Which images are meant.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct FilterArgs {
    /// Members of this class
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: Option<String>,
    /// Members of a class of this group, as os or os=rhel7
    #[arg(long, value_name = "GROUP[=CLASS]")]
    pub(in crate::cli) group: Option<String>,
    /// In this state in that class, or in any
    #[arg(long, value_enum)]
    pub(in crate::cli) state: Option<StateArg>,
    /// On this platform, as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(in crate::cli) platform: Option<String>,
    /// In this repository
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) repository: Option<String>,
}

/// The state of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StateArg {
    /// Built on the current version
    Current,
    /// Built on an earlier version
    Outdated,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "REF is a tag (php:7.1), a digest (sha256:…), the beginning of a digest, or a chain ID."
)]
pub(in crate::cli) struct RelatedArgs {
    /// Of which image
    #[arg(value_name = "REF")]
    pub(in crate::cli) reference: String,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "REF is a tag (php:7.1), a digest (sha256:…) or the beginning of a digest.")]
pub(in crate::cli) struct ExplainArgs {
    /// Which image
    #[arg(value_name = "REF")]
    pub(in crate::cli) reference: String,
    /// Only the image for this platform of a tag
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(in crate::cli) platform: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct UsageArgs {
    /// The class
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: String,
    /// At most so many repositories, those with the most images
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StatusArgs {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SubscribeArgs {
    /// What to subscribe to
    pub(in crate::cli) topic: Subscribed,
    /// Go on as more comes, until interrupted
    #[arg(long, short)]
    pub(in crate::cli) follow: bool,
    /// Where to begin
    #[arg(long, value_enum, default_value = "beginning")]
    pub(in crate::cli) from: StartArg,
}

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Subscribed {
    /// What each image is
    Classifications,
    /// Images that entered or left a class, or became outdated or current in it
    Outdated,
    /// What could not be read, and why
    DeadLetters,
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StartArg {
    /// With the oldest record
    Beginning,
    /// With the next record
    End,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ExportArgs {
    /// What to export
    pub(in crate::cli) what: Exported,
}

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Exported {
    /// Every image with its bases, equivalents, classes and claims
    Lineage,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DemoArgs {
    /// What decides the generated history
    #[arg(long, default_value_t = 7)]
    pub(in crate::cli) seed: u64,
    /// How many images
    #[arg(long, default_value_t = 5_000)]
    pub(in crate::cli) images: u64,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct GenerateArgs {
    /// Folder to write images.jsonl and tags.jsonl into
    #[arg(value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
    /// What decides the generated history
    #[arg(long, default_value_t = 7)]
    pub(in crate::cli) seed: u64,
    /// How many images
    #[arg(long, default_value_t = 10_000)]
    pub(in crate::cli) images: u64,
    /// Over how many days: the fewer, the fewer versions of the base images
    #[arg(long, default_value_t = 365)]
    pub(in crate::cli) days: u32,
}
