//! Sources: from files and folders to observations. The content of a file shows its kind, not its name.

mod archive;
mod clone;
mod content;
mod describe;
mod docker;
mod elements;
mod file;
mod folder;
pub mod generated;
mod history;
mod id;
mod image_info;
mod inspect;
mod json;
mod kept;
mod layout;
pub mod line;
mod loose;
pub mod manifest;
pub mod provenance;
mod repo_info;
mod sniff;
mod tar;
mod text;
mod unpack;
mod walk;

use std::path::{Path, PathBuf};

use loose::Loose;
pub use walk::{Found, Input, PassedOver, find};

use crate::observe::Observation;
use crate::record::{DeadLetterRecord, Timestamp};

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
        "{} has nothing to import{}; `clade help import` lists what clade reads",
        .0.display(), .1.as_ref().map(|what| format!(": it is {what}")).unwrap_or_default()
    )]
    Nothing(PathBuf, Option<String>),
    /// The sink did not take an observation.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// Dead letters of one input, at most. A small compressed file may have a billion bad entries.
const MOST_DEAD_LETTERS: u64 = 10_000;

/// Reads inputs in their order. Calls `advance` with the number of bytes at each read. A manifest finds its config in any of
/// the inputs.
pub fn read(inputs: &[Input], advance: &dyn Fn(u64), sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let mut waiting = Loose::default();
    for (at, input) in inputs.iter().enumerate() {
        bounded(input.path(), sink, &mut |sink| {
            let read = read_whole(input, advance, &mut waiting, sink);
            // Those that have waited for others are told also if this input cannot be read.
            if read.is_err() || at + 1 == inputs.len() {
                waiting.tell(sink)?;
            }
            if at + 1 == inputs.len() {
                waiting.tell_running(sink)?;
            }
            read
        })?;
    }
    Ok(())
}

/// Reads with a sink that takes so many dead letters and counts the others.
fn bounded(
    path: &Path,
    sink: &mut Sink<'_>,
    read: &mut dyn FnMut(&mut Sink<'_>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut bad = 0_u64;
    let read = read(&mut |seen: Observation| {
        bad += u64::from(matches!(seen, Observation::Unreadable(_)));
        let is_told = bad <= MOST_DEAD_LETTERS || !matches!(seen, Observation::Unreadable(_));
        if is_told { sink(seen) } else { Ok(()) }
    });
    if bad > MOST_DEAD_LETTERS {
        let reason = format!(
            "{} more entries of the file could not be read; clade tells the first {MOST_DEAD_LETTERS} one by one",
            bad - MOST_DEAD_LETTERS
        );
        sink(unreadable(path, "end", reason, None))?;
    }
    read
}

fn read_whole(
    input: &Input,
    advance: &dyn Fn(u64),
    waiting: &mut Loose<'static>,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    match input {
        Input::Layout(dir) => folder::read(dir, sink),
        Input::Copied(dir) => folder::read_dir(dir, sink),
        Input::History { path, .. } => clone::read(path, advance, sink),
        Input::File { path, .. } => file::read(path, advance, waiting, sink),
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

/// Reads documents in JSON or YAML, which stand in `path`. Bad ones become dead letters.
#[cfg(feature = "internals")]
pub fn observe_objects(path: &Path, document: &[u8], sink: &mut Sink<'_>) -> Result<(), SinkError> {
    let mut waiting = Loose::default();
    file::documents(path, document, &mut waiting, sink)?;
    waiting.tell(sink)
}

/// Returns the time at which a file was written.
fn written(path: &Path) -> Timestamp {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    modified.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Returns a dead letter for a place in a file.
fn unreadable(path: &Path, place: &str, reason: String, value: Option<&[u8]>) -> Observation {
    Observation::Unreadable(DeadLetterRecord::new(format!("{}:{place}", path.display()), None, reason, value))
}
