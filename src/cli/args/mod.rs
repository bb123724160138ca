//! The command line arguments.

mod admission;
mod ask;
mod audit;
mod backup;
mod check;
mod kubernetes;
mod listen;
mod log;
mod rebuild;
mod registry;
mod services;
mod subscribe;
mod token;
mod unused;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use etcetera::BaseStrategy;

use super::error::CliError;
use super::kafka::KafkaArgs;
use super::otlp::OtlpArgs;
pub(in crate::cli) use admission::AdmissionArgs;
pub(in crate::cli) use ask::{
    CoverageArgs, DescendantsArgs, ExplainArgs, ExportArgs, Exported, FilterArgs, Format, GetArgs, Listed,
    PartArg, RelatedArgs, ReportFormat, SortArg, StateArg, StatusArgs, TimeArgs, UsageArgs, WaitArgs,
};
pub(in crate::cli) use audit::{
    AuditArgs, AuditCommand, AuditShowArgs, AuditorArgs, KeygenArgs, ReplayArgs, RunAuditArgs, TrailArgs,
    VerifyArgs,
};
pub(in crate::cli) use backup::BackupArgs;
pub(in crate::cli) use check::{PolicyArgs, PolicyCommand, PolicyTestArgs, VerdictArgs};
pub(in crate::cli) use kubernetes::{KubernetesArgs, LabellingArgs};
pub(in crate::cli) use listen::ListenArgs;
pub(in crate::cli) use log::{CheckArgs, LogArgs, LogCommand, RepairArgs};
pub(in crate::cli) use rebuild::{RebuildArgs, RebuildCommand, RebuildingArgs, StartRebuildArgs};
pub(in crate::cli) use registry::RegistryArgs;
pub(in crate::cli) use services::{
    AdmitArgs, LabelArgs, ProcessArgs, RebuilderArgs, RunArgs, ServeArgs, SnapshotArgs, TopicsArgs,
    TopicsCommand, WatchArgs,
};
pub(in crate::cli) use subscribe::SubscribeArgs;
pub(in crate::cli) use token::TokenArgs;
pub(in crate::cli) use unused::unused;

/// Which container images are built on what, and is it the current version?
#[derive(Debug, Parser)]
#[command(name = "clade", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 not found or ambiguous; 4 the data directory is in use;
5 an image violates a policy; 6 unknown to clade.

Examples:
  clade demo                                    a generated registry, to look around in
  clade import images.jsonl.gz tags.jsonl.gz    take a registry's history in
  clade apply -f classes.yaml                   declare image classes
  clade get tags --class rhel7 --state outdated which tags sit on an old rhel7?
  clade explain php:7.1-apache                  what is it built on, and how do we know?")]
pub(in crate::cli) struct Args {
    /// Data directory [default: clade in the XDG data directory]
    #[arg(long, global = true, env = "CLADE_DATA_DIR", value_name = "DIR")]
    pub(in crate::cli) data_dir: Option<PathBuf>,

    /// Send requests to the clade process that serves this address
    #[arg(long, global = true, env = "CLADE_SERVER", value_name = "URL")]
    pub(in crate::cli) server: Option<String>,

    /// File with the token that shows the server who asks
    #[arg(long, global = true, env = "CLADE_TOKEN_FILE", value_name = "FILE")]
    pub(in crate::cli) token_file: Option<PathBuf>,

    /// File with the certificates of the authorities that the server's may be of [default: the system's]
    #[arg(long, global = true, env = "CLADE_CA_FILE", value_name = "FILE")]
    pub(in crate::cli) ca_file: Option<PathBuf>,

    /// Name that the server's certificate is for, if not that in its address
    #[arg(long, global = true, env = "CLADE_TLS_SERVER_NAME", value_name = "NAME")]
    pub(in crate::cli) tls_server_name: Option<String>,

    /// Write log lines to stderr (CLADE_LOG=filter for more)
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
    /// The data directory from the arguments, or the default.
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
    /// Import images, tags and BuildConfigs from files and folders
    Import(ImportArgs),
    /// Run everything in one process and serve the API
    Run(Box<RunArgs>),
    /// Publish images and tags from sources to Apache Kafka, and accept declarations
    Watch(WatchArgs),
    /// Process partitions on Apache Kafka, shared with the other processes of this command
    Process(ProcessArgs),
    /// Serve the read API from Apache Kafka: a read replica
    Serve(ServeArgs),
    /// Answer Kubernetes API servers that ask whether a pod may run, from Apache Kafka
    Admit(AdmitArgs),
    /// Label the Image objects of an OpenShift cluster, from Apache Kafka
    Label(LabelArgs),
    /// Carry out rebuilds, and begin them by the classes' policies, on Apache Kafka
    Rebuilder(RebuilderArgs),
    /// Write the audit trail, from Apache Kafka
    Auditor(AuditorArgs),
    /// Verify, show and replay the audit trail
    Audit(AuditArgs),
    /// Check the log of a data directory, or save what can be read of it
    Log(LogArgs),
    /// Back up the log of a data directory, also while clade runs on it
    Backup(BackupArgs),
    /// Compare the topics of Apache Kafka with what clade needs, or create them
    Topics(TopicsArgs),
    /// Declare image classes, groups and policies
    Apply(ApplyArgs),
    /// Delete a class, group or policy
    Delete(DeleteArgs),
    /// Rebuild the images that are built on an outdated version of a class
    Rebuild(RebuildArgs),
    #[command(flatten)]
    Ask(Ask),
    /// Demonstrate clade on a generated registry
    Demo(DemoArgs),
    /// Write a generated registry's history as JSON lines
    Generate(GenerateArgs),
    /// Make a token, and print its line for the file of tokens
    Token(TokenArgs),
    /// Print the definitions of the custom resources ImageClass, ImageClassGroup and ClassPolicy
    Crd,
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Returns `true` if the command works on a cluster when one is named.
    pub(in crate::cli) fn is_for_clusters(&self) -> bool {
        !matches!(self, Self::Run(_) | Self::Demo(_) | Self::Audit(_))
    }

