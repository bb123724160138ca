//! `clade run`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::RunArgs;
use super::client::{address_file, identity, local_url, start};
use super::demo;
use super::error::CliError;
use super::import::{catch_up, take_in};
use super::registries::Registries;
use super::sources::{HeldLease, release, state_of, take_in as take_in_sources};
use crate::api::{self, ApiState, runtime};
use crate::audit::{self, Auditor};
use crate::processor::Options;
use crate::source;

/// How often the sources are looked at for changes.
const LOOK: Duration = Duration::from_secs(2);

pub(super) fn run(dir: &Path, args: &RunArgs, options: &Options) -> Result<(), CliError> {
    let registries = Registries::new(&args.sources.registry)?;
    let audit = args.audit.options(dir)?;
    let engine = Arc::new(start(dir, args.partitions, options)?);
    if args.sources.are_any() {
        demo::keep(dir)?;
    }
    let audit = audit.map(|asked| Auditor::start(Arc::clone(engine.log()), asked, engine.metrics()));
    let audit = audit.transpose()?;
    catch_up(&engine)?;
    let state = state_of(Arc::clone(&engine), &args.sources).with_command_token(args.commands.token()?);
    let address = address_file(dir);
    let lease = HeldLease::default();
    let outcome = serve_until(
        args.listen,
        api::identified(api::router(state.clone()), &identity(dir)?).merge(registries.router()),
        |url| {
            std::fs::write(&address, url)?;
            eprintln!("serving {} on {url}; stop with Ctrl-C", dir.display());
            Ok(())
        },
        beside(
            audit,
            take_in_sources(
                state,
                args.sources.clone(),
                Some(args.acting.clone()),
                registries,
                Arc::clone(&lease),
            ),
        ),
        release(lease),
    );
    // Best effort: a stale address is noticed by whoever uses it.
    let _ = std::fs::remove_file(&address);
    outcome
}

/// The work, and the audit if there is one: whoever asks for an audit gets no work without it.
async fn beside(
    audit: Option<Auditor>,
    work: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    let Some(auditor) = audit else { return work.await };
    tokio::select! {
        ended = work => ended,
        ended = audit::run(auditor) => Ok(ended?),
    }
}

/// Answers on an address until the process is asked to stop, or `work` ends; `leave` is done at the end.
pub(super) fn serve_until(
    listen: SocketAddr,
    router: api::Router,
    told: impl FnOnce(&str) -> Result<(), CliError>,
    work: impl Future<Output = Result<(), CliError>>,
    leave: impl Future<Output = ()>,
) -> Result<(), CliError> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        // Before anybody can know that there is something to stop.
        let stop = StopSignals::listen()?;
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .map_err(|error| CliError::Failed(format!("cannot listen on {listen}: {error}")))?;
        let url = local_url(listener.local_addr()?);
        told(&url)?;
        println!("{url}");
        let api = tokio::spawn(api::serve(listener, router));
        let outcome = tokio::select! {
            ended = api => Err(CliError::Failed(format!("the API has ended: {ended:?}"))),
            ended = work => ended,
            stopped = stop.received() => stopped,
        };
        leave.await;
        outcome
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

/// What asks the process to stop.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// From now on these signals do not end the process by themselves.
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn received(mut self) -> Result<(), CliError> {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        eprintln!("stopping");
        Ok(())
    }
}

type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Takes the sources in, again and again as they change. Returns when something essential has failed.
pub(super) async fn watch(state: ApiState, paths: Vec<PathBuf>) -> Result<(), CliError> {
    let mut seen = Stamps::new();
    // What failed is tried again, ever more rarely: a file may be half written, a cluster away.
    let (mut failures, mut again) = (0_u32, Instant::now());
    loop {
        state.engine().check()?;
        let stamps = stamps(&paths);
        if stamps != seen || failures > 0 && Instant::now() >= again {
            seen = stamps;
            let (state, paths) = (state.clone(), paths.clone());
            let taken = tokio::task::spawn_blocking(move || take_in_changed(&state, &paths));
            match taken.await.map_err(CliError::failed)? {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    let wait = LOOK * 2_u32.pow(failures.min(5));
                    again = Instant::now() + wait;
                    eprintln!("warning: {error}; trying again in {} s, or when it changes", wait.as_secs());
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn take_in_changed(state: &ApiState, paths: &[PathBuf]) -> Result<(), CliError> {
    let counts = state.publish(|publisher| take_in(publisher, paths))?;
    eprintln!("took in {} images, {} tags, {} dead letters", counts.images, counts.tags, counts.dead_letters);
    Ok(())
}

fn stamps(paths: &[PathBuf]) -> Stamps {
    let inputs = source::find(paths).unwrap_or_default();
    let stamp = |input: source::Input| {
        let path = match input {
            source::Input::Layout(dir) => dir.join("index.json"),
            source::Input::File { path, .. } => path,
        };
        let metadata = std::fs::metadata(&path).ok();
        let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        (path, (size, metadata.and_then(|metadata| metadata.modified().ok())))
    };
    inputs.into_iter().map(stamp).collect()
}
