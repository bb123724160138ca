//! Labels workloads by what they run.
//!
//! ```text
//!   view: workloads, images ─► a round when they change ─► Desk (what differs) ─► one server-side apply a workload
//!   Deployments and the like ──► ▲ what nothing runs of       ▲
//!                                └────────────────────────────┘
//! ```

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::labels::labels_of_workload;
use super::writer::Writer;
use super::{LabelerError, WAITING};
use crate::kubernetes::{Cluster, Labelled, ObjectLabels, Owner, OwnerSeen, Seen, Target as _, watch_owners};
use crate::query::Query;
use crate::record::WorkloadRecord;
use crate::telemetry::LabelMetrics;
use crate::view::View;

/// The time between two rounds, at least.
const PAUSE: Duration = Duration::from_secs(1);
/// The share of the time that rounds may take: one in so many, as long as that makes no longer pause than the longest.
const SHARE: u32 = 10;
const LONGEST: Duration = Duration::from_secs(300);

type Wanted = HashMap<Owner, Arc<ObjectLabels>>;
type Asked = HashMap<Owner, Arc<WorkloadRecord>>;
type Objects = HashMap<Owner, Labelled<Owner>>;

/// Labels workloads until it is dropped. The view must have everything that stood on the log. `rate` limits the number of objects
/// written per second.
pub async fn run(
    cluster: Cluster,
    view: Arc<View>,
    metrics: LabelMetrics,
    rate: Option<NonZeroU32>,
) -> Result<(), LabelerError> {
    let (out, mut seen) = mpsc::channel(WAITING);
    let mut watches = JoinSet::new();
    watches.spawn(watch_owners(cluster.clone(), out));
    let mut writer = Writer::<Owner>::new(cluster, metrics, rate);
    let mut rounds = Rounds::new(view);
    loop {
        tokio::select! {
            seen = seen.recv() => {
                let seen = seen.ok_or(LabelerError::Watch("workloads"))?;
                seen.into_iter().filter_map(|seen| rounds.seen(seen)).for_each(|seen| writer.desk.seen(seen));
            }
            wanted = rounds.next() => {
                if let Some((wanted, judged)) = wanted? {
                    writer.desk.want_these(wanted);
                    judged.into_values().for_each(|object| writer.desk.seen(Seen::Object(object)));
                }
            }
            () = writer.turn() => {}
        }
        writer.begin();
    }
}

/// Works out the labels of all workloads when something has changed.
struct Rounds {
    view: Arc<View>,
    /// The images that the template of each workload asks for. They count where nothing is known to run.
    asked: Asked,
    /// Objects whose templates have changed since the last round began. The desk is told of an object after a round that knows its
    /// template: it would take labels away that hold.
    waiting: Objects,
    /// Objects whose templates are new to the round under way.
    judged: Objects,
    /// The state of the index and of the workloads at the last round.
    state: String,
    /// The time of the next round.
    next: tokio::time::Instant,
    /// The round under way, and its begin.
    under_way: Option<(JoinHandle<Wanted>, Instant)>,
}

impl Rounds {
    fn new(view: Arc<View>) -> Self {
        Self {
            view,
            asked: HashMap::new(),
            waiting: HashMap::new(),
            judged: HashMap::new(),
            state: String::new(),
            next: tokio::time::Instant::now(),
            under_way: None,
        }
    }

    /// Takes an observation, and returns it if the desk may be told of it now.
    fn seen(&mut self, OwnerSeen { seen, asked }: OwnerSeen) -> Option<Seen<Owner>> {
        match &seen {
            Seen::Object(object) => {
                let (target, asked) = (&object.target, asked.map(Arc::from));
                if self.asked.get(target) != asked.as_ref() {
                    match asked {
                        Some(asked) => drop(self.asked.insert(target.clone(), asked)),
                        None => drop(self.asked.remove(target)),
                    }
                    self.judged.remove(target);
                    self.waiting.insert(target.clone(), object.clone());
                    return None;
                }
                let waits = self.waiting.get_mut(target).or_else(|| self.judged.get_mut(target));
                if let Some(waits) = waits {
                    waits.clone_from(object);
                    return None;
                }
            }
            Seen::Gone(target) => {
                self.asked.remove(target);
                self.waiting.remove(target);
                self.judged.remove(target);
            }
            Seen::Listed(of, listed) => {
                let is_there = |owner: &Owner| owner.of() != *of || listed.contains(owner);
                self.asked.retain(|owner, _| is_there(owner));
                self.waiting.retain(|owner, _| is_there(owner));
                self.judged.retain(|owner, _| is_there(owner));
            }
        }
        Some(seen)
    }

