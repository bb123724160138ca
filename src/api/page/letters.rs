//! The input that clade could not use lately, and why.

use maud::{Markup, html};

use super::Shown;
use super::asking::Asking;
use super::lately::{Lately, Number};
use super::text::name;
use crate::record::{DeadLetterRecord, Topic};

/// Rows of the view.
const ROWS: usize = 200;

/// Their number, as a link to them. It is about this moment: a view does not count as another because of it.
pub(super) async fn number(api: &Asking) -> Markup {
    match Number::of(Topic::DeadLetters, api).await {
        Err(failed) => html! { li { (failed.in_place()) } },
        Ok(number) => html! {
            li {
                b.outdated[number.read > 0] { (number.told()) }
                a href="/dead-letters" { "could not be used in the last day" }
            }
        },
    }
}

pub(super) async fn letters(api: Asking) -> Shown {
    api.only_now(&[])?;
    let lately = Lately::<DeadLetterRecord>::of(Topic::DeadLetters, &api).await?;
    let (letters, look) = (&lately.events, api.look());
    let content = html! {
        h1 { "What could not be used in the last day" }
        @if letters.is_empty() { p.current { "Nothing: all that was read in the last day could be used." } } @else {
            (lately.rest(ROWS, Topic::DeadLetters))
            div.scroll { table {
                thead { tr { th { "When" } th { "Where it stood" } th.wide { "Why" } th { "What" } } }
                tbody { @for (time, letter) in letters.iter().take(ROWS) { tr {
                    td { (look.ago(*time)) }
                    td { (name(&letter.origin)) }
                    td { (name(&letter.reason)) }
                    td { @if let Some(value) = &letter.value { code { (name(value)) } } }
                } } }
            } }
        }
    };
    Ok(api.view_of_the_present("What could not be used".to_owned(), content))
}
