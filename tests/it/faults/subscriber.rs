//! Somebody who reads committed transitions all the while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clade::log::kafka::Config;
use clade::log::{Log as _, Offset, ReadLimit, Reader};
use clade::record::{Topic, TransitionRecord, decode};

use super::PARTITIONS;

/// Somebody who follows the transitions all the while, and notes each.
pub(super) struct Subscriber {
    reader: Box<dyn Reader>,
    pub(super) seen: BTreeMap<clade::oci::Digest, TransitionRecord>,
    last: BTreeMap<u16, Offset>,
}

impl Subscriber {
    pub(super) fn new(config: &Config) -> Self {
        let from: Vec<(u16, Offset)> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        let reader = crate::kafka::open(config).reader(Topic::Outdated, &from).unwrap();
        Self { reader, seen: BTreeMap::new(), last: BTreeMap::new() }
    }

    /// Reads what there is; whether that was all.
    pub(super) fn read(&mut self, timeout: Duration) -> bool {
        let limit = ReadLimit { records: 10_000, bytes: usize::MAX };
        let fetched = self.reader.read(limit, timeout).unwrap();
        for stored in fetched.records {
            let last = self.last.insert(fetched.partition, stored.offset);
            assert!(last.is_none_or(|last| last < stored.offset), "offsets go up");
            let event = decode::<TransitionRecord>(&stored.record).unwrap().unwrap();
            if let Some(twice) = self.seen.insert(event.id, event) {
                panic!("seen twice: {twice:#?}");
            }
        }
        fetched.at_end
    }

    pub(super) fn read_to_the_end(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut quiet = 0;
        while quiet < 5 && Instant::now() < deadline {
            quiet = if self.read(Duration::from_millis(200)) { quiet + 1 } else { 0 };
        }
    }
}
