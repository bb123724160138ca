//! Converts a shard into plain data and back: its facts, and not its data structures.
//!
//! The chains are front-coded: images stand in the order of the index, in which each follows an image with which it
//! shares as many layers as with any, so that a layer of a thousand images is written once.

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::columns::Row;
use super::interner::{Interned, Interner};
use super::left::LeftIndex;
use super::{Shard, Tag};
use crate::class::Classification;
use crate::index::{ImageId, IndexError};
use crate::oci::{Digest, LayerIdentity, Platform, Timestamp};
use crate::record::{CatalogRecord, Claim};

/// All facts of a shard between a drain and the next change. The columns have equal length: one entry per image.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShardSnapshot {
    partition: u16,
    partitions: u16,
    catalog: Vec<CatalogRecord>,
    platforms: Vec<Arc<Platform>>,
    repositories: Vec<Arc<Vec<String>>>,
    classifications: Vec<Arc<Classification>>,
    digests: Vec<Digest>,
    identities: Vec<LayerIdentity>,
    /// The number of layers that an image shares with the one before it, base first.
    shared: Vec<u16>,
    /// The number of its own layers that follow, taken from `layers`.
    own: Vec<u16>,
    layers: Vec<Digest>,
    sequences: Vec<u64>,
    configs: Vec<Option<Digest>>,
    created: Vec<Option<Timestamp>>,
    sizes: Vec<Option<NonZeroU64>>,
    /// The positions in `platforms`, `repositories`, `classifications`.
    platform: Vec<u32>,
    repository: Vec<u32>,
    classification: Vec<Option<u32>>,
    /// The claims of those images that have any, by their positions.
    claims: Vec<(u32, Vec<Claim>)>,
    tags: Vec<Arc<Tag>>,
    left: Vec<(Arc<str>, Arc<[LeftIndex]>)>,
}

