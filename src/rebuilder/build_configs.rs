//! Reads the published BuildConfigs.

use std::collections::BTreeMap;

use crate::log::{Log, LogError, TopicPartition, for_each};
use crate::record::{BuildConfigRecord, Topic, decode};

/// Returns all BuildConfigs, by namespace and name. It reads the whole topic: there are some thousands at most, and
/// only plans need them.
pub fn build_configs(log: &dyn Log) -> Result<Vec<BuildConfigRecord>, LogError> {
    let mut found = BTreeMap::new();
    for_each(log, TopicPartition { topic: Topic::Buildconfigs, partition: 0 }, |stored| {
        match decode::<BuildConfigRecord>(&stored.record) {
            Ok(Some(record)) => drop(found.insert(stored.record.key.clone(), record)),
            Ok(None) => drop(found.remove(&stored.record.key)),
            Err(error) => tracing::warn!(key = stored.record.key, "a BuildConfig cannot be read: {error}"),
        }
    })?;
    Ok(found.into_values().collect())
}
