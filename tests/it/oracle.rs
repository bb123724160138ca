//! The rules of docs/concepts.md, computed from scratch with the proposal's two maps. Slow, and obviously right.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clade::class::Classification;
use clade::log::{Log, TopicPartition, for_each};
use clade::oci::layer::is_empty_layer;
use clade::oci::{Digest, LayerIdentity, Platform};
use clade::record::{
    CatalogRecord, ClassRecord, ClassificationRecord, GroupRecord, ImageRecord, Membership, State, Topic,
    VersionRecord, decode,
};

use crate::support::{fold, try_fold};

/// All there is, as it stands on the log.
pub(crate) struct Oracle {
    pub(crate) images: BTreeMap<Digest, ImageRecord>,
    classes: BTreeMap<String, ClassRecord>,
    versions: BTreeMap<(String, u32), VersionRecord>,
    groups: BTreeMap<String, GroupRecord>,
    /// `ChainIndex`: the images that contain a chain.
    containing: HashMap<String, BTreeSet<Digest>>,
    /// `LastChainIndex`: the images that end with it.
    ending: HashMap<String, BTreeSet<Digest>>,
}

/// The chain IDs of these layers, shortest first, told apart by what the layers are known by.
fn chains(identity: LayerIdentity, layers: &[Digest]) -> Vec<String> {
    let mut chains: Vec<String> = Vec::new();
    let mut chain = String::new();
    for layer in layers.iter().filter(|layer| !is_empty_layer(layer)) {
        chain = if chain.is_empty() {
            layer.to_string()
        } else {
            Digest::of(format!("{chain} {layer}").as_bytes()).to_string()
        };
        chains.push(format!("{identity:?} {chain}"));
    }
    chains
}

fn chains_of(image: &ImageRecord) -> Vec<String> {
    let layers: Vec<Digest> = image
        .layers
        .iter()
        .map(|layer| match image.layer_identity {
            LayerIdentity::Blob => layer.digest,
            LayerIdentity::DiffId => layer.diff_id.unwrap_or(layer.digest),
        })
        .collect();
    chains(image.layer_identity, &layers)
}

impl Oracle {
    pub(crate) fn of(log: &dyn Log) -> Self {
        let images: BTreeMap<Digest, ImageRecord> =
            fold::<ImageRecord>(log).into_values().map(|image| (image.digest, image)).collect();
        let mut catalog: BTreeMap<String, CatalogRecord> = BTreeMap::new();
        for_each(log, TopicPartition { topic: Topic::Catalog, partition: 0 }, |stored| {
            match decode::<CatalogRecord>(&stored.record).unwrap() {
                Some(record) => catalog.insert(stored.record.key.clone(), record),
                None => catalog.remove(&stored.record.key),
            };
        })
        .unwrap();
        let mut oracle = Self {
            images,
            classes: BTreeMap::new(),
            versions: BTreeMap::new(),
            groups: BTreeMap::new(),
            containing: HashMap::new(),
            ending: HashMap::new(),
        };
        for record in catalog.into_values() {
            match record {
                CatalogRecord::ImageClass(class) => {
                    oracle.classes.insert(class.name.clone(), class);
                }
                CatalogRecord::ImageClassVersion(version) => {
                    oracle.versions.insert((version.class.clone(), version.number), version);
                }
                CatalogRecord::ClassPolicy(_) => {}
                CatalogRecord::ImageClassGroup(group) => {
                    oracle.groups.insert(group.name.clone(), group);
                }
            }
        }
        for (digest, image) in &oracle.images {
            let chains = chains_of(image);
            if let Some(last) = chains.last() {
                oracle.ending.entry(last.clone()).or_default().insert(*digest);
            }
            for chain in chains {
                oracle.containing.entry(chain).or_default().insert(*digest);
            }
        }
        oracle
    }

    /// The images at proper prefixes, nearest first, each depth as a set.
    pub(crate) fn ancestors(&self, image: &Digest) -> Vec<Digest> {
        let mut chains = chains_of(&self.images[image]);
        chains.pop();
        chains.iter().rev().filter_map(|chain| self.ending.get(chain)).flatten().copied().collect()
    }

    pub(crate) fn equivalents(&self, image: &Digest) -> Vec<Digest> {
        let chains = chains_of(&self.images[image]);
        let Some(last) = chains.last() else { return Vec::new() };
        self.ending[last].iter().filter(|other| *other != image).copied().collect()
    }

    pub(crate) fn descendants(&self, image: &Digest) -> BTreeSet<Digest> {
        let chains = chains_of(&self.images[image]);
        let Some(last) = chains.last() else { return BTreeSet::new() };
        self.containing[last].difference(&self.ending[last]).copied().collect()
    }

    /// What stands on `classifications`, without what it was concluded from.
    pub(crate) fn classifications(&self) -> BTreeMap<Digest, Classification> {
        let all = self.images.values().map(|image| (image.digest, self.classification(image)));
        all.filter(|(_, classification)| !classification.classes.is_empty()).collect()
    }

