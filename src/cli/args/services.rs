//! The arguments of services and of `clade topics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::kubernetes::lease;
use super::{
    AdmissionArgs, KubernetesArgs, LabellingArgs, ListenArgs, RebuildingArgs, RegistryArgs, RunAuditArgs,
};
use crate::cli::error::CliError;
use crate::log::Log;
use crate::node::{Acting, Sources};
use crate::snapshot::Snapshots;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
While it runs, the other commands on the same data directory ask it.

Example:
  clade run --from registry/ --listen 127.0.0.1:7878
  clade run --registry registry.example.com --registry-repository 'team/*'")]
pub(in crate::cli) struct RunArgs {
    #[command(flatten)]
    pub(in crate::cli) listen: ListenArgs,
    #[command(flatten)]
    pub(in crate::cli) sources: SourceArgs,
    #[command(flatten)]
    pub(in crate::cli) acting: ActingArgs,
    #[command(flatten)]
    pub(in crate::cli) audit: RunAuditArgs,
    #[command(flatten)]
    pub(in crate::cli) admission: AdmissionArgs,
    /// Number of partitions of a new data directory
    #[arg(long, value_name = "N")]
    pub(in crate::cli) partitions: Option<u16>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Run one of these. A clade import on the same cluster interrupts it for a moment, and it goes on.

Example:
  clade watch --kafka kafka:9092 --from registry/ --listen 127.0.0.1:7879
  clade apply --server http://127.0.0.1:7879 -f classes.yaml")]
pub(in crate::cli) struct WatchArgs {
    #[command(flatten)]
    pub(in crate::cli) listen: ListenArgs,
    #[command(flatten)]
    pub(in crate::cli) sources: SourceArgs,
}

/// The sources.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct SourceArgs {
    /// Files and folders to import at the start, and again whenever they change
    #[arg(long, value_name = "FILE|DIR")]
    pub(in crate::cli) from: Vec<PathBuf>,
    /// Settling delay: a move of a tag between two multi-platform images counts once the tag has rested this long,
    /// since bases are pushed platform by platform
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub(in crate::cli) settle: u64,
    #[command(flatten)]
    pub(in crate::cli) registry: RegistryArgs,
    #[command(flatten)]
    pub(in crate::cli) kubernetes: KubernetesArgs,
    /// Leave out what runs: watch neither pods nor their owners, nodes and namespaces
    #[arg(long, requires = "kubernetes")]
    pub(in crate::cli) no_workloads: bool,
}

impl SourceArgs {
    /// The sources from the arguments.
    pub(in crate::cli) fn sources(&self) -> Result<Sources, CliError> {
        Ok(Sources {
            files: self.from.clone(),
            registries: self.registry.configs()?,
            notify_secret: self.registry.secret()?,
            cluster: self.kubernetes.access(),
            workloads: !self.no_workloads,
            settle: Duration::from_secs(self.settle),
        })
    }
}

/// The arguments of the acting services in a process that runs everything.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct ActingArgs {
    #[command(flatten)]
    pub(in crate::cli) labelling: LabellingArgs,
    #[command(flatten)]
    pub(in crate::cli) rebuilding: RebuildingArgs,
}

impl ActingArgs {
    /// The options of the acting services.
    pub(in crate::cli) fn acting(&self) -> Result<Acting, CliError> {
        self.rebuilding.acting(self.labelling.labelling())
    }
}

/// Snapshots of the state of a process.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SnapshotArgs {
    /// Keep snapshots here, so that a restart reads only newer records; one directory per process
    #[arg(long, env = "CLADE_SNAPSHOTS", value_name = "DIR")]
    snapshots: Option<PathBuf>,
    /// Interval of snapshots of each partition that has changed much
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    snapshot_interval: u64,
}

