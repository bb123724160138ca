//! Records that are about to be written, each with what it means to the publisher once it stands on the log.

use super::places::TagPlace;
use crate::log::{MAX_RECORD_BYTES, TopicPartition};
use crate::oci::Digest;
use crate::record::{ImageRecord, Record, TagHistoryRecord, TagRecord, Topic};

/// The meaning of a written record for the places.
pub(super) enum Written {
    Image(Box<ImageRecord>, u16),
    ImageGone(Digest),
    Tag(Box<TagRecord>, TagPlace),
    /// A part of a history, and the size of its record.
    TagHistory(TagHistoryRecord, usize),
    TagHistoryGone(String),
    Nothing,
}

/// Records that have to be appended together, with the meaning of each.
pub(super) type Group = Vec<(TopicPartition, Record, Written)>;

/// The problem of a record that exceeds the size limit.
pub(super) fn too_large(record: &Record) -> Option<String> {
    let bytes = record.bytes();
    (bytes > MAX_RECORD_BYTES).then(|| {
        format!("its record has {bytes} bytes, more than the {MAX_RECORD_BYTES} that a record may have")
    })
}

pub(super) fn at(topic: Topic, partition: u16) -> TopicPartition {
    TopicPartition { topic, partition }
}
