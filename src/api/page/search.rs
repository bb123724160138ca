//! The search from anywhere: a class, or any REF.

use axum::response::{IntoResponse as _, Redirect};
use maud::html;

use super::Answer;
use super::asking::{Asking, NOTHING};
use super::frame::Failed;
use super::tables::tag_rows;
use super::text::{class_path, name};
use crate::query::answer::{ClassItem, Explanation, List, Resolution, TagItem};

/// Tags of a repository that are shown.
const ROWS: &str = "50";

pub(super) async fn search(api: Asking) -> Answer {
    api.only(&["q"])?;
    let look = api.look();
    let Some(q) = look.get("q").map(|q| q.trim().to_owned()).filter(|q| !q.is_empty()) else {
        return Ok(Redirect::to(&look.href("/", &[])).into_response());
    };
    let classes: List<ClassItem> = api.get("/v1/classes", &NOTHING).await?;
    if classes.items.iter().any(|class| class.metadata.name == q) {
        return Ok(Redirect::to(&look.href(&class_path(&q), &[])).into_response());
    }
    let problem = match find(&api, &q).await {
        Ok(view) => return Ok(Redirect::to(&look.href(view, &[("ref", &q)])).into_response()),
        // Only a name that nobody has may be the beginning of another.
        Err(failed) if failed.problem.code != "not-found" => return Err(failed),
        Err(failed) => failed.problem,
    };
    let beginning = format!("{q}*");
    let tags: List<TagItem> = match q.contains('*') {
        false => api.get("/v1/tags", &[("repository", beginning.as_str()), ("limit", ROWS)]).await?,
        true => List::new(Vec::new()),
    };
    let content = html! {
        h1 { "Search for " (name(&q)) }
        @if tags.items.is_empty() {
            p.problem { bdi { (problem.detail) } }
            @if !problem.suggestions.is_empty() {
                p { "Perhaps you mean:" }
                ul { @for of in &problem.suggestions { li { a href=(look.href("/search", &[("q", of)])) { (name(of)) } } } }
            }
        } @else {
            p { "No image is called so. Tags of repositories whose names begin so:" }
            (tag_rows(&tags.items, look))
        }
    };
    Ok(api.view(format!("Search for {q}"), content).into_response())
}

/// The view of what a REF names: images, or all images that contain a chain.
async fn find(api: &Asking, reference: &str) -> Result<&'static str, Failed> {
    if api.look().at().is_some() {
        let _: List<Explanation> = api.get("/v1/explain", &[("ref", reference)]).await?;
        return Ok("/explain");
    }
    let found: Resolution = api.get("/v1/resolve", &[("ref", reference)]).await?;
    Ok(if found.chain.is_some() { "/images" } else { "/explain" })
}
