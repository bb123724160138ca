//! Turns the content of a shard into the items of an answer.

use super::answer::{Base, ClassStanding, ImageItem};
use crate::index::NodeId;
use crate::oci::Digest;
use crate::record::Membership;
use crate::shard::{ImageView, Shard};

/// Tags that an item of a list of tags names of each image, at most.
const MOST_TAGS: usize = 100;

/// The image as an item, with all of its tags.
pub(super) fn image_item(shard: &Shard, image: &ImageView<'_>) -> ImageItem {
    item_with_tags(shard, image, usize::MAX)
}

/// The image as an item of a list of tags.
pub(super) fn image_of_tag(shard: &Shard, image: &ImageView<'_>) -> ImageItem {
    item_with_tags(shard, image, MOST_TAGS)
}

fn item_with_tags(shard: &Shard, image: &ImageView<'_>, most: usize) -> ImageItem {
    let mut tags = shard.tags_of(&image.digest);
    let named = tags.by_ref().take(most).map(|tag| tag.name.clone()).collect();
    ImageItem {
        digest: image.digest,
        image_id: image.config,
        platform: (*image.platform).clone(),
        created: image.created,
        repositories: (*image.repositories).clone(),
        tags: named,
        more_tags: tags.count() as u64,
        layers: image.layers,
        size: image.size,
        classes: standings(shard, image),
        groups: image.classification.map(|of| (*of.groups).clone()).unwrap_or_default(),
        descendants: None,
    }
}

/// The standing of the image in each of its classes.
pub(super) fn standings(shard: &Shard, image: &ImageView<'_>) -> Vec<ClassStanding> {
    let standing = |member: &Membership| {
        let class = shard.catalog().class(&member.name);
        ClassStanding {
            name: member.name.clone(),
            state: member.state,
            version: member.version,
            origin: class.map(|class| class.origin_of(&member.version)).unwrap_or_default(),
            current: class.and_then(|class| class.current_for(&image.platform)),
            depth: member.depth,
            nearest: member.nearest,
            outdated_since: shard.outdated_since(member, &image.platform),
        }
    };
    image.classification.iter().flat_map(|of| of.classes.iter().map(standing)).collect()
}

/// The tags that point at the image.
pub(super) fn tags_of(shard: &Shard, digest: &Digest) -> Vec<String> {
    shard.tags_of(digest).map(|tag| tag.name.clone()).collect()
}

/// The images at a node, by digest, as bases.
pub(super) fn bases_at(shard: &Shard, node: NodeId) -> Vec<Base> {
    let mut bases: Vec<Base> = shard
        .index()
        .images_at(node)
        .map(|id| {
            let digest = *shard.index().digest(id);
            Base { digest, depth: shard.index().depth(node), tags: tags_of(shard, &digest) }
        })
        .collect();
    bases.sort_unstable_by_key(|base| base.digest);
    bases
}

/// The images that an image is based on, nearest first.
pub(super) fn bases(shard: &Shard, image: &ImageView<'_>) -> Vec<Base> {
    let above = image.node.into_iter().flat_map(|node| shard.index().ancestors(node));
    above.flat_map(|node| bases_at(shard, node)).collect()
}

/// The images with the same layers, by digest.
pub(super) fn equivalents(shard: &Shard, image: &ImageView<'_>) -> Vec<Digest> {
    let here = image.node.into_iter().flat_map(|node| shard.index().images_at(node));
    let mut others: Vec<Digest> =
        here.filter(|id| *id != image.id).map(|id| *shard.index().digest(id)).collect();
    others.sort_unstable();
    others
}