    /// Waits for the end of the next round, and returns the wanted labels and the objects that have waited for it. `None` if nothing has
    /// changed or something is not known yet. It can be called off at any time.
    async fn next(&mut self) -> Result<Option<(Wanted, Objects)>, LabelerError> {
        if self.under_way.is_none() {
            tokio::time::sleep_until(self.next).await;
            self.next = tokio::time::Instant::now() + PAUSE;
            let query = Query::new(self.view.snapshot());
            let state = query.state_of_running();
            let is_same = self.waiting.is_empty() && state == self.state;
            // While a class has come to some partitions only, images of the others would lose its label.
            if is_same || !query.knows_workloads() || !query.has_one_catalog() {
                return Ok(None);
            }
            (self.state, self.judged) = (state, std::mem::take(&mut self.waiting));
            let asked = self.asked.clone();
            self.under_way =
                Some((tokio::task::spawn_blocking(move || wanted(&query, &asked)), Instant::now()));
        }
        let Some((round, begun)) = &mut self.under_way else { return Ok(None) };
        let (wanted, took) = (round.await, begun.elapsed());
        self.under_way = None;
        self.next = tokio::time::Instant::now() + took.saturating_mul(SHARE).clamp(PAUSE, LONGEST);
        let wanted = wanted.map_err(|error| LabelerError::Panicked(error.to_string()))?;
        Ok(Some((wanted, std::mem::take(&mut self.judged))))
    }
}

/// The labels that each workload is to have, if any.
fn wanted(query: &Query, asked: &Asked) -> Wanted {
    let mut wanted = HashMap::new();
    query.each_standing(asked.values().map(|record| &**record), |record, standing| {
        let owner = Owner::of_record(record).filter(|_| !standing.classes.is_empty());
        wanted.extend(owner.map(|owner| (owner, Arc::new(labels_of_workload(&standing)))));
    });
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(version: u64, image: &str) -> OwnerSeen {
        let record: WorkloadRecord = serde_json::from_value(serde_json::json!({
            "namespace": "shop", "kind": "Deployment", "group": "apps", "name": "web", "sequence": 0, "pods": 1,
            "containers": [{"role": "container", "name": "main", "images": [{"asked": image, "pods": 1}]}],
        }))
        .unwrap();
        let target = Owner::of_record(&record).unwrap();
        let object = Labelled {
            target,
            uid: "1".to_owned(),
            resource_version: version,
            labels: ObjectLabels::default(),
        };
        OwnerSeen { seen: Seen::Object(object), asked: Some(Box::new(record)) }
    }

    fn version(seen: Option<Seen<Owner>>) -> Option<u64> {
        match seen? {
            Seen::Object(object) => Some(object.resource_version),
            Seen::Gone(_) | Seen::Listed(..) => None,
        }
    }

    #[test]
    fn the_desk_is_told_of_an_object_after_a_round_that_knows_its_template() {
        let mut rounds = Rounds::new(Arc::new(View::new(1)));
        let waits =
            |rounds: &Rounds| rounds.waiting.values().map(|of| of.resource_version).collect::<Vec<_>>();
        assert_eq!(version(rounds.seen(seen(1, "x:1"))), None);
        assert_eq!(version(rounds.seen(seen(2, "x:1"))), None);
        assert_eq!(waits(&rounds), [2], "it waits as it is now");
        rounds.judged = std::mem::take(&mut rounds.waiting);
        assert_eq!(version(rounds.seen(seen(3, "x:1"))), None, "the round is under way");
        assert_eq!(rounds.judged.values().map(|of| of.resource_version).collect::<Vec<_>>(), [3]);
        rounds.judged.clear();
        assert_eq!(version(rounds.seen(seen(4, "x:1"))), Some(4));
        assert_eq!(version(rounds.seen(seen(5, "x:2"))), None, "another template");
        let Seen::Object(object) = seen(5, "x:2").seen else { return };
        assert_eq!(
            rounds.seen(OwnerSeen { seen: Seen::Gone(object.target.clone()), asked: None }),
            Some(Seen::Gone(object.target))
        );
        assert!(waits(&rounds).is_empty() && rounds.asked.is_empty());
    }
}
