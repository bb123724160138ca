//! The lease of a process: one of several instances works, the others stand by.

use tokio::task::JoinHandle;

use super::NodeError;
use super::sources::ClusterAccess;
use crate::kubernetes::{Cluster, Held, KubernetesError, Lease};

/// A lease that this process holds and renews. A task of its own renews it, whatever else the process does.
pub(super) struct Leading {
    held: Held,
    renewing: JoinHandle<KubernetesError>,
}

/// Waits for the lease, if one is named.
pub(super) async fn acquire(cluster: &Cluster, access: &ClusterAccess) -> Option<Leading> {
    let (namespace, name) = access.lease.as_ref()?;
    eprintln!("waiting for the lease {namespace}/{name}");
    let held = Lease::new(cluster, namespace, name, identity()).acquire().await;
    eprintln!("holding the lease {namespace}/{name}: this instance works now");
    let renewing = tokio::spawn(held.clone().keep());
    Some(Leading { held, renewing })
}

impl Leading {
    /// Waits until the lease is lost.
    pub(super) async fn lost(&mut self) -> NodeError {
        match (&mut self.renewing).await {
            Ok(lost) => lost.into(),
            Err(panicked) => NodeError::Ended(panicked.to_string()),
        }
    }

    /// Releases the lease, so that another instance can acquire it at once.
    pub(super) async fn release(self) {
        self.renewing.abort();
        self.held.release().await;
    }
}

/// The identity that distinguishes this process from every other: the pod's name, and a number, since a restarted
/// container is another process.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host = host.map_or_else(|_| "clade".to_owned(), |host| host.trim().to_owned());
    format!("{host}_{:08x}", fastrand::u32(..))
}
