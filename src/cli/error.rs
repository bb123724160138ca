//! The errors of commands and their exit codes. The codes stand in docs/reference/exit-codes.md and do not change.

use std::process::ExitCode;

use crate::node::NodeError;

/// An error that ends a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An error without a code of its own. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// The arguments contradict each other. Exit code 2, as clap's own.
    #[error("{0}")]
    Usage(String),
    /// The requested object does not exist, or its name is ambiguous. Exit code 3.
    #[error("{0}")]
    NotFound(String),
    /// The request is valid, but it is too early: nothing was done or answered. Exit code 1.
    #[error("{0}")]
    NotYet(String),
    /// Another process has the data directory. Exit code 4.
    #[error("{0}")]
    InUse(String),
    /// An image violates a policy. Exit code 5.
    #[error("{0}")]
    Violating(String),
    /// A policy cannot be judged, as clade does not know an image. Exit code 6.
    #[error("{0}")]
    UnknownImage(String),
    /// Standard output was closed. Exit code 0.
    #[error("standard output was closed")]
    ClosedOutput,
}

impl CliError {
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::ClosedOutput => 0,
            Self::Failed(_) | Self::NotYet(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::InUse(_) => 4,
            Self::Violating(_) => 5,
            Self::UnknownImage(_) => 6,
        })
    }

    pub(super) fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<crate::engine::EngineError> for CliError {
    fn from(error: crate::engine::EngineError) -> Self {
        match error {
            crate::engine::EngineError::Log(crate::log::LogError::InUse(who)) => Self::InUse(who),
            error => Self::failed(error),
        }
    }
}

impl From<crate::api::ClientError> for CliError {
    fn from(error: crate::api::ClientError) -> Self {
        match error {
            crate::api::ClientError::NotFound(problem) => Self::NotFound(problem),
            crate::api::ClientError::Invalid(problem) => Self::Usage(problem),
            crate::api::ClientError::NotYet(problem) => Self::NotYet(problem),
            crate::api::ClientError::Failed(problem) => Self::Failed(problem),
            crate::api::ClientError::Sink(error) => error.into(),
        }
    }
}

impl From<crate::publisher::PublishError> for CliError {
    fn from(error: crate::publisher::PublishError) -> Self {
        Self::failed(error)
    }
}

impl From<crate::rebuilder::RebuildError> for CliError {
    fn from(error: crate::rebuilder::RebuildError) -> Self {
        match error {
            crate::rebuilder::RebuildError::NotFound(_) => Self::NotFound(error.to_string()),
            crate::rebuilder::RebuildError::Invalid(problem) => Self::Usage(problem),
            error => Self::failed(error),
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::ClosedOutput } else { Self::failed(error) }
    }
}

impl From<crate::log::LogError> for CliError {
    fn from(error: crate::log::LogError) -> Self {
        crate::engine::EngineError::Log(error).into()
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Usage(problem) => Self::Usage(problem),
            NodeError::Engine(error) => error.into(),
            NodeError::Log(error) => error.into(),
            NodeError::Rebuild(error) => error.into(),
            NodeError::Audit(error) => error.into(),
            NodeError::Io(error) => error.into(),
            error => Self::failed(error),
        }
    }
}

impl From<crate::source::SourceError> for CliError {
    fn from(error: crate::source::SourceError) -> Self {
        Self::failed(error)
    }
}
