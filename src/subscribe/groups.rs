//! Reads from the catalog which classes are in a group: a transition names only its class.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::filter::split;
use crate::log::{Log, LogError, ReadLimit, Reader};
use crate::record::catalog::Selector;
use crate::record::{CatalogRecord, Record, Topic, decode};

const READ: ReadLimit = ReadLimit { records: 4_096, bytes: 4 << 20 };
/// Time to wait for a class that the catalog reader has not seen: the record of the class is older than any conclusion
/// about it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Unknown classes to remember, at most.
const MOST_UNKNOWN: usize = 10_000;

/// One group, and a reader that keeps it up to date with the catalog.
pub(super) struct Group {
    reader: Box<dyn Reader>,
    name: String,
    class: Option<String>,
    selector: Option<Selector>,
    /// The labels of every class. A deleted class keeps its last labels, since its images leave it only after the
    /// deletion.
    labels: BTreeMap<String, BTreeMap<String, String>>,
    unknown: HashSet<String>,
}

impl Group {
    /// Reads the catalog. `asked` is `os` or `os=rhel7`.
    pub(super) fn read(log: &dyn Log, asked: &str) -> Result<Self, LogError> {
        let (name, class) = split(asked);
        let mut group = Self {
            reader: log.reader(Topic::Catalog, &[(0, 0)])?,
            name: name.to_owned(),
            class: class.map(str::to_owned),
            selector: None,
            labels: BTreeMap::new(),
            unknown: HashSet::new(),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !group.advance(Duration::from_millis(500))? {
            if Instant::now() >= deadline {
                let problem = "the catalog could not be read to its end within 60 s";
                return Err(LogError::storage(problem.to_owned()));
            }
        }
        Ok(group)
    }

    /// Takes new records. Returns `true` if there are no more.
    fn advance(&mut self, timeout: Duration) -> Result<bool, LogError> {
        let fetched = self.reader.read(READ, timeout)?;
        fetched.records.iter().for_each(|stored| self.take(&stored.record));
        Ok(fetched.at_end)
    }

    fn take(&mut self, record: &Record) {
        match decode::<CatalogRecord>(record) {
            Ok(Some(CatalogRecord::ImageClass(class))) => {
                self.unknown.remove(&class.name);
                self.labels.insert(class.name, class.labels);
            }
            Ok(Some(CatalogRecord::ImageClassGroup(group))) if group.name == self.name => {
                self.selector = Some(group.selector);
            }
            Ok(None) if record.key.strip_prefix("group/") == Some(&self.name) => self.selector = None,
            // A record that cannot be decoded is a dead letter already.
            _ => {}
        }
    }

    /// Takes the records that the catalog has now, without waiting for more.
    pub(super) fn refresh(&mut self) -> Result<(), LogError> {
        loop {
            let fetched = self.reader.read(READ, Duration::ZERO)?;
            if fetched.records.is_empty() {
                return Ok(());
            }
            fetched.records.iter().for_each(|stored| self.take(&stored.record));
        }
    }

    /// Returns `true` if the class is in the group, by the present catalog.
    pub(super) fn has(&mut self, class: &str) -> Result<bool, LogError> {
        let deadline = Instant::now() + PATIENCE;
        while !self.labels.contains_key(class) && !self.unknown.contains(class) {
            if Instant::now() >= deadline {
                if self.unknown.len() >= MOST_UNKNOWN {
                    self.unknown.clear();
                }
                self.unknown.insert(class.to_owned());
                break;
            }
            self.advance(Duration::from_millis(50))?;
        }
        let is_named = self.class.as_ref().is_none_or(|asked| asked == class);
        let labels = self.labels.get(class);
        Ok(is_named && labels.zip(self.selector.as_ref()).is_some_and(|(of, selector)| selector.selects(of)))
    }
}
