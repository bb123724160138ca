//! Keeps the pods of each workload, and notes the workloads that change.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::interner::Interner;
use super::object::{Controller, Kind, Node, Object, Owner, Pod, Shape, Space};
use super::sum::{Counted, record};
use crate::oci::{Platform, Timestamp};
use crate::record::{WorkloadRecord, workload_key};

/// Drains for which a pod waits for an owner that nobody has told of. Watches of pods and of their owners are independent of
/// each other, and one may be late by a moment.
const PATIENCE: u8 = 5;

/// `namespace/name` of a pod.
type PodKey = Arc<str>;
/// The kind of a controller, and its `namespace/name`.
type ControllerKey = (Kind, String);

/// The workloads of a cluster.
#[derive(Debug, Default)]
pub struct Workloads {
    pods: HashMap<PodKey, Kept>,
    shapes: Interner,
    /// The controllers that are there, each with its owner.
    controllers: HashMap<ControllerKey, Known>,
    /// The pods of each controller, whether it is known or not.
    owned: HashMap<ControllerKey, BTreeSet<PodKey>>,
    members: BTreeMap<String, Members>,
    nodes: HashMap<String, Platform>,
    namespaces: HashMap<String, BTreeMap<String, String>>,
    changed: BTreeSet<String>,
    /// Pods whose controller nobody has told of yet, with the number of drains since.
    waiting: BTreeMap<PodKey, u8>,
}

/// The part of a pod that is kept.
#[derive(Debug)]
struct Kept {
    owner: Option<Owner>,
    deployment: Option<String>,
    node: String,
    shape: Arc<Shape>,
    since: Vec<Option<Timestamp>>,
    /// The workload, once it is known.
    workload: Option<String>,
}

#[derive(Debug)]
struct Known {
    owner: Option<Owner>,
    /// It is deleted, and pods of it are still there.
    is_gone: bool,
}

/// The pods of a workload.
#[derive(Debug)]
struct Members {
    namespace: String,
    owner: Owner,
    pods: BTreeSet<PodKey>,
}

impl Workloads {
    /// Takes an object as it is now.
    pub fn put(&mut self, object: Object) {
        match object {
            Object::Pod(pod) => self.put_pod(pod),
            Object::Ended(key) => self.remove_pod(&key),
            Object::Controller(controller) => self.put_controller(controller),
            Object::Node(Node { name, platform }) => self.put_node(name, platform),
            Object::Namespace(Space { name, labels }) => self.put_namespace(name, labels),
        }
    }

    /// Removes an object, by `namespace/name`, or by the name of what is in no namespace.
    pub fn remove(&mut self, kind: Kind, key: &str) {
        match kind {
            Kind::Pod => self.remove_pod(key),
            Kind::Node => self.put_node(key.to_owned(), None),
            Kind::Namespace => {
                self.put_namespace(key.to_owned(), BTreeMap::new());
                self.namespaces.remove(key);
            }
            Kind::ReplicaSet | Kind::Job | Kind::ReplicationController => {
                let key = (kind, key.to_owned());
                if self.owned.contains_key(&key) {
                    // Its last pods still belong to where they belonged.
                    if let Some(known) = self.controllers.get_mut(&key) {
                        known.is_gone = true;
                    }
                } else {
                    self.controllers.remove(&key);
                }
            }
        }
    }

    /// Removes the objects of a kind that a complete list of it does not have.
    pub fn keep(&mut self, kind: Kind, listed: &HashSet<String>) {
        let is_gone = |key: &str| !listed.contains(key);
        let gone: Vec<String> = match kind {
            Kind::Pod => self.pods.keys().filter(|key| is_gone(key)).map(ToString::to_string).collect(),
            Kind::Node => self.nodes.keys().filter(|key| is_gone(key)).cloned().collect(),
            Kind::Namespace => self.namespaces.keys().filter(|key| is_gone(key)).cloned().collect(),
            Kind::ReplicaSet | Kind::Job | Kind::ReplicationController => {
                let of_kind = self.controllers.keys().filter(|(of, key)| *of == kind && is_gone(key));
                of_kind.map(|(_, key)| key.clone()).collect()
            }
        };
        gone.iter().for_each(|key| self.remove(kind, key));
    }

