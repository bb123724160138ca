//! A Kubernetes or OpenShift cluster: what it has, as observations; what clade tells back. The only user of kube.
//!
//! ```text
//!   images ─► image streams ─► classes, groups      each listed and followed (follow.rs), one after the other
//!        └────────┴──────────────────┴─► observations ─► the publisher
//!                                                             │ the catalog
//!   status of classes and groups ◄────────────────────────────┘
//! ```

mod apply;
mod backoff;
mod builds;
mod class;
mod cluster;
mod counts;
mod declared;
mod events;
mod follow;
mod kinds;
mod labels;
mod lease;
mod raw;
mod status;
mod watch;

use tokio::sync::mpsc;

pub use backoff::Backoff;
pub use builds::{
    BuildError, BuildNow, BuildPhase, BuildRequest, build, build_config, builds_of, instantiate,
};
pub use class::{ImageClass, ImageClassGroup, definitions};
pub use cluster::{Cluster, KubernetesError};
pub use counts::write_counts;
pub use labels::{
    ANNOTATION, CLASS_PREFIX, GROUP_PREFIX, ImageLabels, LabelError, Labelled, Seen, watch_labels,
    write_labels,
};
pub use lease::{Held, Lease};
pub use watch::watch;

use crate::publisher::Observation;

/// What records of it name as their source.
pub const SOURCE: &str = "kubernetes";

/// Where observations go.
pub type Sender = mpsc::Sender<Vec<Observation>>;
