//! The image indexes that tags have left. A node that pulled one while a tag led to it goes on reporting its digest.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::oci::Digest;
use crate::record::{Parts, TagHistoryRecord, TagItem, TagRecord};

/// Image indexes of one record that resolve, at most: the newest. A record that clade 0.2 wrote has a whole history.
const MOST_OF_RECORD: usize = 200;
/// Parts of a tag's history whose image indexes resolve, at most: the newest that have any. So a tag that moves all day
/// takes a bounded part of the memory.
const MOST_PARTS: usize = 25;

/// An image index and its images, whatever their platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftIndex {
    digest: Digest,
    images: Arc<[Digest]>,
}

/// The image indexes by the records whose tags have left them, and by digest.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftIndexes {
    by_record: BTreeMap<Arc<str>, Arc<[LeftIndex]>>,
    /// The images of each, and the number of records that name it.
    by_digest: HashMap<Digest, (Arc<[Digest]>, u32)>,
}

impl LeftIndexes {
    /// The images of an index that a tag has left; none if no tag has.
    pub(super) fn images(&self, index: &Digest) -> &[Digest] {
        self.by_digest.get(index).map_or(&[], |(images, _)| images)
    }

    /// The key of every record that names an index, with those that it names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<[LeftIndex]>)> {
        self.by_record.iter()
    }

    /// Takes over what the record of a tag has of its history. Only the record in the home partition has any.
    pub(super) fn put(&mut self, record: &TagRecord) {
        let mut left = left_of(&record.history, record.current.digest);
        // The oldest targets may just have become a part, which the processor of another partition reads, perhaps later. What
        // the record had before leads to the right images in any case.
        if record.parts != Parts::default() {
            let before = self.by_record.get(record.name.as_str()).into_iter().flat_map(|before| &**before);
            let also: Vec<LeftIndex> = before
                .filter(|before| left.iter().all(|of| of.digest != before.digest))
                .filter(|before| record.current.digest != Some(before.digest))
                .cloned()
                .collect();
            left.extend(also);
            left.truncate(2 * TagHistoryRecord::ITEMS);
        }
        self.replace(&record.name, left);
    }

    /// Takes over a part of a tag's history. The tag may point at one of its indexes again: it then leads to the same images.
    pub(super) fn put_part(&mut self, record: &TagHistoryRecord) {
        self.replace(&TagHistoryRecord::key(&record.name, record.number), left_of(&record.items, None));
        while let Some(oldest) = self.oldest_too_many(&record.name) {
            self.remove(&oldest);
        }
    }

    /// The oldest part of a tag, if there are too many.
    fn oldest_too_many(&self, name: &str) -> Option<Arc<str>> {
        let first = TagHistoryRecord::key(name, 0);
        let mut parts = self
            .by_record
            .range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded))
            .map(|(key, _)| key)
            .take_while(|key| TagHistoryRecord::parse_key(key).is_some_and(|(of, _)| of == name));
        let oldest = parts.next()?;
        (parts.count() >= MOST_PARTS).then(|| Arc::clone(oldest))
    }

    fn replace(&mut self, key: &str, left: Vec<LeftIndex>) {
        self.remove(key);
        if !left.is_empty() {
            self.insert(key.into(), left);
        }
    }

    /// Adds what a record names, of which nothing is noted yet.
    pub(super) fn insert(&mut self, key: Arc<str>, left: impl IntoIterator<Item = LeftIndex>) {
        let shared = left.into_iter().map(|LeftIndex { digest, images }| {
            let (images, records) = self.by_digest.entry(digest).or_insert((images, 0));
            *records += 1;
            LeftIndex { digest, images: Arc::clone(images) }
        });
        let shared = shared.collect();
        self.by_record.insert(key, shared);
    }

    pub(super) fn remove(&mut self, key: &str) {
        for of in self.by_record.remove(key).iter().flat_map(|left| &**left) {
            if let Some((_, records)) = self.by_digest.get_mut(&of.digest) {
                *records -= 1;
                if *records == 0 {
                    self.by_digest.remove(&of.digest);
                }
            }
        }
    }
}

/// The image indexes among these targets of a tag that points at `current` now, the newest first, each once.
fn left_of(items: &[TagItem], current: Option<Digest>) -> Vec<LeftIndex> {
    let mut left: Vec<LeftIndex> = Vec::new();
    for item in items.iter().rev() {
        let Some(digest) = item.digest else { continue };
        let is_index = item.images.iter().any(|image| image.digest != digest);
        if !is_index || current == Some(digest) || left.iter().any(|of| of.digest == digest) {
            continue;
        }
        let images = item.images.iter().map(|image| image.digest).collect();
        left.push(LeftIndex { digest, images });
        if left.len() == MOST_OF_RECORD {
            break;
        }
    }
    left
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;
    use crate::record::{StreamTag, TagImage, Timestamp};

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
            parts: Parts::default(),
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
        assert_eq!((left.by_record.len(), left.by_digest.len()), (0, 0));
    }

    #[test]
    fn of_a_tag_that_moves_often_the_newest_indexes_resolve() {
        let mut left = LeftIndexes::default();
        let names: Vec<String> = (0..MOST_OF_RECORD + 3).map(|at| format!("index {at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        left.put(&record("app:1", &names, None));
        assert_eq!(left.by_digest.len(), MOST_OF_RECORD);
        assert!(!has(&left, "index 2") && has(&left, "index 3"));
    }

    #[test]
    fn what_has_just_become_a_part_resolves_until_the_part_is_read() {
        let mut left = LeftIndexes::default();
        left.put(&record("app:1", &["index a", "index b"], Some("index c")));
        let divided = record("app:1", &[], Some("index d"));
        left.put(&TagRecord { parts: Parts { first: 0, end: 1 }, ..divided });
        assert!(has(&left, "index a") && has(&left, "index b"));
        for number in 0..100 {
            let next = record("app:1", &[&format!("index {number}")], None);
            left.put(&TagRecord { parts: Parts { first: 0, end: 1 }, ..next });
        }
        assert_eq!(left.by_digest.len(), 2 * TagHistoryRecord::ITEMS);
        assert!(has(&left, "index 99") && !has(&left, "index a"));
    }

    fn part(number: u32, items: &[String]) -> TagHistoryRecord {
        let items = items.iter().map(|of| item(of)).collect();
        TagHistoryRecord { name: "app:1".to_owned(), number, sequence: 1, items }
    }

    #[test]
    fn of_a_tag_with_many_parts_the_indexes_of_the_newest_resolve_in_whichever_order_they_come() {
        let most = u32::try_from(MOST_PARTS).unwrap();
        let numbers = || (0..most + 3).map(|number| part(number, &[format!("index {number}")]));
        for parts in [numbers().collect::<Vec<_>>(), numbers().rev().collect()] {
            let mut left = LeftIndexes::default();
            left.put(&record("app:1", &["index of the tag"], None));
            left.put(&record("app:10", &["index of another tag"], None));
            parts.iter().for_each(|part| left.put_part(part));
            assert!(
                !has(&left, "index 2") && has(&left, "index 3") && has(&left, &format!("index {}", most + 2))
            );
            assert!(has(&left, "index of the tag") && has(&left, "index of another tag"));
            left.remove(&TagHistoryRecord::key("app:1", 3));
            assert!(!has(&left, "index 3") && has(&left, "index 4"));
        }
    }
}
