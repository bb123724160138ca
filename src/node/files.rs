//! Files and folders as a source: imported once, or again whenever they change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::NodeError;
use crate::observe::Observation;
use crate::publisher::{Counts, Intake, PublishError, Publishing};
use crate::retry::{Backoff, Policy};
use crate::source::{self, Input, SinkError};

/// Interval at which clade checks the files for changes.
const LOOK: Duration = Duration::from_secs(2);
/// Delays after a failure: a file may be half written.
const RETRY: Policy = Policy::new(Duration::from_secs(4), Duration::from_secs(64));
/// Observations that are passed on together: enough to be fast, few enough to take little memory.
const TOGETHER: usize = 2_048;

/// The files below some paths, each with its size and the time of its last change.
type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Imports the files at the start, and again whenever one of them changes. It never ends by itself.
pub(super) async fn watch(publishing: Publishing, paths: Vec<PathBuf>) -> Result<(), NodeError> {
    let mut seen: Option<Stamps> = None;
    let mut backoff = Backoff::new(RETRY);
    let mut again = Instant::now();
    loop {
        let stamps = stamps(&paths);
        if seen.as_ref() != Some(&stamps) || backoff.failures() > 0 && Instant::now() >= again {
            seen = Some(stamps);
            let (publishing, paths) = (publishing.clone(), paths.clone());
            let taken = tokio::task::spawn_blocking(move || take_in_changed(&publishing, &paths));
            match taken.await.map_err(|error| NodeError::Ended(error.to_string()))? {
                Ok(Counts { images, tags, dead_letters, .. }) => {
                    eprintln!("took in {images} images, {tags} tags, {dead_letters} dead letters");
                    backoff.succeeded();
                }
                Err(error @ NodeError::Publish(PublishError::Ended)) => return Err(error),
                Err(error) => {
                    let failed = backoff.failed();
                    again = Instant::now() + failed.wait;
                    if failed.is_logged() {
                        let seconds = failed.wait.as_secs_f64().ceil();
                        eprintln!("warning: {error}; trying again in {seconds} s, or when it changes");
                    }
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn take_in_changed(publishing: &Publishing, paths: &[PathBuf]) -> Result<Counts, NodeError> {
    take_in(publishing, &source::find(paths)?, |_| {})
}

/// Reads all inputs and publishes their observations. Calls `advance` with the number of bytes read.
pub fn take_in(
    publishing: &Publishing,
    inputs: &[Input],
    advance: impl Fn(u64),
) -> Result<Counts, NodeError> {
    let mut portions = Portions { intake: publishing.intake(), next: Vec::new() };
    for input in inputs {
        source::read(input, &advance, &mut |observation| portions.put(observation).map_err(SinkError::new))?;
    }
    portions.hand_on()?;
    Ok(portions.intake.finish()?)
}

/// Passes observations on in portions, since each call costs a switch of threads.
struct Portions {
    intake: Intake,
    next: Vec<Observation>,
}

impl Portions {
    fn put(&mut self, observation: Observation) -> Result<(), PublishError> {
        self.next.push(observation);
        if self.next.len() >= TOGETHER { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<(), PublishError> {
        self.intake.put(std::mem::take(&mut self.next))
    }
}

fn stamps(paths: &[PathBuf]) -> Stamps {
    let inputs = source::find(paths).unwrap_or_default();
    let stamp = |input: Input| {
        let path = match input {
            Input::Layout(dir) => dir.join("index.json"),
            Input::File { path, .. } => path,
        };
        let metadata = std::fs::metadata(&path).ok();
        let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        (path, (size, metadata.and_then(|metadata| metadata.modified().ok())))
    };
    inputs.into_iter().map(stamp).collect()
}
