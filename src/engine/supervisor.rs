//! Supervises one worker per partition, each on a thread: restores it, lets it work, restores another after a failure,
//! and finally gives up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::status::Board;
use crate::log::{AppendError, LogError, SharedLog};
use crate::processor::{Follower, Options, Processor, ProcessorError};
use crate::query::answer::PartitionStatus;
use crate::record::ProgressRecord;
use crate::retry::Policy;
use crate::telemetry;
use crate::view::View;

/// Failures in a row after which the worker is given up: the problem does not pass.
const FAILURES: u32 = 5;
/// Interval at which a worker that waits for records checks the stop flag.
const IDLE: Duration = Duration::from_millis(20);
/// Delays before another worker is restored.
const RETRY: Policy = Policy::new(Duration::from_millis(200), Duration::from_secs(6));
/// Delay after being fenced. If a newer processor has the partition by right, this one learns of it meanwhile and
/// stops, instead of taking the partition back.
const FENCED: Duration = Duration::from_secs(3);

/// The work on a partition.
#[derive(Clone)]
pub(super) enum Work {
    /// Processes it, and publishes it if there is a view.
    Process(Option<Arc<View>>),
    /// Follows and publishes it.
    Follow(Arc<View>),
}

/// A supervised worker. Dropping it stops it and waits for it.
pub(super) struct Supervised {
    partition: u16,
    thread: Option<JoinHandle<()>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    stop: Arc<AtomicBool>,
    board: Arc<Board>,
    failure: Mutex<Option<String>>,
    bell: Bell,
}

impl State {
    fn restored(&self, partition: u16, images: usize, options: &Options) {
        telemetry::set(&options.metrics.restored, partition, 1);
        self.board.restored(images);
    }
}

impl Supervised {
    /// The status that the worker reports.
    pub(super) fn board(&self) -> &Arc<Board> {
        &self.state.board
    }

    /// The partition.
    pub(super) fn partition(&self) -> u16 {
        self.partition
    }

    /// Returns `true` if the thread has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Returns `true` if the worker has brought its partition up to date once.
    pub(super) fn has_restored(&self) -> bool {
        self.state.board.has_restored()
    }

    /// Returns `true` if the worker found nothing more to do at its last look.
    pub(super) fn is_at_end(&self) -> bool {
        self.state.board.is_at_end()
    }

    /// The committed progress.
    pub(super) fn progress(&self) -> Option<ProgressRecord> {
        self.state.board.progress()
    }

    /// The status of the partition.
    pub(super) fn status(&self) -> PartitionStatus {
        self.state.board.status(self.partition)
    }

    /// The reason why the worker has given up, if it has.
    pub(super) fn failure(&self) -> Option<(u16, String)> {
        let failure = self.state.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let panicked = || {
            let ended = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
            let is_told = self.state.stop.load(Ordering::Acquire);
            (ended && !is_told).then(|| "it has panicked; this is a bug in clade".to_owned())
        };
        failure.or_else(panicked).map(|reason| (self.partition, reason))
    }

    /// Sets the stop flag, without waiting for the worker.
    pub(super) fn stop(&self) {
        self.state.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // `failure` has reported a panic.
            let _ = thread.join();
        }
    }
}

pub(super) fn start(
    partition: u16,
    log: SharedLog,
    work: Work,
    options: Options,
    bell: Bell,
) -> Result<Supervised, LogError> {
    let state = Arc::new(State { bell, ..State::default() });
    let shared = Arc::clone(&state);
    let options = Options { stop: Arc::clone(&state.stop), ..options };
    let thread = std::thread::Builder::new()
        .name(format!("partition-{partition}"))
        .spawn(move || supervise(partition, &log, &work, &options, &shared))
        .map_err(|error| LogError::caused("cannot start a processor's thread", error))?;
    Ok(Supervised { partition, thread: Some(thread), state })
}

