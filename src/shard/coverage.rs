//! The coverage of the images of a shard: the knowledge of their beginnings.

use super::{ImageView, Shard};
use crate::class::{Classification, Coverage, Covered};
use crate::index::ImageId;
use crate::record::Claim;

/// Where fewer than one image in so many is a member of no class, those alone are looked at.
const FEW: usize = 4;

impl Shard {
    /// The coverage of an image.
    pub fn coverage_of(&self, image: &ImageView<'_>) -> Coverage {
        self.coverage(image.id)
    }

    fn coverage(&self, id: ImageId) -> Coverage {
        let above = self.index.node(id).into_iter().flat_map(|node| self.index.ancestors(node));
        let has_base = above.into_iter().any(|node| self.index.images_at(node).next().is_some());
        self.judge(id, has_base)
    }

    /// Counts the images by their coverage. It looks at no member of a class where most images are members.
    pub fn covered(&self) -> Covered {
        let mut covered = Covered::default();
        let others = || self.kinds().filter(|(kind, _)| kind.classification.is_none());
        let number: usize = others().map(|(_, images)| images).sum();
        if number * FEW > self.index.len() {
            self.each_coverage(|_, coverage| covered.add(coverage));
            return covered;
        }
        covered.member = (self.index.len() - number) as u64;
        for id in others().flat_map(|(kind, _)| self.of_kind(kind, None)) {
            covered.add(self.coverage(id));
        }
        covered
    }

    /// Calls `tell` with each image and its coverage. It looks at each node once.
    pub fn each_coverage(&self, mut tell: impl FnMut(ImageId, Coverage)) {
        let has_image = |node| self.index.images_at(node).next().is_some();
        for (node, has_base) in self.index.nodes_below(has_image) {
            for id in self.index.images_at(node) {
                tell(id, self.judge(id, has_base));
            }
        }
        for id in self.index.images().filter(|id| self.index.node(*id).is_none()) {
            tell(id, self.judge(id, false));
        }
    }

    fn judge(&self, id: ImageId, has_base: bool) -> Coverage {
        if self.rows[id.index()].classification.is_some() {
            Coverage::Member
        } else if has_base {
            Coverage::KnownBase
        } else if self.claims.contains_key(&id) {
            Coverage::Claimed
        } else {
            Coverage::Unknown
        }
    }

    /// The images that claim a base, with their claims and classifications.
    pub fn claiming(&self) -> impl Iterator<Item = (&[Claim], Option<&Classification>)> {
        self.claims.iter().map(|(id, claims)| (&**claims, self.of(self.kind(*id)).0))
    }
}
