//! Sources: from files and folders to observations. The content of a file shows its kind, not its name.

mod content;
mod file;
pub mod generated;
mod history;
mod kubernetes;
mod layout;
pub mod line;
pub mod manifest;
pub mod provenance;
mod text;
mod walk;

use std::path::{Path, PathBuf};

pub use walk::{Input, find};

use crate::observe::Observation;
use crate::record::DeadLetterRecord;

/// The receiver of observations. An error ends the reading.
pub type Sink<'a> = dyn FnMut(Observation) -> Result<(), SinkError> + 'a;

/// The error of a [`Sink`].
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SinkError(Box<dyn std::error::Error + Send + Sync>);

impl SinkError {
    /// Wraps an error of the receiver of observations.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// The reason why a source could not be read at all. Errors inside it become dead letters instead.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file or folder cannot be read.
    #[error("cannot read {path}: {error}", path = .path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The file or folder has nothing that clade reads.
    #[error(
        "{} has nothing to import{}: expected JSON lines of images or tags, `oc get … -o json` lists, or an OCI image \
         layout",
        .0.display(), .1.map(|what| format!(" (it is {what})")).unwrap_or_default()
    )]
    Nothing(PathBuf, Option<&'static str>),
    /// The sink did not take an observation.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// Reads one input. Calls `advance` with the number of bytes at each read.
pub fn read(input: &Input, advance: &dyn Fn(u64), sink: &mut Sink<'_>) -> Result<(), SourceError> {
    match input {
        Input::Layout(dir) => layout::read(dir, sink),
        Input::File { path, .. } => file::read(path, advance, sink),
    }
}

/// Returns the observation from a line of a history, or the error in it.
pub fn observe(line: line::Line) -> Result<Observation, String> {
    history::observation(line)
}

/// Returns the observation from a line of a history as it stands in a file, or the error in it.
#[cfg(feature = "internals")]
pub fn observe_line(line: &[u8]) -> Result<Observation, String> {
    history::read(line)
}

/// Reads a document of Kubernetes objects, which stands in `path`. Bad objects become dead letters.
#[cfg(feature = "internals")]
pub fn observe_objects(path: &Path, document: &[u8], sink: &mut Sink<'_>) -> Result<(), SinkError> {
    kubernetes::read(path, document, sink)
}

/// Returns a dead letter for a place in a file.
fn unreadable(path: &Path, place: &str, reason: String, value: Option<&[u8]>) -> Observation {
    Observation::Unreadable(DeadLetterRecord::new(format!("{}:{place}", path.display()), None, reason, value))
}
