//! Turns the records of the inputs into changes, and invalid records into dead letters.

use std::sync::Arc;
use std::time::Duration;

use crate::log::{Fetched, Log, LogError, Offset, ReadLimit, Reader, Stored, TopicPartition};
use crate::oci::Digest;
use crate::record::{
    CatalogKey, CatalogRecord, DeadLetterRecord, DecodeError, ImageRecord, ProgressRecord, Record,
    TagHistoryRecord, TagRecord, Topic, TraceContext, decode, has_type,
};
use crate::shard::{Change, Shard};

/// The three inputs of a partition, read continuously.
pub(super) struct Inputs {
    catalog: Box<dyn Reader>,
    tags: Box<dyn Reader>,
    images: Box<dyn Reader>,
    limit: ReadLimit,
    /// The offsets up to which they were read.
    progress: ProgressRecord,
    ends: Ends,
}

/// The offsets before which the inputs end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) images: Offset,
    pub(super) tags: Offset,
    pub(super) catalog: Offset,
}

impl Ends {
    /// Inputs that go on as the log does.
    const OPEN: Self = Self { images: Offset::MAX, tags: Offset::MAX, catalog: Offset::MAX };

    /// Returns `true` if nothing stands before them.
    pub(super) fn are_beginnings(&self) -> bool {
        let Self { images, tags, catalog } = self;
        [images, tags, catalog].into_iter().all(|end| *end == 0)
    }
}

/// Reads on in an input that ends at an offset.
fn read(
    reader: &mut dyn Reader,
    (next, end): (Offset, Offset),
    limit: ReadLimit,
    timeout: Duration,
) -> Result<Fetched, LogError> {
    let done = Fetched { partition: 0, records: Vec::new(), next, at_end: true };
    let mut fetched = if next < end { reader.read(limit, timeout)? } else { done };
    if fetched.next >= end {
        fetched.records.retain(|stored| stored.offset < end);
        (fetched.next, fetched.at_end) = (end.max(next), true);
    }
    Ok(fetched)
}

/// The result of one read of all inputs.
pub(super) struct Taken {
    pub(super) records: usize,
    pub(super) changes: Vec<(Source, Change)>,
    pub(super) refused: Vec<Refused>,
    pub(super) progress: ProgressRecord,
    /// `true` if all inputs were at their ends.
    pub(super) at_end: bool,
    /// `true` if one of them has returned as much as one read may.
    pub(super) is_full: bool,
}

/// The source of a change.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) of: TopicPartition,
    pub(super) offset: Offset,
    pub(super) key: String,
    pub(super) trace: Option<TraceContext>,
}

/// A record that cannot be used.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) source: Source,
    reason: String,
    value: Option<Vec<u8>>,
}

impl Refused {
    pub(super) fn letter(self) -> DeadLetterRecord {
        let Source { of, offset, key, .. } = self.source;
        DeadLetterRecord::new(format!("{of}@{offset}"), Some(key), self.reason, self.value.as_deref())
    }
}

/// Bytes that one read of one input returns, at most, whatever the size of its records.
const READ_BYTES: usize = 16 << 20;

impl Inputs {
    /// Opens the inputs of the partition from `progress` on.
    pub(super) fn open(log: &dyn Log, progress: ProgressRecord, records: usize) -> Result<Self, LogError> {
        let ProgressRecord { partition, images, tags, catalog, .. } = progress;
        Ok(Self {
            catalog: log.reader(Topic::Catalog, &[(0, catalog)])?,
            tags: log.reader(Topic::Tags, &[(partition, tags)])?,
            images: log.reader(Topic::Images, &[(partition, images)])?,
            limit: ReadLimit { records, bytes: READ_BYTES },
            progress,
            ends: Ends::OPEN,
        })
    }

