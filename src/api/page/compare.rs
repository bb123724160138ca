//! The view of two images side by side: where their layers part, and the bases that they share.

use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::frame::Failed;
use super::look::Look;
use super::stack;
use super::text::{class, image, name, tag};
use super::words::many;
use crate::query::answer::{Base, Explanation, LayerItem, List};

/// Pairs of images that are shown: a REF may name an image for each platform.
const PAIRS: usize = 4;
/// Bases of both that are named.
const NAMED: usize = 12;

pub(super) async fn compare(api: Asking) -> Shown {
    api.only(&["a", "b"])?;
    let look = api.look();
    let (Some(a), Some(b)) = (look.get("a"), look.get("b")) else {
        let content = html! { h1 { "Compare two images" } (form(look.get("a"), look.get("b"), look)) };
        return Ok(api.view("Compare".to_owned(), content));
    };
    let (of_a, of_b) = (explained(a, &api).await?, explained(b, &api).await?);
    let pairs = pairs(&of_a, &of_b);
    let title = format!("{a} beside {b}");
    let content = html! {
        h1 { (name(a)) " beside " (name(b)) }
        (form(Some(a), Some(b), look))
        @if pairs.len() > PAIRS { p { "These are the first " (PAIRS) " of " (pairs.len()) " platforms." } }
        @for (a, b) in pairs.iter().take(PAIRS) { (beside(a, b, look)) }
    };
    Ok(api.view(title, content))
}

async fn explained(reference: &str, api: &Asking) -> Result<Vec<Explanation>, Failed> {
    let found: List<Explanation> = api.get("/v1/explain", &[("ref", reference)]).await?;
    Ok(found.items)
}

/// The images of the same platform; the first ones if there are none.
fn pairs<'a>(of_a: &'a [Explanation], of_b: &'a [Explanation]) -> Vec<(&'a Explanation, &'a Explanation)> {
    let beside = |a: &'a Explanation| {
        let b = of_b.iter().find(|b| b.image.platform == a.image.platform)?;
        Some((a, b))
    };
    let same: Vec<_> = of_a.iter().filter_map(beside).collect();
    if same.is_empty() { of_a.first().zip(of_b.first()).into_iter().collect() } else { same }
}

/// The form that asks for two images.
pub(super) fn form(a: Option<&str>, b: Option<&str>, look: &Look) -> Markup {
    html! {
        form.filter action="/compare" {
            span.field { label for="a" { "Compare" } " " input id="a" name="a" value=(a.unwrap_or_default()) size="30"; }
            span.field { label for="b" { "with" } " " input id="b" name="b" value=(b.unwrap_or_default()) size="30" placeholder="Tag, digest or image ID"; }
            @if let Some(at) = look.at() { input type="hidden" name="at" value=(at); }
            button { "Compare" }
        }
    }
}

fn beside(a: &Explanation, b: &Explanation, look: &Look) -> Markup {
    let shared = shared(a, b);
    html! {
        section {
            @if a.image.platform != b.image.platform {
                p.outdated { "They are for different platforms: " (name(&a.image.platform.to_string())) " and " (name(&b.image.platform.to_string())) "." }
            }
            p { strong { (told(a, b, shared)) } }
            (bases(a, b, shared, look))
            div.pair { @for of in [a, b] {
                div {
                    h2 { (image(&of.image.digest, look)) }
                    p { @for full in of.image.tags.iter().take(2) { (tag(full, look)) " " }
                        @for standing in &of.image.classes {
                            span class=(standing.state.to_string()) { (class(&standing.name, look)) " " (standing.state.to_string()) " " }
                        } }
                    @if of.layers.len() > shared { (stack::part(&of.layers[shared..], of, look)) } @else { p.faint { "nothing of its own" } }
                }
            } }
            @if shared > 0 {
                h3.shared { (many(shared as u64, "layer")) " of both, the base at the bottom" }
                (stack::part(&a.layers[..shared], a, look))
            }
        }
    }
}

/// The number of layers that both begin with. Layers that are identified in different ways cannot be compared.
fn shared(a: &Explanation, b: &Explanation) -> usize {
    if a.layer_identity != b.layer_identity {
        return 0;
    }
    let same = |(a, b): &(&LayerItem, &LayerItem)| a.chain_id == b.chain_id;
    a.layers.iter().zip(&b.layers).take_while(same).count()
}

fn told(a: &Explanation, b: &Explanation, shared: usize) -> String {
    let (of_a, of_b) = (a.layers.len(), b.layers.len());
    if a.layer_identity != b.layer_identity {
        "clade knows one of them by its layers as stored and the other by their content: nothing can be said of what they share"
            .to_owned()
    } else if shared == 0 {
        "They share no beginning.".to_owned()
    } else if shared == of_a && shared == of_b {
        "They have the same layers.".to_owned()
    } else if shared == of_a {
        format!(
            "The second is built on the first, with {} of its own.",
            many((of_b - shared) as u64, "layer")
        )
    } else if shared == of_b {
        format!(
            "The first is built on the second, with {} of its own.",
            many((of_a - shared) as u64, "layer")
        )
    } else {
        format!(
            "They begin with the same {}, and part there: {} and {} are their own.",
            many(shared as u64, "layer"),
            of_a - shared,
            of_b - shared
        )
    }
}

/// The images that both are built on, the nearest first.
fn bases(a: &Explanation, b: &Explanation, shared: usize, look: &Look) -> Markup {
    let is_shared = |base: &&Base| base.depth as usize <= shared;
    let of_b: Vec<_> = b.bases.iter().filter(is_shared).map(|base| base.digest).collect();
    let both: Vec<&Base> =
        a.bases.iter().filter(is_shared).filter(|base| of_b.contains(&base.digest)).collect();
    html! {
        @if shared > 0 {
            p {
                @if both.is_empty() { "No image that clade knows is the base of both." } @else { "Both are built on " }
                @for (number, base) in both.iter().take(NAMED).enumerate() {
                    @if number > 0 { ", " }
                    @match base.tags.first() { Some(first) => (tag(first, look)), None => (image(&base.digest, look)) }
                    span.faint { " (" (many(u64::from(base.depth), "layer")) ")" }
                }
                @if both.len() > NAMED { " and " (both.len() - NAMED) " more" }
                @if !both.is_empty() { "." }
            }
        }
    }
}
