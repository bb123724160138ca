//! Computes the consequences of applied records.

use std::collections::{BTreeSet, HashMap};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::{Interned, Orphan, Shard};
use crate::class::{Candidate, Class, Classification, memberships};
use crate::index::{ImageId, NodeId};
use crate::oci::{Digest, Platform};
use crate::record::outdated::Standing;
use crate::record::{ClassificationRecord, Membership, TransitionRecord};

/// The changes of one image. All of them must be committed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The image.
    pub digest: Digest,
    /// The new classification; `None` deletes it.
    pub classification: Option<ClassificationRecord>,
    /// The transitions, by class name.
    pub transitions: Vec<TransitionRecord>,
}

/// The conclusions of one drain by nearest marked node and platform: most images share theirs with thousands.
type Memo = HashMap<(NodeId, Interned), Option<Interned>>;

/// The images to examine, and the memo of conclusions. A class with many images changes them all at once: the
/// consequences are returned image by image, so that they never have to be in memory as a whole.
#[derive(Debug)]
pub struct Drain {
    images: std::vec::IntoIter<ImageId>,
    orphans: std::vec::IntoIter<(Digest, Orphan)>,
    memo: Memo,
    released: Vec<NodeId>,
}

impl Shard {
    /// Returns the consequences of everything applied since the last call, image by image.
    #[cfg(feature = "internals")]
    pub fn drain(&mut self) -> Vec<Effect> {
        let mut drain = self.begin_drain();
        std::iter::from_fn(|| self.next_effect(&mut drain)).collect()
    }

    /// Concludes the consequences of everything applied since the last call, without returning them.
    pub fn catch_up(&mut self) {
        let mut drain = self.begin_drain();
        for image in drain.images.by_ref() {
            self.conclude(image, &mut drain.memo, |_, _, _| ());
        }
        while self.revoke(&mut drain, |_, _, _| ()).is_some() {}
        self.end_drain(&mut drain);
    }

    /// Begins to conclude the consequences of everything applied since the last call. No record may be applied until
    /// [`Shard::next_effect`] has returned all of them.
    pub fn begin_drain(&mut self) -> Drain {
        let mut images: Vec<ImageId> = std::mem::take(&mut self.dirty_images).into_iter().collect();
        for node in self.take_dirty_roots() {
            images.extend(self.index.subtree_images(node));
        }
        let mut orphans: Vec<(Digest, Orphan)> = std::mem::take(&mut self.orphans).into_iter().collect();
        orphans.sort_unstable_by_key(|(digest, _)| *digest);
        Drain {
            images: images.into_iter(),
            orphans: orphans.into_iter(),
            memo: Memo::new(),
            released: std::mem::take(&mut self.released),
        }
    }

    /// Returns the changes of the next image, or `None` after the last.
    pub fn next_effect(&mut self, drain: &mut Drain) -> Option<Effect> {
        for image in drain.images.by_ref() {
            let effect =
                self.conclude(image, &mut drain.memo, |shard, before, now| shard.effect(image, before, now));
            if effect.is_some() {
                return effect;
            }
        }
        let revoked = self.revoke(drain, |subject, digest, before| Effect {
            digest,
            classification: None,
            transitions: subject.transitions(Some(before), None),
        });
        if revoked.is_none() {
            self.end_drain(drain);
        }
        revoked
    }

    fn end_drain(&mut self, drain: &mut Drain) {
        for conclusion in std::mem::take(&mut drain.memo).into_values().flatten() {
            self.classifications.release(conclusion);
        }
        for node in std::mem::take(&mut drain.released) {
            self.index.unpin(node);
        }
    }

    /// The nodes to examine whose subtrees do not contain one another.
    fn take_dirty_roots(&mut self) -> Vec<NodeId> {
        let dirty: BTreeSet<NodeId> = std::mem::take(&mut self.dirty_nodes);
        dirty
            .iter()
            .copied()
            .filter(|node| !self.index.ancestors(*node).any(|above| dirty.contains(&above)))
            .collect()
    }

    /// Compares the new classification of an image with the old one, stores it, and returns the difference.
    fn conclude<T>(
        &mut self,
        image: ImageId,
        memo: &mut Memo,
        tell: impl FnOnce(&Self, Option<Interned>, Option<Interned>) -> T,
    ) -> Option<T> {
        let platform = self.rows[image.index()].platform;
        let now = self.nearest_mark(image).and_then(|node| match memo.get(&(node, platform)) {
            Some(known) => *known,
            None => {
                let conclusion =
                    self.evaluate(node, platform).map(|found| self.classifications.acquire(found));
                memo.insert((node, platform), conclusion);
                conclusion
            }
        });
        let before = self.rows[image.index()].classification;
        let is_misstated = self.misstated.remove(&image) && now.is_some();
        if before == now && !is_misstated {
            return None;
        }
        let told = tell(self, before, now);
        if let Some(now) = now {
            self.classifications.retain(now);
        }
        self.set_classification(image, now);
        Some(told)
    }

    fn nearest_mark(&self, image: ImageId) -> Option<NodeId> {
        let node = self.index.node(image)?;
        std::iter::once(node).chain(self.index.ancestors(node)).find(|node| self.marks.is_marked(*node))
    }

