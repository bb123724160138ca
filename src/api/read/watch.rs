//! A list that is watched: its items, and then its changes, in the form of a watch of Kubernetes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Asked;
use super::params::Listing;
use crate::api::ApiError;
use crate::api::stream::{lines, send};
use crate::oci::Digest;
use crate::query::answer::ListMetadata;
use crate::query::{Filter, Items, Named as _, Page, Query, RefError};

/// Items of a list that can be watched, at most: each look at a changed index reads all of them.
const MOST: usize = 10_000;
/// Bytes of changes that one look finds, at most. The next one goes on.
const MOST_BYTES: usize = 1 << 20;
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Time without a change after which a watch sends an empty line. If its client has gone without a word, sending fails in the
/// end, and the place is free.
const BEAT: Duration = Duration::from_secs(30);

/// One line of a watch.
#[derive(Serialize)]
struct Change<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    object: T,
}

/// The object of a line that is about no item.
#[derive(Serialize)]
struct Bookmark {
    metadata: ListMetadata,
}

/// The object of an item that is not in the list any more.
#[derive(Serialize)]
struct Gone<'a> {
    name: &'a str,
}

/// Sends the list, and then its changes, for as long as its client reads.
pub(super) async fn watch<I: Items>(
    asked: Asked,
    listing: Listing,
    list: impl Fn(Query, &Filter, &Page) -> Result<I, RefError> + Send + 'static,
) -> Result<Response, ApiError> {
    listing.check_watch()?;
    let limits = Arc::clone(&asked.limits);
    let place = limits.subscriptions.enter().await?;
    let mut watched = Watched { asked, listing, list, known: HashMap::new(), state: String::new() };
    // The client learns what is wrong with its question before the answer begins.
    let first = move || watched.look().map(|found| (watched, found));
    let (mut watched, mut found) = limits.lists.run(first).await??;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut sent = Instant::now();
        loop {
            if found.is_empty() && sent.elapsed() >= BEAT {
                found.push(b'\n');
            }
            let rests = found.len() < MOST_BYTES;
            if !found.is_empty() {
                sent = Instant::now();
                if !send(found, &sender).await {
                    break;
                }
            }
            if rests {
                tokio::select! {
                    () = sender.closed() => break,
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
            if !watched.has_news() {
                found = Vec::new();
                continue;
            }
            let look = move || {
                let found = watched.look();
                (watched, found)
            };
            match limits.looks.run(look).await {
                Ok((again, Ok(changes))) => (watched, found) = (again, changes),
                // The list cannot be watched any more: the client learns why.
                Ok((_, Err(error))) | Err(error) => {
                    send(line("ERROR", &error.problem()).unwrap_or_default(), &sender).await;
                    break;
                }
            }
        }
        drop(place);
    });
    Ok(lines(pieces))
}

/// A list, and the items that its client knows.
struct Watched<L> {
    asked: Asked,
    listing: Listing,
    list: L,
    /// The items by name, each with the hash of the last line about it.
    known: HashMap<String, Digest>,
    /// The state of the index at the last look that found everything.
    state: String,
}

impl<I: Items, L: Fn(Query, &Filter, &Page) -> Result<I, RefError>> Watched<L> {
    /// Returns `true` if the index has changed since the last look that found everything.
    fn has_news(&self) -> bool {
        self.asked.query().is_ok_and(|query| query.state() != self.state)
    }

    /// The lines of the changes since the last look.
    fn look(&mut self) -> Result<Vec<u8>, ApiError> {
        let mut changes = Vec::new();
        let query = self.asked.query()?;
        let (state, resource_version) = (query.state(), query.resource_version());
        let page = Page { limit: Some(MOST), ..self.listing.page.clone() };
        let found = (self.list)(query, &self.listing.filter, &page)?;
        if found.more().next.is_some() {
            return Err(ApiError::invalid(format!(
                "this list has more than {MOST} items, or they are too few among too many, to be watched: give other conditions, \
                 or subscribe to a topic"
            )));
        }
        let mut present = HashSet::with_capacity(found.count());
        for item in found.items() {
            let (name, content) = (item.name(), serde_json::to_vec(&item).map_err(ApiError::internal)?);
            let hash = Digest::of(&content);
            let kind = match self.known.get(&name) {
                Some(known) if *known == hash => None,
                Some(_) => Some("MODIFIED"),
                None => Some("ADDED"),
            };
            if let Some(kind) = kind {
                if changes.len() >= MOST_BYTES {
                    return Ok(changes);
                }
                changes.extend(line(kind, &item)?);
                self.known.insert(name.clone(), hash);
            }
            present.insert(name);
        }
        let mut gone: Vec<String> =
            self.known.keys().filter(|name| !present.contains(*name)).cloned().collect();
        gone.sort_unstable();
        for name in gone {
            changes.extend(line("DELETED", &Gone { name: &name })?);
            self.known.remove(&name);
        }
        let metadata = ListMetadata { resource_version, ..ListMetadata::default() };
        changes.extend(line("BOOKMARK", &Bookmark { metadata })?);
        self.state = state;
        Ok(changes)
    }
}

fn line(kind: &'static str, object: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    let mut line = serde_json::to_vec(&Change { kind, object }).map_err(ApiError::internal)?;
    line.push(b'\n');
    Ok(line)
}
