//! The services on Apache Kafka, one process each: `clade watch`, `clade process`, `clade serve`, `clade auditor` and
//! so on.

use std::path::Path;
use std::sync::Arc;

use super::args::{AuditorArgs, LabelArgs, ProcessArgs, RebuilderArgs, ServeArgs, SnapshotArgs, WatchArgs};
use super::error::CliError;
use crate::audit::Auditor;
use crate::engine::Engine;
use crate::log::SharedLog;
use crate::log::kafka::{Config, KafkaLog};
use crate::node;
use crate::processor::Options;

/// Publishes images and tags from the sources, and accepts declarations.
pub(super) fn watch(cluster: Config, args: &WatchArgs, options: &Options) -> Result<(), CliError> {
    let (sources, listen) = (args.sources.sources()?, args.commands.listen(args.listen)?);
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    Ok(node::watch(log, options, listen, sources, &mut |url| {
        eprintln!("publishing to {bootstrap}; declarations on {url}; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Processes the partitions that the consumer group assigns.
pub(super) fn process(cluster: Config, args: &ProcessArgs, options: &Options) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    let options = Options { snapshots: args.snapshots.of(&*log), ..options.clone() };
    Ok(node::process(log, &options, args.listen, &mut |url| {
        eprintln!("processing on {bootstrap}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Labels Image objects.
pub(super) fn label(cluster: Config, args: &LabelArgs, options: &Options) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log: SharedLog = Arc::new(KafkaLog::open(cluster)?);
    let what = (args.kubernetes.access_or_default(), args.labelling.label_rate);
    Ok(node::label(log, options, args.listen, what, &mut |url| {
        eprintln!("labelling from {bootstrap}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Carries out rebuilds, and serves the API.
pub(super) fn rebuilder(cluster: Config, args: &RebuilderArgs, options: &Options) -> Result<(), CliError> {
    let listen = args.commands.listen(args.listen)?;
    let what = (args.kubernetes.access(), args.rebuilding.acting(None)?);
    let bootstrap = cluster.bootstrap.clone();
    let (engine, options) = follow(cluster, &args.snapshots, options)?;
    Ok(node::rebuilder(engine, &options, listen, what, &mut |url| {
        eprintln!("carrying out rebuilds of {bootstrap}; ask on {url}; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Writes the audit trail. `dir` is the data directory.
pub(super) fn auditor(
    cluster: Config,
    dir: &Path,
    args: &AuditorArgs,
    options: &Options,
) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let asked = args.options(dir)?;
    let log: SharedLog = Arc::new(KafkaLog::open(cluster)?);
    let shown = asked.dir.display().to_string();
    let auditor = Auditor::start(log, asked, &options.metrics)?;
    Ok(node::auditor(auditor, options, args.listen, &mut |url| {
        eprintln!("auditing {bootstrap} in {shown}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    })?)
}

/// Serves the read API.
pub(super) fn serve(cluster: Config, args: &ServeArgs, options: &Options) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let (engine, options) = follow(cluster, &args.snapshots, options)?;
    Ok(node::serve(engine, &options, args.listen, &mut |url| {
        eprintln!(
            "answering on {url} from {bootstrap}; {url}/readyz tells when it is up to date; stop with Ctrl-C"
        );
        Ok(())
    })?)
}

/// Starts workers that follow a cluster, from snapshots if they are enabled.
fn follow(
    cluster: Config,
    snapshots: &SnapshotArgs,
    options: &Options,
) -> Result<(Arc<Engine>, Options), CliError> {
    let log = Arc::new(KafkaLog::open(cluster)?);
    let options = Options { snapshots: snapshots.of(&*log), ..options.clone() };
    Ok((Arc::new(Engine::follow(log, &options)?), options))
}