impl SnapshotArgs {
    /// The snapshots of this log, if they are enabled.
    pub(in crate::cli) fn of(&self, log: &dyn Log) -> Option<Snapshots> {
        let every = Duration::from_secs(self.snapshot_interval);
        let in_dir = |dir| Snapshots::new(dir, every).on_topics_that_keep_deletions_for(log.deletions_kept());
        self.snapshots.as_ref().map(in_dir)
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Start as many as you like; they share the partitions, and take over from one that ends.

Example:
  clade process --kafka kafka:9092 --listen 0.0.0.0:9090")]
pub(in crate::cli) struct ProcessArgs {
    /// Address of /metrics, /healthz and /readyz; port 0 takes a free port
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(in crate::cli) listen: std::net::SocketAddr,
    #[command(flatten)]
    pub(in crate::cli) snapshots: SnapshotArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  clade serve --kafka kafka:9092 --listen 127.0.0.1:7878
  clade get classes --server http://127.0.0.1:7878
  clade serve --kafka kafka:9092 --listen 0.0.0.0:7878 --tokens-file tokens \\
    --tls-cert-file tls.crt --tls-key-file tls.key")]
pub(in crate::cli) struct ServeArgs {
    #[command(flatten)]
    pub(in crate::cli) listen: ListenArgs,
    #[command(flatten)]
    pub(in crate::cli) snapshots: SnapshotArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Start two or more: each judges from its own memory. A process is ready once its answers are up to date.

Example:
  clade admit --kafka kafka:9092 --admission 0.0.0.0:9443 --admission-exempt clade \\
    --admission-cert-file tls.crt --admission-key-file tls.key")]
pub(in crate::cli) struct AdmitArgs {
    #[command(flatten)]
    pub(in crate::cli) listen: ListenArgs,
    #[command(flatten)]
    pub(in crate::cli) snapshots: SnapshotArgs,
    #[command(flatten)]
    pub(in crate::cli) admission: AdmissionArgs,
    /// The kubeconfig's context, if not the current one
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) kube_context: Option<String>,
    /// Decide about what runs while holding this Lease: the decisions go to the topic decisions, the numbers to the status of
    /// policies, and those of what runs to the status of classes. Without it, this process only judges what it is asked about
    #[arg(long, env = "CLADE_LEASE", value_name = "NAMESPACE/NAME", value_parser = lease)]
    pub(in crate::cli) lease: Option<(String, String)>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Labels Image objects as class.clade.dev/CLASS=current|outdated and group.clade.dev/GROUP=CLASS, and counts the images of
each class in its status.

Example:
  clade label --kafka kafka:9092 --kubernetes --lease clade/clade-label
  oc get images -l class.clade.dev/rhel7=outdated")]
pub(in crate::cli) struct LabelArgs {
    /// Address of /metrics, /healthz and /readyz; port 0 takes a free port
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(in crate::cli) listen: std::net::SocketAddr,
    #[command(flatten)]
    pub(in crate::cli) kubernetes: KubernetesArgs,
    #[command(flatten)]
    pub(in crate::cli) labelling: LabellingArgs,
    #[command(flatten)]
    pub(in crate::cli) snapshots: SnapshotArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Carries out what `clade rebuild` asks for, here or with --server, and what classes say in spec.rebuild. It answers all
questions as well, since it plans from the whole index.

Example:
  clade rebuilder --kafka kafka:9092 --kubernetes --lease clade/clade-rebuilder
  clade rebuild --class vendor --server http://127.0.0.1:7880")]
pub(in crate::cli) struct RebuilderArgs {
    #[command(flatten)]
    pub(in crate::cli) listen: ListenArgs,
    #[command(flatten)]
    pub(in crate::cli) kubernetes: KubernetesArgs,
    #[command(flatten)]
    pub(in crate::cli) rebuilding: RebuildingArgs,
    #[command(flatten)]
    pub(in crate::cli) snapshots: SnapshotArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing that exists is ever changed or deleted.

Examples:
  clade topics plan --kafka kafka:9092
  clade topics apply --kafka kafka:9092 --partitions 32 --replication-factor 3
  clade topics migrate --kafka kafka:9092 --to-prefix v2. --partitions 64
      stop the publisher and the processors, migrate, and start them with --kafka-prefix v2.")]
pub(in crate::cli) struct TopicsArgs {
    /// The action
    pub(in crate::cli) command: TopicsCommand,
    /// Number of partitions of new topics; topics created later must have the same number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) partitions: Option<u16>,
    /// The prefix of the topics to migrate to
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) to_prefix: Option<String>,
    /// Replicas of each partition of new topics [default: the cluster's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) replication_factor: Option<u16>,
}

/// The actions on topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TopicsCommand {
    /// Show missing topics and differing settings
    Plan,
    /// Create missing topics
    Apply,
    /// Show differences, and fail if clade could not run
    Check,
    /// Copy all records into new topics with another prefix and another number of partitions
    Migrate,
}
