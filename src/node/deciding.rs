//! The service that decides about workloads: judges what runs as it changes, and tells the numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answers::Answers;
use super::service::Service;
use super::{Node, NodeError};
use crate::api;
use crate::decisions::{DecideError, Decided, Decisions};
use crate::engine::Engine;
use crate::kubernetes::{self, Cluster, JudgedWorkloads};
use crate::log::SharedLog;
use crate::query::{Query, Tally, VerdictCounts};
use crate::record::Timestamp;
use crate::record::decision::Verdict;
use crate::retry::Backoff;
use crate::telemetry::PolicyMetrics;

/// The time between two rounds, at least.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest time between two rounds, also if nothing is known to have changed.
const AGAIN: Duration = Duration::from_secs(30);
/// The share of the time that rounds may take: one in so many.
const SHARE: u32 = 10;

/// Judges what runs, and writes the decisions. With a cluster it writes the numbers into the status of the policies as well.
pub(super) fn decisions(node: &Node, engine: Arc<Engine>, cluster: Option<Cluster>) -> Service {
    let (log, metrics) = (SharedLog::clone(&node.log), node.telemetry.metrics.policies.clone());
    Service::new("decisions", async move {
        let mut deciding = Deciding { log, engine, open: None, judged_at: String::new(), due: None };
        let mut telling = Telling { metrics, cluster, told: None, named: BTreeSet::new() };
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
            wait = PAUSE.max(took * SHARE);
            match decided {
                Ok(Some(decided)) => telling.tell(decided, &mut backoff).await,
                Ok(None) => telling.again(&mut backoff).await,
                Err(error @ DecideError::Fenced) => return Err(NodeError::Ended(error.to_string())),
                Err(error) => {
                    let failure = backoff.failed();
                    if failure.is_logged() {
                        tracing::warn!(times = failure.times, "cannot decide about workloads: {error}");
                    }
                    wait = failure.wait;
                }
            }
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
    /// Judges everything if something has changed, or a judgement has ended by itself.
    fn round(&mut self, now: Timestamp) -> Result<Option<Decided>, DecideError> {
        let query = Query::new(self.engine.view().snapshot());
        let is_restored = self.engine.status().iter().all(|partition| partition.restored);
        let state = query.state_of_running();
        let is_due = self.due.is_none_or(|due| due <= now);
        if !is_restored || !query.knows_workloads() || state == self.judged_at && !is_due {
            if let Some(open) = &mut self.open {
                open.idle();
            }
            return Ok(None);
        }
        // After an error nobody knows what stands on the log: the topic is read again.
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Decisions::open(&*self.log)?,
        };
        let behind = api::behind(&Answers(Arc::clone(&self.engine)));
        let decided = open.decide(&query, now, behind)?;
        self.open = Some(open);
        self.judged_at = state;
        let again = now + AGAIN;
        self.due = Some(decided.until.filter(|until| *until > now).map_or(again, |until| until.min(again)));
        Ok(Some(decided))
    }
}

/// Tells the numbers.
struct Telling {
    metrics: PolicyMetrics,
    cluster: Option<Cluster>,
    /// The numbers that have to be written into the status of policies.
    told: Option<BTreeMap<String, JudgedWorkloads>>,
    named: BTreeSet<String>,
}

impl Telling {
    async fn tell(&mut self, decided: Decided, backoff: &mut Backoff) {
        let Decided { tally: Tally { policies, .. }, written, .. } = decided;
        self.metrics.decisions.inc_by(written as u64);
        let now = policies.iter().map(|(name, counts)| (name.as_str(), by_verdict(*counts)));
        self.named = self.metrics.set(&self.named, now);
        self.told = Some(policies.into_iter().map(|(name, counts)| (name, judged(counts))).collect());
        self.again(backoff).await;
    }

    /// Writes the numbers, unless they are written.
    async fn again(&mut self, backoff: &mut Backoff) {
        let (Some(cluster), Some(numbers)) = (&self.cluster, &self.told) else { return };
        match kubernetes::write_judged(cluster, numbers).await {
            Ok(()) => {
                backoff.succeeded();
                self.told = None;
            }
            Err(error) => {
                let failure = backoff.failed();
                if failure.is_logged() {
                    tracing::warn!(times = failure.times, "cannot write the status of policies: {error}");
                }
            }
        }
    }
}

fn by_verdict(counts: VerdictCounts) -> [(Verdict, u64); 4] {
    let VerdictCounts { allowed, exempt, unknown, violating } = counts;
    [
        (Verdict::Allowed, allowed),
        (Verdict::Exempt, exempt),
        (Verdict::Unknown, unknown),
        (Verdict::Violating, violating),
    ]
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
