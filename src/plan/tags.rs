//! Finds outdated tags that no BuildConfig of the cluster builds, and orders them by their layers.

use std::collections::BTreeMap;

use super::graph::Graph;
use super::{Images, OutdatedTag, Planned};
use crate::oci::{Digest, Reference};
use crate::record::rebuild::{Action, Reason, RebuildRequest};
use crate::record::{State, Target};

/// The tags that the request includes, by name.
pub(super) fn others(request: &RebuildRequest, graph: &Graph<'_>, images: &impl Images) -> Vec<OutdatedTag> {
    // A selector applies to labels of BuildConfigs, which tags do not have.
    if request.selector.is_some() {
        return Vec::new();
    }
    let is_asked = |tag: &OutdatedTag| {
        let in_namespace = |asked: &String| Target::Tag(tag.name.clone()).namespace() == asked;
        tag.in_group && request.namespace.as_ref().is_none_or(in_namespace)
    };
    let mut others = images.outdated_tags();
    let is_built = |name: &str| {
        [name, Reference::familiar(name)].iter().any(|name| graph.builders_of.contains_key(*name))
    };
    others.retain(|tag| !is_built(&tag.name) && is_asked(tag));
    others.sort_by(|a, b| a.name.cmp(&b.name));
    // A tag with several platforms counts once.
    others.dedup_by(|a, b| a.name == b.name);
    others
}

/// Returns the targets. A tag comes one wave after the tags whose images its own image is based on.
pub(super) fn targets(request: &RebuildRequest, others: &[OutdatedTag]) -> Vec<Planned> {
    let mut tags_of: BTreeMap<Digest, Vec<&OutdatedTag>> = BTreeMap::new();
    for tag in others {
        tags_of.entry(tag.image).or_default().push(tag);
    }
    let mut by_layers: Vec<&OutdatedTag> = others.iter().collect();
    by_layers.sort_by_key(|tag| tag.layers);
    let mut waves: BTreeMap<Digest, u32> = BTreeMap::new();
    let mut targets = Vec::new();
    for tag in by_layers {
        let bases: Vec<&OutdatedTag> =
            tag.bases.iter().filter_map(|base| tags_of.get(base)).flatten().copied().collect();
        let before = bases.iter().filter_map(|base| waves.get(&base.image)).max();
        let wave = 1 + before.copied().unwrap_or(0);
        waves.insert(tag.image, wave);
        targets.push(Planned {
            target: Target::Tag(tag.name.clone()),
            wave,
            action: Action::Notify,
            reason: Reason {
                input: tag.name.clone(),
                version: Some(tag.version),
                state: Some(State::Outdated),
                message: format!("its image is on an earlier version of {}", request.class),
            },
            after: bases.iter().map(|base| Target::Tag(base.name.clone())).collect(),
            triggered_by: Vec::new(),
            output: Some(tag.name.clone()),
        });
    }
    targets
}
