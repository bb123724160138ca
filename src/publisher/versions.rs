//! Computes the versions of a class: from the targets of the tag that it follows, and from what else names earlier ones.
//! Pure.

use std::collections::{BTreeSet, HashMap};

use crate::class::Class;
use crate::oci::{ChainId, Digest, LayerIdentity, Platform};
use crate::record::catalog::ImageChain;
use crate::record::{ImageRecord, Origin, Timestamp, VersionRecord};

/// A target of a followed tag from one moment on, with those of its images that are known.
pub(super) struct Target {
    pub(super) since: Timestamp,
    pub(super) digest: Digest,
    pub(super) images: Vec<ImageChain>,
}

/// An image that counts as an earlier version, although nobody saw the followed tag point at it.
pub(super) struct Earlier {
    pub(super) origin: Origin,
    /// The tag by which a pattern found it, that claims name, or whose version it is.
    pub(super) tag: String,
    pub(super) since: Option<Timestamp>,
    pub(super) built: Option<Timestamp>,
    pub(super) digest: Digest,
    pub(super) images: Vec<ImageChain>,
}

/// The new state of a class's version list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Versions {
    /// The versions to write: new ones, ones with more known platforms, and ones with a better origin than before.
    pub(super) changed: Vec<VersionRecord>,
    /// The new number of versions.
    pub(super) count: u32,
    /// The number of the current version.
    pub(super) current: Option<u32>,
}

/// The version list of a class whose followed tag has had these targets, oldest first, and that has these earlier
/// versions.
///
/// Numbers follow the order in which clade learns of versions and never change; `since` has the time. A target with the
/// chains of the version before it is the same version published again.
pub(super) fn versions(
    name: &str,
    class: Option<&Class>,
    targets: &[Target],
    mut earlier: Vec<Earlier>,
) -> Versions {
    let known: Vec<&VersionRecord> =
        class.iter().flat_map(|class| class.versions().map(AsRef::as_ref)).collect();
    let mut result = Versions {
        count: class.map_or(0, |class| class.record.versions),
        // A class keeps its current version when the followed tag is gone and nothing else is known.
        current: class.and_then(|class| class.record.current),
        changed: Vec::new(),
    };
    // A long history has lost its oldest targets. The first that is left may be the version before them, published again.
    let first = targets.first().map(|target| target.since);
    let forgotten = known.iter().filter(|version| version.origin.is_observed() && version.since < first);
    let mut before: Option<(u32, Content)> = forgotten
        .filter(|version| version.since.is_some())
        .max_by_key(|version| version.since)
        .map(|version| (version.number, content(&version.images)));
    for target in targets.iter().filter(|target| !target.images.is_empty()) {
        let content = content(&target.images);
        let recorded = known
            .iter()
            .find(|version| version.since == Some(target.since) && version.digest == target.digest);
        let number = match (recorded, &before) {
            (Some(version), _) => {
                if version.images.len() < target.images.len() || !version.origin.is_observed() {
                    result.changed.push(observed(name, version.number, target, &version.images));
                }
                version.number
            }
            (None, Some((number, same))) if *same == content => *number,
            (None, _) => {
                let number = result.number_for(&known, Origin::Observed, &content);
                result.changed.push(observed(name, number, target, &[]));
                number
            }
        };
        before = Some((number, content));
        result.current = Some(number);
    }
    if result.current.is_none() {
        // Without a current version, every image on an earlier one would count as outdated.
        return result;
    }
    let mut chains = KnownChains::of(class);
    for version in &result.changed {
        chains.add(version);
    }
    earlier.sort_by_key(|version| (version.origin, version.since, version.built, version.digest));
    for version in earlier.into_iter().filter(|version| !version.images.is_empty()) {
        let content = content(&version.images);
        if chains.have_all(&version.images, version.origin) {
            continue;
        }
        // The same version, of which more platforms are known now.
        let grown = known.iter().find(|known| {
            (known.origin, known.digest, known.tag.as_ref())
                == (version.origin, version.digest, Some(&version.tag))
                && known.since == version.since
                && chains_of(&known.images).all(|chain| content.contains(&chain))
        });
        let number = match grown {
            Some(known) => known.number,
            None => result.number_for(&known, version.origin, &content),
        };
        let Earlier { origin, tag, since, built, digest, images } = version;
        let built = built.filter(|_| since.is_none());
        let (class, tag) = (name.to_owned(), Some(tag));
        let version = VersionRecord { class, number, digest, origin, tag, since, built, images };
        chains.add(&version);
        result.changed.push(version);
    }
    result
}

