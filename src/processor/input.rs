//! From the records of the inputs to changes, and to dead letters where a record is none.

use std::sync::Arc;

use super::{Processor, ProcessorError};
use crate::log::{Offset, ReadLimit, Stored, TopicPartition};
use crate::oci::Digest;
use crate::record::{
    CatalogKey, CatalogRecord, DeadLetterRecord, DecodeError, ImageRecord, ProgressRecord, TagRecord, Topic,
    decode,
};
use crate::shard::Change;

/// What one read of all inputs came to.
pub(super) struct Inputs {
    pub(super) records: usize,
    pub(super) changes: Vec<(Source, Change)>,
    pub(super) refused: Vec<Refused>,
    pub(super) progress: ProgressRecord,
}

/// Where a change came from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) of: TopicPartition,
    pub(super) offset: Offset,
    pub(super) key: String,
}

/// A record that could not be used.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) source: Source,
    reason: String,
    value: Option<Vec<u8>>,
}

impl Refused {
    pub(super) fn letter(self) -> DeadLetterRecord {
        let Source { of, offset, key } = self.source;
        DeadLetterRecord::new(format!("{of}@{offset}"), Some(key), self.reason, self.value.as_deref())
    }
}

/// One read of one input stays below this, whatever its records' size.
const READ_BYTES: usize = 16 << 20;

impl Processor {
    /// Reads on from the progress; nothing is changed by it. The catalog is read first and to its end: a conclusion
    /// about an image needs every class.
    pub(super) fn read(&self) -> Result<Inputs, ProcessorError> {
        let [images, tags, catalog] = self.inputs();
        let mut inputs =
            Inputs { records: 0, changes: Vec::new(), refused: Vec::new(), progress: self.progress };
        let end = self.log.end(catalog)?;
        while inputs.progress.catalog < end {
            let next = self.read_one(catalog, inputs.progress.catalog, &mut inputs)?;
            if next <= inputs.progress.catalog {
                break;
            }
            inputs.progress.catalog = next;
        }
        inputs.progress.tags = self.read_one(tags, inputs.progress.tags, &mut inputs)?;
        inputs.progress.images = self.read_one(images, inputs.progress.images, &mut inputs)?;
        Ok(inputs)
    }

    fn read_one(
        &self,
        from: TopicPartition,
        offset: Offset,
        inputs: &mut Inputs,
    ) -> Result<Offset, ProcessorError> {
        let limit = ReadLimit { records: self.options.batch_records, bytes: READ_BYTES };
        let fetched = self.log.read(from, offset, limit)?;
        inputs.records += fetched.records.len();
        for stored in fetched.records {
            let source = Source { of: from, offset: stored.offset, key: stored.record.key.clone() };
            match change(from.topic, &stored) {
                Ok(change) => inputs.changes.push((source, change)),
                Err(error) => {
                    inputs.refused.push(Refused {
                        source,
                        reason: error.to_string(),
                        value: stored.record.value,
                    });
                }
            }
        }
        Ok(fetched.next)
    }

    /// Applies changes to the working copy. Returns those that it took and those that it refused.
    pub(super) fn take_in(&mut self, changes: Vec<(Source, Change)>) -> (Vec<Change>, Vec<Refused>) {
        let shard = self.replica.shard();
        let (mut taken, mut refused) = (Vec::with_capacity(changes.len()), Vec::new());
        for (source, change) in changes {
            match shard.apply(&change) {
                Ok(()) => taken.push(change),
                Err(error) => refused.push(Refused { source, reason: error.to_string(), value: None }),
            }
        }
        (taken, refused)
    }
}

/// Why a record is not a change.
#[derive(Debug, thiserror::Error)]
enum InputError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the key {key:?} is not {expected}")]
    Key { key: String, expected: &'static str },
    #[error("the record under the key {key:?} is about {about}")]
    Mismatch { key: String, about: String },
}

fn change(topic: Topic, stored: &Stored) -> Result<Change, InputError> {
    let key = &stored.record.key;
    let mismatch = |about: String| InputError::Mismatch { key: key.clone(), about };
    match topic {
        Topic::Images => {
            let digest = key
                .parse::<Digest>()
                .map_err(|_| InputError::Key { key: key.clone(), expected: "the digest of an image" })?;
            match decode::<ImageRecord>(&stored.record)? {
                None => Ok(Change::ImageGone(digest)),
                Some(image) if image.digest == digest => Ok(Change::Image(Arc::new(image))),
                Some(image) => Err(mismatch(image.digest.to_string())),
            }
        }
        Topic::Tags => match decode::<TagRecord>(&stored.record)? {
            None => Ok(Change::TagGone(key.clone())),
            Some(tag) if tag.name == *key => Ok(Change::Tag(Arc::new(tag))),
            Some(tag) => Err(mismatch(tag.name)),
        },
        _ => {
            let parsed = CatalogKey::parse(key).ok_or_else(|| InputError::Key {
                key: key.clone(),
                expected: "class/…, version/… or group/…",
            })?;
            match decode::<CatalogRecord>(&stored.record)? {
                Some(record) if record.key() != parsed => Err(mismatch(record.key().to_string())),
                record => Ok(Change::Catalog(parsed, record.map(Arc::new))),
            }
        }
    }
}
