//! The errors that end a process.

use crate::audit::AuditError;
use crate::engine::EngineError;
use crate::kubernetes::KubernetesError;
use crate::labeler::LabelerError;
use crate::log::LogError;
use crate::publisher::PublishError;
use crate::rebuilder::RebuildError;
use crate::registry::RegistryError;
use crate::reporter::ReporterError;
use crate::source::SourceError;

/// An error that ends a process or a command.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The settings contradict each other.
    #[error("{0}")]
    Usage(String),
    /// An engine could not start, or has given up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The log cannot be opened or read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log did not take records to publish.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A registry cannot be watched as it is configured.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The cluster cannot be reached, or another instance has the lease.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// The labeler has ended.
    #[error(transparent)]
    Labeler(#[from] LabelerError),
    /// The reporter has ended.
    #[error(transparent)]
    Reporter(#[from] ReporterError),
    /// The rebuilder has ended.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The auditor has ended.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// An error of a file, a thread or a socket.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The API cannot listen, or has ended.
    #[error("{0}")]
    Listen(String),
    /// A service has ended unexpectedly.
    #[error("{0}; this is a bug in clade")]
    Ended(String),
}
