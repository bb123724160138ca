//! The publisher: turns observations of sources into records on the log. The single writer of images, tags and the
//! catalog.
//!
//! ```text
//!   source ─► observe ─► Pending (merged by key) ─► flush ─► images, tags
//!                             │                          └─► catalog (by the tracker: class versions)
//!                             └ compared with what is published: nothing is written twice
//! ```
//!
//! Sources may repeat observations in any order: the publisher recognises what is published already and leaves it out.
//! An import can therefore be repeated after a crash, and a relist of a live source costs no records.

mod adopted;
mod append;
mod cache;
mod catalog;
mod claimed;
mod deferred;
mod earlier;
mod error;
mod flush;
mod handle;
mod handover;
mod history;
mod imported;
mod intake;
mod learned;
mod listing;
mod migrate;
mod places;
mod polled;
mod published;
mod remembered;
mod restore;
mod settle;
mod tags;
mod tracker;
mod versions;
mod workloads;
mod written;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

pub use catalog::Outcome;
pub use error::PublishError;
pub use handle::{Publishing, Settings};
pub use intake::Intake;
pub use migrate::Migrated;

use crate::class::Catalog;
use crate::log::{SharedLog, Writer};
use crate::observe::{Observation, ObservedTag};
use crate::oci::{ChainId, Digest, LayerIdentity};
use crate::record::{
    BuildConfigRecord, CatalogRecord, Claim, DeadLetterRecord, ImageRecord, TagImage, TagRecord, Timestamp,
    WorkloadRecord,
};
use crate::telemetry::Spans;
use append::Appends;
use cache::Cache;
use claimed::Claimed;
use flush::PENDING_IMAGES;
use history::Histories;
use places::Places;

/// Tag items that may be pending. Tags carry their history and are worth merging for longer: each is written once
/// however often it moved meanwhile.
const PENDING_TAG_ITEMS: usize = 500_000;

/// Imported versions that may be pending. Each has the layers of all its platforms.
const PENDING_VERSIONS: usize = 1_024;

/// The publisher. Only one writes to a log at a time: a later one fences it.
pub struct Publisher {
    log: SharedLog,
    writer: Box<dyn Writer>,
    appends: Appends,
    clock: fn() -> Timestamp,
    /// The settling delay.
    delay: Duration,
    /// Classes whose tag has not rested long enough, with the time at which it will have.
    unsettled: BTreeMap<String, Timestamp>,
    /// Distinguishes the traces of this publisher from those of every other.
    instance: u64,
    /// Counts the traces.
    traces: u64,
    spans: Spans,
    sequence: u64,
    places: Places,
    histories: Histories,
    cache: Cache,
    /// The published BuildConfigs, which are few.
    build_configs: BTreeMap<String, BuildConfigRecord>,
    /// The published workloads.
    workloads: BTreeMap<String, WorkloadRecord>,
    catalog: Catalog,
    /// The classes to examine when a tag or image changes, by tag name and by image.
    followers: BTreeMap<String, BTreeSet<String>>,
    waiting_classes: HashMap<Digest, BTreeSet<String>>,
    /// The classes with patterns, by the repository of their tags.
    patterned: BTreeMap<String, BTreeSet<String>>,
    /// The classes with a pattern that names a tag which has just moved, and when that tag will have rested.
    young: BTreeMap<String, Timestamp>,
    claimed: Claimed,
    /// Versions that the status of a class still has, of classes that have none here yet.
    remembered: remembered::Remembered,
    /// The classes that follow a chain of which no image is known.
    adopting: HashMap<ChainId, BTreeSet<String>>,
    /// By class, the digests that claims name, and the repository of the tag that they name.
    wanted: BTreeMap<String, (String, BTreeSet<Digest>)>,
    /// `true` if sources do not know yet that `wanted` has changed.
    has_other_wants: bool,
    /// `true` once all classes were examined after the log was read, so that `wanted` is whole.
    has_examined: bool,
    /// The images of every image index seen. A source reports them again when it starts.
    indexes: Indexes,
    doubts: polled::Doubts,
    pending: Pending,
    counts: Counts,
}

/// The images of image indexes.
pub type Indexes = HashMap<Digest, Vec<TagImage>>;

