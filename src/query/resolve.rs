//! Resolves REFs and chain IDs for programs.

use super::Query;
use super::answer::{ChainItem, ImageItem, Resolution, ResolvedChain};
use super::items::{bases_at, image_item};
use super::reference::{RefError, Resolved};
use crate::index::NodeId;
use crate::oci::Digest;
use crate::shard::Shard;

impl Query {
    /// Resolves a REF to images or to a chain.
    pub fn resolution(&self, reference: &str) -> Result<Resolution, RefError> {
        let mut resolution = Resolution { reference: reference.to_owned(), images: Vec::new(), chain: None };
        match self.resolve(reference)? {
            Resolved::Images(images) => {
                resolution.images = images.iter().filter_map(|image| self.item(image)).collect();
            }
            Resolved::Chain { partition, node, depth } => {
                resolution.chain = self
                    .shard(partition)
                    .map(|shard| ResolvedChain { layers: depth, images: count(shard, node) });
            }
        }
        Ok(resolution)
    }

    /// The one image that a digest, an image ID or the beginning of either names.
    pub fn image(&self, reference: &str) -> Result<ImageItem, RefError> {
        let images = self.images(reference)?;
        let [image] = images[..] else {
            return Err(RefError::Ambiguous { reference: reference.to_owned(), digests: images });
        };
        self.item(&image).ok_or_else(|| self.no_object(reference.to_owned()))
    }

    /// The images with the same layers as the one that a REF names, by digest.
    pub fn equivalents(&self, reference: &str) -> Result<Vec<ImageItem>, RefError> {
        let image = self.image(reference)?.digest;
        let Some((shard, node)) = self.node_of(&image) else { return Ok(Vec::new()) };
        let mut here: Vec<_> = shard.index().images_at(node).map(|id| shard.view(id)).collect();
        here.retain(|other| other.digest != image);
        here.sort_unstable_by_key(|image| image.digest);
        Ok(here.iter().map(|image| image_item(shard, image)).collect())
    }

    /// What ends at a chain, and what contains it.
    pub fn chain(&self, chain: &str) -> Result<ChainItem, RefError> {
        let Ok(chain_id) = chain.parse::<Digest>() else {
            let problem = format!("{chain:?} is no chain ID: write sha256: and 64 hexadecimal digits");
            return Err(RefError::Invalid(problem));
        };
        let found = self.find_chain(chain_id).ok_or_else(|| self.no_object(chain.to_owned()))?;
        let Resolved::Chain { partition, node, depth } = found else {
            return Err(self.no_object(chain.to_owned()));
        };
        let shard = self.shard(partition).ok_or_else(|| self.no_object(chain.to_owned()))?;
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

    fn item(&self, image: &Digest) -> Option<ImageItem> {
        let shard = self.holding(image)?;
        Some(image_item(shard, &shard.image(image)?))
    }
}

/// The number of images that contain the chain of a node.
fn count(shard: &Shard, node: NodeId) -> u64 {
    u64::from(shard.index().count(node))
}
