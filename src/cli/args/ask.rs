//! The arguments of the read-only commands.

use clap::ValueEnum;

use crate::cli::template::{Columns, Template};
use crate::oci::Timestamp;
use crate::oci::time::{duration, past};

/// The formats of answers.
#[derive(Debug, Clone, Default)]
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
    /// Names only, one per line
    Name,
    /// A template for the JSON
    JsonPath(Template),
    /// Columns that the user names
    CustomColumns(Columns),
}

impl Format {
    /// Reads the value of `--output`.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        if let Some(template) = text.strip_prefix("jsonpath=") {
            return Template::parse(template).map(Self::JsonPath);
        }
        if let Some(columns) = text.strip_prefix("custom-columns=") {
            return Columns::parse(columns).map(Self::CustomColumns);
        }
        match text {
            "table" => Ok(Self::Table),
            "wide" => Ok(Self::Wide),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            "name" => Ok(Self::Name),
            _ => {
                Err("write table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…"
                    .to_owned())
            }
        }
    }
}

/// The formats of reports about clade's own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportFormat {
    /// Columns
    Table,
    /// JSON
    Json,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  clade get classes
  clade get images --class rhel7 --state outdated -o wide
  clade get tags --group os=rhel7 -o json
  clade get images --platform linux/arm64 --repository php -o name
  clade get images --class rhel7 --outdated-for 30d --namespace 'quay.io/team*' --sort-by outdated
  clade get unknown-bases --limit 10
  clade get workloads --class rhel7 --state outdated --namespace shop
  clade get workloads --runs registry.example/shop/web:1.4
  clade get tags --class rhel7 --state outdated --at 7d")]
pub(in crate::cli) struct GetArgs {
    /// The kind of objects to list
    pub(in crate::cli) kind: Listed,
    /// One class, group or policy by name
    pub(in crate::cli) name: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// List at most this many images, tags or unknown bases
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// Of workloads: those that run this image, a REF as of `clade explain`
    #[arg(long, value_name = "REF")]
    pub(in crate::cli) runs: Option<String>,
    /// Of workloads: those with an image that clade has never seen
    #[arg(long)]
    pub(in crate::cli) unknown: bool,
    /// The order of images
    #[arg(long, value_enum, value_name = "KEY", allow_hyphen_values = true)]
    pub(in crate::cli) sort_by: Option<SortArg>,
    /// Print the list, and then what changes, one JSON object per line, until stopped
    #[arg(long, short, conflicts_with_all = ["limit", "output", "at"])]
    pub(in crate::cli) watch: bool,
    #[command(flatten)]
    pub(in crate::cli) time: TimeArgs,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

/// The kinds of objects that can be listed.
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
    /// Workloads that run, by their topmost owner
    #[value(alias = "workload")]
    Workloads,
    /// Policies of what may run
    #[value(aliases = ["policy", "classpolicies", "classpolicy"])]
    Policies,
    /// Beginnings that images share and at which no known image ends
    #[value(alias = "unknown-base")]
    UnknownBases,
}

/// The filter for images.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct FilterArgs {
    /// Members of this class
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: Option<String>,
    /// Members of a class of this group, as os or os=rhel7
    #[arg(long, value_name = "GROUP[=CLASS]")]
    pub(in crate::cli) group: Option<String>,
    /// In this state in that class, or in any class
    #[arg(long, value_enum)]
    pub(in crate::cli) state: Option<StateArg>,
    /// On this platform, as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(in crate::cli) platform: Option<String>,
    /// In this repository, or in all whose names begin so, as quay.io/team/*
    #[arg(long, value_name = "NAME[*]")]
    pub(in crate::cli) repository: Option<String>,
    /// In a repository of this namespace (its name up to the last slash), or of all that begin so; workloads in this namespace
    #[arg(long, value_name = "NAME[*]")]
    pub(in crate::cli) namespace: Option<String>,
    /// With a tag that points at it now
    #[arg(long, conflicts_with = "untagged")]
    pub(in crate::cli) tagged: bool,
    /// Without a tag that points at it now
    #[arg(long)]
    pub(in crate::cli) untagged: bool,
    /// Built after this time (2026-01-31T00:00:00Z), or since so long ago (30d)
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) created_after: Option<String>,
    /// Built before this time, or before so long ago
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) created_before: Option<String>,
    /// Outdated for longer than this, in that class or in any
    #[arg(long, value_name = "SPAN")]
    pub(in crate::cli) outdated_for: Option<String>,
}

impl FilterArgs {
    /// Returns `true` if any filter is given.
    pub(in crate::cli) fn is_any(&self) -> bool {
        let Self { class, group, state, platform, repository, namespace, tagged, untagged, .. } = self;
        let Self { created_after, created_before, outdated_for, .. } = self;
        let texts =
            [class, group, platform, repository, namespace, created_after, created_before, outdated_for];
        texts.iter().any(|text| text.is_some()) || state.is_some() || *tagged || *untagged
    }
}

