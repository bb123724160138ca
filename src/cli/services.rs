//! The services on Apache Kafka, a process each: `clade watch`, `clade process`, `clade serve`, `clade auditor` and so on.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::args::{AuditorArgs, LabelArgs, ProcessArgs, RebuilderArgs, ServeArgs, WatchArgs};
use super::error::CliError;
use super::registries::Registries;
use super::run::serve_until;
use super::sources::{self, HeldLease, release, state_of, take_in};
use crate::api::{self, ApiState};
use crate::audit::{self, Auditor};
use crate::engine::{Engine, member};
use crate::log::SharedLog;
use crate::log::kafka::{Config, KafkaLog};
use crate::processor::Options;

/// How often a service looks whether what it depends on has failed.
const LOOK: Duration = Duration::from_millis(500);

/// Publishes what the sources tell, and takes declarations.
pub(super) fn watch(cluster: Config, args: &WatchArgs, options: &Options) -> Result<(), CliError> {
    let registries = Registries::new(&args.sources.registry)?;
    let bootstrap = cluster.bootstrap.clone();
    let engine = Arc::new(Engine::publish_only(Arc::new(KafkaLog::open(cluster)?), options));
    let state = state_of(engine, &args.sources).with_command_token(args.commands.token()?);
    let told = |url: &str| {
        eprintln!("publishing to {bootstrap}; declarations on {url}; stop with Ctrl-C");
        Ok(())
    };
    let lease = HeldLease::default();
    let router = api::router(state.clone()).merge(registries.router());
    let work = take_in(state, args.sources.clone(), None, registries, Arc::clone(&lease));
    serve_until(args.listen, router, told, work, release(lease))
}

/// Processes the partitions that the group gives it.
pub(super) fn process(cluster: Config, args: &ProcessArgs, options: &Options) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    let options = Options { snapshots: args.snapshots.of(&*log), ..options.clone() };
    let metrics = options.metrics.clone();
    let handle = member::Handle::default();
    let asked = handle.clone();
    let status = move || {
        let waiting = || "the group has not told yet which partitions are this process's".to_owned();
        api::Status::new(asked.status(), (!asked.has_joined()).then(waiting))
    };
    let told = |url: &str| {
        eprintln!("processing on {bootstrap}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    };
    let member = OnceCell::new();
    let work = async {
        // Only now, when it listens: a process that cannot start must not move everybody's partitions.
        let of = handle.clone();
        let started = std::thread::Builder::new()
            .name("member".to_owned())
            .spawn(move || member::run(log, &options, &of))?;
        let member = member.get_or_init(|| started);
        while !member.is_finished() {
            tokio::time::sleep(LOOK).await;
        }
        // What it has ended with is told below.
        Ok(())
    };
    let served = serve_until(args.listen, api::probes(metrics, Arc::new(status)), told, work, async {});
    handle.stop();
    let panicked = |_| CliError::failed("the processor has panicked; this is a bug in clade");
    let ended = member.into_inner().map_or(Ok(Ok(())), JoinHandle::join).map_err(panicked)?;
    served?;
    Ok(ended?)
}

/// Labels Image objects.
pub(super) fn label(cluster: Config, args: &LabelArgs, options: &Options) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log: SharedLog = Arc::new(KafkaLog::open(cluster)?);
    let metrics = options.metrics.clone();
    let told = |url: &str| {
        eprintln!("labelling from {bootstrap}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    };
    let lease = HeldLease::default();
    let work = sources::label(
        log,
        metrics.clone(),
        args.kubernetes.clone(),
        args.labelling.label_rate,
        Arc::clone(&lease),
    );
    let status = || api::Status::new(Vec::new(), None);
    serve_until(args.listen, api::probes(metrics, Arc::new(status)), told, work, release(lease))
}

/// Carries rebuilds out, and answers questions.
pub(super) fn rebuilder(cluster: Config, args: &RebuilderArgs, options: &Options) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    let options = Options { snapshots: args.snapshots.of(&*log), ..options.clone() };
    let engine = Arc::new(Engine::follow(log, &options)?);
    let state = ApiState::new(engine).with_command_token(args.commands.token()?);
    let told = |url: &str| {
        eprintln!("carrying out rebuilds of {bootstrap}; ask on {url}; stop with Ctrl-C");
        Ok(())
    };
    let lease = HeldLease::default();
    let work =
        sources::rebuild(state.clone(), args.kubernetes.clone(), args.rebuilding.clone(), Arc::clone(&lease));
    serve_until(args.listen, api::router(state), told, work, release(lease))
}

/// Writes the audit trail; `dir` is the data directory.
pub(super) fn auditor(
    cluster: Config,
    dir: &Path,
    args: &AuditorArgs,
    options: &Options,
) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let asked = args.options(dir)?;
    let log: SharedLog = Arc::new(KafkaLog::open(cluster)?);
    let metrics = options.metrics.clone();
    let shown = asked.dir.display().to_string();
    let auditor = Auditor::start(log, asked, &metrics)?;
    let handle = auditor.handle();
    let status = move || {
        let behind = || "what is on the log already is not in the trail yet".to_owned();
        api::Status::new(Vec::new(), (!handle.is_complete()).then(behind))
    };
    let told = |url: &str| {
        eprintln!("auditing {bootstrap} in {shown}; metrics on {url}/metrics; stop with Ctrl-C");
        Ok(())
    };
    let work = async { Ok(audit::run(auditor).await?) };
    serve_until(args.listen, api::probes(metrics, Arc::new(status)), told, work, async {})
}

/// Answers questions.
pub(super) fn serve(cluster: Config, args: &ServeArgs, options: &Options) -> Result<(), CliError> {
    let bootstrap = cluster.bootstrap.clone();
    let log = Arc::new(KafkaLog::open(cluster)?);
    let options = Options { snapshots: args.snapshots.of(&*log), ..options.clone() };
    let engine = Arc::new(Engine::follow(log, &options)?);
    let state = ApiState::new(Arc::clone(&engine));
    let told = |url: &str| {
        eprintln!(
            "answering on {url} from {bootstrap}; {url}/readyz tells when it is up to date; stop with Ctrl-C"
        );
        Ok(())
    };
    let work = async {
        loop {
            engine.check()?;
            tokio::time::sleep(LOOK).await;
        }
    };
    serve_until(args.listen, api::router(state), told, work, async {})
}