    /// The service name of the process in traces.
    pub(in crate::cli) fn service(&self) -> &'static str {
        match self {
            Self::Import(_) => "clade-import",
            Self::Run(_) => "clade-run",
            Self::Watch(_) => "clade-watch",
            Self::Process(_) => "clade-process",
            Self::Label(_) => "clade-label",
            Self::Rebuilder(_) => "clade-rebuilder",
            Self::Auditor(_) => "clade-auditor",
            Self::Admit(_) => "clade-admit",
            _ => "clade",
        }
    }
}

impl Ask {
    /// The name of the command.
    pub(in crate::cli) fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::Ancestors(_) => "ancestors",
            Self::Descendants(_) => "descendants",
            Self::Explain(_) => "explain",
            Self::Usage(_) => "usage",
            Self::Coverage(_) => "coverage",
            Self::Check(_) => "check",
            Self::Policy(_) => "policy",
            Self::Status(_) => "status",
            Self::Wait(_) => "wait",
            Self::Subscribe(_) => "subscribe",
            Self::Export(_) => "export",
        }
    }
}

/// The read-only commands.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Ask {
    /// List images, tags, classes, groups or policies
    Get(GetArgs),
    /// List the images that an image is based on, nearest first
    Ancestors(RelatedArgs),
    /// List the images that are based on an image
    Descendants(DescendantsArgs),
    /// Explain the classes, bases and claims of an image
    Explain(ExplainArgs),
    /// Count the images, tags, repositories and namespaces that use a class
    Usage(UsageArgs),
    /// Count images by what is known of their beginnings
    Coverage(CoverageArgs),
    /// Judge images by class policies
    Check(VerdictArgs),
    /// Try a policy on what runs
    Policy(PolicyArgs),
    /// Show the lag of each partition
    Status(StatusArgs),
    /// Wait until an image is known, or stands so in a class, or until a class is ready
    Wait(WaitArgs),
    /// Print events as they happen, one JSON object per line
    Subscribe(SubscribeArgs),
    /// Export data, one JSON object per line
    Export(ExportArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The content of a file decides its kind, and not its name. clade reads, plain or compressed with gzip, zstd or xz:
  - JSON lines of images, tags or declared bases
  - what `oc get images,imagestreams,buildconfigs` prints as JSON or YAML, whole or split
  - what `kubectl get pods,replicasets,jobs,nodes,namespaces` prints: what runs
  - OCI image layouts, as folders or in a tar, and folders of `skopeo copy ... dir:`
  - archives of `docker save` and `podman save`
  - what `docker inspect`, `podman inspect` and `skopeo inspect` print
  - clones of docker-library/repo-info and dotnet/versions, and their files
  - manifests and configs, as `skopeo inspect --raw`, `crane manifest` and `crane config` print them
What cannot be read becomes a dead letter; everything else is imported. Importing again changes nothing.

Examples:
  clade import images.jsonl.gz tags.jsonl.gz
  docker save php:8 | zstd > php.tar.zst && clade import php.tar.zst
  oc get images,imagestreams,buildconfigs -A -o json > cluster.json && clade import cluster.json
  skopeo copy docker://alpine oci:alpine:latest && clade import alpine/")]
pub(in crate::cli) struct ImportArgs {
    /// Files and folders to import
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// Number of partitions of a new data directory
    #[arg(long, value_name = "N")]
    pub(in crate::cli) partitions: Option<u16>,
    /// Import only if each file is signed with this Ed25519 key (clade export versions --signing-key)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) verify_key: Option<PathBuf>,
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
    /// Manifests in YAML or JSON: documents, lists or arrays; - for standard input
    #[arg(short, long = "filename", required = true, value_name = "FILE")]
    pub(in crate::cli) filenames: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DeleteArgs {
    /// The kind of object to delete
    pub(in crate::cli) kind: Declared,
    /// The names of the objects
    #[arg(required = true)]
    pub(in crate::cli) names: Vec<String>,
}

/// The kinds of objects that can be declared and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Declared {
    /// An image class
    #[value(aliases = ["classes", "imageclass", "imageclasses", "imgclass"])]
    Class,
    /// A group of classes
    #[value(aliases = ["groups", "imageclassgroup", "imageclassgroups", "imgclassgroup"])]
    Group,
    /// A policy of what may run
    #[value(aliases = ["policies", "classpolicy", "classpolicies"])]
    Policy,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DemoArgs {
    /// Seed of the generated history
    #[arg(long, default_value_t = 7)]
    pub(in crate::cli) seed: u64,
    /// Number of images
    #[arg(long, default_value_t = 5_000)]
    pub(in crate::cli) images: u64,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct GenerateArgs {
    /// Folder to write images.jsonl and tags.jsonl into
    #[arg(value_name = "DIR")]
    pub(in crate::cli) dir: PathBuf,
    /// Seed of the generated history
    #[arg(long, default_value_t = 7)]
    pub(in crate::cli) seed: u64,
    /// Number of images
    #[arg(long, default_value_t = 10_000)]
    pub(in crate::cli) images: u64,
    /// Number of days in the history; fewer days mean fewer versions of the base images
    #[arg(long, default_value_t = 365)]
    pub(in crate::cli) days: u32,
}
