//! Watches the workloads themselves, and labels them: Deployments and the like, whoever owns the pods in the end.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::labels::{ObjectLabels, Seen, Target, Writing, apply_labels, labelled, watch_targets};
use super::raw::{Kind, Raw};
use crate::record::{WorkloadRecord, workload_key};
use crate::workload;

/// The kinds of workload that clade labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    /// `Deployment` of `apps`.
    Deployment,
    /// `StatefulSet` of `apps`.
    StatefulSet,
    /// `DaemonSet` of `apps`.
    DaemonSet,
    /// `Job` of `batch`.
    Job,
    /// `CronJob` of `batch`.
    CronJob,
}

/// A workload that can be labelled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    kind: OwnerKind,
    namespace: String,
    name: String,
}

/// An observation of a workload, with the images that its pods would ask for.
#[derive(Debug)]
pub struct OwnerSeen {
    /// The object and its labels.
    pub seen: Seen<Owner>,
    /// What the template of its pods asks for. `None` for a Job that something else has made, which is no workload.
    pub asked: Option<Box<WorkloadRecord>>,
}

macro_rules! kind {
    ($name:ident, $group:literal, $plural:literal) => {
        struct $name;
        impl Kind for $name {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = "v1";
            const KIND: &'static str = stringify!($name);
            const PLURAL: &'static str = $plural;
        }
        impl Labels for $name {
            const OF: OwnerKind = OwnerKind::$name;
        }
    };
}

/// A kind of workload.
trait Labels: Kind {
    const OF: OwnerKind;
}

kind!(Deployment, "apps", "deployments");
kind!(StatefulSet, "apps", "statefulsets");
kind!(DaemonSet, "apps", "daemonsets");
kind!(Job, "batch", "jobs");
kind!(CronJob, "batch", "cronjobs");

impl OwnerKind {
    const ALL: [Self; 5] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet, Self::Job, Self::CronJob];

    fn group_and_name(self) -> (&'static str, &'static str) {
        match self {
            Self::Deployment => (Deployment::GROUP, Deployment::KIND),
            Self::StatefulSet => (StatefulSet::GROUP, StatefulSet::KIND),
            Self::DaemonSet => (DaemonSet::GROUP, DaemonSet::KIND),
            Self::Job => (Job::GROUP, Job::KIND),
            Self::CronJob => (CronJob::GROUP, CronJob::KIND),
        }
    }
}

impl Owner {
    /// The workload of a record; `None` if clade labels none of its kind.
    pub fn of_record(record: &WorkloadRecord) -> Option<Self> {
        let kind = (record.group.as_str(), record.kind.as_str());
        let kind = OwnerKind::ALL.into_iter().find(|of| of.group_and_name() == kind)?;
        Some(Self { kind, namespace: record.namespace.clone(), name: record.name.clone() })
    }
}

/// The key of its record.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, kind) = self.kind.group_and_name();
        f.write_str(&workload_key(&self.namespace, kind, group, &self.name))
    }
}

impl Target for Owner {
    type Of = OwnerKind;

    fn of(&self) -> OwnerKind {
        self.kind
    }

    fn write<'a>(
        &'a self,
        cluster: &'a Cluster,
        uid: &'a str,
        labels: &'a ObjectLabels,
    ) -> Writing<'a, Self> {
        match self.kind {
            OwnerKind::Deployment => apply::<Deployment>(self, cluster, uid, labels),
            OwnerKind::StatefulSet => apply::<StatefulSet>(self, cluster, uid, labels),
            OwnerKind::DaemonSet => apply::<DaemonSet>(self, cluster, uid, labels),
            OwnerKind::Job => apply::<Job>(self, cluster, uid, labels),
            OwnerKind::CronJob => apply::<CronJob>(self, cluster, uid, labels),
        }
    }
}

fn apply<'a, K: Labels>(
    owner: &'a Owner,
    cluster: &'a Cluster,
    uid: &'a str,
    labels: &'a ObjectLabels,
) -> Writing<'a, Owner> {
    Box::pin(async move {
        let api: Api<Raw<K>> = Api::namespaced_with(cluster.client(), &owner.namespace, &());
        let object = apply_labels(&api, &owner.name, uid, labels).await?;
        Ok(labelled(owner.clone(), &object))
    })
}

/// Sends the labels of all workloads, until the receiver is gone. A kind that clade may not see is asked for again and again.
pub async fn watch_owners(cluster: Cluster, out: mpsc::Sender<Vec<OwnerSeen>>) {
    let mut watches = JoinSet::new();
    watches.spawn(watch::<Deployment>(cluster.clone(), "labels of Deployments", out.clone()));
    watches.spawn(watch::<StatefulSet>(cluster.clone(), "labels of StatefulSets", out.clone()));
    watches.spawn(watch::<DaemonSet>(cluster.clone(), "labels of DaemonSets", out.clone()));
    watches.spawn(watch::<Job>(cluster.clone(), "labels of Jobs", out.clone()));
    watches.spawn(watch::<CronJob>(cluster, "labels of CronJobs", out));
    // None ends before the receiver is gone, unless it has panicked: then all end, and the receiver sees it.
    watches.join_next().await;
}

async fn watch<K: Labels>(cluster: Cluster, what: &'static str, out: mpsc::Sender<Vec<OwnerSeen>>) {
    let api: Api<Raw<K>> = Api::all(cluster.client());
    let told = |seen: Seen<Owner>, object: Option<&Raw<K>>| {
        let asked = object.and_then(|object| workload::asked(K::GROUP, K::KIND, object.json.get()));
        OwnerSeen { seen, asked: asked.map(Box::new) }
    };
    watch_targets(api, what, K::OF, owner::<K>, told, out).await;
}

fn owner<K: Labels>(metadata: &ObjectMeta) -> Option<Owner> {
    Some(Owner { kind: K::OF, namespace: metadata.namespace.clone()?, name: metadata.name.clone()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_of_other_kinds_and_bare_pods_are_left_alone() {
        let of = |group: &str, kind: &str| {
            let record = serde_json::json!({
                "namespace": "shop", "kind": kind, "group": group, "name": "web", "sequence": 1, "pods": 1,
            });
            Owner::of_record(&serde_json::from_value(record).unwrap()).map(|owner| owner.to_string())
        };
        let labelled = [
            ("apps", "Deployment"),
            ("apps", "StatefulSet"),
            ("apps", "DaemonSet"),
            ("batch", "Job"),
            ("batch", "CronJob"),
        ];
        for (group, kind) in labelled {
            assert_eq!(of(group, kind), Some(format!("shop/{kind}/web")));
        }
        let others = [
            ("", "Pod"),
            ("apps", "ReplicaSet"),
            ("apps.openshift.io", "DeploymentConfig"),
            ("batch.volcano.sh", "Job"),
        ];
        for (group, kind) in others {
            assert_eq!(of(group, kind), None, "{kind}.{group}");
        }
    }
}
