//! What can go wrong with a registry.

/// Why something could not be had of a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be watched as it is configured.
    #[error("{0}")]
    Config(String),
    /// It cannot be reached, or does not answer.
    #[error("{host} cannot be reached: {problem}")]
    Unreachable {
        /// The registry.
        host: String,
        /// The system's word.
        problem: String,
    },
    /// One of its answers breaks off, or does not come.
    #[error("{host} does not answer {path} to its end: {problem}")]
    Broken {
        /// The registry.
        host: String,
        /// What was asked for.
        path: String,
        /// What happened.
        problem: String,
    },
    /// It does not let us in.
    #[error("{host} does not let us in{to}: {problem}")]
    Refused {
        /// The registry.
        host: String,
        /// Where to, as ` to team/app`; empty for everything.
        to: String,
        /// Which credentials were used, and what the registry said.
        problem: String,
    },
    /// It answers with an error.
    #[error("{host} answers {status} to {path}{problem}")]
    Status {
        /// The registry.
        host: String,
        /// The status.
        status: u16,
        /// What was asked for.
        path: String,
        /// What it said, with a colon in front; may be empty.
        problem: String,
    },
    /// It answers with something that it should not.
    #[error("{host} answers to {path} with what is no answer: {problem}")]
    Malformed {
        /// The registry.
        host: String,
        /// What was asked for.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// It does not list its repositories.
    #[error("{host} does not list its repositories ({problem}): name them with --registry-repository")]
    NoCatalog {
        /// The registry.
        host: String,
        /// What it said.
        problem: String,
    },
}

impl RegistryError {
    /// Whether it is of no use to go on with other repositories.
    pub(super) fn is_everywhere(&self) -> bool {
        match self {
            Self::Config(_) | Self::Unreachable { .. } | Self::NoCatalog { .. } => true,
            Self::Refused { to, .. } => to.is_empty(),
            Self::Status { .. } | Self::Malformed { .. } | Self::Broken { .. } => false,
        }
    }

    /// Whether it is the registry's word that this one thing is not for us: asking again at once is of no use, and what
    /// else there is can be found out.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Status { status, .. } => (400..500).contains(status),
            Self::Refused { to, .. } => !to.is_empty(),
            _ => false,
        }
    }
}
