//! The image indexes that tags have left. A node that pulled one while a tag led to it goes on reporting its digest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;
use crate::record::TagRecord;

/// Image indexes that a tag has left and that resolve, at most: the newest. So a tag that moves all day takes a bounded part
/// of the memory.
const MOST_OF_TAG: usize = 200;

/// An image index and its images, whatever their platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftIndex {
    digest: Digest,
    images: Arc<[Digest]>,
}

/// The image indexes by the tags that have left them, and by digest.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftIndexes {
    by_tag: BTreeMap<Arc<str>, Arc<[LeftIndex]>>,
    /// The images of each, and the number of tags that have left it.
    by_digest: HashMap<Digest, (Arc<[Digest]>, u32)>,
}

impl LeftIndexes {
    /// The images of an index that a tag has left; none if no tag has.
    pub(super) fn images(&self, index: &Digest) -> &[Digest] {
        self.by_digest.get(index).map_or(&[], |(images, _)| images)
    }

    /// Every tag that has left an index, with those that it has left.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<[LeftIndex]>)> {
        self.by_tag.iter()
    }

    /// Takes the history of a tag over. Only the record in the home partition has one.
    pub(super) fn put(&mut self, record: &TagRecord) {
        self.remove(&record.name);
        let mut left: Vec<LeftIndex> = Vec::new();
        for item in record.history.iter().rev() {
            let Some(digest) = item.digest else { continue };
            let is_index = item.images.iter().any(|image| image.digest != digest);
            if !is_index || record.current.digest == Some(digest) || left.iter().any(|of| of.digest == digest)
            {
                continue;
            }
            let images = item.images.iter().map(|image| image.digest).collect();
            left.push(LeftIndex { digest, images });
            if left.len() == MOST_OF_TAG {
                break;
            }
        }
        if !left.is_empty() {
            self.insert(record.name.as_str().into(), left);
        }
    }

    /// Adds what a tag has left, of which nothing is noted yet.
    pub(super) fn insert(&mut self, tag: Arc<str>, left: impl IntoIterator<Item = LeftIndex>) {
        let shared = left.into_iter().map(|LeftIndex { digest, images }| {
            let (images, tags) = self.by_digest.entry(digest).or_insert((images, 0));
            *tags += 1;
            LeftIndex { digest, images: Arc::clone(images) }
        });
        let shared = shared.collect();
        self.by_tag.insert(tag, shared);
    }

    pub(super) fn remove(&mut self, tag: &str) {
        for of in self.by_tag.remove(tag).iter().flat_map(|left| &**left) {
            if let Some((_, tags)) = self.by_digest.get_mut(&of.digest) {
                *tags -= 1;
                if *tags == 0 {
                    self.by_digest.remove(&of.digest);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::record::{StreamTag, TagImage, TagItem, Timestamp};

    fn digest(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    /// An index of two images, or an image.
    fn item(of: &str) -> TagItem {
        let image = |name: String| TagImage { digest: digest(&name), platform: None };
        let images = if of.starts_with("index") {
            [1, 2].map(|at| image(format!("{of}/{at}"))).to_vec()
        } else {
            vec![]
        };
        TagItem { since: Timestamp::UNIX_EPOCH, digest: Some(digest(of)), images }
    }

    fn record(name: &str, history: &[&str], current: Option<&str>) -> TagRecord {
        let gone = TagItem { since: Timestamp::UNIX_EPOCH, digest: None, images: Vec::new() };
        TagRecord {
            name: name.to_owned(),
            sequence: 1,
            repository: "app".to_owned(),
            tag: "1".to_owned(),
            source: None,
            current: current.map_or(gone, item),
            complete: false,
            history: history.iter().map(|of| item(of)).collect(),
            stream: StreamTag::default(),
            home: true,
        }
    }

    fn has(left: &LeftIndexes, of: &str) -> bool {
        left.images(&digest(of)) == [digest(&format!("{of}/1")), digest(&format!("{of}/2"))]
    }

    #[test]
    fn an_index_resolves_as_long_as_the_history_of_a_tag_has_it() {
        let mut left = LeftIndexes::default();
        left.put(&record("app:1", &["index a", "image", "index b"], Some("index c")));
        left.put(&record("app:2", &["index b"], None));
        assert!(
            has(&left, "index a") && has(&left, "index b") && !has(&left, "index c") && !has(&left, "image")
        );
        // A tag that was rolled back leads there again.
        left.put(&record("app:1", &["index a", "index c"], Some("index a")));
        assert!(!has(&left, "index a") && has(&left, "index b") && has(&left, "index c"));
        left.remove("app:2");
        left.remove("app:3");
        assert!(!has(&left, "index b") && has(&left, "index c"));
        left.remove("app:1");
        assert_eq!((left.by_tag.len(), left.by_digest.len()), (0, 0));
    }

    #[test]
    fn of_a_tag_that_moves_often_the_newest_indexes_resolve() {
        let mut left = LeftIndexes::default();
        let names: Vec<String> = (0..MOST_OF_TAG + 3).map(|at| format!("index {at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        left.put(&record("app:1", &names, None));
        assert_eq!(left.by_digest.len(), MOST_OF_TAG);
        assert!(!has(&left, "index 2") && has(&left, "index 3"));
    }
}
