//! The services on Apache Kafka, one process each: `clade watch`, `clade process`, `clade serve`, `clade auditor` and
//! so on.

use std::path::Path;
use std::sync::Arc;

use super::args::{
    AdmitArgs, AuditorArgs, LabelArgs, ProcessArgs, RebuilderArgs, ServeArgs, SnapshotArgs, WatchArgs,
};
use super::error::CliError;
use crate::audit::Auditor;
use crate::engine::Engine;
use crate::log::SharedLog;
use crate::log::kafka::{Config, KafkaLog};
use crate::node::{self, ClusterAccess, Labelling};
use crate::processor::Options;
use crate::telemetry::Telemetry;

/// Publishes what the sources say, and takes declarations.
pub(super) fn watch(cluster: Config, args: &WatchArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let sources = args.sources.sources()?;
    // With classes in a cluster it takes no declarations: nothing but its health is left to ask for.
    let listen = match sources.cluster {
        Some(_) => args.listen.of_health(),
        None => args.listen.listen()?,
    };
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    Ok(node::watch(log, telemetry, listen, sources, &mut |url| {
        eprintln!("publishing to {bootstrap}; declarations on {url}; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Processes the partitions that the group gives it.
pub(super) fn process(cluster: Config, args: &ProcessArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    let options = Options::of(telemetry, args.snapshots.of(&*log));
    Ok(node::process(log, &options, args.listen, &mut |url| {
        eprintln!("processing on {bootstrap}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Labels Image objects, and workloads if asked to: for these it follows the cluster, since a workload names images by tags.
pub(super) fn label(cluster: Config, args: &LabelArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    let engine = match args.labelling.label_workloads {
        true => Some(follow(Arc::clone(&log), &args.snapshots, telemetry)?),
        false => None,
    };
    let what = (args.kubernetes.access_or_default(), args.labelling.label_rate, engine);
    Ok(node::label(log, telemetry, args.listen, what, &mut |url| {
        eprintln!("labelling from {bootstrap}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Carries rebuilds out, and answers questions.
pub(super) fn rebuilder(
    cluster: Config,
    args: &RebuilderArgs,
    telemetry: &Telemetry,
) -> Result<(), CliError> {
    let listen = args.listen.listen()?;
    let what = (args.kubernetes.access(), args.rebuilding.acting(Labelling::default())?);
    let bootstrap = cluster.bootstrap.clone();
    let engine = follow(Arc::new(KafkaLog::open(cluster)?), &args.snapshots, telemetry)?;
    Ok(node::rebuilder(engine, telemetry, listen, what, &mut |url| {
        eprintln!("carrying out rebuilds of {bootstrap}; ask on {url}; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Writes the audit trail. `dir` is the data directory.
pub(super) fn auditor(
    cluster: Config,
    dir: &Path,
    args: &AuditorArgs,
    telemetry: &Telemetry,
) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let asked = args.options(dir)?;
    let log: SharedLog = Arc::new(KafkaLog::open(cluster)?);
    let shown = asked.dir.display().to_string();
    let auditor = Auditor::start(log, asked, &telemetry.metrics)?;
    Ok(node::auditor(auditor, telemetry, args.listen, &mut |url| {
        eprintln!("auditing {bootstrap} in {shown}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Answers questions.
pub(super) fn serve(cluster: Config, args: &ServeArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let listen = args.listen.listen()?;
    let bootstrap = cluster.bootstrap.clone();
    let engine = follow(Arc::new(KafkaLog::open(cluster)?), &args.snapshots, telemetry)?;
    Ok(node::serve(engine, telemetry, listen, &mut |url| {
        eprintln!(
            "answering on {url} from {bootstrap}; {url}/readyz tells when it is up to date; stop with Ctrl-C"
        );
        Ok(())
    })?)
}

/// Answers API servers, and questions.
pub(super) fn admit(cluster: Config, args: &AdmitArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let listen = args.listen.listen()?;
    let webhook = args.admission.webhook().ok_or_else(|| {
        CliError::Usage(
            "say where API servers ask: --admission ADDRESS:PORT, with its certificate".to_owned(),
        )
    })?;
    let has_reports = args.admission.reports();
    if has_reports && args.lease.is_none() {
        return Err(CliError::Usage(
            "--reports is for the instance that decides about what runs: add --lease NAMESPACE/NAME"
                .to_owned(),
        ));
    }
    let access = ClusterAccess { context: args.kube_context.clone(), lease: args.lease.clone() };
    let bootstrap = cluster.bootstrap.clone();
    let engine = follow(Arc::new(KafkaLog::open(cluster)?), &args.snapshots, telemetry)?;
    Ok(node::admit(engine, telemetry, listen, (access, webhook, has_reports), &mut |url| {
        eprintln!("judging by {bootstrap}; ask on {url}; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Workers that follow a cluster, from snapshots if some are kept.
fn follow(
    log: Arc<KafkaLog>,
    snapshots: &SnapshotArgs,
    telemetry: &Telemetry,
) -> Result<Arc<Engine>, CliError> {
    let options = Options::of(telemetry, snapshots.of(&*log));
    Ok(Arc::new(Engine::follow(log, &options)?))
}
