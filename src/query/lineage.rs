//! Exports the relations of every image.

use super::answer::Lineage;
use super::items::{bases, equivalents, standings};
use crate::shard::{ImageView, Shard};
use crate::view::Snapshot;

/// The lineage of one image.
fn lineage(shard: &Shard, image: &ImageView<'_>) -> Lineage {
    Lineage {
        digest: image.digest,
        platform: (*image.platform).clone(),
        bases: bases(shard, image),
        equivalents: equivalents(shard, image),
        classes: standings(shard, image),
        claims: image.claims.to_vec(),
    }
}

/// Calls `visit` with the lineage of every image, until it returns `false`. It holds one partition at a time.
pub fn each(snapshot: Snapshot, mut visit: impl FnMut(Lineage) -> bool) {
    for committed in snapshot.one_by_one() {
        let shard = &committed.shard;
        for image in shard.images() {
            if !visit(lineage(shard, &image)) {
                return;
            }
        }
    }
}
