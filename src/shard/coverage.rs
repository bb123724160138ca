//! The coverage of the images of a shard: the knowledge of their beginnings.

use super::{ImageView, Shard};
use crate::class::Coverage;
use crate::index::NodeId;

impl Shard {
    /// The coverage of an image.
    pub fn coverage_of(&self, image: &ImageView<'_>) -> Coverage {
        let mut above = image.node.into_iter().flat_map(|node| self.index.ancestors(node));
        let has_base = above.any(|node| self.index.images_at(node).next().is_some());
        judge(image, has_base)
    }

    /// Calls `tell` with each image and its coverage. It looks at each node once.
    pub fn each_coverage(&self, mut tell: impl FnMut(&ImageView<'_>, Coverage)) {
        // The nodes above the present one, each with whether an image ends there or above.
        let mut path: Vec<(NodeId, bool)> = Vec::new();
        for node in self.index.nodes() {
            let parent = self.index.parent(node);
            while path.last().is_some_and(|(above, _)| Some(*above) != parent) {
                path.pop();
            }
            let has_base = path.last().is_some_and(|(_, has_image)| *has_image);
            let mut has_image = has_base;
            for id in self.index.images_at(node) {
                let image = self.view(id);
                tell(&image, judge(&image, has_base));
                has_image = true;
            }
            path.push((node, has_image));
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
