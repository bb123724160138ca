//! The search from anywhere: a class, or any REF.

use axum::extract::Query as Params;
use axum::response::{IntoResponse as _, Redirect};
use maud::html;
use serde::Deserialize;

use super::Answer;
use super::asking::Asking;
use super::tables::tag_rows;
use super::text::{class_href, href, name};
use crate::oci::Timestamp;
use crate::query::answer::{ClassItem, List, Resolution, TagItem};

/// Tags of a repository that are shown.
const ROWS: &str = "50";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    q: String,
    at: Option<String>,
}

pub(super) async fn search(api: Asking, Params(asked): Params<Parameters>) -> Answer {
    let Parameters { q, at } = asked;
    let (q, at) = (q.trim(), at.as_deref().filter(|at| !at.is_empty()));
    let classes: List<ClassItem> = api.get("/v1/classes", &[("at", at)]).await?;
    if classes.items.iter().any(|class| class.metadata.name == q) {
        return Ok(Redirect::to(&class_href(q, at)).into_response());
    }
    let found: Result<Resolution, _> = api.get("/v1/resolve", &[("ref", q)]).await;
    let problem = match found {
        Ok(_) => return Ok(Redirect::to(&href("/explain", &[("ref", Some(q)), ("at", at)])).into_response()),
        // Only a name that nobody has may be the beginning of another.
        Err(failed) if failed.problem.code != "not-found" => return Err(failed),
        Err(failed) => failed.problem,
    };
    let beginning = format!("{}*", q.trim_end_matches('*'));
    let parameters = [("repository", Some(beginning.as_str())), ("limit", Some(ROWS)), ("at", at)];
    let tags: List<TagItem> = match q.contains('*') {
        false => api.get("/v1/tags", &parameters).await?,
        true => List::new(Vec::new()),
    };
    let content = html! {
        h1 { "Search for " (name(q)) }
        @if tags.items.is_empty() {
            p.problem { bdi { (problem.detail) } }
            @if !problem.suggestions.is_empty() {
                p { "Perhaps you mean:" }
                ul { @for of in &problem.suggestions { li { a href=(href("/search", &[("q", Some(of)), ("at", at)])) { (name(of)) } } } }
            }
        } @else {
            p { "No image is called so. Tags of repositories whose names begin so:" }
            (tag_rows(&tags.items, at, Timestamp::now()))
        }
    };
    Ok(api.view(format!("Search for {q}"), at, content).into_response())
}
