//! Tells a live source what was published of it before, so that it does not read all of it anew when it starts.
//!
//! The records are read from the log once more, in order: reading a single record of a Kafka cluster takes a
//! millisecond, and a publisher that kept them all would need the memory of a second log.

use super::{PublishError, Publisher};
use crate::log::{TopicPartition, for_each};
use crate::observe::Published;
use crate::oci::{Digest, LayerIdentity};
use crate::record::{ImageRecord, TagRecord, Topic, decode};

impl Publisher {
    /// Calls `add` with the images of the source that are known by diff IDs, as the source itself would report them, and
    /// with its tags that point somewhere.
    pub(super) fn published(&self, source: &str, mut add: impl FnMut(Published)) -> Result<(), PublishError> {
        for partition in 0..self.log.partitions() {
            for_each(&*self.log, TopicPartition { topic: Topic::Images, partition }, |stored| {
                let Ok(digest) = stored.record.key.parse::<Digest>() else { return };
                // Most records of another source or of an earlier state are not even decoded.
                if self.places.is_image_of(source, &digest, (partition, stored.offset))
                    && let Ok(Some(image)) = decode::<ImageRecord>(&stored.record)
                    && image.layer_identity == LayerIdentity::DiffId
                {
                    let ImageRecord { digest, platform, repositories, .. } = image;
                    add(Published::Image { digest, platform, repositories });
                }
            })?;
        }
        for partition in 0..self.log.partitions() {
            for_each(&*self.log, TopicPartition { topic: Topic::Tags, partition }, |stored| {
                if self.places.is_tag_of(source, &stored.record.key, (partition, stored.offset))
                    && let Ok(Some(tag)) = decode::<TagRecord>(&stored.record)
                    && let Some(digest) = tag.current.digest
                {
                    let TagRecord { repository, tag, current, complete, .. } = tag;
                    let images = current.images.into_iter().map(|image| image.digest).collect();
                    let images = complete.then_some(images);
                    add(Published::Tag { repository, tag, digest, since: current.since, images });
                }
            })?;
        }
        Ok(())
    }
}
