//! Draws an image as the stack of its layers, the base at the bottom as it is built, with what ends at each depth.

use maud::{Markup, html};

use super::text::{class, image, name, tag};
use crate::query::answer::{Base, Explanation, LayerItem};
use crate::record::State;

/// Bases and tags that are named at one depth.
const NAMED: usize = 3;

pub(super) fn stack(of: &Explanation, at: Option<&str>) -> Markup {
    html! {
        ol.stack reversed {
            @for layer in of.layers.iter().rev() {
                @let standing = of.image.classes.iter().find(|standing| standing.depth == layer.depth);
                @let state = standing.map(|standing| standing.state);
                li.base[!layer.images.is_empty()].fresh[state == Some(State::Current)].old[state == Some(State::Outdated)] {
                    span.depth { (layer.depth) }
                    code title=(layer.layer.to_string()) { (layer.layer.short()) }
                    (ends(layer, at))
                    @if layer.depth == of.image.layers { span { "this image" } }
                    @if let Some(standing) = standing {
                        span class=(standing.state.to_string()) { (class(&standing.name, at)) " " (standing.state.to_string()) }
                    }
                }
            }
        }
    }
}

/// The images and classes of which this is the last layer.
fn ends(layer: &LayerItem, at: Option<&str>) -> Markup {
    html! {
        @for base in layer.images.iter().take(NAMED) { span { "= " (image(&base.digest, at)) (tags(base, at)) } }
        @if layer.images.len() > NAMED { span.faint { "and " (layer.images.len() - NAMED) " more" } }
        @for of in &layer.classes { span.faint { "a version of " (name(of)) " ends here" } }
    }
}

fn tags(base: &Base, at: Option<&str>) -> Markup {
    html! {
        @for of in base.tags.iter().take(NAMED) { " " (tag(of, at)) }
        @if base.tags.len() > NAMED { span.faint { " and " (base.tags.len() - NAMED) " more" } }
    }
}
