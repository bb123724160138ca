//! Topics as a cluster has them, and as they are created.

use std::collections::BTreeMap;

use crate::record::Topic;

/// A topic as it is on the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundTopic {
    /// Its partitions.
    pub partitions: usize,
    /// The replicas of each.
    pub replication: usize,
    /// Its settings, the cluster's defaults included.
    pub settings: BTreeMap<String, String>,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTopic {
    /// The topic.
    pub topic: Topic,
    /// Its partitions.
    pub partitions: u16,
    /// Replicas of each partition; the cluster's default without.
    pub replication: Option<u16>,
    /// Its settings.
    pub settings: Vec<(&'static str, String)>,
}
