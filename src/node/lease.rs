//! The lease of a process: one of several instances works, the others stand by.

use super::NodeError;
use super::sources::ClusterAccess;
use crate::kubernetes::{Cluster, Held, Lease};

/// Waits for the lease, if one is named.
pub(super) async fn acquire(cluster: &Cluster, access: &ClusterAccess) -> Option<Held> {
    let (namespace, name) = access.lease.as_ref()?;
    eprintln!("waiting for the lease {namespace}/{name}");
    let held = Lease::new(cluster, namespace, name, identity()).acquire().await;
    eprintln!("holding the lease {namespace}/{name}: this instance works now");
    Some(held)
}

/// Renews the lease until it is lost, which is an error. Without a lease it waits for ever.
pub(super) async fn keep(lease: Option<Held>) -> Result<(), NodeError> {
    let Some(lease) = lease else { return std::future::pending().await };
    // A task of its own: whatever else this task does, the lease is renewed or given up.
    match tokio::spawn(lease.keep()).await {
        Ok(lost) => Err(lost.into()),
        Err(panicked) => Err(NodeError::Ended(panicked.to_string())),
    }
}

/// The identity that distinguishes this process from every other: the pod's name, and a number, since a restarted
/// container is another process.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host = host.map_or_else(|_| "clade".to_owned(), |host| host.trim().to_owned());
    format!("{host}_{:08x}", fastrand::u32(..))
}
