//! The workloads that readers see.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::record::WorkloadRecord;

/// The workloads as of one moment, by key.
#[derive(Debug, Clone, Default)]
pub struct Workloads {
    by_key: BTreeMap<Arc<str>, Arc<WorkloadRecord>>,
    /// The offset of the log up to which everything is in it.
    pub offset: u64,
    /// `true` once the whole topic was read.
    pub is_whole: bool,
}

impl Workloads {
    /// Takes the record of a workload, or its deletion.
    pub fn put(&mut self, key: &str, record: Option<WorkloadRecord>) {
        match record {
            Some(record) => drop(self.by_key.insert(key.into(), Arc::new(record))),
            None => drop(self.by_key.remove(key)),
        }
    }

    /// The workloads after this key, in the order of the keys.
    pub fn after<'a>(
        &'a self,
        key: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<WorkloadRecord>)> + use<'a> {
        let from = key.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.by_key.range::<str, _>((from, std::ops::Bound::Unbounded)).map(|(key, record)| (&**key, record))
    }

    /// The workload with this key.
    pub fn get(&self, key: &str) -> Option<&WorkloadRecord> {
        self.by_key.get(key).map(|record| &**record)
    }

    /// Returns `true` if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}
