//! Who builds on what whom builds.

use std::collections::{BTreeMap, BTreeSet};

use super::Images;
use crate::record::{
    BuildConfigRecord, INTERNAL_REGISTRIES, ObjectReference, ReferenceKind, Referenced, Target,
};

/// One BuildConfig with what its references lead to.
pub(super) struct Node<'a> {
    pub(super) of: &'a BuildConfigRecord,
    pub(super) inputs: Vec<Input>,
    /// The tag that it pushes to.
    pub(super) output: Option<String>,
    /// References that cannot be read, in words.
    pub(super) unreadable: Vec<String>,
    /// Tags of which a change begins a build by itself.
    pub(super) triggers: BTreeSet<String>,
    /// Which BuildConfigs push to what it is built on.
    pub(super) bases: BTreeSet<usize>,
    /// And which are built on what it pushes.
    pub(super) children: BTreeSet<usize>,
}

/// Something that a BuildConfig is built on or takes files from.
pub(super) struct Input {
    pub(super) from: Referenced,
    /// Whether the image is built on it; else files are taken from it.
    pub(super) is_builder: bool,
    /// Whether it is in an image stream: then it is there, or a build fails. Of others clade may just not know.
    pub(super) is_stream: bool,
}

/// All BuildConfigs, sorted by namespace and name.
pub(super) struct Graph<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    /// Which of them push to a tag.
    pub(super) builders_of: BTreeMap<String, Vec<usize>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(build_configs: &[&'a BuildConfigRecord], images: &impl Images) -> Self {
        let known = images.registries().into_iter();
        let known = known.chain(INTERNAL_REGISTRIES.map(str::to_owned));
        let registries: Vec<String> = known.map(|registry| registry + "/").collect();
        let node = |of: &&'a BuildConfigRecord| Node::new(of, &registries);
        let mut nodes: Vec<Node<'a>> = build_configs.iter().map(node).collect();
        let mut builders_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate() {
            if let Some(output) = &node.output {
                builders_of.entry(output.clone()).or_default().push(number);
            }
        }
        for number in 0..nodes.len() {
            // Who pushes what a tag follows pushes that tag as well.
            for tag in nodes[number].inputs.iter().filter_map(Input::tag) {
                if !builders_of.contains_key(tag)
                    && let Some(builders) =
                        followed(tag, images).find_map(|tag| builders_of.get(&tag).cloned())
                {
                    builders_of.insert(tag.to_owned(), builders);
                }
            }
            let tags = nodes[number].inputs.iter().filter_map(Input::tag);
            let bases: BTreeSet<usize> =
                tags.filter_map(|tag| builders_of.get(tag)).flatten().copied().collect();
            for base in &bases {
                nodes[*base].children.insert(number);
            }
            nodes[number].bases = bases;
        }
        Self { nodes, builders_of }
    }
}

impl<'a> Node<'a> {
    fn new(of: &'a BuildConfigRecord, registries: &[String]) -> Self {
        let mut unreadable = Vec::new();
        let mut read = |reference: &ObjectReference| match resolve(reference, &of.namespace, registries) {
            Ok(found) => Some(found),
            Err(problem) => {
                unreadable.push(problem);
                None
            }
        };
        let builder = of.builder.iter().map(|from| (from, true));
        let sources = of.source_images.iter().map(|from| (from, false));
        let inputs = builder
            .chain(sources)
            .filter_map(|(from, is_builder)| {
                Some(Input { is_stream: is_stream(from, registries), from: read(from)?, is_builder })
            })
            .collect();
        let output = of.output.as_ref().and_then(&mut read).and_then(|output| match output {
            Referenced::Tag(tag) => Some(tag),
            Referenced::Image(_) => None,
        });
        // Only image streams trigger, and a BuildConfig that is held builds nothing.
        let live = of.image_change_triggers.iter().filter(|trigger| !trigger.paused && !of.paused);
        let watched = live.filter_map(|trigger| trigger.from.as_ref().or(of.builder.as_ref()));
        let triggers = watched
            .filter(|from| from.kind == ReferenceKind::ImageStreamTag)
            .filter_map(|from| match resolve(from, &of.namespace, registries) {
                Ok(Referenced::Tag(tag)) => Some(tag),
                _ => None,
            })
            .collect();
        Self { of, inputs, output, unreadable, triggers, bases: BTreeSet::new(), children: BTreeSet::new() }
    }

    pub(super) fn target(&self) -> Target {
        Target::BuildConfig { namespace: self.of.namespace.clone(), name: self.of.name.clone() }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.of.namespace, self.of.name)
    }
}

impl Input {
    pub(super) fn tag(&self) -> Option<&str> {
        match &self.from {
            Referenced::Tag(tag) => Some(tag),
            Referenced::Image(_) => None,
        }
    }

    /// Its name for people.
    pub(super) fn name(&self) -> String {
        match &self.from {
            Referenced::Tag(tag) => tag.clone(),
            Referenced::Image(digest) => digest.to_string(),
        }
    }
}

/// Tags may follow one another this far: further is a circle.
const MOST_FOLLOWED: usize = 16;

/// The tags that a tag follows, one by way of the other.
fn followed<I: Images>(tag: &str, images: &I) -> impl Iterator<Item = String> {
    let first = images.followed(tag);
    std::iter::successors(first, |tag| images.followed(tag)).take(MOST_FOLLOWED)
}

/// What a pull spec names in OpenShift's own registry.
fn internal<'a>(reference: &'a ObjectReference, registries: &[String]) -> Option<&'a str> {
    let name = registries.iter().find_map(|host| reference.name.strip_prefix(host.as_str()));
    name.filter(|_| reference.kind == ReferenceKind::DockerImage)
}

fn is_stream(reference: &ObjectReference, registries: &[String]) -> bool {
    reference.kind != ReferenceKind::DockerImage || internal(reference, registries).is_some()
}

/// What a reference of a BuildConfig in this namespace leads to.
fn resolve(
    reference: &ObjectReference,
    namespace: &str,
    registries: &[String],
) -> Result<Referenced, String> {
    match internal(reference, registries) {
        Some(name) => ObjectReference { name: name.to_owned(), ..reference.clone() }.resolve(),
        None => reference.seen_from(namespace).resolve(),
    }
}
