//! The topics of a cluster, existing ones and ones to create.

use std::collections::BTreeMap;

use crate::record::Topic;

/// A topic as it is on the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundTopic {
    /// The number of partitions.
    pub partitions: usize,
    /// The number of replicas of each partition.
    pub replication: usize,
    /// Its settings, the cluster's defaults included.
    pub settings: BTreeMap<String, String>,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTopic {
    /// The topic.
    pub topic: Topic,
    /// The number of partitions.
    pub partitions: u16,
    /// Replicas of each partition; `None` for the cluster's default.
    pub replication: Option<u16>,
    /// Its settings.
    pub settings: Vec<(&'static str, String)>,
}
