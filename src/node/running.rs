//! Runs a process: it listens, acquires its lease, runs its services and stops.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::NodeError;
use super::lease::{acquire, keep};
use super::service::{self, Service};
use super::sources::ClusterAccess;
use super::stop::StopSignals;
use crate::api::{self, Router};
use crate::kubernetes::{Cluster, Held};

/// Time limit for blocking work to end once the process is to stop.
const LEAVING: Duration = Duration::from_secs(5);

/// A process that is ready to run.
pub(super) struct Process {
    pub(super) listen: SocketAddr,
    pub(super) router: Router,
    /// The services, which begin once the process holds its lease.
    pub(super) services: Vec<Service>,
    /// The lease, if one is named, and the cluster that has it.
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
        let stop = StopSignals::listen()?;
        let Process { listen, router, services, lease } = build().await?;
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .map_err(|error| NodeError::Listen(format!("cannot listen on {listen}: {error}")))?;
        let url = local_url(listener.local_addr()?);
        told(&url)?;
        println!("{url}");
        let api = tokio::spawn(api::serve(listener, router));
        let mut held: Option<Held> = None;
        let outcome = tokio::select! {
            ended = api => Err(NodeError::Listen(format!("the API has ended: {ended:?}"))),
            ended = work(services, lease, &mut held) => ended,
            () = stop.received() => {
                eprintln!("stopping");
                Ok(())
            }
        };
        if let Some(held) = held {
            held.release().await;
        }
        outcome
    });
    runtime.shutdown_timeout(LEAVING);
    outcome
}

/// Runs the services once the lease is held. `held` is set as soon as it is, so that the caller can release it at a
/// stop.
async fn work(
    services: Vec<Service>,
    lease: Option<(Cluster, ClusterAccess)>,
    held: &mut Option<Held>,
) -> Result<(), NodeError> {
    if let Some((cluster, access)) = lease {
        *held = acquire(&cluster, &access).await;
    }
    let lost = Service::new("lease", keep(held.clone()));
    service::run(services.into_iter().chain([lost]).collect()).await
}

/// The address at which this machine reaches a process that listens there. A process that listens on all interfaces
/// listens on the local one too.
pub fn local_url(listen: SocketAddr) -> String {
    let here: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(here, listen.port()))
}
