//! Resolves REFs and chain IDs for programs.

use super::Query;
use super::answer::{ChainItem, ImageItem, Resolution, ResolvedChain};
use super::items::{bases_at, equivalents, image_item, image_of_tag};
use super::reference::{MOST_NAMED, RefError, Resolved};
use crate::index::NodeId;
use crate::oci::Digest;
use crate::shard::{ImageView, Shard};

/// Images of one REF that an answer has, at most. Images of an empty config share one image ID, for example.
const MOST_IMAGES: usize = 100;

impl Query {
    /// Resolves a REF to images or to a chain.
    pub fn resolution(&self, reference: &str) -> Result<Resolution, RefError> {
        match self.resolve(reference)? {
            Resolved::Images(images) => Ok(self.resolved(reference, &images)),
            Resolved::Chain { partition, node, depth } => {
                let of = |shard| ResolvedChain { layers: depth, images: count(shard, node) };
                Ok(Resolution { chain: self.shard(partition).map(of), ..self.resolved(reference, &[]) })
            }
        }
    }

    /// The same for one of many REFs: without chain IDs, and without names that may have been meant, for both of which clade
    /// looks through the index.
    pub fn resolution_of_many(&self, reference: &str) -> Result<Resolution, RefError> {
        Ok(self.resolved(reference, &self.images_called(reference)?))
    }

    fn resolved(&self, reference: &str, images: &[Digest]) -> Resolution {
        let item = |image: &Digest| {
            let shard = self.holding(image)?;
            Some(image_of_tag(shard, &shard.image(image)?))
        };
        Resolution {
            reference: reference.to_owned(),
            images: images.iter().take(MOST_IMAGES).filter_map(item).collect(),
            more_images: images.len().saturating_sub(MOST_IMAGES) as u64,
            chain: None,
        }
    }

    /// The one image that a digest, an image ID or the beginning of either names.
    pub fn image(&self, reference: &str) -> Result<ImageItem, RefError> {
        let (shard, image) = self.one(reference)?;
        Ok(image_item(shard, &image))
    }

    pub(super) fn one(&self, reference: &str) -> Result<(&Shard, ImageView<'_>), RefError> {
        let images = self.images(reference)?;
        let [image] = images[..] else {
            let (reference, count) = (reference.to_owned(), images.len());
            let digests = images.into_iter().take(MOST_NAMED).collect();
            return Err(RefError::Several { reference, count, digests });
        };
        let found = self.holding(&image).and_then(|shard| Some((shard, shard.image(&image)?)));
        found.ok_or_else(|| self.no_object(reference.to_owned()))
    }

    /// The images with the same layers as the one that a REF names, by digest.
    pub fn equivalents(&self, reference: &str) -> Result<Vec<ImageItem>, RefError> {
        let (shard, image) = self.one(reference)?;
        let others = equivalents(shard, &image);
        let items = others.iter().filter_map(|other| Some(image_item(shard, &shard.image(other)?)));
        Ok(items.collect())
    }

    /// A chain: the images and classes that end there, and the number of images that contain it.
    pub fn chain(&self, chain: &str) -> Result<ChainItem, RefError> {
        let Ok(chain_id) = chain.parse::<Digest>() else {
            let problem = format!("{chain:?} is no chain ID: write sha256: and 64 hexadecimal digits");
            return Err(RefError::Invalid(problem));
        };
        let found = match self.find_chain(chain_id) {
            Some(Resolved::Chain { partition, node, depth }) => {
                self.shard(partition).map(|shard| (shard, node, depth))
            }
            _ => None,
        };
        let Some((shard, node, depth)) = found else { return Err(self.no_object(chain.to_owned())) };
        let ends_here = Some(node).filter(|node| shard.index().depth(*node) == depth);
        Ok(ChainItem {
            chain_id,
            layer_identity: shard.index().identity(node),
            layers: depth,
            images: ends_here.map(|node| bases_at(shard, node)).unwrap_or_default(),
            classes: ends_here.map(|node| shard.classes_at(node)).unwrap_or_default(),
            containing: count(shard, node),
        })
    }
}

/// The number of images that contain the chain of a node.
fn count(shard: &Shard, node: NodeId) -> u64 {
    u64::from(shard.index().count(node))
}
