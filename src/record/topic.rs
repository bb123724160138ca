//! The topics: their names, cleanup policies and partitioning.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every topic of clade. `topics/NAME.yaml` describes each for people; a test keeps the two equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Every image, by digest.
    Images,
    /// Every tag and its history, by full name, with long histories in parts.
    Tags,
    /// Classes, their versions, and groups.
    Catalog,
    /// BuildConfigs, by namespace and name.
    Buildconfigs,
    /// Workloads that run, by namespace, kind and name of the topmost owner.
    Workloads,
    /// The classification of every image that is in a class, by digest.
    Classifications,
    /// Committed transitions of an image's state in a class.
    Outdated,
    /// The decisions of policies on workloads, by the key of the workload.
    Decisions,
    /// Pods that the admission webhook did not simply allow, by the key of their workload.
    Admissions,
    /// Rebuilds, their targets, and the state of each.
    Rebuilds,
    /// The progress of each processor.
    Progress,
    /// Inputs that could not be read, and the reasons.
    DeadLetters,
}

/// The cleanup policy: what happens to old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleanup {
    /// The last record of each key is kept; a tombstone removes the key.
    Compact,
    /// Records are removed when they are older than the topic's retention.
    Delete,
}

impl Topic {
    /// All topics, in the order in which they are created.
    pub const ALL: [Self; 12] = [
        Self::Images,
        Self::Tags,
        Self::Catalog,
        Self::Buildconfigs,
        Self::Workloads,
        Self::Classifications,
        Self::Outdated,
        Self::Decisions,
        Self::Admissions,
        Self::Rebuilds,
        Self::Progress,
        Self::DeadLetters,
    ];

    /// The CloudEvents `source` of the topic's events, a URI reference.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Images => "/clade/images",
            Self::Tags => "/clade/tags",
            Self::Catalog => "/clade/catalog",
            Self::Buildconfigs => "/clade/buildconfigs",
            Self::Workloads => "/clade/workloads",
            Self::Classifications => "/clade/classifications",
            Self::Outdated => "/clade/outdated",
            Self::Decisions => "/clade/decisions",
            Self::Admissions => "/clade/admissions",
            Self::Rebuilds => "/clade/rebuilds",
            Self::Progress => "/clade/progress",
            Self::DeadLetters => "/clade/dead-letters",
        }
    }

    /// The name of the topic: the last part of its source.
    pub const fn name(self) -> &'static str {
        let (_, name) = self.source().split_at("/clade/".len());
        name
    }

    /// The cleanup policy.
    pub const fn cleanup(self) -> Cleanup {
        match self {
            Self::Outdated | Self::Admissions | Self::DeadLetters => Cleanup::Delete,
            _ => Cleanup::Compact,
        }
    }

    /// The retention of a record on an event topic, and of a tombstone on a compacted topic, in milliseconds.
    pub const fn retention_ms(self) -> i64 {
        match self.cleanup() {
            Cleanup::Delete => 30 * DAY_MS,
            // A reader that was away for a shorter time has seen every tombstone.
            Cleanup::Compact => 7 * DAY_MS,
        }
    }

    /// The time for which a compacted topic keeps a record after a later one with the same key has replaced it, in
    /// milliseconds. Questions about the past are answered from these records; the other topics keep none.
    pub const fn history_ms(self) -> i64 {
        match self {
            Self::Images | Self::Tags | Self::Catalog => 30 * DAY_MS,
            _ => 0,
        }
    }

    /// The settings on Apache Kafka. A tombstone outlives every reader that is not given up. The message size leaves
    /// room for a record of the largest size with its headers.
    pub fn settings(self) -> Vec<(&'static str, String)> {
        let (policy, retention) = match self.cleanup() {
            Cleanup::Compact => ("compact", "delete.retention.ms"),
            Cleanup::Delete => ("delete", "retention.ms"),
        };
        let mut settings = vec![
            ("cleanup.policy", policy.to_owned()),
            ("max.message.bytes", MAX_MESSAGE_BYTES.to_string()),
            (retention, self.retention_ms().to_string()),
        ];
        if self.history_ms() > 0 {
            settings.push((HISTORY_SETTING, self.history_ms().to_string()));
        }
        settings
    }

    /// Returns `true` if clade refuses to run on a topic whose value of this [setting](Self::settings) differs. For
    /// example, `delete` on a compacted topic would remove records that still hold.
    pub fn is_essential(setting: &str) -> bool {
        setting == "cleanup.policy"
    }

    /// Returns `true` if the topic is partitioned by the first layer. The other topics have one partition.
    pub const fn is_partitioned(self) -> bool {
        !matches!(
            self,
            Self::Catalog
                | Self::Buildconfigs
                | Self::Workloads
                | Self::Decisions
                | Self::Admissions
                | Self::Rebuilds
        )
    }
}

/// The setting on Apache Kafka for the time of [`Topic::history_ms`].
pub const HISTORY_SETTING: &str = "min.compaction.lag.ms";
/// The largest record, with room for its headers and the batch that carries it.
const MAX_MESSAGE_BYTES: u32 = 1_064_960;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