impl Versions {
    /// The number of a version with this content: that of a known one with a worse origin, which it replaces, or else
    /// the next one.
    fn number_for(&mut self, known: &[&VersionRecord], origin: Origin, of: &Content) -> u32 {
        let is_taken = |number: u32| self.changed.iter().any(|version| version.number == number);
        let worse = known.iter().find(|version| {
            version.origin > origin && !is_taken(version.number) && content(&version.images) == *of
        });
        worse.map_or_else(
            || {
                self.count += 1;
                self.count - 1
            },
            |version| version.number,
        )
    }
}

/// The identity of the chain of one platform.
type Chain = (Platform, LayerIdentity, ChainId);

/// The chains that a class has versions of, each with the best origin.
#[derive(Default)]
pub(super) struct KnownChains(HashMap<Chain, Origin>);

impl KnownChains {
    pub(super) fn of(class: Option<&Class>) -> Self {
        let mut known = Self::default();
        class.iter().flat_map(|class| class.versions()).for_each(|version| known.add(version));
        known
    }

    fn add(&mut self, version: &VersionRecord) {
        for chain in version.images.iter().flat_map(all_chains) {
            let best = self.0.entry(chain).or_insert(version.origin);
            *best = version.origin.min(*best);
        }
    }

    /// Returns `true` if versions of this origin or a better one have all of the images: each by its diff IDs or its blobs.
    pub(super) fn have_all(&self, images: &[ImageChain], origin: Origin) -> bool {
        let is_known = |chain: Chain| self.0.get(&chain).is_some_and(|best| *best <= origin);
        images.iter().all(|image| all_chains(image).any(is_known))
    }
}

type Content = BTreeSet<Chain>;

fn content(images: &[ImageChain]) -> Content {
    chains_of(images).collect()
}

fn chains_of(images: &[ImageChain]) -> impl Iterator<Item = Chain> {
    images.iter().map(|image| (image.platform.clone(), image.layer_identity, image.chain_id))
}

/// The chain of each kind of digest.
fn all_chains(image: &ImageChain) -> impl Iterator<Item = Chain> {
    let chains = image.chains().filter_map(|chain| Some((chain.identity(), chain.last()?)));
    chains.map(|(identity, id)| (image.platform.clone(), identity, id))
}

/// A version as far as it is compared: when it began, and its images.
type Began<'a> = (Option<Timestamp>, &'a [ImageChain]);

/// Returns `true` if a version is none of the earlier ones: it began after the current one, and is another.
pub(super) fn is_newer((since, images): Began<'_>, (current_since, current): Began<'_>) -> bool {
    let began_later = current_since.is_some_and(|current| since.is_some_and(|since| since > current));
    let known: Vec<_> = chains_of(current).collect();
    began_later && !chains_of(images).all(|chain| known.contains(&chain))
}

/// The version of a target. Images that are known of it stay, also if they are pruned by now.
fn observed(class: &str, number: u32, target: &Target, known: &[ImageChain]) -> VersionRecord {
    let is_lost = |image: &&ImageChain| target.images.iter().all(|of| of.digest != image.digest);
    VersionRecord {
        class: class.to_owned(),
        number,
        digest: target.digest,
        origin: Origin::Observed,
        tag: None,
        since: Some(target.since),
        built: None,
        images: target.images.iter().chain(known.iter().filter(is_lost)).cloned().collect(),
    }
}

/// The chain of an image, or `None` if it has no layers.
pub(super) fn image_chain(image: &ImageRecord) -> Option<ImageChain> {
    let chain = image.chain();
    Some(ImageChain {
        digest: image.digest,
        platform: image.platform.clone(),
        layer_identity: image.layer_identity,
        chain_id: chain.last()?,
        layers: chain.layers().to_vec(),
        blobs: image.blobs(),
    })
}
