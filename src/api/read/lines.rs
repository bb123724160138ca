//! A list as lines: one JSON object an item, as many as there are.

use std::sync::Arc;

use axum::response::Response;
use tokio::sync::mpsc;

use super::params::Listing;
use crate::api::limits::{Limits, PIECE};
use crate::api::stream::{Piece, lines};
use crate::api::{ApiError, Ask};
use crate::query::{Filter, Items, Page, Query, RefError};

/// Items that are found at once. Nothing of the index is held while they are sent.
const ITEMS: usize = 1_000;
/// Pieces that may wait for a slow reader, at most.
const PIECES: usize = 4;

/// Sends a list, page by page, for as long as its client reads. Each page is as new as it can be.
pub(super) async fn stream<I: Items>(
    limits: &Limits,
    asked: Arc<dyn Ask>,
    listing: Listing,
    list: impl Fn(Query, &Filter, &Page) -> Result<I, RefError> + Send + 'static,
) -> Result<Response, ApiError> {
    let place = limits.lines.enter().await?;
    let mut rest = Rest {
        left: listing.page.limit.unwrap_or(usize::MAX),
        page: Some(listing.page),
        filter: listing.filter,
    };
    // Whatever is wrong with the question is said before the answer begins.
    let first = move || rest.next(&asked, &list).map(|first| (first, rest, asked, list));
    let (first, mut rest, asked, list) =
        tokio::task::spawn_blocking(first).await.map_err(ApiError::internal)??;
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut page = first;
        while send(page, &sender) && rest.page.is_some() {
            page = match rest.next(&asked, &list) {
                Ok(page) => page,
                Err(error) => {
                    // The reader may be gone.
                    let _ = sender.blocking_send(Err(error));
                    break;
                }
            };
        }
        drop(place);
    });
    Ok(lines(pieces))
}

/// What is left of a list.
struct Rest {
    filter: Filter,
    /// The next page; `None` after the last.
    page: Option<Page>,
    left: usize,
}

impl Rest {
    /// The lines of the next page.
    fn next<I: Items>(
        &mut self,
        asked: &Arc<dyn Ask>,
        list: impl Fn(Query, &Filter, &Page) -> Result<I, RefError>,
    ) -> Result<Vec<u8>, ApiError> {
        let mut written = Vec::new();
        let Some(page) = self.page.take() else { return Ok(written) };
        let page = Page { limit: Some(self.left.min(ITEMS)), ..page };
        let found = list(Query::new(asked.snapshot()), &self.filter, &page)?;
        for item in found.items() {
            serde_json::to_writer(&mut written, &item).map_err(ApiError::internal)?;
            written.push(b'\n');
        }
        self.left -= found.count();
        let after = found.more().next.clone().filter(|_| self.left > 0);
        let anchor = found.more().anchor.clone();
        self.page = after.map(|after| Page { after: Some(after), anchor, ..page });
        Ok(written)
    }
}

/// Sends a page in pieces. Returns `false` if the reader is gone.
fn send(page: Vec<u8>, to: &mpsc::Sender<Piece>) -> bool {
    let mut page = axum::body::Bytes::from(page);
    while !page.is_empty() {
        let piece = page.split_to(PIECE.min(page.len()));
        if to.blocking_send(Ok(piece)).is_err() {
            return false;
        }
    }
    !to.is_closed()
}
