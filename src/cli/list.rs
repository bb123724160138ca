//! Asks for lists, page by page.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::{FilterArgs, Format, StateArg};
use super::error::CliError;
use super::output::answer;
use crate::api::Client;
use crate::oci::Timestamp;
use crate::query::answer::List;

/// Items of one request, at most: more would keep the server from others for longer than they like to wait.
const PAGE: usize = 2_000;

/// The parameters of a list; those that are `None` are left out.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Parameters<'a> {
    class: Option<&'a str>,
    group: Option<&'a str>,
    state: Option<&'a str>,
    platform: Option<&'a str>,
    repository: Option<&'a str>,
    namespace: Option<&'a str>,
    tagged: Option<bool>,
    created_after: Option<&'a str>,
    created_before: Option<&'a str>,
    outdated_for: Option<&'a str>,
    pub(super) sort: Option<&'static str>,
    #[serde(rename = "ref")]
    pub(super) reference: Option<&'a str>,
    pub(super) direct: Option<bool>,
    pub(super) name: Option<&'a str>,
    /// Items of the whole list, at most.
    pub(super) limit: Option<usize>,
    #[serde(rename = "continue")]
    token: Option<String>,
    pub(super) watch: Option<bool>,
    pub(super) unknown: Option<bool>,
    pub(super) at: Option<Timestamp>,
}

impl<'a> Parameters<'a> {
    pub(super) fn of(filter: &'a FilterArgs) -> Self {
        let state = filter.state.map(|state| match state {
            StateArg::Current => "current",
            StateArg::Outdated => "outdated",
        });
        Self {
            class: filter.class.as_deref(),
            group: filter.group.as_deref(),
            state,
            platform: filter.platform.as_deref(),
            repository: filter.repository.as_deref(),
            namespace: filter.namespace.as_deref(),
            tagged: filter.tagged.then_some(true).or(filter.untagged.then_some(false)),
            created_after: filter.created_after.as_deref(),
            created_before: filter.created_before.as_deref(),
            outdated_for: filter.outdated_for.as_deref(),
            ..Self::default()
        }
    }
}

/// Asks for a list, whole or up to its limit. If there is more, it says so on stderr.
pub(super) fn list<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    mut parameters: Parameters<'_>,
    format: &Format,
) -> Result<List<T>, CliError> {
    let limit = parameters.limit.unwrap_or(usize::MAX);
    parameters.limit = Some(limit.min(PAGE));
    let mut whole: List<T> = answer(client, path, &parameters, format)?;
    while let Some(token) = whole.metadata.token.take() {
        let left = limit - whole.items.len().min(limit);
        if left == 0 {
            let rest = whole.metadata.remaining_item_count;
            let rest = rest.map_or_else(|| "more".to_owned(), |rest| format!("{rest} more"));
            eprintln!("these are the first {limit}; there are {rest}");
            whole.metadata.token = Some(token);
            break;
        }
        parameters.limit = Some(left.min(PAGE));
        parameters.token = Some(token);
        let page: List<T> = answer(client, path, &parameters, format)?;
        whole.items.extend(page.items);
        whole.metadata = page.metadata;
    }
    Ok(whole)
}
