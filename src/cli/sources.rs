//! Everything that `clade run` and `clade watch` take in, side by side.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch as latest;

use super::args::{ActingArgs, KubernetesArgs, RebuildingArgs, SourceArgs};
use super::error::CliError;
use super::live::{channel, feed};
use super::registries::Registries;
use super::run::watch as watch_files;
use crate::api::ApiState;
use crate::engine::Engine;
use crate::http::signature::webhook_key;
use crate::kubernetes::{self, Cluster, Held, Lease};
use crate::labeler;
use crate::log::SharedLog;
use crate::rebuilder::{self, Caps, Sink, SinkConfig};
use crate::telemetry::Metrics;

/// How often is looked whether what it depends on has failed.
const LOOK: Duration = Duration::from_millis(500);

/// A lease that is held, kept to be given back at the end.
pub(super) type HeldLease = Arc<Mutex<Option<Held>>>;

/// What the API's handlers share, when these are the sources.
pub(super) fn state_of(engine: Arc<Engine>, args: &SourceArgs) -> ApiState {
    let state = ApiState::new(engine).settling(Duration::from_secs(args.settle));
    if args.kubernetes.kubernetes { state.with_declarations_in_kubernetes() } else { state }
}

/// Takes everything in until something essential fails, or another instance takes over.
pub(super) async fn take_in(
    state: ApiState,
    args: SourceArgs,
    acting: Option<ActingArgs>,
    registries: Registries,
    held: HeldLease,
) -> Result<(), CliError> {
    let sink = acting.as_ref().map_or(Ok(None), |acting| sink_of(&acting.rebuilding))?;
    if acting.is_some() && (args.kubernetes.kubernetes || sink.is_some()) {
        state.rebuilds().prepare();
    }
    if !args.kubernetes.kubernetes && registries.is_empty() && sink.is_none() {
        return watch_files(state, args.from).await;
    }
    let cluster = if args.kubernetes.kubernetes {
        Some(Cluster::new(args.kubernetes.kube_context.clone()).await?)
    } else {
        None
    };
    if let Some(cluster) = &cluster
        && !registries.is_empty()
        && cluster.has_images().await?
    {
        return Err(CliError::Usage(
            "this cluster has Image objects, which know their layers by blob digests, and a registry's images are known by \
             diff IDs: an image of one would never be found to be built on an image of the other; run one clade for \
             each"
                .to_owned(),
        ));
    }
    let lease = match &cluster {
        Some(cluster) => acquire(cluster, &args.kubernetes).await,
        None => None,
    };
    let (out, observations) = channel();
    let (told, catalog) = latest::channel(Arc::default());
    // Where everything is in one process, acting is as well.
    let labels = async {
        match (&acting, &cluster) {
            (Some(acting), Some(cluster)) => {
                let (log, metrics) =
                    (SharedLog::clone(state.engine().log()), state.engine().metrics().clone());
                labeler::run(cluster.clone(), log, metrics, acting.labelling.label_rate).await
            }
            _ => std::future::pending().await,
        }
    };
    let rebuilds = async {
        match &acting {
            Some(acting) if cluster.is_some() || sink.is_some() => {
                carry_out(&state, cluster.clone(), sink, &acting.rebuilding).await
            }
            _ => std::future::pending().await,
        }
    };
    let of_registries = registries.watch(out.clone());
    let of_cluster = async {
        match &cluster {
            Some(cluster) => kubernetes::watch(cluster.clone(), catalog, out).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = watch_files(state.clone(), args.from) => ended,
        ended = feed(state.clone(), observations, told) => ended,
        mistake = of_registries => Err(mistake),
        ended = of_cluster => Ok(ended?),
        ended = labels => Ok(ended?),
        ended = rebuilds => ended,
        lost = keep(lease, &held) => Err(lost),
    }
}

/// Labels Image objects, until something essential fails or another instance takes over.
pub(super) async fn label(
    log: SharedLog,
    metrics: Metrics,
    args: KubernetesArgs,
    rate: Option<NonZeroU32>,
    held: HeldLease,
) -> Result<(), CliError> {
    let cluster = Cluster::new(args.kube_context.clone()).await?;
    let lease = acquire(&cluster, &args).await;
    tokio::select! {
        ended = labeler::run(cluster, log, metrics, rate) => Ok(ended?),
        lost = keep(lease, &held) => Err(lost),
    }
}

/// Carries rebuilds out, until something essential fails or another instance takes over.
pub(super) async fn rebuild(
    state: ApiState,
    args: KubernetesArgs,
    rebuilding: RebuildingArgs,
    held: HeldLease,
) -> Result<(), CliError> {
    let sink = sink_of(&rebuilding)?;
    if !args.kubernetes && sink.is_none() {
        return Err(CliError::Usage(
            "say what is to carry rebuilds out: --kubernetes for BuildConfigs, --sink URL for everything else".to_owned(),
        ));
    }
    state.rebuilds().prepare();
    let cluster = if args.kubernetes { Some(Cluster::new(args.kube_context.clone()).await?) } else { None };
    let lease = match &cluster {
        Some(cluster) => acquire(cluster, &args).await,
        None => None,
    };
    tokio::select! {
        ended = carry_out(&state, cluster, sink, &rebuilding) => ended,
        ended = working(&state) => ended,
        lost = keep(lease, &held) => Err(lost),
    }
}

/// Ends when a worker of the engine has given up.
async fn working(state: &ApiState) -> Result<(), CliError> {
    loop {
        state.engine().check()?;
        tokio::time::sleep(LOOK).await;
    }
}

/// Carries rebuilds out once everything is known, until something essential fails.
async fn carry_out(
    state: &ApiState,
    cluster: Option<Cluster>,
    sink: Option<Sink>,
    args: &RebuildingArgs,
) -> Result<(), CliError> {
    let engine = Arc::clone(state.engine());
    tokio::task::spawn_blocking(move || engine.wait_until_restored()).await.map_err(CliError::failed)??;
    let seconds = Duration::from_secs;
    let options = rebuilder::Options {
        caps: Caps {
            builds: args.max_builds.map(NonZeroU32::get),
            builds_per_namespace: args.max_builds_per_namespace.map(NonZeroU32::get),
        },
        trigger_patience: seconds(args.trigger_patience),
        retry_after: seconds(args.retry_after),
        ..rebuilder::Options::default()
    };
    let (view, metrics) = (Arc::clone(state.engine().view()), state.engine().metrics().clone());
    Ok(rebuilder::run(state.rebuilds().clone(), cluster, sink, view, metrics, options).await?)
}

/// The sink that was named.
fn sink_of(args: &RebuildingArgs) -> Result<Option<Sink>, CliError> {
    let Some(url) = args.sink.clone() else { return Ok(None) };
    let key = match &args.sink_secret_file {
        None => None,
        Some(path) => {
            let wrong = |problem: String| CliError::Failed(format!("{}: {problem}", path.display()));
            let secret = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
            Some(webhook_key(&secret).map_err(wrong)?)
        }
    };
    Ok(Some(Sink::new(SinkConfig { url, key })?))
}

/// Waits for the lease, if one is named.
async fn acquire(cluster: &Cluster, args: &KubernetesArgs) -> Option<Held> {
    let (namespace, name) = args.lease.as_ref()?;
    eprintln!("waiting for the lease {namespace}/{name}");
    let held = Lease::new(cluster, namespace, name, identity()).acquire().await;
    eprintln!("holding the lease {namespace}/{name}: this instance works now");
    Some(held)
}

/// Renews the lease until it is lost.
async fn keep(lease: Option<Held>, held: &HeldLease) -> CliError {
    let Some(lease) = lease else { return std::future::pending().await };
    *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease.clone());
    // On its own: whatever else this task does, it is renewed, or given up.
    match tokio::spawn(lease.keep()).await {
        Ok(lost) => lost.into(),
        Err(panicked) => CliError::failed(panicked),
    }
}

/// Gives the lease back, so that nobody has to wait until it runs out.
pub(super) async fn release(held: HeldLease) {
    let lease = held.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(lease) = lease {
        lease.release().await;
    }
}

/// Tells this process from every other: the pod's name, and a number, since a container that is started anew is another
/// process.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host = host.map_or_else(|_| "clade".to_owned(), |host| host.trim().to_owned());
    format!("{host}_{:08x}", fastrand::u32(..))
}
