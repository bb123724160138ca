//! Draws an image as the stack of its layers, the base at the bottom as it is built, with what ends at each depth.

use maud::{Markup, html};

use super::look::Look;
use super::text::{class, image, name, tag};
use crate::query::answer::{Base, Explanation, LayerItem};
use crate::record::State;

/// Bases and tags that are named at one depth.
const NAMED: usize = 3;

pub(super) fn stack(of: &Explanation, look: &Look) -> Markup {
    part(&of.layers, of, look)
}

/// Some layers of an image.
pub(super) fn part(layers: &[LayerItem], of: &Explanation, look: &Look) -> Markup {
    html! {
        ol.stack reversed { @for layer in layers.iter().rev() { (shown(layer, of, look)) } }
    }
}

fn shown(layer: &LayerItem, of: &Explanation, look: &Look) -> Markup {
    let standings: Vec<_> =
        of.image.classes.iter().filter(|standing| standing.depth == layer.depth).collect();
    let is_old = standings.iter().any(|standing| standing.state == State::Outdated);
    html! {
        li.base[!layer.images.is_empty()].fresh[!standings.is_empty() && !is_old].old[is_old] {
            span.depth { (layer.depth) }
            code title=(layer.layer.to_string()) { (layer.layer.short()) }
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
