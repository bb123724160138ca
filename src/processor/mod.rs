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
mod follower;
mod input;
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
use restore::{Start, Who};
use snapshot::Unsaved;
use state::State;
use traces::Traces;

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
    /// It was told to stop before it was up to date.
    #[error("stopped before it was up to date")]
    Stopped,
    /// The inputs do not come to their ends.
    #[error(
        "the inputs of partition {partition} could not be read to their ends: nothing came for {seconds} s"
    )]
    Stalled {
        /// The partition.
        partition: u16,
        /// How long nothing has come.
        seconds: u64,
    },
    /// The partition was processed with another number of partitions.
    #[error("{}", other_partitions(*partition, *before, *now))]
    Partitions {
        /// The partition.
        partition: u16,
        /// How many there were; 0 where a migration has not finished.
        before: u16,
        /// How many there are.
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

/// The steps of a processor between which it can be interrupted: named so that tests can do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// What was committed before has been read back.
    Restored,
    /// A batch of inputs was read.
    Read,
    /// It was applied, and the difference is known or follows; nothing is written.
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
    /// How many records of each input are read at once at the most. Two reads make one batch at the most.
    pub batch_records: usize,
    /// How many images' results are appended at once. An image's results are never divided.
    pub commit_images: usize,
    /// After so many changes the copies are laid out anew, once there is nothing else to do.
    pub settle_changes: usize,
    /// Told of each step.
    pub observer: Observer,
    /// Told of what was done.
    pub metrics: Metrics,
    /// Told of what was done with each record.
    pub spans: Spans,
    /// Set by whoever wants the worker to end: a restore that is under way ends early.
    pub stop: Arc<AtomicBool>,
    /// Where snapshots are kept; without, a restart reads the log from its beginning.
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
            settle_changes: 65_536,
            observer: Arc::new(|_, _| {}),
            metrics: Metrics::default(),
            spans: Spans::default(),
            stop: Arc::default(),
            snapshots: None,
        }
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
    /// Whether all that is published has been processed and committed.
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
    /// What was appended last and is not known to be committed.
    in_flight: Option<InFlight>,
    /// Counts the batches.
    sequence: u64,
    committed: ProgressRecord,
    is_restored: bool,
    /// Images taken in since the copies were laid out anew.
    unsettled: usize,
    unsaved: Unsaved,
}

impl Processor {
    /// Takes the partition over from whoever had it, and brings its state up to the end of its inputs. It shows its
    /// state in the view, if there is one.
    pub fn restore(
        log: SharedLog,
        view: Option<&Arc<View>>,
        partition: u16,
        options: Options,
    ) -> Result<Self, ProcessorError> {
        // First, so that a predecessor that is still running cannot commit after what is read here.
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

    /// Processes what has come since the last call; waits for `timeout` at the most when nothing has.
    pub fn step(&mut self, timeout: Duration) -> Result<Done, ProcessorError> {
        self.snapshot_if(Unsaved::is_due)?;
        // While a batch is on its way to the log the next is read already. If there is none, the batch is all there is
        // to wait for.
        let timeout = if self.in_flight.is_some() { Duration::ZERO } else { timeout };
        let mut taken = self.inputs.read(timeout)?;
        let begun = SystemTime::now();
        if self.in_flight.is_some() && taken.records > 0 && !taken.is_full {
            // What comes until that batch is committed belongs to this one. If this one were closed now, it would have to
            // wait for both.
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

    /// Every partition reads the catalog; one of them tells of its bad records.
    fn reports(&self, refused: &Refused) -> bool {
        refused.source.of.topic != Topic::Catalog || self.partition == 0
    }

    /// Commits what is under way, takes a snapshot if it is of use, and stops.
    pub fn close(mut self) -> Result<(), ProcessorError> {
        self.finish()?;
        self.snapshot_if(|unsaved, _| unsaved.is_much())
    }

    /// How far it is: what is committed.
    pub fn progress(&self) -> ProgressRecord {
        self.committed
    }

    /// How many images the partition has.
    pub fn images(&self) -> usize {
        self.unsaved.images()
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
        if self.unsettled >= self.options.settle_changes {
            self.state.settle();
            self.unsettled = 0;
        }
    }
}
