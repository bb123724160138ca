//! Prints the transitions of the replayed history.

use serde::Deserialize;

use crate::api::Client;
use crate::cli::error::CliError;
use crate::cli::output::{bold, some, table};
use crate::record::outdated::Standing;
use crate::record::{State, TransitionRecord};

/// The members of an event's line that the demo shows.
#[derive(Deserialize)]
struct Event {
    data: TransitionRecord,
}

const TOLD: usize = 5;

/// Prints the number of transitions, and some of the last that made a tagged image outdated.
pub(super) fn tell(client: &Client) -> Result<(), CliError> {
    let mut lines: Vec<u8> = Vec::new();
    client.stream("/v1/subscribe/outdated", &[("from", "beginning")], std::future::pending(), |piece| {
        lines.extend_from_slice(piece);
        Ok(())
    })?;
    let events = serde_json::Deserializer::from_slice(&lines).into_iter::<Event>();
    let transitions: Vec<TransitionRecord> = events
        .map(|event| event.map(|event| event.data))
        .collect::<Result<_, _>>()
        .map_err(CliError::failed)?;
    let is_now_outdated = |of: &&TransitionRecord| {
        of.from.is_some_and(|from| from.state == State::Current)
            && of.to.is_some_and(|to| to.state == State::Outdated)
            && !of.tags.is_empty()
    };
    let outdated: Vec<&TransitionRecord> = transitions.iter().filter(is_now_outdated).collect();
    println!(
        "\n{}\n$ clade subscribe outdated   # the last of {} transitions, in short",
        bold("What happened meanwhile?"),
        transitions.len()
    );
    let state = |of: Option<Standing>| of.map_or_else(|| "-".to_owned(), |of| of.state.to_string());
    let row = |of: &&TransitionRecord| {
        vec![some(&of.tags, 2), of.class.clone(), state(of.from), state(of.to), of.platform.to_string()]
    };
    let last = &outdated[outdated.len().saturating_sub(TOLD)..];
    table(&["TAGS", "CLASS", "FROM", "TO", "PLATFORM"], last.iter().map(row).collect(), &[], "transitions")
}
