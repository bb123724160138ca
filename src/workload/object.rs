//! The parts of objects that say what runs.

use std::collections::BTreeMap;

use crate::oci::{Platform, Timestamp};
use crate::record::{ContainerRole, RunningImage};

/// The kinds of object that say what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `Pod`.
    Pod,
    /// `ReplicaSet`, which a Deployment may own.
    ReplicaSet,
    /// `Job`, which a CronJob may own.
    Job,
    /// `ReplicationController`, which OpenShift's DeploymentConfig may own.
    ReplicationController,
    /// `Node`, which has a platform.
    Node,
    /// `Namespace`, which has labels.
    Namespace,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Pod, Self::ReplicaSet, Self::Job, Self::ReplicationController, Self::Node, Self::Namespace];

    /// The API group of the kind.
    pub fn group(self) -> &'static str {
        match self {
            Self::ReplicaSet => "apps",
            Self::Job => "batch",
            Self::Pod | Self::ReplicationController | Self::Node | Self::Namespace => "",
        }
    }

    /// The name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::ReplicaSet => "ReplicaSet",
            Self::Job => "Job",
            Self::ReplicationController => "ReplicationController",
            Self::Node => "Node",
            Self::Namespace => "Namespace",
        }
    }

    /// The kind of this name and API group.
    pub fn of(group: &str, name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| (kind.group(), kind.name()) == (group, name))
    }
}

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// A pod.
    Pod(Pod),
    /// A pod that has ended, by `namespace/name`: it runs nothing any more.
    Ended(String),
    /// A ReplicaSet, Job or ReplicationController.
    Controller(Controller),
    /// A node.
    Node(Node),
    /// A namespace.
    Namespace(Space),
}

/// A pod that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The owner that controls the pod.
    pub owner: Option<Owner>,
    /// The Deployment that the labels of the pod point to, if its ReplicaSet cannot be asked.
    pub deployment: Option<String>,
    /// The node.
    pub node: String,
    /// The labels and images, which pods of one owner share.
    pub shape: Shape,
    /// The start of each container of the shape.
    pub since: Vec<Option<Timestamp>>,
}

/// The parts that the pods of one owner share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Shape {
    /// The labels, without those of a pod or a revision.
    pub labels: BTreeMap<String, String>,
    /// The containers.
    pub containers: Vec<ShapeContainer>,
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShapeContainer {
    /// The role.
    pub role: ContainerRole,
    /// The name.
    pub name: String,
    /// The image that is asked for.
    pub asked: String,
    /// The image that runs.
    pub running: Option<RunningImage>,
}

/// A reference to an owner in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The API group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
}

/// A ReplicaSet, Job or ReplicationController: it may have an owner itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// The kind.
    pub kind: Kind,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The owner.
    pub owner: Option<Owner>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The name.
    pub name: String,
    /// The platform, if the node says it.
    pub platform: Option<Platform>,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The name.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
}
