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
//! It writes a convergent difference: it computes the right content of `classifications` from the inputs and compares
//! it with the present content, so it does not matter where an earlier processor stopped. After any error the caller
//! drops the processor and restores another in its place; a processor never continues from a state that may not be
//! committed.

mod commit;
mod follower;
mod input;
mod past;
mod restore;
mod snapshot;
mod state;
mod traces;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use crate::log::{AppendError, LogError, SharedLog, TopicPartition, Writer};
use crate::record::{ProgressRecord, Topic};
use crate::snapshot::Snapshots;
use crate::telemetry::{self, Metrics, Spans, Telemetry};
use crate::view::View;
use commit::{InFlight, Results};
pub use follower::Follower;
use input::{Inputs, Refused, take_in};
pub use past::Past;
use restore::{Start, Who};
use snapshot::Unsaved;
use state::State;
use traces::Traces;

/// An error that stops a processor. Another one is restored in its place.
#[derive(Debug, thiserror::Error)]
pub enum ProcessorError {
    /// The log could not be read.
    #[error("cannot read the log: {0}")]
    Log(#[from] LogError),
    /// The log did not commit the results, or its answer is unknown.
    #[error("cannot commit: {0}")]
    Append(#[from] AppendError),
    /// A result could not be encoded as JSON.
    #[error("cannot encode a record: {0}")]
    Encode(#[from] serde_json::Error),
    /// The stop flag was set before the processor was up to date.
    #[error("stopped before it was up to date")]
    Stopped,
    /// The inputs do not reach their ends.
    #[error(
        "the inputs of partition {partition} could not be read to their ends: nothing came for {seconds} s"
    )]
    Stalled {
        /// The partition.
        partition: u16,
        /// Seconds without a record.
        seconds: u64,
    },
    /// The partition was processed with another number of partitions.
    #[error("{}", other_partitions(*partition, *before, *now))]
    Partitions {
        /// The partition.
        partition: u16,
        /// The earlier number; 0 if a migration has not finished.
        before: u16,
        /// The present number.
        now: u16,
    },
}

fn other_partitions(partition: u16, before: u16, now: u16) -> String {
    if before == 0 {
        return format!(
            "a migration into these topics has not finished, so that partition {partition} lacks what the others \
             follow from: run `clade topics migrate` again"
        );
    }
    format!(
        "partition {partition} was processed with {before} partitions, and there are {now} now: images would be looked \
         for in the wrong place; start with {before} partitions, or import into a new data directory"
    )
}

/// The steps of a processor between which a test can interrupt it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The committed state has been read back.
    Restored,
    /// A batch of inputs was read.
    Read,
    /// The batch was applied, and the difference is known or follows; nothing is written.
    Concluded,
    /// A part of the results was appended, and more follows.
    PartlyCommitted,
    /// All results and the progress were appended; readers do not see them yet.
    Committed,
    /// Readers see them.
    Published,
}

/// A callback for each step.
pub type Observer = Arc<dyn Fn(u16, Step) + Send + Sync>;

/// The options of a processor.
#[derive(Clone)]
pub struct Options {
    /// Records of each input in one read, at most. A batch consists of at most two reads.
    pub batch_records: usize,
    /// Images whose results are appended at once, at most. The results of one image are never divided.
    pub commit_images: usize,
    /// Bytes of results after which an append is closed: an image in thousands of classes has thousands of events.
    pub commit_bytes: usize,
    /// After so many changes the copies are laid out anew, once there is nothing else to do.
    pub settle_changes: usize,
    /// Told of each step.
    pub observer: Observer,
    /// The metrics of the process.
    pub metrics: Metrics,
    /// The exporter of spans for each record.
    pub spans: Spans,
    /// The stop flag: a restore under way ends early.
    pub stop: Arc<AtomicBool>,
    /// The store of snapshots. Without it, a restart reads the log from its beginning.
    pub snapshots: Option<Snapshots>,
}

impl Options {
    /// The defaults, with the telemetry of a process and its snapshots.
    pub fn of(telemetry: &Telemetry, snapshots: Option<Snapshots>) -> Self {
        let Telemetry { metrics, spans } = telemetry.clone();
        Self { metrics, spans, snapshots, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            batch_records: 8_192,
            commit_images: 4_096,
            commit_bytes: 16 << 20,
            settle_changes: 65_536,
            observer: Arc::new(|_, _| {}),
            metrics: Metrics::default(),
            spans: Spans::default(),
            stop: Arc::default(),
            snapshots: None,
        }
    }
}

/// The result of one step of a processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// The number of records read. 0 if there was nothing to do.
    pub records: usize,
    /// The number of images whose classification changed.
    pub classified: usize,
    /// The number of transitions.
    pub transitions: usize,
    /// The number of records that could not be used.
    pub dead_letters: usize,
    /// `true` if everything published has been processed and committed.
    pub at_end: bool,
}

