//! Keeps records that were written or read recently and will be needed again. The tracker examines a class with every
//! version it has had whenever its tag moves, and a source reports every tag when it starts. On a Kafka cluster,
//! reading a single record takes a millisecond or more.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::unsync::Cache as Lru;

use super::places::{ImagePlace, TagPlace};
use super::versions::image_chain;
use super::{PublishError, Publisher};
use crate::log::Offset;
use crate::oci::Digest;
use crate::record::catalog::ImageChain;
use crate::record::{ImageRecord, TagImage, TagItem, TagRecord};

/// Bytes of chains to keep, approximately.
const KEPT_CHAINS: u64 = 64 << 20;
/// Bytes of tags to keep, and the same for parts of histories, approximately.
const KEPT_TAGS: u64 = 32 << 20;
/// Bytes that an entry of the cache takes besides its own.
const ENTRY: usize = 128;

/// Chains of images, tags, and parts of their histories. No entry can be stale: each belongs to a place on the log, and is
/// found only while its record stands there.
pub(super) struct Cache {
    chains: Lru<Digest, Chain, Bytes>,
    tags: Lru<String, Tag, Bytes>,
    parts: Lru<String, Part, Bytes>,
}

/// The fingerprint of an image's record, and its chain; `None` for an image without layers.
type Chain = (u64, Option<ImageChain>);
/// The place of a tag, and the tag.
type Tag = ((u16, Offset), TagRecord);
/// The offset of a part, and its targets.
type Part = (Offset, Arc<[TagItem]>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Digest, Chain> for Bytes {
    fn weight(&self, _: &Digest, (_, chain): &Chain) -> u64 {
        let layers = chain.as_ref().map_or(0, |chain| chain.layers.len() + chain.blobs.len());
        (ENTRY + size_of::<Chain>() + layers * size_of::<Digest>()) as u64
    }
}

impl Weighter<String, Tag> for Bytes {
    fn weight(&self, name: &String, (_, tag): &Tag) -> u64 {
        let items = tag.history.iter().chain([&tag.current]);
        (ENTRY + size_of::<Tag>() + 3 * name.len() + bytes(items)) as u64
    }
}

impl Weighter<String, Part> for Bytes {
    fn weight(&self, key: &String, (_, items): &Part) -> u64 {
        (ENTRY + size_of::<Part>() + key.len() + bytes(&**items)) as u64
    }
}

fn bytes<'a>(items: impl IntoIterator<Item = &'a TagItem>) -> usize {
    let of_item = |item: &TagItem| size_of::<TagItem>() + item.images.len() * size_of::<TagImage>();
    items.into_iter().map(of_item).sum()
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            chains: Lru::with_weighter(65_536, KEPT_CHAINS, Bytes),
            tags: Lru::with_weighter(16_384, KEPT_TAGS, Bytes),
            parts: Lru::with_weighter(16_384, KEPT_TAGS, Bytes),
        }
    }
}

impl Cache {
    /// Stores the chain of an image at its present place.
    pub(super) fn put_chain(&mut self, image: &ImageRecord, place: &ImagePlace) -> Option<ImageChain> {
        let chain = image_chain(image);
        self.chains.insert(image.digest, (place.fingerprint, chain.clone()));
        chain
    }

    /// Stores a tag as it stands at an offset of its home.
    pub(super) fn put_tag(&mut self, tag: TagRecord, home: u16, offset: Offset) {
        self.tags.insert(tag.name.clone(), ((home, offset), tag));
    }

    /// Stores a part of a history as it stands at an offset.
    pub(super) fn put_part(&mut self, key: String, offset: Offset, items: Arc<[TagItem]>) {
        self.parts.insert(key, (offset, items));
    }

    /// The part with this key, if it stands at this offset.
    pub(super) fn part(&mut self, key: &str, offset: Offset) -> Option<Arc<[TagItem]>> {
        self.parts.get(key).filter(|(at, _)| *at == offset).map(|(_, items)| Arc::clone(items))
    }
}

impl Publisher {
    /// The chain of an image, pending or published. The outer `None` means that there is no such image, the inner one
    /// that it has no layers.
    pub(super) fn chain(&mut self, digest: &Digest) -> Result<Option<Option<ImageChain>>, PublishError> {
        if let Some(pending) = self.pending.images.get(digest) {
            return Ok(pending.as_ref().map(image_chain));
        }
        let Some(place) = self.places.image(digest) else { return Ok(None) };
        if let Some((_, chain)) = self.cache.chains.get(digest).filter(|(of, _)| *of == place.fingerprint) {
            return Ok(Some(chain.clone()));
        }
        let image = self.places.read_image(&self.log, digest)?;
        Ok(image.map(|image| self.cache.put_chain(&image, place)))
    }

    /// The published tag, with what its record has of its history.
    pub(super) fn published_tag(&mut self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        let tag = self.take_published_tag(name)?;
        if let Some(tag) = &tag {
            self.give_back(tag.clone());
        }
        Ok(tag)
    }

    /// Returns `true` if a tag is published, and its record has to be read from the log.
    pub(super) fn must_be_read(&self, name: &str) -> bool {
        let is_kept = |place: &TagPlace| {
            self.cache.tags.peek(name).is_some_and(|(at, _)| *at == (place.home, place.offset))
        };
        self.places.tag(name).is_some_and(|place| !is_kept(place))
    }

    /// Takes the published tag out of the cache. A caller that does not write it again gives it back, so that it is not
    /// copied.
    pub(super) fn take_published_tag(&mut self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        let Some(place) = self.places.tag(name) else { return Ok(None) };
        match self.cache.tags.remove(name) {
            Some((_, (at, tag))) if at == (place.home, place.offset) => Ok(Some(tag)),
            _ => self.places.read_tag(&self.log, name),
        }
    }

    /// Gives back a tag that is still published unchanged.
    pub(super) fn give_back(&mut self, tag: TagRecord) {
        if let Some(place) = self.places.tag(&tag.name) {
            self.cache.put_tag(tag, place.home, place.offset);
        }
    }
}
