//! A body that says when it was read or given up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use super::Place;
use super::connections::Phase;

/// A body after which its connection enters another phase.
pub(super) struct Watched {
    body: Body,
    place: Arc<Place>,
    then: Phase,
}

impl Watched {
    /// The same body; when it is dropped, its connection enters `then`. hyper drops a body that has come to its end.
    pub(super) fn new(body: Body, place: Arc<Place>, then: Phase) -> Self {
        Self { body, place, then }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.place.enter(self.then);
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
