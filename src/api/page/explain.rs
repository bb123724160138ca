//! The view of an image: what it is built on, and what proves it.

use axum::extract::Query as Params;
use maud::{Markup, html};
use serde::Deserialize;

use super::Shown;
use super::asking::Asking;
use super::stack::stack;
use super::text::{ago, class, href, image, many, name, tag};
use crate::oci::Timestamp;
use crate::query::answer::{ClassStanding, Explanation, List};
use crate::record::State;

/// Tags and equivalents that are named.
const NAMED: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    #[serde(rename = "ref")]
    reference: String,
    at: Option<String>,
}

pub(super) async fn explain(api: Asking, Params(asked): Params<Parameters>) -> Shown {
    let Parameters { reference, at } = asked;
    let at = at.filter(|at| !at.is_empty());
    let parameters = [("ref", Some(reference.as_str())), ("at", at.as_deref())];
    let found: List<Explanation> = api.get("/v1/explain", &parameters).await?;
    let now = Timestamp::now();
    let content = html! {
        h1 { (name(&reference)) }
        @if found.items.len() > 1 { p { "It has " (many(found.items.len() as u64, "image")) ", one for each platform:" } }
        @for of in &found.items { (shown(of, at.as_deref(), now)) }
    };
    Ok(api.view(reference, at.as_deref(), content))
}

fn shown(of: &Explanation, at: Option<&str>, now: Timestamp) -> Markup {
    let item = &of.image;
    let digest = item.digest.to_string();
    html! {
        section {
            h2 { code { (digest) } }
            p { (item.platform.to_string()) ", " (many(u64::from(item.layers), "layer"))
                @if let Some(created) = item.created { ", built " (ago(created, now)) }
                @if let Some(id) = &item.image_id { ", image ID " code title=(id.to_string()) { (id.short()) } } }
            p { strong { (of.verdict) } }
            @if !item.classes.is_empty() {
                ul { @for standing in &item.classes { li { (standing_of(standing, of, at, now)) } } }
            }
            @if !of.claims.is_empty() {
                h3 { "Claims about its base" }
                ul { @for claim in &of.claims { li {
                    @if let Some(of) = &claim.claim.name { (name(of)) " " }
                    @if let Some(of) = &claim.claim.digest { code { bdi { (of) } } " " }
                    span.faint { "by layers: " (claim.by_layers) }
                } } }
            }
            @if of.layers.is_empty() { p.faint { "It has no layers that prove anything." } } @else {
                h3 { "Layers, the base at the bottom" }
                (stack(of, at))
            }
            dl {
                dt { "Tags" } dd {
                    @for of in item.tags.iter().take(NAMED) { (tag(of, at)) " " }
                    @if item.tags.is_empty() { "none" }
                    @if item.tags.len() > NAMED { span.faint { "and " (item.tags.len() - NAMED) " more" } }
                }
                dt { "Repositories" } dd { @for of in item.repositories.iter().take(NAMED) { (name(of)) " " } }
                dt { "The same layers" } dd {
                    @for of in of.equivalents.iter().take(NAMED) { (image(of, at)) " " }
                    @if of.equivalents.is_empty() { "no other image" }
                }
                dt { "Built on it" } dd {
                    @if of.descendants == 0 { "no image" } @else {
                        a href=(href("/images", &[("ref", Some(&digest)), ("at", at)])) { (many(of.descendants, "image")) }
                    }
                }
            }
        }
    }
}

fn standing_of(standing: &ClassStanding, of: &Explanation, at: Option<&str>, now: Timestamp) -> Markup {
    let newer = of.newer.iter().find(|newer| newer.class == standing.name);
    html! {
        span class=(standing.state.to_string()) { (class(&standing.name, at)) " " (standing.state.to_string()) }
        ", on " (image(&standing.version, at)) " with " (many(u64::from(standing.depth), "layer"))
        @if standing.nearest { ", its nearest class" }
        @if standing.state == State::Outdated {
            @if let Some(newer) = newer {
                "; " (many(u64::from(newer.versions_behind), "version")) " behind"
                @if let Some(current) = &newer.current { " " (image(current, at)) ", current since " (ago(newer.since, now)) }
                "; outdated since " @if newer.at_least { "at least " } (ago(newer.outdated_since, now))
            }
        }
    }
}