    /// The workloads that have changed since the last call, each with its record, or without one if it has no pods any more.
    /// Pods whose controller is not known wait for it through some calls, and then count without it.
    pub fn drain(&mut self) -> Vec<(String, Option<WorkloadRecord>)> {
        for waited in self.waiting.values_mut() {
            *waited += 1;
        }
        let tired: Vec<PodKey> = self
            .waiting
            .iter()
            .filter(|(_, waited)| **waited > PATIENCE)
            .map(|(key, _)| Arc::clone(key))
            .collect();
        tired.iter().for_each(|key| self.give_up(key));
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|key| (self.record(&key), key)).map(|(record, key)| (key, record)).collect()
    }

    /// Counts all pods that wait for a controller without it: nothing more will come.
    pub fn stop_waiting(&mut self) {
        let waiting: Vec<PodKey> = self.waiting.keys().map(Arc::clone).collect();
        waiting.iter().for_each(|key| self.give_up(key));
    }

    /// Returns `true` if a call of [`Workloads::drain`] would do something.
    pub fn is_busy(&self) -> bool {
        !self.changed.is_empty() || !self.waiting.is_empty()
    }

    /// The keys of all workloads.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.members.keys()
    }

    /// The namespaces that objects were in.
    pub fn namespaces(&self) -> HashSet<String> {
        let of_pods = self.members.values().map(|members| members.namespace.clone());
        of_pods.chain(self.namespaces.keys().cloned()).collect()
    }

    /// The record of a workload.
    pub fn record(&self, key: &str) -> Option<WorkloadRecord> {
        let Members { namespace, owner, pods } = self.members.get(key)?;
        let counted = pods.iter().filter_map(|pod| self.pods.get(pod)).map(|pod| Counted {
            shape: &pod.shape,
            since: &pod.since,
            platform: self.nodes.get(&pod.node),
        });
        let labels = self.namespaces.get(namespace).cloned().unwrap_or_default();
        Some(record(namespace, owner, labels, counted))
    }

    fn put_pod(&mut self, pod: Pod) {
        let key: PodKey = format!("{}/{}", pod.namespace, pod.name).into();
        if let Some(kept) = self.pods.get_mut(&key)
            && kept.owner == pod.owner
            && kept.deployment == pod.deployment
        {
            if *kept.shape != pod.shape || kept.node != pod.node || kept.since != pod.since {
                kept.shape = self.shapes.share(pod.shape);
                (kept.node, kept.since) = (pod.node, pod.since);
                self.changed.extend(kept.workload.clone());
            }
            return;
        }
        self.remove_pod(&key);
        if let Some(controller) = controller_of(&key, pod.owner.as_ref()) {
            self.owned.entry(controller).or_default().insert(Arc::clone(&key));
        }
        let kept = Kept {
            owner: pod.owner,
            deployment: pod.deployment,
            node: pod.node,
            shape: self.shapes.share(pod.shape),
            since: pod.since,
            workload: None,
        };
        self.pods.insert(Arc::clone(&key), kept);
        self.place(&key);
    }

    fn remove_pod(&mut self, key: &str) {
        let Some((key, pod)) = self.pods.remove_entry(key) else { return };
        self.waiting.remove(&key);
        if let Some(workload) = &pod.workload {
            self.leave(&key, workload);
        }
        if let Some(controller) = controller_of(&key, pod.owner.as_ref())
            && let Some(owned) = self.owned.get_mut(&controller)
        {
            owned.remove(&key);
            if owned.is_empty() {
                self.owned.remove(&controller);
                if self.controllers.get(&controller).is_some_and(|known| known.is_gone) {
                    self.controllers.remove(&controller);
                }
            }
        }
    }

    fn put_controller(&mut self, controller: Controller) {
        let Controller { kind, namespace, name, owner } = controller;
        let key = (kind, format!("{namespace}/{name}"));
        let known = Known { owner, is_gone: false };
        let before = self.controllers.insert(key.clone(), known);
        let is_same = before.is_some_and(|before| before.owner == self.controllers[&key].owner);
        if !is_same && let Some(pods) = self.owned.get(&key).cloned() {
            pods.iter().for_each(|pod| self.place(pod));
        }
    }

    fn put_node(&mut self, name: String, platform: Option<Platform>) {
        if self.nodes.get(&name) == platform.as_ref() {
            return;
        }
        let of_node = self.pods.values().filter(|pod| pod.node == name);
        self.changed.extend(of_node.filter_map(|pod| pod.workload.clone()));
        match platform {
            Some(platform) => drop(self.nodes.insert(name, platform)),
            None => drop(self.nodes.remove(&name)),
        }
    }

    fn put_namespace(&mut self, name: String, labels: BTreeMap<String, String>) {
        if self.namespaces.get(&name).is_some_and(|known| *known == labels) {
            return;
        }
        let prefix = format!("{name}/");
        let there = self.members.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        self.changed.extend(there.map(|(key, _)| key.clone()));
        self.namespaces.insert(name, labels);
    }

    /// Puts a pod into its workload, if its controller is known, or lets it wait.
    fn place(&mut self, key: &PodKey) {
        let Some(pod) = self.pods.get(key) else { return };
        let itself = |name: &str| Owner {
            group: String::new(),
            kind: Kind::Pod.name().to_owned(),
            name: name.to_owned(),
        };
        let top = match (&pod.owner, controller_of(key, pod.owner.as_ref())) {
            (None, _) => itself(key.rsplit('/').next().unwrap_or_default()),
            (Some(owner), None) => owner.clone(),
            (Some(owner), Some(controller)) => match self.controllers.get(&controller) {
                Some(known) => known.owner.clone().unwrap_or_else(|| owner.clone()),
                None => {
                    self.waiting.entry(Arc::clone(key)).or_default();
                    return;
                }
            },
        };
        self.enter(key, top);
    }

    /// Puts a pod whose controller does not come into the workload that its labels and its owner name.
    fn give_up(&mut self, key: &PodKey) {
        let Some(Kept { owner: Some(owner), deployment, .. }) = self.pods.get(key) else { return };
        let top = match deployment {
            Some(name) => {
                Owner { group: "apps".to_owned(), kind: "Deployment".to_owned(), name: name.clone() }
            }
            None => owner.clone(),
        };
        self.enter(key, top);
    }

    fn enter(&mut self, key: &PodKey, owner: Owner) {
        self.waiting.remove(key);
        let namespace = key.split('/').next().unwrap_or_default();
        let workload = workload_key(namespace, &owner.kind, &owner.group, &owner.name);
        let Some(pod) = self.pods.get_mut(key) else { return };
        if pod.workload.as_ref() == Some(&workload) {
            return;
        }
        if let Some(before) = pod.workload.replace(workload.clone()) {
            self.leave(key, &before);
        }
        let new = || Members { namespace: namespace.to_owned(), owner, pods: BTreeSet::new() };
        self.members.entry(workload.clone()).or_insert_with(new).pods.insert(Arc::clone(key));
        self.changed.insert(workload);
    }

    fn leave(&mut self, key: &PodKey, workload: &str) {
        if let Some(members) = self.members.get_mut(workload) {
            members.pods.remove(key);
            if members.pods.is_empty() {
                self.members.remove(workload);
            }
            self.changed.insert(workload.to_owned());
        }
    }
}

/// The controller that owns a pod and may itself be owned.
fn controller_of(pod: &str, owner: Option<&Owner>) -> Option<ControllerKey> {
    let owner = owner?;
    let kind = Kind::of(&owner.group, &owner.kind)
        .filter(|kind| matches!(kind, Kind::ReplicaSet | Kind::Job | Kind::ReplicationController))?;
    let namespace = pod.split('/').next().unwrap_or_default();
    Some((kind, format!("{namespace}/{}", owner.name)))
}
