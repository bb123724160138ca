//! Watches what runs: pods, and what says whose they are and where they run.
//!
//! ```text
//!   replica sets, jobs, replication controllers, nodes, namespaces ─┐ each listed before the pods
//!                                                              pods ─┴─► Workloads ─► once a second: observations
//! ```
//!
//! Of each object only what [`crate::workload`] needs is kept, as soon as it has come.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::time::Duration;

use kube::Api;
use kube::runtime::watcher::{self, Event};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt as _;

use super::cluster::Cluster;
use super::events::events;
use super::follow::is_refused;
use super::raw::{Kind, Raw};
use super::{SOURCE, Sender};
use crate::observe::{Listing, Observation};
use crate::record::{DeadLetterRecord, WorkloadRecord};
use crate::workload::{self, Object, Workloads};

/// Portions of changes that may wait, at most: the watches wait for room.
const WAITING: usize = 16;
/// The shortest time between two records of one workload.
const PAUSE: Duration = Duration::from_secs(1);
/// Observations that are passed on together, at most.
const TOGETHER: usize = 1_000;

macro_rules! kind {
    ($name:ident, $group:literal, $plural:literal) => {
        struct $name;
        impl Kind for $name {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = "v1";
            const KIND: &'static str = stringify!($name);
            const PLURAL: &'static str = $plural;
        }
        impl Slim for $name {
            const OF: workload::Kind = workload::Kind::$name;
        }
    };
}

/// A kind that says what runs.
trait Slim: Kind {
    const OF: workload::Kind;
}

kind!(Pod, "", "pods");
kind!(ReplicaSet, "apps", "replicasets");
kind!(Job, "batch", "jobs");
kind!(ReplicationController, "", "replicationcontrollers");
kind!(Node, "", "nodes");
kind!(Namespace, "", "namespaces");

/// A change that a watch tells of.
enum Change {
    Put(Object),
    Unreadable(DeadLetterRecord),
    Gone(workload::Kind, String),
    /// These are all.
    Listed(workload::Kind, HashSet<String>),
    /// clade may not see them.
    Refused(workload::Kind),
}

/// Watches what runs until the receiver is gone. Without the right to see pods it reports nothing, and says so.
pub(super) async fn watch_workloads(cluster: Cluster, out: Sender) {
    let (told, mut changes) = mpsc::channel(WAITING);
    let mut watches = JoinSet::new();
    watches.spawn(follow(cluster.clone(), told.clone(), PhantomData::<ReplicaSet>));
    watches.spawn(follow(cluster.clone(), told.clone(), PhantomData::<Job>));
    watches.spawn(follow(cluster.clone(), told.clone(), PhantomData::<ReplicationController>));
    watches.spawn(follow(cluster.clone(), told.clone(), PhantomData::<Node>));
    watches.spawn(follow(cluster.clone(), told.clone(), PhantomData::<Namespace>));
    let mut desk = Desk::default();
    let mut tick = tokio::time::interval(PAUSE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let seen = tokio::select! {
            received = changes.recv() => {
                let Some(received) = received else { return };
                desk.take(received)
            }
            _ = tick.tick() => desk.tell(),
        };
        if desk.may_list_pods() {
            watches.spawn(follow(cluster.clone(), told.clone(), PhantomData::<Pod>));
        }
        let mut seen = seen.into_iter().peekable();
        while seen.peek().is_some() {
            if out.send(seen.by_ref().take(TOGETHER).collect()).await.is_err() {
                return;
            }
        }
    }
}

/// Sends the changes of a kind until the receiver is gone.
async fn follow<K: Slim>(cluster: Cluster, told: mpsc::Sender<Vec<Change>>, _: PhantomData<K>) {
    let mut events = std::pin::pin!(events(Api::<Raw<K>>::all(cluster.client()), K::KIND));
    let mut keys = HashSet::new();
    while let Some(chunk) = events.next().await {
        let changes: Vec<Change> = chunk.into_iter().filter_map(|event| change(event, &mut keys)).collect();
        if !changes.is_empty() && told.send(changes).await.is_err() {
            return;
        }
    }
}

