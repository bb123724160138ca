//! Topic `progress`: the progress of each processor. A processor writes it in the same batch as its conclusions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Topic, Value};

/// The checkpoint of one partition's processor: the next offset to read of each of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgressRecord {
    /// The partition.
    pub partition: u16,
    /// The number of partitions. A processor refuses another number, which would place images elsewhere. 0 while a
    /// migration still copies records into these topics.
    pub partitions: u16,
    /// Batch counter of this partition.
    pub sequence: u64,
    /// Next offset of `images`.
    pub images: u64,
    /// Next offset of `tags`.
    pub tags: u64,
    /// Next offset of `catalog`.
    pub catalog: u64,
    /// A random number below 2^53, chosen when the partition was first processed. It distinguishes the topics from
    /// others that once had their names. Absent before anything was processed, and in the first records of the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<u64>,
    /// The last sixteen processors of the partition, oldest first. They distinguish this history from another one that
    /// began like it, such as that of a log that was restored from a backup.
    #[serde(default, skip_serializing_if = "Lives::is_empty")]
    #[schemars(with = "Vec<Life>")]
    pub lives: Lives,
}

/// One processor of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// A random number below 2^53.
    pub id: u64,
    /// The sequence of its first batch.
    pub from: u64,
}

/// Processors that a partition remembers, at most. A snapshot by a processor that is forgotten is of no use.
const MOST_LIVES: usize = 16;

/// The last processors of a partition, oldest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Life>", into = "Vec<Life>")]
pub struct Lives {
    lives: [Life; MOST_LIVES],
    count: usize,
}

impl Lives {
    /// No processors.
    pub const NONE: Self = Self { lives: [Life { id: 0, from: 0 }; MOST_LIVES], count: 0 };

    /// Adds a processor, and forgets the oldest of seventeen.
    pub fn push(&mut self, life: Life) {
        if self.count == MOST_LIVES {
            self.lives.rotate_left(1);
            self.count -= 1;
        }
        self.lives[self.count] = life;
        self.count += 1;
    }

    /// Returns `true` if no processor is known.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn all(&self) -> &[Life] {
        &self.lives[..self.count]
    }
}

impl From<Vec<Life>> for Lives {
    fn from(lives: Vec<Life>) -> Self {
        let mut all = Self::default();
        lives.into_iter().for_each(|life| all.push(life));
        all
    }
}

impl From<Lives> for Vec<Life> {
    fn from(lives: Lives) -> Self {
        lives.all().to_vec()
    }
}

impl ProgressRecord {
    /// Returns `true` if the history of `self` contains the batch that `earlier` was committed with. A history that was
    /// cut off before that batch and went on otherwise does not contain it; nor does one that has forgotten the
    /// processor of that batch.
    pub fn continues(&self, earlier: &Self) -> bool {
        let Some(life) = earlier.lives.all().last() else { return false };
        let mut later = self.lives.all().iter().skip_while(|known| *known != life).skip(1);
        let is_known = self.lives.all().contains(life);
        is_known
            && earlier.sequence <= self.sequence
            && later.next().is_none_or(|next| earlier.sequence < next.from)
    }

    /// Returns the progress of a partition of which nothing was processed.
    pub const fn beginning(partition: u16, partitions: u16) -> Self {
        Self {
            partition,
            partitions,
            sequence: 0,
            images: 0,
            tags: 0,
            catalog: 0,
            lineage: None,
            lives: Lives::NONE,
        }
    }

    /// Returns the progress of a partition that a migration still copies records into.
    pub const fn unfinished(partition: u16) -> Self {
        Self::beginning(partition, 0)
    }

    /// Returns `true` if a migration still copies records into the partition.
    pub const fn is_unfinished(&self) -> bool {
        self.partitions == 0
    }
}

impl Value for ProgressRecord {
    const TOPIC: Topic = Topic::Progress;
    const TYPE: &'static str = "dev.clade.progress.v1";
    fn id(&self, _: &[u8]) -> String {
        format!("{}@{}", self.partition, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the progress after `batches` batches of each of these processors in turn.
    fn history(lives: &[(u64, u64)]) -> ProgressRecord {
        let mut progress = ProgressRecord::beginning(0, 1);
        for (id, batches) in lives {
            progress.lives.push(Life { id: *id, from: progress.sequence + 1 });
            progress.sequence += batches;
        }
        progress
    }

    #[test]
    fn a_history_continues_each_of_its_own_beginnings() {
        let now = history(&[(1, 3), (2, 2), (3, 4)]);
        for earlier in [&[(1, 1)][..], &[(1, 3)], &[(1, 3), (2, 2)], &[(1, 3), (2, 2), (3, 4)]] {
            assert!(now.continues(&history(earlier)), "{earlier:?}");
        }
    }

    #[test]
    fn a_log_that_was_restored_and_went_on_otherwise_does_not_continue_what_was_cut_off() {
        let backup_then_another = history(&[(1, 3), (2, 2), (7, 9)]);
        for cut_off in [&[(1, 4)][..], &[(1, 3), (2, 3)], &[(1, 3), (2, 2), (3, 1)]] {
            assert!(!backup_then_another.continues(&history(cut_off)), "{cut_off:?}");
        }
        assert!(!history(&[(1, 2)]).continues(&history(&[(1, 3)])), "it is ahead of the log");
        assert!(!history(&[(1, 2)]).continues(&ProgressRecord::beginning(0, 1)), "nobody knows its history");
    }

    #[test]
    fn a_processor_that_is_forgotten_is_not_believed() {
        let lives: Vec<(u64, u64)> = (1..=17).map(|id| (id, 1)).collect();
        assert!(!history(&lives).continues(&history(&[(1, 1)])));
        assert!(history(&lives).continues(&history(&[(1, 1), (2, 1)])));
    }

    #[test]
    fn lives_are_a_list_in_json() {
        let progress = history(&[(5, 1)]);
        let json = serde_json::to_value(progress).unwrap();
        assert_eq!(json["lives"], serde_json::json!([{"id": 5, "from": 1}]));
        assert_eq!(serde_json::from_value::<ProgressRecord>(json).unwrap(), progress);
    }
}