    fn classification(&self, image: &ImageRecord) -> Classification {
        let chains = chains_of(image);
        let mut classes: Vec<Membership> = self
            .classes
            .values()
            .filter_map(|class| self.membership(class, &chains, &image.platform))
            .collect();
        let deepest = classes.iter().map(|member| member.depth).max();
        for member in &mut classes {
            member.nearest = Some(member.depth) == deepest;
        }
        let mut groups = BTreeMap::new();
        for group in self.groups.values() {
            let mut members: Vec<&Membership> = classes
                .iter()
                .filter(|member| group.selector.selects(&self.classes[&member.name].labels))
                .collect();
            members.sort_by_key(|member| (std::cmp::Reverse(member.depth), member.name.clone()));
            if !members.is_empty() {
                groups.insert(group.name.clone(), members.iter().map(|member| member.name.clone()).collect());
            }
        }
        Classification { classes: classes.into(), groups: groups.into() }
    }

    fn membership(
        &self,
        class: &ClassRecord,
        of_image: &[String],
        platform: &Platform,
    ) -> Option<Membership> {
        let mut found: Option<(u32, bool, u32, bool, Digest)> = None;
        for number in 0..class.versions {
            let Some(version) = self.versions.get(&(class.name.clone(), number)) else { continue };
            for image in &version.images {
                let chains = chains(image.layer_identity, &image.layers);
                let Some(last) = chains.last() else { continue };
                if !of_image.contains(last) {
                    continue;
                }
                let depth = u32::try_from(chains.len()).unwrap();
                let is_current = class.current == Some(number);
                let candidate = (depth, is_current, number, image.platform == *platform, image.digest);
                // Of versions that end at one place the current one counts, else the latest, and its own platform.
                let rank = |of: &(u32, bool, u32, bool, Digest)| (of.0, of.1, of.2, of.3);
                if found.as_ref().is_none_or(|found| rank(&candidate) > rank(found)) {
                    found = Some(candidate);
                }
            }
        }
        let (depth, is_current, _, _, version) = found?;
        let state = if is_current { State::Current } else { State::Outdated };
        Some(Membership {
            name: class.name.clone(),
            generation: class.generation,
            state,
            version,
            depth,
            nearest: false,
        })
    }

    /// Whether the classifications are what they should be: while they are processed, they are not yet.
    pub(crate) fn is_reached(&self, log: &dyn Log) -> bool {
        written(log).is_ok_and(|written| written == self.classifications())
    }

    /// What stands on the log is what it should be.
    pub(crate) fn check_outputs(&self, log: &dyn Log) {
        for record in fold::<ClassificationRecord>(log).into_values() {
            assert_eq!(*record.platform, self.images[&record.digest].platform);
        }
        let written = written(log).unwrap();
        assert_eq!(written, self.classifications());
        self.check_transitions(log, &written);
    }

    /// The transitions of each image in each class follow one another, and lead to what is so now; none stands twice.
    fn check_transitions(&self, log: &dyn Log, now: &BTreeMap<Digest, Classification>) {
        let mut standings = BTreeMap::new();
        let mut ids = BTreeMap::new();
        for partition in 0..log.partitions() {
            // An image that got other layers goes from one partition to another: each tells its own part.
            let mut here = BTreeMap::new();
            for_each(log, TopicPartition { topic: Topic::Outdated, partition }, |stored| {
                let event = decode::<clade::record::TransitionRecord>(&stored.record).unwrap().unwrap();
                let of = (event.digest, event.class.clone());
                assert_eq!(here.get(&of).copied(), event.from, "{of:?} goes on from where it was");
                assert_ne!(event.from, event.to, "a transition goes somewhere");
                if let Some(first) = ids.insert(event.id, event.clone()) {
                    panic!("a transition stands twice: {first:#?} and {event:#?}");
                }
                match event.to {
                    Some(to) => here.insert(of, to),
                    None => here.remove(&of),
                };
            })
            .unwrap();
            for (of, standing) in here {
                assert!(standings.insert(of.clone(), standing).is_none(), "{of:?} is in two partitions");
            }
        }
        let expected: BTreeMap<_, _> = now
            .iter()
            .flat_map(|(image, of)| {
                of.classes.iter().map(|member| {
                    let standing =
                        clade::record::outdated::Standing { state: member.state, version: member.version };
                    ((*image, member.name.clone()), standing)
                })
            })
            .collect();
        assert_eq!(standings, expected);
    }
}

fn written(log: &dyn Log) -> Result<BTreeMap<Digest, Classification>, String> {
    let of = |record: ClassificationRecord| {
        (record.digest, Classification { classes: record.classes, groups: record.groups })
    };
    Ok(try_fold::<ClassificationRecord>(log)?.into_values().map(of).collect())
}
