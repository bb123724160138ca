//! Finds the BuildConfigs that need a rebuild, with the evidence.

use std::collections::BTreeMap;

use super::graph::{Graph, Input, Node};
use super::{ImageNow, Images, TagNow};
use crate::record::rebuild::{Reason, RebuildRequest};
use crate::record::{Referenced, State};

/// The BuildConfigs that need a rebuild, and facts about their bases. The keys are the numbers of BuildConfigs in the
/// graph.
#[derive(Default)]
pub(super) struct Needs {
    /// The reason for each.
    pub(super) reasons: BTreeMap<usize, Reason>,
    /// The base that is outdated itself and that no BuildConfig with a need pushes to.
    pub(super) outdated_bases: BTreeMap<usize, String>,
    /// The base that does not exist and that no BuildConfig with a need pushes to.
    pub(super) missing_bases: BTreeMap<usize, String>,
    /// The reason why the base is unknown.
    pub(super) unknown_bases: BTreeMap<usize, String>,
}

/// Finds the BuildConfigs that need a rebuild because of the class, and all that are built on their outputs.
pub(super) fn needs(request: &RebuildRequest, graph: &Graph<'_>, images: &impl Images) -> Needs {
    let mut reasons = BTreeMap::new();
    let mut next: Vec<usize> = Vec::new();
    let is_asked = |node: &Node<'_>| is_asked_for(request, node, images);
    for (number, node) in graph.nodes.iter().enumerate() {
        if let Some(reason) = own_need(request, node, images).filter(|_| is_asked(node)) {
            reasons.insert(number, reason);
            next.push(number);
        }
    }
    while let Some(number) = next.pop() {
        let pushed = graph.nodes[number].output.clone().unwrap_or_default();
        for child in &graph.nodes[number].children {
            if reasons.contains_key(child) || !is_asked(&graph.nodes[*child]) {
                continue;
            }
            let message = format!("{} rebuilds {pushed}, which it is built on", graph.nodes[number].name());
            reasons.insert(*child, Reason { input: pushed.clone(), version: None, state: None, message });
            next.push(*child);
        }
    }
    let mut needs = Needs { reasons, ..Needs::default() };
    for number in needs.reasons.keys() {
        let node = &graph.nodes[*number];
        let is_rebuilt = |input: &Input| {
            let builders = input.tag().and_then(|tag| graph.builders_of.get(tag));
            builders.into_iter().flatten().any(|builder| needs.reasons.contains_key(builder))
        };
        let in_class = |input: &Input| now(input, images).is_some_and(|of| is_in_class(&of));
        if !node.inputs.iter().any(|input| is_rebuilt(input) || in_class(input)) {
            match node.inputs.iter().find(|input| input.is_builder) {
                None if node.unreadable.is_empty() => {
                    let message = "the BuildConfig does not say what it is built on".to_owned();
                    needs.unknown_bases.insert(*number, message);
                }
                Some(input) if !input.is_stream && now(input, images).is_none() => {
                    let message = format!("{}, which it is built on, is not known here", input.name());
                    needs.unknown_bases.insert(*number, message);
                }
                _ => {}
            }
        }
        // Files from an outdated image do not make an image outdated; being built on it does.
        for input in node.inputs.iter().filter(|input| input.is_builder && !is_rebuilt(input)) {
            match now(input, images) {
                None if input.is_stream => {
                    needs.missing_bases.insert(*number, input.name());
                }
                None => {}
                Some(now) if now.images.iter().any(is_outdated) => {
                    needs.outdated_bases.insert(*number, input.name());
                }
                Some(_) => {}
            }
        }
    }
    needs
}

/// The reason why the class itself requires a rebuild, if it does.
fn own_need(request: &RebuildRequest, node: &Node<'_>, images: &impl Images) -> Option<Reason> {
    let class = &request.class;
    let inputs: Vec<(&Input, TagNow)> =
        node.inputs.iter().filter_map(|input| Some((input, now(input, images)?))).collect();
    let member = inputs.iter().find(|(_, of)| is_in_class(of)).map(|(input, _)| *input);
    let output = node.output.as_ref().and_then(|tag| images.tag(tag));
    let standing =
        output.iter().flat_map(|of| &of.images).filter_map(|image| image.standing).max_by_key(|of| of.0);
    // The evidence of the layers does not depend on the present content of the BuildConfig.
    if let Some((State::Outdated, version)) = standing {
        let named = member.or_else(|| node.inputs.first()).map_or_else(|| "unknown".to_owned(), Input::name);
        let message = format!("its image is on an earlier version of {class}");
        return Some(Reason { input: named, version: Some(version), state: Some(State::Outdated), message });
    }
    let input = member?;
    let reason = |version, state, message| Reason { input: input.name(), version, state, message };
    match (standing, &output) {
        (Some((state, version)), _) => {
            let message = format!("asked for, though its image is on the current version of {class}");
            request.all.then(|| reason(Some(version), Some(state), message))
        }
        // The layers prove nothing: the build only took files from an image, or its layers were squashed. Only times
        // are left as evidence.
        (None, Some(output)) => {
            let newer = inputs.iter().find(|(_, of)| is_in_class(of) && of.since > output.since);
            match newer {
                Some((input, of)) => Some(Reason {
                    input: input.name(),
                    version: None,
                    state: None,
                    message: format!(
                        "{} has moved at {}, after its image was pushed at {}",
                        input.name(),
                        of.since,
                        output.since
                    ),
                }),
                None => request
                    .all
                    .then(|| reason(None, None, format!("asked for; it takes {} in", input.name()))),
            }
        }
        (None, None) => {
            request.all.then(|| reason(None, None, "asked for; it has pushed nothing yet".to_owned()))
        }
    }
}

/// Returns `true` if the request includes this BuildConfig.
fn is_asked_for(request: &RebuildRequest, node: &Node<'_>, images: &impl Images) -> bool {
    let RebuildRequest { namespace, group, selector, .. } = request;
    let in_group = || {
        let output = node.output.as_ref().and_then(|tag| images.tag(tag));
        let built_on = || node.inputs.iter().filter_map(|input| now(input, images));
        let mut of: Vec<TagNow> = output.into_iter().collect();
        if of.is_empty() {
            of.extend(built_on());
        }
        of.iter().flat_map(|of| &of.images).any(|image| image.in_group)
    };
    namespace.as_ref().is_none_or(|asked| *asked == node.of.namespace)
        && selector.as_ref().is_none_or(|asked| asked.selects(&node.of.labels))
        && (group.is_none() || in_group())
}

/// The present target of an input. An image given by digest never changes.
fn now(input: &Input, images: &impl Images) -> Option<TagNow> {
    match &input.from {
        Referenced::Tag(tag) => images.tag(tag),
        Referenced::Image(digest) => images
            .image(digest)
            .map(|image| TagNow { since: crate::oci::Timestamp::UNIX_EPOCH, images: vec![image] }),
    }
}

fn is_in_class(of: &TagNow) -> bool {
    of.images.iter().any(|image| image.standing.is_some())
}

fn is_outdated(image: &ImageNow) -> bool {
    image.standing.is_some_and(|(state, _)| state == State::Outdated)
}