/// The records to write next, merged by key.
#[derive(Default)]
struct Pending {
    images: BTreeMap<Digest, Option<ImageRecord>>,
    tags: BTreeMap<String, Box<TagRecord>>,
    tag_items: usize,
    /// Moves of published tags that are not merged with what is published yet.
    deferred: BTreeMap<String, Vec<ObservedTag>>,
    claims: HashMap<Digest, BTreeSet<Claim>>,
    build_configs: BTreeMap<String, Option<BuildConfigRecord>>,
    workloads: BTreeMap<String, Option<WorkloadRecord>>,
    catalog: Vec<(crate::record::CatalogKey, Option<CatalogRecord>)>,
    dead_letters: Vec<DeadLetterRecord>,
    /// Tags to be written again because an image that they point at was published or removed.
    moved_tags: BTreeSet<String>,
    classes: BTreeSet<String>,
    /// Images of which both diff IDs and blobs are known now, and were not before.
    learned: BTreeSet<Digest>,
    /// Imported versions by class, and their number.
    versions: BTreeMap<String, Vec<versions::Earlier>>,
    imported: usize,
}

/// The work of a publisher, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Images written.
    pub images: u64,
    /// Images observed that were published already.
    pub unchanged_images: u64,
    /// Tags written.
    pub tags: u64,
    /// BuildConfigs written.
    pub build_configs: u64,
    /// Workloads written.
    pub workloads: u64,
    /// Dead letters written.
    pub dead_letters: u64,
    /// Objects that are no images.
    pub not_images: u64,
    /// The present number of images that have a claim about their base and that clade has never seen.
    pub unknown_claims: u64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            images: self.images - before.images,
            unchanged_images: self.unchanged_images - before.unchanged_images,
            tags: self.tags - before.tags,
            build_configs: self.build_configs - before.build_configs,
            workloads: self.workloads - before.workloads,
            dead_letters: self.dead_letters - before.dead_letters,
            not_images: self.not_images - before.not_images,
            unknown_claims: self.unknown_claims,
        }
    }
}

impl Publisher {
    /// The counts so far.
    pub fn counts(&self) -> Counts {
        Counts { unknown_claims: self.pending.claims.len() as u64, ..self.counts }
    }

    /// The classes and groups as published.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Takes an observation; writes if enough is pending.
    pub fn observe(&mut self, observation: Observation) -> Result<(), PublishError> {
        self.merge_before(&observation)?;
        match observation {
            Observation::Image(image) => self.observe_image(*image)?,
            Observation::Claim(digest, claim) => {
                let of = self.pending.claims.entry(digest).or_default();
                if of.len() < Claim::MOST {
                    of.insert(claim);
                }
            }
            Observation::ImageIndex(digest, images) => self.observe_index(digest, images)?,
            Observation::Tag(tag) => self.observe_tag(tag)?,
            Observation::StreamTag(name, of) => self.observe_stream_tag(&name, of)?,
            Observation::BuildConfig(build_config) => {
                let key = format!("{}/{}", build_config.namespace, build_config.name);
                self.pending.build_configs.insert(key, Some(*build_config));
            }
            Observation::BuildConfigGone(key) => self.observe_build_config_gone(&key),
            Observation::Workload(workload) => {
                self.pending.workloads.insert(workload.key(), Some(*workload));
            }
            Observation::WorkloadGone(source, key) => self.observe_workload_gone(&source, &key),
            Observation::Polled { source, look, seen } => self.observe_polled(&source, look, seen)?,
            Observation::Repository { source, repository, tags } => {
                self.observe_repository(&source, &repository, tags)?;
            }
            Observation::Listed(source, listing) => self.observe_listing(&source, &listing)?,
            Observation::ImageGoneFrom(source, digest) => self.observe_image_gone_from(&source, digest)?,
            Observation::Class(_)
            | Observation::ClassGone(_)
            | Observation::Group(_)
            | Observation::GroupGone(_)
            | Observation::Policy(_)
            | Observation::PolicyGone(_) => self.observe_declaration(observation)?,
            Observation::Version(version) => self.observe_version(*version)?,
            Observation::ClassHistory(class, versions) => self.observe_history(class, versions),
            Observation::NotAnImage(what) => {
                tracing::debug!(what, "left out: it is no image");
                self.counts.not_images += 1;
            }
            Observation::Unreadable(dead_letter) => self.pending.dead_letters.push(dead_letter),
        }
        if self.pending.images.len() >= PENDING_IMAGES
            || self.pending.tag_items >= PENDING_TAG_ITEMS
            || self.pending.dead_letters.len() >= PENDING_IMAGES
            || self.pending.workloads.len() >= PENDING_IMAGES
            || self.pending.imported >= PENDING_VERSIONS
        {
            self.flush()?;
        }
        Ok(())
    }

