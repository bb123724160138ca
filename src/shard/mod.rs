//! One shard: holds the facts of one partition, and concludes their consequences. Pure: no I/O, no clock, no threads.
//!
//! ```text
//!   images ──┐                       ┌── Effect::Classify      ─► classifications
//!   tags   ──┼─► Shard::apply ─► drain ── Effect::Declassify    ─► classifications (tombstone)
//!   catalog ─┘                       └── Effect::Transition     ─► outdated
//! ```
//!
//! `apply` takes records and remembers which images may have changed. `drain` examines those, compares the new
//! conclusions with the earlier (committed) ones, and returns the difference. The cost grows with the change. The shard
//! does not know whether its effects were performed: after a failure it is thrown away and rebuilt from the log.

mod apply;
mod columns;
mod coverage;
mod drain;
mod interner;
mod left;
mod marks;
mod orders;
mod query;
mod snapshot;
mod tags;
mod walks;

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

pub use drain::{Drain, Effect};
pub use orders::Kind;
pub use query::ImageView;
pub use snapshot::{ShardSnapshot, SnapshotError};
pub use tags::Tag;

use crate::class::{Catalog, Classification};
use crate::index::{ChainIndex, ImageId, NodeId};
use crate::oci::{Digest, Platform};
use crate::record::{
    CatalogKey, CatalogRecord, Claim, ClassificationRecord, ImageRecord, TagHistoryRecord, TagRecord,
};
use columns::Row;
use interner::{Interned, Interner};
use left::LeftIndexes;
use marks::Marks;
use orders::Orders;
use tags::Tags;

/// A decoded record.
#[derive(Debug, Clone)]
pub enum Change {
    /// An image was published or changed.
    Image(Arc<ImageRecord>),
    /// The image with this digest was deleted.
    ImageGone(Digest),
    /// A tag was published or moved.
    Tag(Arc<TagRecord>),
    /// A part of a tag's history was published.
    TagHistory(Arc<TagHistoryRecord>),
    /// The tag, or the part of a history, with this key was deleted from this partition.
    TagGone(String),
    /// A record of the catalog was written, or (`None`) deleted.
    Catalog(CatalogKey, Option<Arc<CatalogRecord>>),
    /// The committed classification of an image, read back after a restart; `None` if it was deleted.
    Committed(Digest, Option<Arc<ClassificationRecord>>),
}

/// The state of one partition.
#[derive(Debug, Clone)]
pub struct Shard {
    partition: u16,
    partitions: u16,
    index: ChainIndex,
    rows: Vec<Row>,
    orders: Orders,
    platforms: Interner<Platform>,
    repositories: Interner<Vec<String>>,
    classifications: Interner<Classification>,
    claims: HashMap<ImageId, Arc<[Claim]>>,
    tags: Tags,
    left: LeftIndexes,
    catalog: Catalog,
    marks: Marks,
    /// Committed classifications of images that are not in the index (any more). They are deleted, unless the image
    /// comes (back).
    orphans: HashMap<Digest, Orphan>,
    dirty_images: BTreeSet<ImageId>,
    dirty_nodes: BTreeSet<NodeId>,
    /// Images whose committed classification names another platform than they have. It is written again, whatever the
    /// conclusion.
    misstated: BTreeSet<ImageId>,
    /// Pins of versions that were removed; released after the images below them were examined.
    released: Vec<NodeId>,
}

/// The committed classification of an image that is gone.
#[derive(Debug, Clone)]
struct Orphan {
    sequence: u64,
    platform: Interned,
    classification: Interned,
}

impl Shard {
    /// An empty shard for partition `partition` of `partitions`.
    pub fn new(partition: u16, partitions: u16) -> Self {
        Self {
            partition,
            partitions,
            index: ChainIndex::default(),
            rows: Vec::new(),
            orders: Orders::default(),
            platforms: Interner::default(),
            repositories: Interner::default(),
            classifications: Interner::default(),
            claims: HashMap::new(),
            tags: Tags::default(),
            left: LeftIndexes::default(),
            catalog: Catalog::default(),
            marks: Marks::default(),
            orphans: HashMap::new(),
            dirty_images: BTreeSet::new(),
            dirty_nodes: BTreeSet::new(),
            misstated: BTreeSet::new(),
            released: Vec::new(),
        }
    }

    /// The number of the partition.
    pub fn partition(&self) -> u16 {
        self.partition
    }

    /// The number of all partitions.
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// The chains and images.
    pub fn index(&self) -> &ChainIndex {
        &self.index
    }

    /// The classes and groups.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The tags of this partition, by name.
    pub fn tags(&self) -> impl Iterator<Item = &Arc<Tag>> {
        self.tags.iter()
    }

    /// The tags of this partition from a name on, by name.
    pub fn tags_from<'a>(&'a self, from: Bound<&str>) -> impl Iterator<Item = &'a Arc<Tag>> + use<'a> {
        self.tags.from(from)
    }

    /// The tag of this name, if it stands in this partition.
    pub fn tag(&self, name: &str) -> Option<&Arc<Tag>> {
        self.tags.get(name)
    }

    /// The tags in this partition that point at this image or image index, by name.
    pub fn tags_of(&self, digest: &Digest) -> impl Iterator<Item = &Arc<Tag>> {
        self.tags.of(digest)
    }

    /// The images, of every platform, of an image index that a tag has left, as far as this partition has the history of the
    /// tag; none if no tag has left it.
    pub fn images_of_left_index(&self, digest: &Digest) -> &[Digest] {
        self.left.images(digest)
    }
}
