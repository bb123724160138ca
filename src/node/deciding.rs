//! The service that decides about workloads: judges what runs as it changes, and tells the numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answers::Answers;
use super::service::Service;
use super::{Node, NodeError};
use crate::api;
use crate::decisions::{DecideError, Decisions};
use crate::engine::Engine;
use crate::kubernetes::{self, Cluster, JudgedWorkloads};
use crate::log::SharedLog;
use crate::query::{Query, Tally, VerdictCounts};
use crate::record::Timestamp;
use crate::retry::Backoff;
use crate::telemetry::PolicyMetrics;

/// The time between two rounds, at least.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest time between two rounds, also if nothing is known to have changed.
const AGAIN: Duration = Duration::from_secs(30);
/// The share of the time that rounds may take: one in so many, as long as that makes no longer pause than the longest.
const SHARE: u32 = 10;
const LONGEST: Duration = Duration::from_secs(300);

/// The time after which a process that another one has replaced tries again. Its other services, such as the webhook, go on.
const REPLACED: Duration = Duration::from_secs(60);

/// Judges what runs, and writes the decisions. With a cluster it writes the numbers into the status of the policies as well.
pub(super) fn decisions(node: &Node, engine: Arc<Engine>, cluster: Option<Cluster>) -> Service {
    let (log, metrics) = (SharedLog::clone(&node.log), node.telemetry.metrics.policies.clone());
    Service::new("decisions", async move {
        let mut deciding = Deciding { log, engine, open: None, judged_at: String::new(), due: None };
        let mut telling = Telling::new(metrics, cluster);
        let mut backoff = Backoff::new(kubernetes::RETRY);
        let mut wait = PAUSE;
        loop {
            tokio::time::sleep(wait).await;
            // Rounds block: they read the index and write to the log.
            let round = tokio::task::spawn_blocking(move || {
                let begun = Instant::now();
                let decided = deciding.round(Timestamp::now());
                (deciding, decided, begun.elapsed())
            });
            let (back, decided, took) = round.await.map_err(|error| NodeError::Ended(error.to_string()))?;
            deciding = back;
            wait = took.saturating_mul(SHARE).clamp(PAUSE, LONGEST);
            match decided {
                Ok(decided) => {
                    backoff.succeeded();
                    if let Some((tally, written)) = decided {
                        telling.count(tally, written);
                    }
                }
                Err(error @ DecideError::Fenced) => {
                    tracing::warn!("{error}; this process tries again in {} s", REPLACED.as_secs());
                    wait = REPLACED;
                }
                Err(error) => {
                    let failure = backoff.failed();
                    if failure.is_logged() {
                        tracing::warn!(times = failure.times, "cannot decide about workloads: {error}");
                    }
                    wait = failure.wait;
                }
            }
            telling.tell().await;
        }
    })
}

struct Deciding {
    log: SharedLog,
    engine: Arc<Engine>,
    open: Option<Decisions>,
    /// The state of the index and of the workloads at the last round.
    judged_at: String,
    /// The time of the next round, if nothing changes before.
    due: Option<Timestamp>,
}

impl Deciding {
    /// Judges everything if something has changed, or a judgement has ended by itself. Returns the numbers, unless they are of
    /// old knowledge, and how many decisions were written.
    fn round(&mut self, now: Timestamp) -> Result<Option<(Option<Tally>, usize)>, DecideError> {
        if !self.engine.status().iter().all(|partition| partition.restored) {
            return Ok(None);
        }
        // After an error nobody knows what stands on the log: the topic is read again, before the index is held.
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                self.judged_at.clear();
                Decisions::open(&*self.log)?
            }
        };
        let query = Query::new(self.engine.view().snapshot());
        let state = query.state_of_running();
        let is_due = self.due.is_none_or(|due| due <= now);
        // While a class has come to some partitions only, the images of the others would violate a policy of it.
        if !query.knows_workloads() || !query.has_one_catalog() || state == self.judged_at && !is_due {
            open.idle();
            self.open = Some(open);
            return Ok(None);
        }
        let behind = api::behind(&Answers(Arc::clone(&self.engine)));
        let judged = open.judge(&query, now, behind)?;
        drop(query);
        let (tally, until) = (judged.tally.clone(), judged.until);
        let written = open.write(judged, now)?;
        self.open = Some(open);
        self.judged_at = state;
        let again = now + AGAIN;
        self.due = Some(until.filter(|until| *until > now).map_or(again, |until| until.min(again)));
        Ok(Some((tally, written)))
    }
}

/// Tells the numbers.
struct Telling {
    metrics: PolicyMetrics,
    cluster: Option<Cluster>,
    /// The last numbers.
    numbers: Option<BTreeMap<String, JudgedWorkloads>>,
    /// The numbers that stand in the status of the policies, since the given time.
    told: Option<(BTreeMap<String, JudgedWorkloads>, Instant)>,
    backoff: Backoff,
    next: Instant,
}

impl Telling {
    fn new(metrics: PolicyMetrics, cluster: Option<Cluster>) -> Self {
        Self {
            metrics,
            cluster,
            numbers: None,
            told: None,
            backoff: Backoff::new(kubernetes::RETRY),
            next: Instant::now(),
        }
    }

    fn count(&mut self, tally: Option<Tally>, written: usize) {
        self.metrics.decisions.inc_by(written as u64);
        let Some(Tally { policies, .. }) = tally else { return };
        let before = self.numbers.iter().flat_map(BTreeMap::keys);
        before.filter(|name| !policies.contains_key(*name)).for_each(|gone| self.metrics.forget(gone));
        policies.iter().for_each(|(name, counts)| self.metrics.set(name, counts.each()));
        self.numbers = Some(policies.into_iter().map(|(name, counts)| (name, judged(counts))).collect());
    }

    /// Writes the numbers into the status of the policies, if they have changed; now and then also if they have not: a policy
    /// may have come.
    async fn tell(&mut self) {
        let (Some(cluster), Some(numbers)) = (&self.cluster, &self.numbers) else { return };
        let is_told = self.told.as_ref().is_some_and(|(told, at)| told == numbers && at.elapsed() < AGAIN);
        if is_told || Instant::now() < self.next {
            return;
        }
        match kubernetes::write_judged(cluster, numbers).await {
            Ok(()) => {
                self.backoff.succeeded();
                self.told = Some((numbers.clone(), Instant::now()));
            }
            Err(error) => {
                let failure = self.backoff.failed();
                self.next = Instant::now() + failure.wait;
                if failure.is_logged() {
                    tracing::warn!(times = failure.times, "cannot write the status of policies: {error}");
                }
            }
        }
    }
}

fn judged(counts: VerdictCounts) -> JudgedWorkloads {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let VerdictCounts { allowed, exempt, unknown, violating } = counts;
    JudgedWorkloads {
        judged: number(counts.all()),
        allowed: number(allowed),
        exempt: number(exempt),
        unknown: number(unknown),
        violating: number(violating),
    }
}