fn supervise(partition: u16, log: &SharedLog, work: &Work, options: &Options, state: &State) {
    let mut failures = 0;
    // A worker that is to stop restores nothing: that would fence the rightful successor.
    while !state.stop.load(Ordering::Acquire) {
        let result = match work {
            Work::Process(view) => {
                let restore =
                    || Processor::restore(SharedLog::clone(log), view.as_ref(), partition, options.clone());
                work_on(restore, partition, options, state, &mut failures)
            }
            Work::Follow(view) => {
                let restore = || Follower::restore(log, view, partition, options);
                work_on(restore, partition, options, state, &mut failures)
            }
        };
        let error = match result {
            Err(error) if !state.stop.load(Ordering::Acquire) => error,
            ended => {
                // In most cases the successor fenced it before it was asked to stop.
                if let Err(error) = ended {
                    tracing::info!(partition, %error, "a processor that was to stop had failed");
                }
                break;
            }
        };
        state.board.failed();
        telemetry::set(&options.metrics.restored, partition, 0);
        failures += 1;
        let is_final = matches!(
            error,
            ProcessorError::Partitions { .. }
                | ProcessorError::Log(
                    LogError::Incompatible(_) | LogError::Configuration(_) | LogError::Damaged { .. }
                )
        );
        if is_final || failures >= FAILURES {
            *state.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            return;
        }
        options.metrics.failures.inc();
        tracing::warn!(partition, %error, failures, "processor failed; restoring another");
        let is_fenced = matches!(error, ProcessorError::Append(AppendError::Fenced));
        wait(if is_fenced { FENCED } else { Duration::ZERO } + RETRY.wait(failures, fastrand::f64()), state);
    }
    options.metrics.forget(partition);
}

/// The common part of a processor and a follower.
trait Worker {
    /// Takes new records, and waits for them for `idle` at most. Returns the number of records, and whether those were
    /// all.
    fn step(&mut self, idle: Duration) -> Result<(usize, bool), ProcessorError>;
    fn progress(&self) -> ProgressRecord;
    fn images(&self) -> usize;
    fn close(self) -> Result<(), ProcessorError>;
}

impl Worker for Processor {
    fn step(&mut self, idle: Duration) -> Result<(usize, bool), ProcessorError> {
        self.step(idle).map(|done| (done.records, done.at_end))
    }

    fn progress(&self) -> ProgressRecord {
        self.progress()
    }

    fn images(&self) -> usize {
        self.images()
    }

    fn close(self) -> Result<(), ProcessorError> {
        self.close()
    }
}

impl Worker for Follower {
    fn step(&mut self, idle: Duration) -> Result<(usize, bool), ProcessorError> {
        self.step(idle).map(|records| (records, self.at_end()))
    }

    fn progress(&self) -> ProgressRecord {
        self.progress()
    }

    fn images(&self) -> usize {
        self.images()
    }

    fn close(self) -> Result<(), ProcessorError> {
        self.close();
        Ok(())
    }
}

/// Restores a worker and lets it work until it is to stop or fails.
fn work_on<W: Worker>(
    restore: impl FnOnce() -> Result<W, ProcessorError>,
    partition: u16,
    options: &Options,
    state: &State,
    failures: &mut u32,
) -> Result<(), ProcessorError> {
    let begun = Instant::now();
    let mut worker = restore()?;
    options.metrics.restore.observe(begun.elapsed().as_secs_f64());
    state.restored(partition, worker.images(), options);
    state.bell.ring();
    while !state.stop.load(Ordering::Acquire) {
        let (records, at_end) = worker.step(IDLE)?;
        if records > 0 {
            *failures = 0;
        }
        state.board.tell(worker.progress(), at_end, worker.images());
        state.bell.ring();
    }
    worker.close()
}

/// Waits, unless the worker is to stop.
fn wait(time: Duration, state: &State) {
    let deadline = Instant::now() + time;
    while !state.stop.load(Ordering::Acquire) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests;