fn change<K: Slim>(
    event: Result<Event<Raw<K>>, watcher::Error>,
    keys: &mut HashSet<String>,
) -> Option<Change> {
    match event {
        // A list that broke off half way begins again: it proves no deletion.
        Ok(Event::Init) => {
            keys.clear();
            None
        }
        Ok(Event::InitApply(object)) => {
            keys.insert(object.key());
            Some(read(&object))
        }
        Ok(Event::InitDone) => {
            tracing::info!(kind = K::KIND, objects = keys.len(), "listed");
            Some(Change::Listed(K::OF, std::mem::take(keys)))
        }
        Ok(Event::Apply(object)) => Some(read(&object)),
        Ok(Event::Delete(object)) => Some(Change::Gone(K::OF, object.key())),
        Err(error) => is_refused(&error).then_some(Change::Refused(K::OF)),
    }
}

fn read<K: Slim>(object: &Raw<K>) -> Change {
    match workload::read(K::OF, object.json.get()) {
        Ok(object) => Change::Put(object),
        // Without the value: a pod has an environment, which is nobody's business.
        Err(problem) => Change::Unreadable(DeadLetterRecord::new(
            format!("{SOURCE} {} {}", K::PLURAL, object.key()),
            Some(object.key()),
            format!("{} {}: {problem}", K::KIND, object.key()),
            None,
        )),
    }
}

/// The objects that are known so far, and the records that were made of them.
#[derive(Default)]
struct Desk {
    workloads: Workloads,
    /// The kinds that were listed, or that clade may not see.
    known: HashSet<workload::Kind>,
    asks_for_pods: bool,
    /// All workloads were told once, so that what was published before and is none of them is gone.
    has_told_all: bool,
    refused: HashSet<workload::Kind>,
}

impl Desk {
    /// Returns `true` once: when everything is there that says whose a pod is.
    fn may_list_pods(&mut self) -> bool {
        let is_known = |kind: &workload::Kind| *kind == workload::Kind::Pod || self.known.contains(kind);
        let is_time = !self.asks_for_pods && workload::Kind::ALL.iter().all(is_known);
        self.asks_for_pods |= is_time;
        is_time
    }

    fn take(&mut self, changes: Vec<Change>) -> Vec<Observation> {
        let mut seen = Vec::new();
        for change in changes {
            match change {
                Change::Put(object) => self.workloads.put(object),
                Change::Unreadable(letter) => seen.push(Observation::Unreadable(letter)),
                Change::Gone(kind, key) => self.workloads.remove(kind, &key),
                Change::Listed(kind, keys) => {
                    self.workloads.keep(kind, &keys);
                    self.known.insert(kind);
                    self.refused.remove(&kind);
                }
                Change::Refused(kind) => self.refuse(kind),
            }
        }
        seen
    }

    fn refuse(&mut self, kind: workload::Kind) {
        if self.refused.insert(kind) {
            let kind = kind.name();
            tracing::warn!(
                kind,
                "clade may not see what runs as a whole: it lacks this permission, see deploy/; --no-workloads does without"
            );
        }
        // Pods count without what clade may not see, and nothing can be said without pods.
        if kind != workload::Kind::Pod {
            self.known.insert(kind);
        }
    }

    /// The workloads that have changed.
    fn tell(&mut self) -> Vec<Observation> {
        if !self.known.contains(&workload::Kind::Pod) || self.has_told_all && !self.workloads.is_busy() {
            return Vec::new();
        }
        let told = |(key, workload): (String, Option<WorkloadRecord>)| match workload {
            Some(workload) => Observation::Workload(Box::new(WorkloadRecord {
                source: Some(SOURCE.to_owned()),
                ..workload
            })),
            None => Observation::WorkloadGone(SOURCE.to_owned(), key),
        };
        let mut seen: Vec<Observation> = self.workloads.drain().into_iter().map(told).collect();
        // A pod that still waits for its owner may belong to any workload.
        if !self.has_told_all && !self.workloads.is_busy() {
            self.has_told_all = true;
            let keys = self.workloads.keys().cloned().collect();
            seen.push(Observation::Listed(SOURCE.to_owned(), Listing::Workloads { keys, namespaces: None }));
        }
        seen
    }
}