    /// The same inputs as if they ended there.
    pub(super) fn until(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    /// The offsets up to which the inputs were read.
    pub(super) fn progress(&self) -> ProgressRecord {
        self.progress
    }

    /// Reads all inputs. If there is nothing, it waits at most `timeout` for an image. It reads the catalog first and
    /// to its end: a conclusion about an image needs every class.
    pub(super) fn read(&mut self, timeout: Duration) -> Result<Taken, LogError> {
        let Self { catalog, tags, images, limit, progress, ends } = self;
        let mut taken = Taken {
            records: 0,
            changes: Vec::new(),
            refused: Vec::new(),
            progress: *progress,
            at_end: false,
            is_full: false,
        };
        let is_catalog_read = loop {
            let at = (progress.catalog, ends.catalog);
            let fetched = read(&mut **catalog, at, *limit, Duration::ZERO)?;
            progress.catalog = fetched.next;
            let (is_empty, at_end) = (fetched.records.is_empty(), fetched.at_end);
            taken.take(TopicPartition { topic: Topic::Catalog, partition: 0 }, fetched);
            if is_empty || at_end {
                break at_end;
            }
        };
        let fetched = read(&mut **tags, (progress.tags, ends.tags), *limit, Duration::ZERO)?;
        let are_tags_read = fetched.at_end;
        taken.is_full |= limit.is_reached_by(&fetched);
        progress.tags = fetched.next;
        taken.take(TopicPartition { topic: Topic::Tags, partition: progress.partition }, fetched);
        let timeout = if taken.records == 0 { timeout } else { Duration::ZERO };
        let fetched = read(&mut **images, (progress.images, ends.images), *limit, timeout)?;
        let are_images_read = fetched.at_end;
        taken.is_full |= limit.is_reached_by(&fetched);
        progress.images = fetched.next;
        taken.take(TopicPartition { topic: Topic::Images, partition: progress.partition }, fetched);
        taken.progress = *progress;
        taken.at_end = is_catalog_read && are_tags_read && are_images_read;
        Ok(taken)
    }
}

impl Taken {
    /// Adds the next read to the same batch.
    pub(super) fn add(&mut self, next: Self) {
        self.records += next.records;
        self.changes.extend(next.changes);
        self.refused.extend(next.refused);
        self.is_full |= next.is_full;
        (self.progress, self.at_end) = (next.progress, next.at_end);
    }

    fn take(&mut self, of: TopicPartition, fetched: Fetched) {
        self.records += fetched.records.len();
        self.changes.reserve(fetched.records.len());
        for Stored { offset, record, .. } in fetched.records {
            let change = change(of.topic, &record);
            let source = Source { of, offset, trace: record.trace(), key: record.key };
            match change {
                Ok(change) => self.changes.push((source, change)),
                Err(error) => {
                    let (reason, value) = (error.to_string(), record.value);
                    self.refused.push(Refused { source, reason, value });
                }
            }
        }
    }
}

/// Applies changes to the shard. Returns the accepted and the refused ones.
pub(super) fn take_in(shard: &mut Shard, changes: Vec<(Source, Change)>) -> (Vec<Change>, Vec<Refused>) {
    let (mut taken, mut refused) = (Vec::with_capacity(changes.len()), Vec::new());
    for (source, change) in changes {
        match shard.apply(&change) {
            Ok(()) => taken.push(change),
            Err(error) => refused.push(Refused { source, reason: error.to_string(), value: None }),
        }
    }
    (taken, refused)
}

/// A reason why a record is not a change.
#[derive(Debug, thiserror::Error)]
enum InputError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the key {key:?} is not {expected}")]
    Key { key: String, expected: &'static str },
    #[error("the record under the key {key:?} is about {about}")]
    Mismatch { key: String, about: String },
}

fn change(topic: Topic, record: &Record) -> Result<Change, InputError> {
    let key = &record.key;
    let mismatch = |about: String| InputError::Mismatch { key: key.clone(), about };
    match topic {
        Topic::Images => {
            let digest = key
                .parse::<Digest>()
                .map_err(|_| InputError::Key { key: key.clone(), expected: "the digest of an image" })?;
            match decode::<ImageRecord>(record)? {
                None => Ok(Change::ImageGone(digest)),
                Some(image) if image.digest == digest => Ok(Change::Image(Arc::new(image))),
                Some(image) => Err(mismatch(image.digest.to_string())),
            }
        }
        Topic::Tags if has_type::<TagHistoryRecord>(record) => {
            let parsed = TagHistoryRecord::parse_key(key).ok_or_else(|| InputError::Key {
                key: key.clone(),
                expected: "that of a part of a tag's history",
            })?;
            match decode::<TagHistoryRecord>(record)? {
                Some(part) if (part.name.as_str(), part.number) != parsed => {
                    Err(mismatch(TagHistoryRecord::key(&part.name, part.number)))
                }
                Some(part) => Ok(Change::TagHistory(Arc::new(part))),
                None => Ok(Change::TagGone(key.clone())),
            }
        }
        Topic::Tags => match decode::<TagRecord>(record)? {
            None => Ok(Change::TagGone(key.clone())),
            Some(tag) if tag.name == *key => Ok(Change::Tag(Arc::new(tag))),
            Some(tag) => Err(mismatch(tag.name)),
        },
        _ => {
            let parsed = CatalogKey::parse(key).ok_or_else(|| InputError::Key {
                key: key.clone(),
                expected: "class/…, version/… or group/…",
            })?;
            match decode::<CatalogRecord>(record)? {
                Some(found) if found.key() != parsed => Err(mismatch(found.key().to_string())),
                found => Ok(Change::Catalog(parsed, found.map(Arc::new))),
            }
        }
    }
}
