//! The coverage of the images of a shard: the knowledge of their beginnings.

use super::{ImageView, Shard};
use crate::class::Coverage;

impl Shard {
    /// The coverage of an image.
    pub fn coverage_of(&self, image: &ImageView<'_>) -> Coverage {
        let mut above = image.node.into_iter().flat_map(|node| self.index.ancestors(node));
        let has_base = above.any(|node| self.index.images_at(node).next().is_some());
        judge(image, has_base)
    }

    /// Calls `tell` with each image and its coverage. It looks at each node once.
    pub fn each_coverage(&self, mut tell: impl FnMut(&ImageView<'_>, Coverage)) {
        let has_image = |node| self.index.images_at(node).next().is_some();
        for (node, has_base) in self.index.nodes_below(has_image) {
            for image in self.index.images_at(node).map(|id| self.view(id)) {
                tell(&image, judge(&image, has_base));
            }
        }
        for image in self.images().filter(|image| image.node.is_none()) {
            tell(&image, judge(&image, false));
        }
    }
}

fn judge(image: &ImageView<'_>, has_base: bool) -> Coverage {
    if image.classification.is_some() {
        Coverage::Member
    } else if has_base {
        Coverage::KnownBase
    } else if !image.claims.is_empty() {
        Coverage::Claimed
    } else {
        Coverage::Unknown
    }
}
