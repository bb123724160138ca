//! Draws an image as the stack of its layers, the base at the bottom as it is built, with what ends at each depth.

use maud::{Markup, html};

use super::look::Look;
use super::text::{class, image, name, tag};
use super::words::size;
use crate::query::answer::{Base, Explanation, LayerItem};
use crate::record::State;

/// Bases and tags that are named at one depth.
const NAMED: usize = 3;

pub(super) fn stack(of: &Explanation, look: &Look) -> Markup {
    part(&of.layers, of, look)
}

/// Some layers of an image.
pub(super) fn part(layers: &[LayerItem], of: &Explanation, look: &Look) -> Markup {
    let runs = runs(of);
    let run = |layer: &LayerItem| runs.get(layer.depth.checked_sub(1)? as usize)?.as_ref();
    html! {
        ol.stack reversed { @for layer in layers.iter().rev() { (shown(layer, run(layer), of, look)) } }
    }
}

/// The size of layers that come together, as far as is known: up to the next depth at which an image ends.
struct Run {
    layers: usize,
    bytes: u64,
}

impl Run {
    /// The thickness with which each of its layers is drawn, from 1 to 6: each step is four times the size.
    fn thickness(&self) -> u32 {
        let kilobytes = self.bytes / self.layers.max(1) as u64 / 1_000;
        (kilobytes.max(1).ilog2() / 2).saturating_sub(2).clamp(1, 6)
    }
}

/// For each layer, the layers that it comes together with, where their size is known.
fn runs(of: &Explanation) -> Vec<Option<Run>> {
    let (mut runs, mut lower) = (Vec::with_capacity(of.layers.len()), 0);
    let ends_run = |layer: &LayerItem| layer.size.is_some();
    for layers in of.layers.split_inclusive(ends_run) {
        let upper = layers.last().and_then(|layer| layer.size);
        let bytes = upper.and_then(|upper| upper.checked_sub(lower));
        runs.extend(layers.iter().map(|_| Some(Run { layers: layers.len(), bytes: bytes? })));
        lower = upper.unwrap_or(lower);
    }
    runs
}

fn shown(layer: &LayerItem, run: Option<&Run>, of: &Explanation, look: &Look) -> Markup {
    let standings: Vec<_> =
        of.image.classes.iter().filter(|standing| standing.depth == layer.depth).collect();
    let is_old = standings.iter().any(|standing| standing.state == State::Outdated);
    let classes = [
        run.map(|run| format!("thick-{}", run.thickness())),
        (!layer.images.is_empty()).then(|| "base".to_owned()),
        (!standings.is_empty()).then(|| if is_old { "old" } else { "fresh" }.to_owned()),
    ];
    let classes = classes.into_iter().flatten().collect::<Vec<_>>().join(" ");
    html! {
        li class=(classes) {
            span.depth { (layer.depth) }
            code title=(layer.layer.to_string()) { (layer.layer.short()) }
            @if let Some(run) = run.filter(|_| layer.size.is_some()) {
                span.faint { "+" (size(run.bytes)) @if run.layers > 1 { " in " (run.layers) " layers" } }
            }
            (ends(layer, look))
            @if layer.depth == of.image.layers { span { "this image" } }
            @for standing in standings {
                span class=(standing.state.to_string()) { (class(&standing.name, look)) " " (standing.state.to_string()) }
            }
        }
    }
}

/// The images and classes of which this is the last layer.
fn ends(layer: &LayerItem, look: &Look) -> Markup {
    html! {
        @for base in layer.images.iter().take(NAMED) { span { "= " (image(&base.digest, look)) (tags(base, look)) } }
        @if layer.images.len() > NAMED { span.faint { "and " (layer.images.len() - NAMED) " more" } }
        @for of in &layer.classes { span.faint { "a version of " (name(of)) " ends here" } }
    }
}

fn tags(base: &Base, look: &Look) -> Markup {
    html! {
        @for of in base.tags.iter().take(NAMED) { " " (tag(of, look)) }
        @if base.tags.len() > NAMED { span.faint { " and " (base.tags.len() - NAMED) " more" } }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn layers_between_two_images_share_what_the_upper_one_is_larger_and_what_is_not_known_is_not_drawn() {
        let digest = crate::oci::Digest::of(b"");
        let layer = |(depth, size): (u32, Option<u64>)| json!({"depth": depth, "layer": digest, "chainId": digest, "size": size, "images": [], "classes": []});
        let sizes =
            [(1, None), (2, Some(40_000_000)), (3, Some(39_000_000)), (4, Some(39_000_400)), (5, None)];
        let of: Explanation = serde_json::from_value(json!({
            "image": {
                "digest": digest, "platform": {"os": "linux", "architecture": "amd64"}, "repositories": [], "tags": [],
                "layers": 5, "classes": [], "groups": {},
            },
            "layerIdentity": "blob", "layers": sizes.map(layer), "bases": [], "equivalents": [], "descendants": 0,
            "claims": [], "newer": [], "coverage": "unknown", "verdict": "",
        }))
        .unwrap();
        let drawn: Vec<Option<(usize, u64, u32)>> = runs(&of)
            .iter()
            .map(|run| run.as_ref().map(|run| (run.layers, run.bytes, run.thickness())))
            .collect();
        let base = Some((2, 40_000_000, 5));
        assert_eq!(drawn, [base, base, None, Some((1, 400, 1)), None]);
    }
}
