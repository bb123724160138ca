//! Remembers the place of the last record of every image and tag. The records themselves stay on the log.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use super::PublishError;
use crate::log::{Offset, SharedLog, TopicPartition};
use crate::oci::Digest;
use crate::record::{ImageRecord, TagRecord, Topic, Value, decode};

/// The number of a set of live sources: there are few sets, and millions of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceSet(u32);

/// The place of an image's last record.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImagePlace {
    pub(super) partition: u16,
    pub(super) offset: Offset,
    pub(super) fingerprint: u64,
    /// The sequence of the record.
    pub(super) sequence: u64,
    sources: SourceSet,
}

/// The place of a tag's last record.
#[derive(Debug, Clone)]
pub(super) struct TagPlace {
    /// The partition with the history, and the offset there.
    pub(super) home: u16,
    pub(super) offset: Offset,
    /// The other partitions that have the tag. Most tags have none.
    pub(super) away: Box<[u16]>,
    pub(super) source: SourceSet,
    /// The images that the tag points at; empty if the tag is no longer listed.
    pub(super) images: Box<[Digest]>,
}

impl TagPlace {
    /// Every partition that has the tag.
    pub(super) fn partitions(&self) -> impl Iterator<Item = u16> {
        std::iter::once(self.home).chain(self.away.iter().copied())
    }
}

/// The names of the tags that point at an image. Most images have one.
enum Names {
    One(Arc<str>),
    Several(BTreeSet<Arc<str>>),
}

impl Names {
    fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        let (one, several) = match self {
            Self::One(name) => (Some(name), None),
            Self::Several(names) => (None, Some(names)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    fn insert(&mut self, name: Arc<str>) {
        match self {
            Self::One(known) if *known == name => {}
            Self::One(known) => *self = Self::Several(BTreeSet::from([Arc::clone(known), name])),
            Self::Several(names) => {
                names.insert(name);
            }
        }
    }

    /// Removes a name. Returns `true` if none is left.
    fn remove(&mut self, name: &str) -> bool {
        match self {
            Self::One(known) => &**known == name,
            Self::Several(names) => {
                names.remove(name);
                names.is_empty()
            }
        }
    }
}

/// The places of all published images and tags.
#[derive(Default)]
pub(super) struct Places {
    images: HashMap<Digest, ImagePlace>,
    tags: BTreeMap<Arc<str>, TagPlace>,
    source_sets: Vec<Vec<String>>,
    /// The number of each set.
    numbers: HashMap<Vec<String>, SourceSet>,
    /// The tags that point at each image, whether the image is known or not.
    tags_of: HashMap<Digest, Names>,
}

impl Places {
    pub(super) fn image(&self, digest: &Digest) -> Option<&ImagePlace> {
        self.images.get(digest)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty() && self.tags.is_empty()
    }

    pub(super) fn tag(&self, name: &str) -> Option<&TagPlace> {
        self.tags.get(name)
    }

    pub(super) fn tags_of(&self, digest: &Digest) -> impl Iterator<Item = &str> {
        self.tags_of.get(digest).into_iter().flat_map(Names::iter).map(|name| &**name)
    }

    /// Returns `true` if exactly this image, apart from its sequence, is what was published last.
    pub(super) fn is_published_as(&self, image: &ImageRecord) -> bool {
        self.images.get(&image.digest).is_some_and(|place| place.fingerprint == fingerprint(image))
    }

    /// Stores the new place of an image.
    pub(super) fn put_image(&mut self, image: &ImageRecord, partition: u16, offset: Offset) -> ImagePlace {
        let sources = self.source_set(&image.sources);
        let place = ImagePlace {
            partition,
            offset,
            fingerprint: fingerprint(image),
            sequence: image.sequence,
            sources,
        };
        self.images.insert(image.digest, place);
        place
    }

    pub(super) fn remove_image(&mut self, digest: &Digest) {
        self.images.remove(digest);
    }

    pub(super) fn put_tag(&mut self, name: &str, place: TagPlace) {
        let (name, before) = match self.tags.remove_entry(name) {
            Some((name, before)) => (name, Some(before)),
            None => (Arc::from(name), None),
        };
        for image in before.iter().flat_map(|before| &before.images) {
            if let Entry::Occupied(mut names) = self.tags_of.entry(*image)
                && names.get_mut().remove(&name)
            {
                names.remove();
            }
        }
        for image in &place.images {
            match self.tags_of.entry(*image) {
                Entry::Occupied(mut names) => names.get_mut().insert(Arc::clone(&name)),
                Entry::Vacant(none) => {
                    none.insert(Names::One(Arc::clone(&name)));
                }
            }
        }
        self.tags.insert(name, place);
    }

    /// The number of a set of sources.
    pub(super) fn source_set(&mut self, sources: &[String]) -> SourceSet {
        if let Some(known) = self.numbers.get(sources) {
            return *known;
        }
        // Each set takes far more than a byte, so memory ends long before the numbers do.
        let number = SourceSet(u32::try_from(self.source_sets.len()).unwrap_or(u32::MAX));
        self.source_sets.push(sources.to_vec());
        self.numbers.insert(sources.to_vec(), number);
        number
    }

    /// Returns `true` if a live source has the image.
    pub(super) fn has_live_source(&self, digest: &Digest) -> bool {
        let set = self.images.get(digest).and_then(|place| self.source_sets.get(place.sources.0 as usize));
        set.is_some_and(|set| !set.is_empty())
    }

    /// Returns `true` if a source's image has its last record at this place.
    pub(super) fn is_image_of(&self, source: &str, digest: &Digest, at: (u16, Offset)) -> bool {
        let place = self.images.get(digest);
        place.is_some_and(|place| (place.partition, place.offset) == at && self.has(place.sources, source))
    }

    /// Returns `true` if a tag is one of the source.
    pub(super) fn is_tag_in(&self, source: &str, name: &str) -> bool {
        self.tags.get(name).is_some_and(|place| self.has(place.source, source))
    }

    /// Returns `true` if a source's tag has its last record with the history at this place.
    pub(super) fn is_tag_of(&self, source: &str, name: &str, at: (u16, Offset)) -> bool {
        let place = self.tags.get(name);
        place.is_some_and(|place| (place.home, place.offset) == at && self.has(place.source, source))
    }

    fn has(&self, set: SourceSet, source: &str) -> bool {
        self.source_sets.get(set.0 as usize).is_some_and(|set| set.iter().any(|of| of == source))
    }

    pub(super) fn images_of_source(&self, source: &str) -> impl Iterator<Item = &Digest> {
        self.images.iter().filter(move |(_, place)| self.has(place.sources, source)).map(|(digest, _)| digest)
    }

    /// The names of all tags with this prefix.
    pub(super) fn tags_with(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let names = self.tags.range::<str, _>(from(prefix)).map(|(name, _)| &**name);
        names.take_while(move |name| name.starts_with(prefix))
    }

    /// The source's tags with this prefix that still point at an image.
    pub(super) fn tags_of_source(&self, source: &str, prefix: &str) -> impl Iterator<Item = &str> {
        self.tags
            .range::<str, _>(from(prefix))
            .take_while(move |(name, _)| name.starts_with(prefix))
            .filter(move |(_, place)| !place.images.is_empty() && self.has(place.source, source))
            .map(|(name, _)| &**name)
    }

    pub(super) fn read_image(
        &self,
        log: &SharedLog,
        digest: &Digest,
    ) -> Result<Option<ImageRecord>, PublishError> {
        let Some(place) = self.images.get(digest) else { return Ok(None) };
        read_one(log, TopicPartition { topic: Topic::Images, partition: place.partition }, place.offset)
    }

    pub(super) fn read_tag(&self, log: &SharedLog, name: &str) -> Result<Option<TagRecord>, PublishError> {
        let Some(place) = self.tags.get(name) else { return Ok(None) };
        read_one(log, TopicPartition { topic: Topic::Tags, partition: place.home }, place.offset)
    }
}

fn from(first: &str) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(first), Bound::Unbounded)
}