    /// The classification of an image on this platform whose nearest marked node is `node`.
    fn evaluate(&self, node: NodeId, platform: Interned) -> Option<Classification> {
        let candidates = std::iter::once(node).chain(self.index.ancestors(node)).flat_map(|node| {
            self.marks.at(node).iter().filter_map(move |mark| {
                let class = self.catalog.class(&mark.class)?;
                class.version(mark.version)?;
                Some(Candidate {
                    class: &class.record.name,
                    generation: class.record.generation,
                    version: mark.version,
                    is_current: class.record.current == Some(mark.version),
                    digest: mark.digest,
                    platform: self.platforms.get(mark.platform)?,
                    depth: self.index.depth(node),
                })
            })
        });
        let classes = memberships(candidates, self.platforms.get(platform)?);
        (!classes.is_empty()).then(|| self.catalog.classify(classes))
    }

    fn effect(&self, image: ImageId, before: Option<Interned>, now: Option<Interned>) -> Effect {
        let digest = *self.index.digest(image);
        let row = self.rows[image.index()];
        let subject = Subject { shard: self, digest, sequence: row.sequence, platform: row.platform };
        Effect {
            digest,
            transitions: subject.transitions(before, now),
            classification: now.and_then(|now| self.classifications.get(now)).map(|now| {
                ClassificationRecord {
                    digest,
                    sequence: row.sequence,
                    platform: subject.platform(),
                    classes: now.classes.clone(),
                    groups: now.groups.clone(),
                }
            }),
        }
    }

    /// Deletes the committed classification of the next image that is gone.
    fn revoke<T>(
        &mut self,
        drain: &mut Drain,
        tell: impl FnOnce(&Subject<'_>, Digest, Interned) -> T,
    ) -> Option<T> {
        let (digest, orphan) = drain.orphans.next()?;
        let subject = Subject { shard: self, digest, sequence: orphan.sequence, platform: orphan.platform };
        let told = tell(&subject, digest, orphan.classification);
        self.platforms.release(orphan.platform);
        self.classifications.release(orphan.classification);
        Some(told)
    }
}

/// The standing of an image in a class, as it stands in the identity of a transition.
struct Told(Option<Standing>);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(standing) => write!(f, "{} on {}", standing.state, standing.version),
            None => f.write_str("none"),
        }
    }
}

/// The image that a transition is about.
struct Subject<'a> {
    shard: &'a Shard,
    digest: Digest,
    sequence: u64,
    platform: Interned,
}

impl Subject<'_> {
    fn platform(&self) -> Arc<Platform> {
        self.shard.platforms.get(self.platform).cloned().unwrap_or_default()
    }

    /// Returns one transition for each class in which state or presence changed. A change of the base version alone (as
    /// by a corrected layer list) is visible in the classification, and is a transition too: for the class, the image
    /// was rebuilt in place.
    fn transitions(&self, before: Option<Interned>, now: Option<Interned>) -> Vec<TransitionRecord> {
        let classification =
            |number: Option<Interned>| number.and_then(|n| self.shard.classifications.get(n));
        let (before, now) = (classification(before), classification(now));
        let mut names: Vec<&str> = before
            .iter()
            .chain(now.iter())
            .flat_map(|of| of.classes.iter().map(|member| member.name.as_str()))
            .collect();
        names.sort_unstable();
        names.dedup();
        let transition = |name| {
            self.transition(
                name,
                before.and_then(|of| of.of_class(name)),
                now.and_then(|of| of.of_class(name)),
            )
        };
        names.into_iter().filter_map(transition).collect()
    }

    fn transition(
        &self,
        class: &str,
        from: Option<&Membership>,
        to: Option<&Membership>,
    ) -> Option<TransitionRecord> {
        let standing = |member: &Membership| Standing { state: member.state, version: member.version };
        let generation = to.or(from).map_or(0, |member| member.generation);
        let (from, to) = (from.map(standing), to.map(standing));
        if from == to {
            return None;
        }
        // The class as it is now, which may be another than the one that the image was in.
        let known = self.shard.catalog.class(class);
        let revision = known.map(|of| (of.record.generation, of.record.revision));
        // The identity distinguishes this transition from every other one, and contains nothing that a retry would
        // change.
        let mut identity = String::with_capacity(512);
        // Writing to a string does not fail.
        let _ = write!(
            identity,
            "{} {} {class} {generation} {revision:?} {} -> {}",
            self.digest,
            self.sequence,
            Told(from),
            Told(to)
        );
        let platform = self.platform();
        let (tags, more_tags) = self.tags();
        Some(TransitionRecord {
            id: Digest::of(identity.as_bytes()),
            digest: self.digest,
            class: class.to_owned(),
            from,
            to,
            current: known.and_then(|class| class.current_for(&platform)),
            platform,
            tags,
            more_tags,
        })
    }

    /// The names of tags that fit into a transition, and the number of the others.
    fn tags(&self) -> (Vec<String>, u64) {
        let (mut names, mut more, mut room) = (Vec::new(), 0, TransitionRecord::MOST_TAG_BYTES);
        for tag in self.shard.tags_of(&self.digest) {
            match room.checked_sub(tag.name.len()) {
                Some(left) => {
                    room = left;
                    names.push(tag.name.clone());
                }
                None => more += 1,
            }
        }
        (names, more)
    }
}

impl Class {
    /// The image of the current version for this platform. `None` if that version has none.
    pub fn current_for(&self, platform: &Platform) -> Option<Digest> {
        self.current()?.image_for(platform)
    }
}
