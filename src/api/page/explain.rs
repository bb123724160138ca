//! The view of an image: what it is built on, and what proves it.

use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::audit::entries_of;
use super::compare::form;
use super::frame::Failed;
use super::look::Look;
use super::path::path;
use super::running;
use super::stack::stack;
use super::text::{class, image, name, tag};
use super::tree::{Open, tree};
use super::words::{many, size};
use crate::query::answer::{ClassStanding, Explanation, List};
use crate::record::State;

/// Tags and equivalents that are named.
const NAMED: usize = 40;

/// Images of one REF that are shown.
const IMAGES: usize = 20;

pub(super) async fn explain(api: Asking) -> Shown {
    api.only(&["ref", "open"])?;
    let look = api.look();
    let reference =
        look.get("ref").ok_or_else(|| Failed::invalid("missing field `ref`: name an image"))?.to_owned();
    let open = Open::of(look)?;
    let found: List<Explanation> = api.get("/v1/explain", &[("ref", &reference)]).await?;
    // The trees of many images would be many questions: each has a view of its own.
    let built_on_it = match &found.items[..] {
        [one] => Some(tree(one, &open, &api).await),
        _ => None,
    };
    let running = running::of_image(&reference, &api).await;
    let has_trail = api.has_trail();
    let content = html! {
        h1 { (name(&reference)) }
        @if found.items.len() > 1 { p { "These are " (many(found.items.len() as u64, "image")) @if found.items.len() > IMAGES { ", the first " (IMAGES) } ":" }
            ul { @for of in found.items.iter().take(IMAGES) { li {
                a href=(format!("#i-{}", of.image.digest.short())) { (name(&of.image.platform.to_string())) } ": " (name(&of.verdict))
            } } }
        }
        @for of in found.items.iter().take(IMAGES) { (shown(of, has_trail, api.look())) }
        @if let Some(tree) = built_on_it { section { h2 { "Built on it" } (tree) } }
        (running)
        h2 { "Beside another image" }
        (form(Some(&reference), None, api.look()))
    };
    Ok(api.view(reference, content))
}

fn shown(of: &Explanation, has_trail: bool, look: &Look) -> Markup {
    let item = &of.image;
    let digest = item.digest.to_string();
    html! {
        section id=(format!("i-{}", item.digest.short())) {
            h2 { code { (digest) } }
            p { (name(&item.platform.to_string())) ", " (many(u64::from(item.layers), "layer"))
                @if let Some(bytes) = item.size { " of " (size(bytes)) " as stored" }
                @if let Some(created) = item.created { ", built " (look.ago(created)) }
                @if let Some(id) = &item.image_id { ", image ID " code title=(id.to_string()) { (id.short()) } } }
            p { strong { (name(&of.verdict)) } }
            @if !item.classes.is_empty() {
                ul { @for standing in &item.classes { li { (standing_of(standing, of, look)) } } }
            }
            @if !of.claims.is_empty() {
                h3 { "Claims about its base" }
                ul { @for claim in &of.claims { li {
                    @if let Some(of) = &claim.claim.name { (name(of)) " " }
                    @if let Some(of) = &claim.claim.digest { code { bdi { (of) } } " " }
                    span.faint { "by layers: " (claim.by_layers) }
                } } }
            }
            (path(of, look))
            @if of.layers.is_empty() { p.faint { "It has no layers that prove anything." } } @else {
                h3 { "Layers, the base at the bottom" }
                (stack(of, look))
            }
            dl {
                dt { "Tags" } dd {
                    @for of in item.tags.iter().take(NAMED) { (tag(of, look)) " " }
                    @if item.tags.is_empty() { "none" }
                    @if item.tags.len() > NAMED { span.faint { "and " (item.tags.len() - NAMED) " more" } }
                }
                dt { "Repositories" } dd { @for of in item.repositories.iter().take(NAMED) { (name(of)) " " } }
                dt { "The same layers" } dd {
                    @for of in of.equivalents.iter().take(NAMED) { (image(of, look)) " " }
                    @if of.equivalents.is_empty() { "no other image" }
                }
                @if has_trail { dt { "Audit trail" } dd { (entries_of("image", &digest)) } }
                dt { "Built on it" } dd {
                    @if of.descendants == 0 { "no image" } @else {
                        a href=(look.href("/images", &[("ref", &digest)])) { (many(of.descendants, "image")) } " · "
                        a href=(format!("{}#tree", look.href("/explain", &[("ref", &digest)]))) { "as a tree" }
                    }
                }
            }
        }
    }
}

fn standing_of(standing: &ClassStanding, of: &Explanation, look: &Look) -> Markup {
    let newer = of.newer.iter().find(|newer| newer.class == standing.name);
    html! {
        span class=(standing.state.to_string()) { (class(&standing.name, look)) " " (standing.state.to_string()) }
        ", on " (image(&standing.version, look)) " with " (many(u64::from(standing.depth), "layer"))
        @if standing.nearest { ", its nearest class" }
        @if standing.state == State::Outdated {
            @if let Some(newer) = newer {
                "; " (many(u64::from(newer.versions_behind), "version")) " behind"
                @if let Some(current) = &newer.current { " " (image(current, look)) ", current on this platform since " (look.ago(newer.since)) }
                "; outdated since " @if newer.at_least { "at least " } (look.ago(newer.outdated_since))
            }
        }
    }
}
