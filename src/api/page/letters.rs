//! What could not be used lately, and why.

use maud::{Markup, html};
use serde::Deserialize;

use super::Shown;
use super::asking::Asking;
use super::frame::Failed;
use super::text::name;
use crate::oci::Timestamp;
use crate::record::DeadLetterRecord;

/// Letters that are read, at most: the first of the last day.
const MOST: usize = 1_000;
/// Rows of the view: the last of those.
const ROWS: usize = 200;

/// An event of the topic.
#[derive(Deserialize)]
struct Event {
    time: Timestamp,
    data: Option<DeadLetterRecord>,
}

/// The dead letters of the last day, and whether there are more than were read.
async fn of_the_last_day(api: &Asking) -> Result<(Vec<Event>, bool), Failed> {
    api.lines("/v1/subscribe/dead-letters", &[("from", "1d")], MOST).await
}

/// Their number, as a link to them.
pub(super) async fn number(api: &Asking) -> Markup {
    match of_the_last_day(api).await {
        Err(failed) => html! { li { (failed.in_place()) } },
        Ok((letters, has_more)) => html! {
            li {
                b.outdated[!letters.is_empty()] { @if has_more { "over " } (letters.len()) }
                a href="/dead-letters" { "could not be used in the last day" }
            }
        },
    }
}

pub(super) async fn letters(api: Asking) -> Shown {
    api.only_now(&[])?;
    let (letters, has_more) = of_the_last_day(&api).await?;
    let look = api.look();
    let content = html! {
        h1 { "What could not be used in the last day" }
        @if letters.is_empty() { p.current { "Nothing: clade has understood everything." } } @else {
            @if has_more || letters.len() > ROWS {
                p { "There are " @if has_more { "more than " } (letters.len()) ". " code { "clade subscribe dead-letters --from 1d" } " prints all of them." }
            }
            div.scroll { table {
                thead { tr { th { "When" } th { "Where it stood" } th.wide { "Why" } th { "What" } } }
                tbody { @for Event { time, data } in letters.iter().rev().take(ROWS) { @if let Some(letter) = data { tr {
                    td { (look.ago(*time)) }
                    td { (name(&letter.origin)) }
                    td { (name(&letter.reason)) }
                    td { @if let Some(value) = &letter.value { code { (name(value)) } } }
                } } } }
            } }
        }
    };
    Ok(api.view_of_the_present("What could not be used".to_owned(), content))
}
