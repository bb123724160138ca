//! Errors of a registry.

/// The reason why clade could not get something from a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// clade cannot watch the registry with these settings.
    #[error("{0}")]
    Config(String),
    /// clade cannot reach the registry, or gets no answer.
    #[error("{host} cannot be reached: {problem}")]
    Unreachable {
        /// The registry.
        host: String,
        /// The message of the system.
        problem: String,
    },
    /// An answer of the registry breaks off, or does not come.
    #[error("{host} does not answer {path} to its end: {problem}")]
    Broken {
        /// The registry.
        host: String,
        /// The path of the request.
        path: String,
        /// The cause.
        problem: String,
    },
    /// The registry refuses access.
    #[error("{host} does not let us in{to}: {problem}")]
    Refused {
        /// The registry.
        host: String,
        /// The place, as ` to team/app`; empty for the whole registry.
        to: String,
        /// The credentials that clade used, and the message of the registry.
        problem: String,
    },
    /// The registry answers with an error.
    #[error("{host} answers {status} to {path}{problem}")]
    Status {
        /// The registry.
        host: String,
        /// The status.
        status: u16,
        /// The path of the request.
        path: String,
        /// The message of the registry, with a colon in front; may be empty.
        problem: String,
    },
    /// The registry answers with something malformed.
    #[error("{host} answers to {path} with what is no answer: {problem}")]
    Malformed {
        /// The registry.
        host: String,
        /// The path of the request.
        path: String,
        /// The defect.
        problem: String,
    },
    /// The registry does not list its repositories.
    #[error("{host} does not list its repositories ({problem}): name them with --registry-repository")]
    NoCatalog {
        /// The registry.
        host: String,
        /// The status and the message of its answer.
        problem: String,
    },
}

impl RegistryError {
    /// Returns `true` if requests for other repositories would fail as well.
    pub(super) fn is_everywhere(&self) -> bool {
        match self {
            Self::Config(_) | Self::Unreachable { .. } | Self::NoCatalog { .. } => true,
            Self::Refused { to, .. } => to.is_empty(),
            Self::Status { .. } | Self::Malformed { .. } | Self::Broken { .. } => false,
        }
    }

    /// Returns `true` if the registry refuses this one thing: a retry at once is of no use, and clade can read
    /// everything else.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Status { status, .. } => (400..500).contains(status),
            Self::Refused { to, .. } => !to.is_empty(),
            _ => false,
        }
    }
}
