//! The processor of one partition: reads its inputs, concludes, commits, publishes.
//!
//! ```text
//!   images[p] ─┐                                     ┌─► classifications[p] ─┐
//!   tags[p]   ─┼─► read ─► decode ─► Shard ─► commit ┼─► outdated[p]         ├─ one atomic batch
//!   catalog   ─┘                       │             ├─► dead-letters[p]     │
//!                                      │             └─► progress[p]         ┘
//!                                      └─► (after the commit) the view that readers see
//! ```
//!
//! It is a convergent difference: what should stand on `classifications` is computed from the inputs and compared with
//! what does stand there, so it does not matter where an earlier processor stopped. A processor that saw any error is
//! dropped and another restored in its place; it never goes on from a state that may not be committed.

mod commit;
mod input;
mod restore;

use std::sync::Arc;
use std::time::Duration;

use crate::log::{AppendError, LogError, SharedLog, TopicPartition, Writer};
use crate::record::{ProgressRecord, Topic};
use crate::view::{Replica, View};
use input::Refused;

/// Why a processor had to stop. Another one is restored in its place.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// The log could not be read.
    #[error("cannot read the log: {0}")]
    Log(#[from] LogError),
    /// The log did not take the results, or perhaps did.
    #[error("cannot commit: {0}")]
    Append(#[from] AppendError),
    /// A result could not be written as JSON.
    #[error("cannot encode a record: {0}")]
    Encode(#[from] serde_json::Error),
    /// The partition was processed with another number of partitions.
    #[error(
        "partition {partition} was processed with {before} partitions, and there are {now} now: images would be looked \
         for in the wrong place; start with {before} partitions, or import into a new data directory"
    )]
    Partitions {
        /// The partition.
        partition: u16,
        /// How many there were.
        before: u16,
        /// How many there are.
        now: u16,
    },
}

/// The steps of a processor between which it can be interrupted: named so that tests can do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// What was committed before has been read back.
    Restored,
    /// A batch of inputs was read.
    Read,
    /// It was applied, and the difference is known; nothing is written.
    Concluded,
    /// A part of the results was appended, and more follows.
    PartlyCommitted,
    /// All results and the progress were appended; readers do not see them yet.
    Committed,
    /// Readers see them.
    Published,
}

/// Called at each step.
pub type Observer = Arc<dyn Fn(u16, Step) + Send + Sync>;

/// How a processor works.
#[derive(Clone)]
pub struct Options {
    /// How many records of each input make one batch at the most.
    pub batch_records: usize,
    /// How many images' results are appended at once. An image's results are never divided.
    pub commit_images: usize,
    /// Told of each step.
    pub observer: Observer,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_records: 8_192, commit_images: 4_096, observer: Arc::new(|_, _| {}) }
    }
}

/// What one step of a processor did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Records read. None: there was nothing to do.
    pub records: usize,
    /// Images whose classification changed.
    pub classified: usize,
    /// Transitions.
    pub transitions: usize,
    /// Records that could not be used.
    pub dead_letters: usize,
}

/// The processor of one partition.
pub struct Processor {
    log: SharedLog,
    writer: Box<dyn Writer>,
    partition: u16,
    options: Options,
    replica: Replica,
    progress: ProgressRecord,
    /// Images taken in since the copies were laid out anew.
    unsettled: usize,
}

impl Processor {
    /// Takes the partition over from whoever had it, and brings its state up to the end of its inputs.
    pub fn restore(
        log: SharedLog,
        view: &Arc<View>,
        partition: u16,
        options: Options,
    ) -> Result<Self, ProcessorError> {
        // First, so that a predecessor that is still running cannot commit after what is read here.
        let writer = log.writer(&format!("processor-{partition}"))?;
        let replica = Replica::new(Arc::clone(view), partition, log.partitions());
        let progress = restore::last_progress(&log, partition)?;
        let mut processor = Self { log, writer, partition, options, replica, progress, unsettled: 0 };
        processor.read_back()?;
        Ok(processor)
    }

    /// Processes what has come since the last call.
    pub fn step(&mut self) -> Result<Done, ProcessorError> {
        let inputs = self.read()?;
        if inputs.records == 0 {
            self.settle_if_worthwhile();
            return Ok(Done::default());
        }
        self.at(Step::Read);
        let mut done = Done { records: inputs.records, ..Done::default() };
        let (changes, refused) = self.take_in(inputs.changes);
        let dead_letters: Vec<_> = inputs.refused.into_iter().chain(refused).map(Refused::letter).collect();
        let effects = self.replica.shard().drain();
        self.at(Step::Concluded);
        done.classified = effects.len();
        done.transitions = effects.iter().map(|effect| effect.transitions.len()).sum();
        done.dead_letters = dead_letters.len();
        let progress = ProgressRecord { sequence: self.progress.sequence + 1, ..inputs.progress };
        self.commit(effects, &dead_letters, &progress)?;
        self.unsettled += changes.len();
        self.progress = progress;
        self.replica.publish(changes, progress);
        self.at(Step::Published);
        Ok(done)
    }

    /// Blocks until there is more to do, or the time is over.
    pub fn wait(&self, timeout: Duration) -> Result<bool, ProcessorError> {
        let [images, tags, catalog] = self.inputs();
        let next = &self.progress;
        Ok(self.log.wait(&[(images, next.images), (tags, next.tags), (catalog, next.catalog)], timeout)?)
    }

    /// How far it is.
    pub fn progress(&self) -> ProgressRecord {
        self.progress
    }

    fn inputs(&self) -> [TopicPartition; 3] {
        [
            TopicPartition { topic: Topic::Images, partition: self.partition },
            TopicPartition { topic: Topic::Tags, partition: self.partition },
            TopicPartition { topic: Topic::Catalog, partition: 0 },
        ]
    }

    fn output(&self, topic: Topic) -> TopicPartition {
        TopicPartition { topic, partition: self.partition }
    }

    fn at(&self, step: Step) {
        (self.options.observer)(self.partition, step);
    }

    /// Lays the copies out anew when there is nothing else to do and much has come since: laid out in order, a subtree
    /// is read about five times as fast.
    fn settle_if_worthwhile(&mut self) {
        const WORTHWHILE: usize = 65_536;
        if self.unsettled >= WORTHWHILE {
            self.replica.settle();
            self.unsettled = 0;
        }
    }
}
