//! The service that writes what the webhook has judged to the log. No API server waits for it.

use std::time::Duration;

use tokio::sync::mpsc;

use super::service::Service;
use super::{Node, NodeError};
use crate::decisions::{Admissions, DecideError, merge};
use crate::log::SharedLog;
use crate::record::AdmissionRecord;
use crate::retry::{Backoff, Policy};

/// Questions that may wait to be written. What comes beyond is counted, and not written.
const WAITING: usize = 1_024;
/// The time between two writes: pods of one workload that come together are one record.
const PAUSE: Duration = Duration::from_secs(1);
/// Delays after a failure of the log.
const RETRY: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(64));

impl Node {
    /// The channel to the service, and the service.
    pub(super) fn admissions(&self) -> (mpsc::Sender<AdmissionRecord>, Service) {
        let (out, receiver) = mpsc::channel(WAITING);
        // Where this process is the only one, its name is the same for ever: the log remembers each name.
        let name = match self.publishing {
            Some(_) => "admissions".to_owned(),
            None => format!("admissions-{:016x}", fastrand::u64(..)),
        };
        let writing = Writing { log: SharedLog::clone(&self.log), name, open: None, waiting: Vec::new() };
        (out, Service::new("admissions", run(writing, receiver)))
    }
}

struct Writing {
    log: SharedLog,
    name: String,
    open: Option<Admissions>,
    waiting: Vec<AdmissionRecord>,
}

impl Writing {
    fn round(&mut self) -> Result<(), DecideError> {
        if self.waiting.is_empty() {
            self.open.iter_mut().for_each(Admissions::idle);
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Admissions::open(&*self.log, &self.name)?,
        };
        open.write(&self.waiting)?;
        self.waiting.clear();
        self.open = Some(open);
        Ok(())
    }
}

async fn run(mut writing: Writing, mut receiver: mpsc::Receiver<AdmissionRecord>) -> Result<(), NodeError> {
    let mut backoff = Backoff::new(RETRY);
    let mut wait = PAUSE;
    loop {
        tokio::time::sleep(wait).await;
        while writing.waiting.len() < WAITING
            && let Ok(admission) = receiver.try_recv()
        {
            merge(&mut writing.waiting, admission);
        }
        let round = tokio::task::spawn_blocking(move || {
            let written = writing.round();
            (writing, written)
        });
        let (back, written) = round.await.map_err(|error| NodeError::Ended(error.to_string()))?;
        writing = back;
        wait = match written {
            Ok(()) => {
                backoff.succeeded();
                PAUSE
            }
            Err(error) => {
                let failure = backoff.failed();
                if failure.is_logged() {
                    tracing::warn!(times = failure.times, "cannot write what the webhook judged: {error}");
                }
                failure.wait
            }
        };
    }
}
