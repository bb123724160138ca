//! One thread a processor: restores it, lets it work, restores another when it fails, and gives up in the end.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::log::{LogError, SharedLog};
use crate::processor::{self, Processor, ProcessorError};
use crate::view::View;

/// So many failures without a success between them, and the processor is given up: what is wrong does not pass.
const FAILURES: u32 = 5;
/// A processor that waits for records looks this often whether it is to stop.
const IDLE: Duration = Duration::from_millis(20);

/// A supervised processor.
pub(super) struct Supervised {
    partition: u16,
    thread: Option<JoinHandle<()>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    restored: AtomicBool,
    failure: Mutex<Option<String>>,
}

impl Supervised {
    /// Whether it has brought its partition up to date once.
    pub(super) fn has_restored(&self) -> bool {
        self.state.restored.load(Ordering::Acquire)
    }

    /// Why it has given up, if it has.
    pub(super) fn failure(&self) -> Option<(u16, String)> {
        let failure = self.state.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let panicked = || {
            let ended = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
            ended.then(|| "it has panicked; this is a bug in clade".to_owned())
        };
        failure.or_else(panicked).map(|reason| (self.partition, reason))
    }

    pub(super) fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic was told by `failure`.
            let _ = thread.join();
        }
    }
}

pub(super) fn start(
    partition: u16,
    log: SharedLog,
    view: Arc<View>,
    stop: Arc<AtomicBool>,
    options: processor::Options,
) -> Result<Supervised, LogError> {
    let state = Arc::new(State::default());
    let shared = Arc::clone(&state);
    let thread = std::thread::Builder::new()
        .name(format!("processor-{partition}"))
        .spawn(move || {
            let mut failures = 0;
            while let Err(error) = work(partition, &log, &view, &options, &stop, &shared, &mut failures) {
                failures += 1;
                let is_final = matches!(error, ProcessorError::Partitions { .. });
                if is_final || failures >= FAILURES {
                    *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                    return;
                }
                tracing::warn!(partition, %error, failures, "processor failed; restoring another");
                std::thread::park_timeout(backoff(failures));
            }
        })
        .map_err(|error| LogError::Storage(format!("cannot start a processor's thread: {error}")))?;
    Ok(Supervised { partition, thread: Some(thread), state })
}

fn work(
    partition: u16,
    log: &SharedLog,
    view: &Arc<View>,
    options: &processor::Options,
    stop: &AtomicBool,
    state: &State,
    failures: &mut u32,
) -> Result<(), ProcessorError> {
    let mut processor = Processor::restore(SharedLog::clone(log), view, partition, options.clone())?;
    state.restored.store(true, Ordering::Release);
    while !stop.load(Ordering::Relaxed) {
        if processor.step(IDLE)?.records > 0 {
            *failures = 0;
        }
    }
    Ok(())
}

/// 100 ms, doubled each time, up to a half more by chance, so that several do not try again at once.
fn backoff(failures: u32) -> Duration {
    let base = 100_u64 << failures.min(6);
    Duration::from_millis(base + RandomState::new().hash_one(failures) % (base / 2))
}
