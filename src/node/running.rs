//! Runs a process: it listens, acquires its lease, runs its services and stops.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::NodeError;
use super::lease::{Leading, acquire};
use super::service::{Running, Service};
use super::sources::ClusterAccess;
use super::stop::StopSignals;
use crate::api::{self, Router, Tls};
use crate::kubernetes::Cluster;

/// Time limit for all services to let go at a stop: a member of a consumer group hands over its partitions. Shorter than
/// the 30 s after which Kubernetes kills a container.
const STOPPING: Duration = Duration::from_secs(20);
/// Time limit for blocking work to end after that.
const LEAVING: Duration = Duration::from_secs(5);

/// A process that is ready to run.
pub(super) struct Process {
    pub(super) listen: SocketAddr,
    /// The certificate, if it speaks TLS.
    pub(super) tls: Option<Tls>,
    pub(super) router: Router,
    /// The services that every instance runs.
    pub(super) always: Vec<Service>,
    /// The services of the instance that holds the lease; of every instance, if no lease is named.
    pub(super) led: Vec<Service>,
    /// The cluster that has the lease, if one is named.
    pub(super) lease: Option<(Cluster, ClusterAccess)>,
}

/// Runs a process until it is asked to stop, or one of its services ends. `build` runs on the process's runtime. `told`
/// is called with the API's address, before anything else happens.
pub(super) fn run(
    build: impl AsyncFnOnce() -> Result<Process, NodeError>,
    told: impl FnOnce(&str) -> Result<(), NodeError>,
) -> Result<(), NodeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        // Signals are handled before anybody can know that there is a process to stop.
        let mut stop = StopSignals::listen()?;
        let mut running = Running::default();
        let mut leading = None;
        let outcome = tokio::select! {
            worked = work(build, told, &mut running, &mut leading) => worked,
            () = stop.received() => {
                eprintln!("stopping");
                Ok(())
            }
        };
        if tokio::time::timeout(STOPPING, running.stop()).await.is_err() {
            eprintln!("warning: not everything has stopped within {} s", STOPPING.as_secs());
        }
        // Last: another instance works from now on.
        if let Some(leading) = leading {
            leading.release().await;
        }
        outcome
    });
    runtime.shutdown_timeout(LEAVING);
    outcome
}

/// Starts the services, those under the lease once it is held, and returns the error that ends the process. What is to be
/// ended after a stop is in `running` and `leading` as soon as it is there.
async fn work(
    build: impl AsyncFnOnce() -> Result<Process, NodeError>,
    told: impl FnOnce(&str) -> Result<(), NodeError>,
    running: &mut Running,
    leading: &mut Option<Leading>,
) -> Result<(), NodeError> {
    let Process { listen, tls, router, always, led, lease } = build().await?;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(|error| NodeError::Listen(format!("cannot listen on {listen}: {error}")))?;
    let url = local_url(listener.local_addr()?, tls.is_some());
    told(&url)?;
    println!("{url}");
    running.start([Service::new("API", async move { Ok(api::serve(listener, router, tls).await?) })]);
    running.start(always);
    if let Some((cluster, access)) = lease {
        *leading = tokio::select! {
            held = acquire(&cluster, &access) => held,
            error = running.ended() => return Err(error),
        };
    }
    running.start(led);
    Err(match leading {
        Some(leading) => tokio::select! {
            error = leading.lost() => error,
            error = running.ended() => error,
        },
        None => running.ended().await,
    })
}

/// The address at which this machine reaches a process that listens there. A process that listens on all interfaces
/// listens on the local one too.
pub fn local_url(listen: SocketAddr, has_tls: bool) -> String {
    let here: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if has_tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(here, listen.port()))
}