    fn observe_image(&mut self, mut image: ImageRecord) -> Result<(), PublishError> {
        image.repositories.sort_unstable();
        image.repositories.dedup();
        image.claims.extend(self.pending.claims.remove(&image.digest).unwrap_or_default());
        bound_claims(&mut image);
        if self.places.is_published_as(&image) && !self.pending.images.contains_key(&image.digest) {
            self.counts.unchanged_images += 1;
            return Ok(());
        }
        let known = self.image(&image.digest)?;
        if let Some(known) = &known {
            merge(&mut image, known);
        }
        let lacked_some = known.as_ref().is_some_and(|known| known.blobs().is_empty());
        if lacked_some && !image.blobs().is_empty() {
            self.pending.learned.insert(image.digest);
        }
        image.sequence = known.as_ref().map_or(0, |known| known.sequence);
        if known.as_ref() == Some(&image) {
            self.counts.unchanged_images += 1;
        } else {
            self.pending.images.insert(image.digest, Some(image));
        }
        Ok(())
    }

    fn observe_image_gone(&mut self, digest: Digest) {
        if self.places.image(&digest).is_some() {
            self.pending.images.insert(digest, None);
        } else {
            self.pending.images.remove(&digest);
        }
    }

    /// The image, pending or published.
    fn image(&self, digest: &Digest) -> Result<Option<ImageRecord>, PublishError> {
        match self.pending.images.get(digest) {
            Some(pending) => Ok(pending.clone()),
            None => self.places.read_image(&self.log, digest),
        }
    }
}

/// Returns `true` if the image also comes from a source that reports no deletions.
fn is_imported(image: &ImageRecord) -> bool {
    image.imported || image.sources.is_empty()
}

/// Returns `true` if the diff IDs of exactly these layers are known already.
fn knows_diff_ids_of(known: &ImageRecord, image: &ImageRecord) -> bool {
    known.layer_identity == LayerIdentity::DiffId
        && !known.layers.is_empty()
        && known.layers.iter().all(|layer| layer.diff_id.is_some())
        && known.layers.iter().map(|layer| layer.digest).eq(image.layers.iter().map(|layer| layer.digest))
}

/// Sorts the claims of an image, and keeps as many as it may have: those of the best evidence.
fn bound_claims(image: &mut ImageRecord) {
    image.claims.sort_unstable();
    image.claims.dedup();
    image.claims.truncate(Claim::MOST);
}

/// Adds to a newly observed image the known facts that still hold.
fn merge(image: &mut ImageRecord, known: &ImageRecord) {
    image.repositories.extend(known.repositories.iter().cloned());
    image.repositories.sort_unstable();
    image.repositories.dedup();
    image.imported = is_imported(image) || is_imported(known);
    image.sources.extend(known.sources.iter().cloned());
    image.sources.sort_unstable();
    image.sources.dedup();
    image.imported &= !image.sources.is_empty();
    if image.layer_identity == LayerIdentity::Blob && knows_diff_ids_of(known, image) {
        image.layer_identity = known.layer_identity;
        image.layers.clone_from(&known.layers);
    }
    image.claims.extend(known.claims.iter().cloned());
    bound_claims(image);
    // A manifest alone does not say its platform.
    if image.platform.is_unknown() {
        image.platform.clone_from(&known.platform);
    }
    image.created = image.created.or(known.created);
    image.config_digest = image.config_digest.or(known.config_digest);
    if image.media_type.is_none() {
        image.media_type.clone_from(&known.media_type);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests;