fn read_one<V: Value>(
    log: &SharedLog,
    from: TopicPartition,
    offset: Offset,
) -> Result<Option<V>, PublishError> {
    log.get(from, offset)?.map_or(Ok(None), |stored| Ok(decode(&stored.record)?))
}

/// A hash that recognises the same content again. It has 64 bits: a false match, once in 2^64, would hide one change of
/// an image whose digest, and so whose layers, are the same.
fn fingerprint(image: &ImageRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    let ImageRecord {
        digest,
        sequence: _,
        platform,
        repositories,
        sources,
        imported,
        media_type,
        config_digest,
        created,
        layer_identity,
        layers,
        claims,
    } = image;
    (
        digest,
        platform,
        repositories,
        sources,
        imported,
        media_type,
        config_digest,
        created,
        layer_identity,
        claims,
    )
        .hash(&mut hasher);
    for layer in layers {
        (layer.digest, layer.diff_id, layer.size).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seventy_thousand_sets_of_sources_are_told_apart() {
        let mut places = Places::default();
        let mut image: ImageRecord = serde_json::from_value(serde_json::json!({
            "digest": Digest::of(b""), "sequence": 0, "platform": {"os": "linux", "architecture": "amd64"},
            "layerIdentity": "diff-id", "layers": [],
        }))
        .unwrap();
        for number in 0..70_000_u32 {
            image.digest = Digest::of(&number.to_be_bytes());
            image.sources = vec![format!("registry-{number}")];
            places.put_image(&image, 0, Offset::from(number));
        }
        for number in [0, 65_534, 65_535, 65_536, 69_999_u32] {
            let of: Vec<&Digest> = places.images_of_source(&format!("registry-{number}")).collect();
            assert_eq!(of, [&Digest::of(&number.to_be_bytes())], "registry-{number}");
        }
    }
}
