//! A clade that runs, its input, and a time in which both are watched.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Client;
use tokio::time::{Instant, interval};

use crate::input::Input;
use crate::probes::{Probes, Results, status};
use crate::process::{Clade, command};
use crate::strangers::{Counts, Strangers};

/// Files that may wait for clade; more would only make it read them again and again.
const WAITING: usize = 30;
/// Time in which clade takes in what is left, or else something is lost.
const PATIENCE: Duration = Duration::from_secs(900);

/// Memory and content of clade at one moment of a phase.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) memory: u64,
    pub(crate) images: u64,
    pub(crate) files: usize,
}

/// The measurements of a phase.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) length: Duration,
    pub(crate) put: u64,
    pub(crate) took: Vec<Duration>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) cpu: f64,
    pub(crate) results: Results,
    pub(crate) strangers: Option<Arc<Counts>>,
}

pub(crate) struct Load {
    data: PathBuf,
    from: PathBuf,
    pub(crate) clade: Clade,
    pub(crate) input: Input,
    client: Client,
    /// The images about which the probes may ask.
    known: Arc<AtomicU64>,
}

impl Load {
    pub(crate) async fn start(dir: &Path) -> Self {
        let (data, from) = (dir.join("data"), dir.join("input"));
        let mut input = Input::new(&from);
        input.put(1_000);
        let declared = dir.join("classes.yaml");
        std::fs::write(&declared, Input::declarations()).unwrap();
        let clade = Clade::start(&data, &from);
        assert!(command(&data).arg("apply").arg("-f").arg(declared).output().unwrap().status.success());
        let client = Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        let mut load = Self { data, from, clade, input, client, known: Arc::default() };
        load.taken_in().await;
        load
    }

    /// Looks at what clade has by now, unless it gives no answer. Returns its number of images.
    async fn look(&mut self) -> Option<u64> {
        let images = status(&self.client, &self.clade.address).await?;
        self.input.taken(images);
        self.known.store(self.input.known(), Ordering::Relaxed);
        Some(images)
    }

    /// Waits until clade has all input.
    pub(crate) async fn taken_in(&mut self) {
        let begun = Instant::now();
        let mut ticks = interval(Duration::from_millis(100));
        while self.input.waiting() > 0 {
            ticks.tick().await;
            self.look().await;
            assert!(begun.elapsed() < PATIENCE, "{} files are not taken in", self.input.waiting());
        }
    }

    /// Puts this many images a second in, and measures.
    pub(crate) async fn phase(
        &mut self,
        name: &'static str,
        rate: usize,
        length: Duration,
        beside: bool,
    ) -> Phase {
        self.input.took.clear();
        let (built, cpu, begun) = (self.input.built(), self.clade.cpu(), Instant::now());
        let probes = Probes::start(&self.clade.address, &self.known);
        let strangers = beside.then(|| Strangers::start(&self.clade.address));
        let (mut seconds, mut looks) =
            (interval(Duration::from_secs(1)), interval(Duration::from_millis(250)));
        let mut samples: Vec<Sample> = Vec::new();
        while begun.elapsed() < length {
            tokio::select! {
                biased;
                _ = seconds.tick() => if self.input.waiting() < WAITING {
                    self.input.put(rate);
                },
                _ = looks.tick() => {
                    let Some(images) = self.look().await else { continue };
                    let at = begun.elapsed();
                    if samples.last().is_none_or(|last| at >= last.at + Duration::from_secs(1)) {
                        let (memory, files) = (self.clade.memory(), self.clade.files());
                        samples.push(Sample { at, memory, images, files });
                        self.tell(name, samples.len(), at, &samples);
                    }
                }
            }
        }
        Phase {
            name,
            length: begun.elapsed(),
            put: self.input.built() - built,
            took: std::mem::take(&mut self.input.took),
            samples,
            cpu: self.clade.cpu() - cpu,
            results: probes.end(),
            strangers: strangers.map(|strangers| Arc::clone(&strangers.counts)),
        }
    }

    fn tell(&self, name: &str, number: usize, at: Duration, samples: &[Sample]) {
        let Some(Sample { memory, images, files, .. }) = samples.last() else { return };
        if number % 10 == 1 {
            let (seconds, waiting) = (at.as_secs(), self.input.waiting());
            eprintln!(
                "{name}: {seconds} s, {images} images, {waiting} files wait, {memory} MiB, {files} open files"
            );
        }
    }

    /// Kills clade and starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        self.clade.kill();
        self.clade = Clade::start(&self.data, &self.from);
        while status(&self.client, &self.clade.address)
            .await
            .is_none_or(|images| images < self.input.images())
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
