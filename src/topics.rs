//! Compares the topics that clade needs with those of a cluster. Pure: it changes nothing.

use std::collections::BTreeMap;
use std::fmt;

use crate::log::{FoundTopic, MissingTopic};
use crate::record::Topic;

/// Partitions of a new installation: enough for some dozen processors and a hundred million images, few enough for one
/// process to read.
pub const DEFAULT_PARTITIONS: u16 = 16;

/// The user's choices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Partitions of the partitioned topics. `None`: as many as they have, or [`DEFAULT_PARTITIONS`].
    pub partitions: Option<u16>,
    /// Replicas of each partition. `None`: the cluster's default.
    pub replication: Option<u16>,
}

/// The differences between the wanted and the existing topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Topics to create.
    pub missing: Vec<MissingTopic>,
    /// Differences in existing topics. clade changes none of them.
    pub differences: Vec<Difference>,
}

impl Plan {
    /// Returns `true` if clade refuses to run on the cluster.
    pub fn is_unusable(&self) -> bool {
        !self.missing.is_empty() || self.differences.iter().any(Difference::is_fatal)
    }
}

/// A difference in an existing topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Another number of partitions: images would be looked up in the wrong place.
    Partitions {
        /// The topic.
        topic: Topic,
        /// The number of partitions on the cluster.
        found: usize,
        /// The required number.
        expected: u16,
    },
    /// Another setting.
    Setting {
        /// The topic.
        topic: Topic,
        /// The name of the setting.
        setting: &'static str,
        /// Its value on the cluster.
        found: String,
        /// The value in `topics/`.
        expected: String,
    },
}

impl Difference {
    /// Returns `true` if clade refuses to run with it.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Partitions { .. } => true,
            Self::Setting { setting, .. } => Topic::is_essential(setting),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions { topic, found, expected } => write!(
                f,
                "{topic} has {found} partitions instead of {expected}: images would be looked for in the wrong place. \
                 Partitions cannot be taken away, and adding some sends images elsewhere: `clade topics migrate` \
                 copies everything into new topics"
            ),
            Self::Setting { topic, setting, found, expected } => write!(
                f,
                "{topic} has {setting}={found} instead of {expected}: kafka-configs --alter --topic {topic} \
                 --add-config {setting}={expected}"
            ),
        }
    }
}

/// Compares the wanted with the existing topics.
pub fn plan(wanted: &Wanted, found: &BTreeMap<Topic, FoundTopic>) -> Plan {
    let partitions = wanted
        .partitions
        .or_else(|| found.get(&Topic::Images).and_then(|images| u16::try_from(images.partitions).ok()))
        .unwrap_or(DEFAULT_PARTITIONS);
    let mut plan = Plan::default();
    for topic in Topic::ALL {
        let expected = if topic.is_partitioned() { partitions } else { 1 };
        let settings = topic.settings();
        let Some(here) = found.get(&topic) else {
            let replication = wanted.replication;
            plan.missing.push(MissingTopic { topic, partitions: expected, replication, settings });
            continue;
        };
        if here.partitions != usize::from(expected) {
            plan.differences.push(Difference::Partitions { topic, found: here.partitions, expected });
        }
        for (setting, expected) in settings {
            let found = here.settings.get(setting).cloned().unwrap_or_default();
            if found != expected {
                plan.differences.push(Difference::Setting { topic, setting, found, expected });
            }
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything(partitions: usize) -> BTreeMap<Topic, FoundTopic> {
        let found = |topic: Topic| FoundTopic {
            partitions: if topic.is_partitioned() { partitions } else { 1 },
            replication: 1,
            settings: topic.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        Topic::ALL.into_iter().map(|topic| (topic, found(topic))).collect()
    }

    #[test]
    fn on_an_empty_cluster_everything_is_missing() {
        let plan = plan(&Wanted::default(), &BTreeMap::new());
        assert_eq!(plan.missing.len(), Topic::ALL.len());
        assert!(plan.missing.iter().all(|missing| {
            missing.partitions == if missing.topic.is_partitioned() { DEFAULT_PARTITIONS } else { 1 }
        }));
        assert!(plan.is_unusable());
    }

    #[test]
    fn where_everything_is_as_it_should_be_there_is_nothing_to_do() {
        assert_eq!(plan(&Wanted::default(), &everything(5)), Plan::default());
    }

    #[test]
    fn another_number_of_partitions_is_never_put_right_and_never_run_on() {
        let mut found = everything(4);
        if let Some(tags) = found.get_mut(&Topic::Tags) {
            tags.partitions = 8;
        }
        let plan = plan(&Wanted::default(), &found);
        assert_eq!(plan.differences, [Difference::Partitions { topic: Topic::Tags, found: 8, expected: 4 }]);
        assert!(plan.is_unusable());
    }

    #[test]
    fn another_retention_is_told_and_run_on_but_another_cleanup_policy_is_not() {
        let mut found = everything(4);
        let mut set = |topic: Topic, name: &str, value: &str| {
            found.entry(topic).or_default().settings.insert(name.to_owned(), value.to_owned());
        };
        set(Topic::Outdated, "retention.ms", "1000");
        assert!(!plan(&Wanted::default(), &found.clone()).is_unusable());
        found
            .entry(Topic::Images)
            .or_default()
            .settings
            .insert("cleanup.policy".to_owned(), "delete".to_owned());
        let plan = plan(&Wanted::default(), &found);
        assert_eq!(plan.differences.len(), 2);
        assert!(plan.is_unusable());
    }
}
