//! The images that an image is built on, as a path from the farthest to itself.

use itertools::Itertools as _;
use maud::{Markup, html};

use super::look::Look;
use super::text::{image, tag};
use crate::query::answer::{Base, Explanation};

/// Steps of a path that are drawn.
const DRAWN: usize = 12;

/// The path, nothing if no known image is the beginning of it.
pub(super) fn path(of: &Explanation, look: &Look) -> Markup {
    // Images with the same layers are one step.
    let steps: Vec<Vec<&Base>> =
        of.bases.iter().chunk_by(|base| base.depth).into_iter().map(|(_, bases)| bases.collect()).collect();
    html! {
        @if !steps.is_empty() {
            ol.path {
                @if steps.len() > DRAWN { li.faint { (steps.len() - DRAWN) " more" } }
                @for bases in steps.iter().take(DRAWN).rev() {
                    @let named = bases.iter().find(|base| !base.tags.is_empty()).or(bases.first());
                    @if let Some(base) = named {
                        li {
                            @match base.tags.first() {
                                Some(first) => (tag(first, look)),
                                None => (image(&base.digest, look)),
                            }
                            @if bases.len() > 1 { span.faint { " and " (bases.len() - 1) " with the same layers" } }
                        }
                    }
                }
                li { b { "this image" } }
            }
        }
    }
}
