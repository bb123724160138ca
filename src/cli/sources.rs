//! Everything that `clade run` and `clade watch` take in, side by side.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch as latest;

use super::args::{KubernetesArgs, SourceArgs};
use super::error::CliError;
use super::live::{channel, feed};
use super::registries::Registries;
use super::run::watch as watch_files;
use crate::api::ApiState;
use crate::engine::{Engine, Role};
use crate::kubernetes::{self, Cluster, Held, Lease};
use crate::labeler;
use crate::log::SharedLog;
use crate::telemetry::Metrics;

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
    registries: Registries,
    held: HeldLease,
) -> Result<(), CliError> {
    if !args.kubernetes.kubernetes && registries.is_empty() {
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
    // Where everything is in one process, labels are as well.
    let log = SharedLog::clone(state.engine().log());
    let (metrics, role) = (state.engine().metrics().clone(), state.engine().role());
    let labels = async {
        match (role, &cluster) {
            (Role::Processor, Some(cluster)) => {
                labeler::run(cluster.clone(), log, metrics, args.kubernetes.label_rate).await
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
        ended = feed(state, observations, told) => ended,
        mistake = of_registries => Err(mistake),
        ended = of_cluster => Ok(ended?),
        ended = labels => Ok(ended?),
        lost = keep(lease, &held) => Err(lost),
    }
}

/// Labels Image objects, until something essential fails or another instance takes over.
pub(super) async fn label(
    log: SharedLog,
    metrics: Metrics,
    args: KubernetesArgs,
    held: HeldLease,
) -> Result<(), CliError> {
    let cluster = Cluster::new(args.kube_context.clone()).await?;
    let lease = acquire(&cluster, &args).await;
    tokio::select! {
        ended = labeler::run(cluster, log, metrics, args.label_rate) => Ok(ended?),
        lost = keep(lease, &held) => Err(lost),
    }
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
