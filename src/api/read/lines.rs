//! A list as lines: one JSON object an item, as many as there are.

use std::sync::Arc;

use axum::response::Response;
use tokio::sync::mpsc;

use super::Asked;
use super::params::Listing;
use crate::api::ApiError;
use crate::api::stream::{lines, send};
use crate::query::{Filter, Items, Page, Query, RefError};

/// Items that are found at once. Nothing of the index is held while they are sent.
const ITEMS: usize = 1_000;

/// Sends a list, page by page, for as long as its client reads. Each page is as new as it can be.
pub(super) async fn stream<I: Items>(
    asked: Asked,
    listing: Listing,
    list: impl Fn(Query, &Filter, &Page) -> Result<I, RefError> + Send + 'static,
) -> Result<Response, ApiError> {
    listing.check_lines()?;
    let limits = Arc::clone(&asked.limits);
    let place = limits.lines.enter().await?;
    let left = listing.page.limit.unwrap_or(usize::MAX);
    let mut rest = Rest { asked, list, filter: listing.filter, page: Some(listing.page), left };
    // The client learns what is wrong with its question before the answer begins.
    let mut found = limits.lists.run(move || rest.next().map(|first| (rest, first))).await??;
    let (sender, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let (mut rest, page) = found;
            if !send(page, &sender).await || rest.page.is_none() {
                break;
            }
            match limits.looks.run(move || rest.next().map(|page| (rest, page))).await {
                Ok(Ok(next)) => found = next,
                Ok(Err(error)) | Err(error) => {
                    // The reader may be gone.
                    let _ = sender.send(Err(error)).await;
                    break;
                }
            }
        }
        drop(place);
    });
    Ok(lines(pieces))
}

/// The part of a list that was not sent yet.
struct Rest<L> {
    asked: Asked,
    list: L,
    filter: Filter,
    /// The next page; `None` after the last.
    page: Option<Page>,
    left: usize,
}

impl<I: Items, L: Fn(Query, &Filter, &Page) -> Result<I, RefError>> Rest<L> {
    /// The lines of the next page.
    fn next(&mut self) -> Result<Vec<u8>, ApiError> {
        let mut written = Vec::new();
        let Some(page) = self.page.take() else { return Ok(written) };
        let page = Page { limit: Some(self.left.min(ITEMS)), ..page };
        let found = (self.list)(self.asked.query()?, &self.filter, &page)?;
        for item in found.items() {
            serde_json::to_writer(&mut written, &item).map_err(ApiError::internal)?;
            written.push(b'\n');
        }
        self.left -= found.count();
        let more = found.more().clone();
        let after = more.next.filter(|_| self.left > 0);
        self.page = after.map(|after| Page { after: Some(after), anchor: more.anchor, ..page });
        Ok(written)
    }
}
