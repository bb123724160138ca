//! Files and folders as a source: imported once, or again whenever they change.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::NodeError;
use crate::observe::Observation;
use crate::oci::{Digest, Reference};
use crate::publisher::{Counts, Intake, PublishError, Publishing};
use crate::retry::{Backoff, Policy};
use crate::source::{self, Found, Input, PassedOver, SinkError};

/// Interval at which clade checks the files for changes.
const LOOK: Duration = Duration::from_secs(2);
/// Delays after a failure: a file may be half written.
const RETRY: Policy = Policy::new(Duration::from_secs(4), Duration::from_secs(64));
/// Observations that are passed on together: enough to be fast, few enough to take little memory.
const TOGETHER: usize = 512;

/// The files below some paths, each with its size and the time of its last change.
type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Files passed over that are told by name, at most.
const TOLD: usize = 20;

/// Imports the files at the start, and again whenever one of them changes. It never ends by itself.
pub(super) async fn watch(publishing: Publishing, paths: Vec<PathBuf>) -> Result<(), NodeError> {
    let mut seen: Option<Stamps> = None;
    let mut told = Vec::new();
    let mut backoff = Backoff::new(RETRY);
    let mut again = Instant::now();
    loop {
        let found = source::find(&paths);
        let stamps = found.as_ref().map(stamps).unwrap_or_default();
        if seen.as_ref() != Some(&stamps) || backoff.failures() > 0 && Instant::now() >= again {
            seen = Some(stamps);
            if let Ok(found) = &found
                && found.passed_over != told
            {
                tell(&found.passed_over);
                told.clone_from(&found.passed_over);
            }
            let publishing = publishing.clone();
            let taken = tokio::task::spawn_blocking(move || take_in(&publishing, &found?.inputs, |_| {}));
            match taken.await.map_err(|error| NodeError::Ended(error.to_string()))? {
                Ok(Taken { images, tags, written, .. }) => {
                    let dead_letters = written.dead_letters;
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

/// Tells people which files were passed over, and what they are.
pub fn tell(passed_over: &[PassedOver]) {
    for PassedOver { path, reason } in passed_over.iter().take(TOLD) {
        eprintln!("warning: {} is passed over: {reason}", path.display());
    }
    if passed_over.len() > TOLD {
        eprintln!("warning: {} more files are passed over", passed_over.len() - TOLD);
    }
}

/// The result of an import.
#[derive(Debug, Clone, Copy, Default)]
pub struct Taken {
    /// The images that were read. An image that stands there twice counts once.
    pub images: usize,
    /// The tags that were read. A tag that has moved counts once.
    pub tags: usize,
    /// The BuildConfigs that were read.
    pub build_configs: usize,
    /// The workloads of the pods that were read.
    pub workloads: usize,
    /// The versions of classes that were read.
    pub versions: usize,
    /// The records that were written of them, and the rest of the publisher's work.
    pub written: Counts,
}

/// Reads all inputs and publishes their observations. Calls `advance` with the number of bytes read.
pub fn take_in(publishing: &Publishing, inputs: &[Input], advance: impl Fn(u64)) -> Result<Taken, NodeError> {
    let mut portions =
        Portions { intake: publishing.intake(), next: Vec::with_capacity(TOGETHER), names: Names::default() };
    source::read(inputs, &advance, &mut |observation| portions.put(observation).map_err(SinkError::new))?;
    portions.hand_on()?;
    let Names { images, tags, build_configs, workloads, versions } = portions.names;
    Ok(Taken {
        images: images.len(),
        tags: tags.len(),
        build_configs: build_configs.len(),
        workloads,
        versions,
        written: portions.intake.finish()?,
    })
}

/// The names in an import.
#[derive(Default)]
struct Names {
    images: HashSet<Digest>,
    tags: HashSet<String>,
    build_configs: HashSet<String>,
    workloads: usize,
    versions: usize,
}

impl Names {
    fn add(&mut self, seen: &Observation) {
        match seen {
            Observation::Image(image) => {
                self.images.insert(image.digest);
            }
            Observation::Tag(tag) => {
                self.tags.insert(Reference::tag_name(&tag.repository, &tag.tag));
            }
            Observation::BuildConfig(of) => {
                self.build_configs.insert(format!("{}/{}", of.namespace, of.name));
            }
            // Each comes once.
            Observation::Workload(_) => self.workloads += 1,
            Observation::Version(_) => self.versions += 1,
            _ => {}
        }
    }
}

/// Passes observations on in portions, since each call costs a switch of threads.
struct Portions {
    intake: Intake,
    next: Vec<Observation>,
    names: Names,
}

impl Portions {
    fn put(&mut self, observation: Observation) -> Result<(), PublishError> {
        self.names.add(&observation);
        self.next.push(observation);
        if self.next.len() >= TOGETHER { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<(), PublishError> {
        self.intake.put(std::mem::replace(&mut self.next, Vec::with_capacity(TOGETHER)))
    }
}

fn stamps(found: &Found) -> Stamps {
    let stamp = |input: &Input| {
        let path = input.changing();
        let metadata = std::fs::metadata(&path).ok();
        let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        (path, (size, metadata.and_then(|metadata| metadata.modified().ok())))
    };
    found.inputs.iter().map(stamp).collect()
}