/// The time that a question is about.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(in crate::cli) struct TimeArgs {
    /// As clade knew it at this time (2026-01-31T00:00:00Z), or so long ago (7d)
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) at: Option<Timestamp>,
}

impl TimeArgs {
    /// Says on stderr what an answer is about, so that nobody takes the past for the present.
    pub(in crate::cli) fn tell(self) {
        if let Some(at) = self.at {
            eprintln!("as of {at}");
        }
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    past(text, Timestamp::now())
        .ok_or_else(|| "write a time (2026-01-31T00:00:00Z) or the time since then (7d)".to_owned())
}

/// The orders of a list of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SortArg {
    /// By repository
    Name,
    /// By time of build
    Created,
    /// By time of build, the newest first
    #[value(name = "-created")]
    Newest,
    /// Outdated ones alone, those that are outdated for the longest time first
    Outdated,
}

impl SortArg {
    /// The parameter of the API.
    pub(in crate::cli) fn parameter(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Created => "created",
            Self::Newest => "-created",
            Self::Outdated => "outdated",
        }
    }
}

/// The state of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum StateArg {
    /// The base version is the current version
    Current,
    /// The base version is an earlier version
    Outdated,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "REF is a tag (php:7.1), a digest (sha256:…), an image ID, the beginning of either, or a chain ID."
)]
pub(in crate::cli) struct RelatedArgs {
    /// The image
    #[arg(value_name = "REF")]
    pub(in crate::cli) reference: String,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// List at most this many images
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    #[command(flatten)]
    pub(in crate::cli) time: TimeArgs,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DescendantsArgs {
    #[command(flatten)]
    pub(in crate::cli) related: RelatedArgs,
    /// Only images with no other image between them and REF; -o json also counts the descendants of each
    #[arg(long)]
    pub(in crate::cli) direct: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "REF is a tag (php:7.1), a digest (sha256:…), an image ID, or the beginning of either."
)]
pub(in crate::cli) struct ExplainArgs {
    /// The image
    #[arg(value_name = "REF")]
    pub(in crate::cli) reference: String,
    /// Only the image for this platform, if REF is a multi-platform tag
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(in crate::cli) platform: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) time: TimeArgs,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct UsageArgs {
    /// The class
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: String,
    /// List at most this many repositories, those with the most images first
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    #[command(flatten)]
    pub(in crate::cli) time: TimeArgs,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each image is in one of four groups: members of a class; images on a known image that no class follows; images with
claims about their base alone; and images of which nothing is known. A count of outdated images says little beside
many of the last two.

Examples:
  clade coverage
  clade coverage --by namespace -o json")]
pub(in crate::cli) struct CoverageArgs {
    /// Count the images of each repository or namespace as well
    #[arg(long, value_enum, value_name = "PART")]
    pub(in crate::cli) by: Option<PartArg>,
    #[command(flatten)]
    pub(in crate::cli) time: TimeArgs,
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

/// The parts by which images are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PartArg {
    /// Repositories; an image counts in each of its own
    Repository,
    /// Namespaces: the part of a repository's name before the last slash
    Namespace,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StatusArgs {
    /// Output format: table, wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…
    #[arg(short, long, value_parser = Format::parse, default_value = "table", value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  clade wait quay.io/shop/app:v7                               until clade knows the image
  clade wait quay.io/shop/app:v7 --class rhel7 --state current --timeout 10m
  clade wait class/rhel7 --for Following")]
pub(in crate::cli) struct WaitArgs {
    /// An image, as a REF, or class/NAME
    #[arg(value_name = "REF|class/NAME")]
    pub(in crate::cli) what: String,
    /// Of an image: until it is a member of this class, on each platform
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: Option<String>,
    /// Of an image: until it is in this state in that class, or in any
    #[arg(long, value_enum)]
    pub(in crate::cli) state: Option<StateArg>,
    /// Of a class: until this condition is true [default: Ready]
    #[arg(long = "for", value_name = "CONDITION", value_parser = ["Ready", "Following"])]
    pub(in crate::cli) condition: Option<String>,
    /// Give up after this time, as 90s or 10m
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = span)]
    pub(in crate::cli) timeout: std::time::Duration,
}

fn span(text: &str) -> Result<std::time::Duration, String> {
    duration(text).ok_or_else(|| "write a span of time, as 90s or 10m".to_owned())
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  clade export lineage > lineage.jsonl
  clade export versions --class rhel7 --signing-key key.pem > rhel7.jsonl
  clade import rhel7.jsonl --verify-key key.pem.pub        # in another clade, where a class follows the same tag")]
pub(in crate::cli) struct ExportArgs {
    /// The data to export
    pub(in crate::cli) what: Exported,
    /// Of versions: those of this class [default: all that follow a tag]
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) class: Option<String>,
    /// Of versions: sign the lines with this Ed25519 key (see clade audit keygen)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) signing_key: Option<std::path::PathBuf>,
}

/// The kinds of data that can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Exported {
    /// Every image with its bases, equivalents, classes and claims
    Lineage,
    /// Every version of every class that follows a tag, for clade import in another clade
    Versions,
}
