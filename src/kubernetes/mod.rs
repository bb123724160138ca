//! Connects to a Kubernetes or OpenShift cluster: turns its objects into observations, and writes labels and status
//! back. The only user of kube.
//!
//! ```text
//!   images ─► image streams ─► classes, groups, policies   each listed and followed (follow.rs), one after the other
//!        └────────┴──────────────────┴─► observations ─► the publisher
//!                                                             │ the catalog
//!   pods and their owners ─► workloads, once a second ─► the publisher
//!
//!   status of classes and groups ◄────────────────────────────┘
//! ```

mod apply;
mod builds;
mod class;
mod cluster;
mod counts;
mod declared;
mod definitions;
mod events;
mod follow;
mod kinds;
mod labels;
mod lease;
mod namespaces;
mod owners;
mod policy;
mod policy_status;
mod raw;
mod remembered;
mod reports;
mod reviews;
mod size;
mod status;
mod watch;
mod workloads;

use std::time::Duration;

use tokio::sync::mpsc;

pub use builds::{
    BuildError, BuildNow, BuildPhase, BuildRequest, build, build_config, builds_of, instantiate,
};
pub use class::{ImageClass, ImageClassGroup};
pub use cluster::{Cluster, KubernetesError};
pub use counts::{write_counts, write_judged, write_running};
pub use definitions::definitions;
pub use labels::{
    ANNOTATION, CLASS_PREFIX, GROUP_PREFIX, LabelError, Labelled, ObjectLabels, Seen, Target, watch_labels,
};
pub use lease::{Held, Lease};
pub use namespaces::NamespaceLabels;
pub use owners::{Owner, OwnerSeen, watch_owners};
pub use policy::{ClassPolicy, JudgedWorkloads};
pub use reports::{StandingReport, delete_report, list_reports, write_report};
pub use reviews::Reviews;
#[cfg(feature = "internals")]
pub use status::status_of;
pub use watch::watch;

use crate::observe::Observation;
use crate::retry::Policy;

/// The name of the source in records about the cluster.
pub const SOURCE: &str = "kubernetes";

/// Delays before an API server that did not answer is retried. A server that is back is found within 30 s. (kube's own
/// default waits for up to a minute, and a second one after a restart of the server.) clade retries without an end: it
/// can do nothing without the server.
pub const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(30));

/// The channel for observations.
pub type Sender = mpsc::Sender<Vec<Observation>>;