/// A reason why a snapshot is not that of a shard.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A reference within the snapshot leads nowhere.
    #[error("{0} do not fit together")]
    Inconsistent(&'static str),
    /// The images do not fit into an index.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Shard {
    /// Returns the facts of the shard. No record may have been applied since the last drain.
    pub fn snapshot(&self) -> ShardSnapshot {
        debug_assert!(self.dirty_images.is_empty() && self.dirty_nodes.is_empty(), "between apply and drain");
        let (platforms, platform_numbers) = self.platforms.dense();
        let (repositories, repository_numbers) = self.repositories.dense();
        let (classifications, classification_numbers) = self.classifications.dense();
        let images = self.index.len();
        let mut snapshot = ShardSnapshot {
            partition: self.partition,
            partitions: self.partitions,
            catalog: self.catalog.records().collect(),
            platforms,
            repositories,
            classifications,
            digests: Vec::with_capacity(images),
            identities: Vec::with_capacity(images),
            shared: Vec::with_capacity(images),
            own: Vec::with_capacity(images),
            layers: Vec::new(),
            sequences: Vec::with_capacity(images),
            configs: Vec::with_capacity(images),
            created: Vec::with_capacity(images),
            sizes: Vec::with_capacity(images),
            platform: Vec::with_capacity(images),
            repository: Vec::with_capacity(images),
            classification: Vec::with_capacity(images),
            claims: Vec::new(),
            tags: self.tags.iter().cloned().collect(),
            left: self.left.iter().map(|(tag, left)| (Arc::clone(tag), Arc::clone(left))).collect(),
        };
        let mut put = |image: ImageId, identity, shared: usize, own: &[Digest]| {
            let row = &self.rows[image.index()];
            if let Some(claims) = self.claims.get(&image) {
                snapshot.claims.push((count(snapshot.digests.len()), claims.to_vec()));
            }
            snapshot.digests.push(*self.index.digest(image));
            snapshot.identities.push(identity);
            snapshot.shared.push(layers(shared));
            snapshot.own.push(layers(own.len()));
            snapshot.layers.extend_from_slice(own);
            snapshot.sequences.push(row.sequence);
            snapshot.configs.push(row.config);
            snapshot.created.push(row.created);
            snapshot.sizes.push(row.size);
            snapshot.platform.push(platform_numbers[row.platform.index()]);
            snapshot.repository.push(repository_numbers[row.repositories.index()]);
            snapshot
                .classification
                .push(row.classification.map(|number| classification_numbers[number.index()]));
        };
        let mut chain: Vec<Digest> = Vec::new();
        // The number of layers of `chain` that the last image has.
        let mut shared = 0;
        let mut identity = LayerIdentity::Blob;
        for node in self.index.nodes() {
            let above = self.index.parent(node).map_or(0, |parent| self.index.depth(parent) as usize);
            if above == 0 {
                identity = self.index.identity(node);
            }
            chain.truncate(above);
            shared = shared.min(above);
            chain.extend_from_slice(self.index.own_layers(node));
            for image in self.index.images_at(node) {
                put(image, identity, shared, &chain[shared..]);
                shared = chain.len();
            }
        }
        for image in self.index.images().filter(|image| self.index.node(*image).is_none()) {
            put(image, LayerIdentity::Blob, 0, &[]);
        }
        snapshot
    }

    /// Restores the shard from a snapshot.
    pub fn from_snapshot(snapshot: ShardSnapshot) -> Result<Self, SnapshotError> {
        let images = snapshot.digests.len();
        let lengths = [
            snapshot.identities.len(),
            snapshot.shared.len(),
            snapshot.own.len(),
            snapshot.sequences.len(),
            snapshot.configs.len(),
            snapshot.created.len(),
            snapshot.sizes.len(),
            snapshot.platform.len(),
            snapshot.repository.len(),
            snapshot.classification.len(),
        ];
        if lengths.iter().any(|length| *length != images) {
            return Err(SnapshotError::Inconsistent("the columns"));
        }
        let mut shard = Self::new(snapshot.partition, snapshot.partitions);
        let platforms = shard.platforms.fill(snapshot.platforms);
        let repositories = shard.repositories.fill(snapshot.repositories);
        let classifications = shard.classifications.fill(snapshot.classifications);
        let numbered = |numbers: &[Interned], at: u32| numbers.get(at as usize).copied();
        let mut chain: Vec<Digest> = Vec::new();
        let mut layers = snapshot.layers.as_slice();
        for at in 0..images {
            let (own, rest) = layers
                .split_at_checked(usize::from(snapshot.own[at]))
                .ok_or(SnapshotError::Inconsistent("the layers"))?;
            layers = rest;
            if chain.len() < usize::from(snapshot.shared[at]) {
                return Err(SnapshotError::Inconsistent("the chains"));
            }
            chain.truncate(usize::from(snapshot.shared[at]));
            chain.extend_from_slice(own);
            let inserted =
                shard.index.insert_layers(snapshot.digests[at], snapshot.identities[at], &chain)?;
            if inserted.image.index() != at {
                return Err(SnapshotError::Inconsistent("the images"));
            }
            let row = || {
                let classification = match snapshot.classification[at] {
                    Some(number) => Some(numbered(&classifications, number)?),
                    None => None,
                };
                Some(Row {
                    sequence: snapshot.sequences[at],
                    config: snapshot.configs[at],
                    created: snapshot.created[at],
                    size: snapshot.sizes[at],
                    platform: numbered(&platforms, snapshot.platform[at])?,
                    repositories: numbered(&repositories, snapshot.repository[at])?,
                    classification,
                })
            };
            let row = row().ok_or(SnapshotError::Inconsistent("the rows"))?;
            shard.platforms.retain(row.platform);
            shard.repositories.retain(row.repositories);
            if let Some(classification) = row.classification {
                shard.classifications.retain(classification);
            }
            shard.rows.push(row);
        }
        for (at, claims) in snapshot.claims {
            let image = snapshot.digests.get(at as usize).and_then(|digest| shard.index.image(digest));
            let image = image.ok_or(SnapshotError::Inconsistent("the claims"))?;
            shard.claims.insert(image, Arc::from(claims));
        }
        for tag in snapshot.tags {
            shard.tags.insert(tag);
        }
        for (tag, left) in snapshot.left {
            shard.left.insert(tag, left.iter().cloned());
        }
        for record in snapshot.catalog {
            shard.apply_catalog(&record.key(), Some(&record))?;
        }
        // The marks are as they were, and so are the conclusions from them.
        shard.dirty_nodes.clear();
        platforms.into_iter().for_each(|number| shard.platforms.release(number));
        repositories.into_iter().for_each(|number| shard.repositories.release(number));
        classifications.into_iter().for_each(|number| shard.classifications.release(number));
        Ok(shard)
    }
}

/// The number of images fits: they are numbered with 32 bits.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The number of layers of one image fits: the index accepts fewer than 2^16.
fn layers(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

impl<T: Eq + std::hash::Hash> Interner<T> {
    /// The values in use, and the position of each among them by its number.
    fn dense(&self) -> (Vec<Arc<T>>, Vec<u32>) {
        let (mut values, mut positions) = (Vec::new(), Vec::new());
        for slot in self.slots() {
            positions.push(count(values.len()));
            values.extend(slot.cloned());
        }
        (values, positions)
    }

    /// Adds values, each used once, and returns their numbers.
    fn fill(&mut self, values: Vec<Arc<T>>) -> Vec<Interned> {
        values.into_iter().map(|value| self.acquire_shared(value)).collect()
    }
}