/// The processor of one partition.
pub struct Processor {
    log: SharedLog,
    writer: Box<dyn Writer>,
    partition: u16,
    options: Options,
    inputs: Inputs,
    state: State,
    /// The last append, which may not be committed yet.
    in_flight: Option<InFlight>,
    /// Batch counter.
    sequence: u64,
    committed: ProgressRecord,
    is_restored: bool,
    /// Images taken in since the copies were last laid out again.
    unsettled: usize,
    unsaved: Unsaved,
}

impl Processor {
    /// Takes over the partition from an earlier owner, and brings its state up to the end of its inputs. It publishes
    /// the state in the view, if there is one.
    pub fn restore(
        log: SharedLog,
        view: Option<&Arc<View>>,
        partition: u16,
        options: Options,
    ) -> Result<Self, ProcessorError> {
        // The writer first, so that an earlier processor that is still running cannot commit after the reads below.
        let writer = log.writer(&format!("processor-{partition}"))?;
        let start = restore::start(&log, partition, Who::Processor, &options)?;
        let Start { committed, progress, classifications, shard } = start;
        let state = State::new(view, partition, shard);
        let inputs = Inputs::open(&*log, progress, options.batch_records)?;
        let mut processor = Self {
            log,
            writer,
            partition,
            options,
            inputs,
            state,
            in_flight: None,
            sequence: committed.sequence,
            committed,
            is_restored: false,
            unsettled: 0,
            unsaved: Unsaved::new(0, 0),
        };
        processor.read_back(classifications)?;
        Ok(processor)
    }

    /// Processes the records since the last call; waits at most `timeout` if there are none.
    pub fn step(&mut self, timeout: Duration) -> Result<Done, ProcessorError> {
        self.snapshot_if(Unsaved::is_due)?;
        // While a batch is under way, the next is read already. If there is none, only the batch is left to wait for.
        let timeout = if self.in_flight.is_some() { Duration::ZERO } else { timeout };
        let mut taken = self.inputs.read(timeout)?;
        let begun = SystemTime::now();
        if self.in_flight.is_some() && taken.records > 0 && !taken.is_full {
            // Records that come until that batch is committed belong to this batch. If this one were closed now, it
            // would have to wait for both.
            self.finish()?;
            taken.add(self.inputs.read(Duration::ZERO)?);
        }
        if taken.records == 0 {
            self.finish()?;
            self.writer.idle();
            self.settle_if_worthwhile();
            return Ok(Done { at_end: taken.at_end, ..Done::default() });
        }
        self.at(Step::Read);
        if self.state.is_shown() {
            // The working copy has to be published before it changes again.
            self.finish()?;
        }
        let records = taken.records;
        let traces = Traces::of(&taken.changes, self.partition, begun, &self.options.spans);
        let (changes, refused) = take_in(self.state.shard(), taken.changes);
        let letters = taken.refused.into_iter().chain(refused);
        let dead_letters: Vec<_> =
            letters.filter(|refused| self.reports(refused)).map(Refused::letter).collect();
        let mut drain = self.state.shard().begin_drain();
        let first = self.state.shard().next_effect(&mut drain);
        let images = self.state.shard().index().len();
        telemetry::set(&self.options.metrics.images, self.partition, images as u64);
        self.at(Step::Concluded);
        self.unsettled += changes.len();
        self.unsaved.add(records, images);
        self.sequence += 1;
        let progress = ProgressRecord { sequence: self.sequence, ..taken.progress };
        self.begin(Results { drain, first, dead_letters, changes, traces, records }, progress)
    }

    /// Every partition reads the catalog; only one of them reports its invalid records.
    fn reports(&self, refused: &Refused) -> bool {
        refused.source.of.topic != Topic::Catalog || self.partition == 0
    }

    /// Commits the append under way, takes a snapshot if that is of use, and stops.
    pub fn close(mut self) -> Result<(), ProcessorError> {
        self.finish()?;
        self.snapshot_if(|unsaved, _| unsaved.is_much())
    }

    /// The committed progress.
    pub fn progress(&self) -> ProgressRecord {
        self.committed
    }

    /// The number of images in the partition.
    pub fn images(&self) -> usize {
        self.unsaved.images()
    }

    fn output(&self, topic: Topic) -> TopicPartition {
        TopicPartition { topic, partition: self.partition }
    }

    fn at(&self, step: Step) {
        (self.options.observer)(self.partition, step);
    }

    /// Lays the copies out again when the processor is idle and much has changed since then: a subtree laid out
    /// in order is read about five times as fast.
    fn settle_if_worthwhile(&mut self) {
        if self.unsettled >= self.options.settle_changes {
            self.state.settle();
            self.unsettled = 0;
        }
    }
}
