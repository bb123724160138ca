//! What was written or read back a while ago and will be asked for again. A class is looked at again, with every version
//! it has had, whenever its tag moves; a source that starts tells of every tag. On a cluster, each record that has to be
//! read back takes a millisecond or more.

use quick_cache::Weighter;
use quick_cache::unsync::Cache as Lru;

use super::places::ImagePlace;
use super::versions::image_chain;
use super::{PublishError, Publisher};
use crate::log::Offset;
use crate::oci::Digest;
use crate::record::catalog::ImageChain;
use crate::record::{ImageRecord, TagImage, TagItem, TagRecord};

/// So many bytes of chains are kept, and as many of tags, about.
const KEPT_BYTES: u64 = 64 << 20;
/// What an entry of the cache takes beside its own bytes.
const ENTRY: usize = 128;

/// Chains of images and tags with their histories. Nothing in it can be stale: each is of what stands at some place, and
/// found only while it stands there.
pub(super) struct Cache {
    chains: Lru<Digest, Chain, Bytes>,
    tags: Lru<String, Tag, Bytes>,
}

/// The chain of an image, none of one without layers; and the fingerprint of its record.
type Chain = (u64, Option<ImageChain>);
/// Where a tag stands, and the tag.
type Tag = ((u16, Offset), TagRecord);

#[derive(Clone)]
struct Bytes;

impl Weighter<Digest, Chain> for Bytes {
    fn weight(&self, _: &Digest, (_, chain): &Chain) -> u64 {
        let layers = chain.as_ref().map_or(0, |chain| chain.layers.len());
        (ENTRY + size_of::<Chain>() + layers * size_of::<Digest>()) as u64
    }
}

impl Weighter<String, Tag> for Bytes {
    fn weight(&self, name: &String, (_, tag): &Tag) -> u64 {
        let items = tag.history.len() + 1;
        let images = tag.history.iter().chain([&tag.current]).map(|item| item.images.len()).sum::<usize>();
        (ENTRY
            + size_of::<Tag>()
            + 3 * name.len()
            + items * size_of::<TagItem>()
            + images * size_of::<TagImage>()) as u64
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            chains: Lru::with_weighter(65_536, KEPT_BYTES, Bytes),
            tags: Lru::with_weighter(16_384, KEPT_BYTES, Bytes),
        }
    }
}

impl Cache {
    /// Keeps the chain of an image as it stands in its place.
    pub(super) fn put_chain(&mut self, image: &ImageRecord, place: &ImagePlace) -> Option<ImageChain> {
        let chain = image_chain(image);
        self.chains.insert(image.digest, (place.fingerprint, chain.clone()));
        chain
    }

    /// Keeps a tag as it stands at an offset of its home.
    pub(super) fn put_tag(&mut self, tag: TagRecord, home: u16, offset: Offset) {
        self.tags.insert(tag.name.clone(), ((home, offset), tag));
    }
}

impl Publisher {
    /// The chain of an image as it is pending or published: the outer `None` where there is no such image, the inner one
    /// where it has no layers.
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

    /// The tag as it is published, with its history.
    pub(super) fn published_tag(&mut self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        let tag = self.take_published_tag(name)?;
        if let Some(tag) = &tag {
            self.give_back(tag.clone());
        }
        Ok(tag)
    }

    /// The same for who gives it back if it is not written anew: a long history is not copied.
    pub(super) fn take_published_tag(&mut self, name: &str) -> Result<Option<TagRecord>, PublishError> {
        let Some(place) = self.places.tag(name) else { return Ok(None) };
        match self.cache.tags.remove(name) {
            Some((_, (at, tag))) if at == (place.home, place.offset) => Ok(Some(tag)),
            _ => self.places.read_tag(&self.log, name),
        }
    }

    /// Keeps a tag that is published just so.
    pub(super) fn give_back(&mut self, tag: TagRecord) {
        if let Some(place) = self.places.tag(&tag.name) {
            self.cache.put_tag(tag, place.home, place.offset);
        }
    }
}
