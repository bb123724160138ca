//! Ends answers of any length when their reader may not have them any more: a token is taken back, expires, or loses a right.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use crate::access::{Authority, Need, Verdict};

/// Interval at which it is asked whether the reader may still have the answer.
const AGAIN: Duration = Duration::from_secs(5);
/// Time after which an answer ends about which nobody can tell. Nothing of it is sent meanwhile.
const UNSURE: Duration = Duration::from_secs(30);
/// Pause before it is asked again when nobody could tell.
const SOON: Duration = Duration::from_secs(1);

/// The same answer, which ends soon after its token is not good for it any more.
pub(super) fn while_permitted(
    response: Response,
    authority: Arc<dyn Authority>,
    token: String,
    need: Need,
) -> Response {
    let is_asking = Arc::new(AtomicBool::new(false));
    let lost = Box::pin(lost(authority, token, need, Arc::clone(&is_asking)));
    response.map(|body| Body::new(Lasting { body, lost: Some(lost), is_asking }))
}

/// Waits until the token is not good any more. `is_asking` is set while that is not known.
async fn lost(authority: Arc<dyn Authority>, token: String, need: Need, is_asking: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(AGAIN).await;
        is_asking.store(true, Ordering::Relaxed);
        let sure = async {
            loop {
                match authority.judge(&token, need).await {
                    Ok(verdict) => return verdict == Verdict::Allowed,
                    Err(_) => tokio::time::sleep(SOON).await,
                }
            }
        };
        if !tokio::time::timeout(UNSURE, sure).await.unwrap_or(false) {
            return;
        }
        is_asking.store(false, Ordering::Relaxed);
    }
}

type Lost = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Lasting {
    body: Body,
    /// Comes when the answer has to end; `None` when it has.
    lost: Option<Lost>,
    is_asking: Arc<AtomicBool>,
}

/// An answer that breaks off: its reader must not take it for complete.
#[derive(Debug, thiserror::Error)]
#[error("its token is not good for this answer any more")]
struct TakenBack;

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(lost) = &mut self.lost else { return Poll::Ready(None) };
        if lost.as_mut().poll(context).is_ready() {
            self.lost = None;
            return Poll::Ready(Some(Err(axum::Error::new(TakenBack))));
        }
        if self.is_asking.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::sync::Mutex;

    use http_body_util::{BodyExt as _, StreamBody};
    use tokio::time::Instant;
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::access::Judging;

    /// Says what it is told to say.
    struct Told(Mutex<Result<Verdict, String>>);

    impl Authority for Told {
        fn judge<'a>(&'a self, _: &'a str, _: Need) -> Judging<'a> {
            Box::pin(async { self.0.lock().unwrap().clone() })
        }
    }

    /// An answer with a piece a second, and the one who decides.
    fn answer() -> (Body, Arc<Told>) {
        let ticks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(SOON));
        let pieces = ticks.map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"."))));
        let told = Arc::new(Told(Mutex::new(Ok(Verdict::Allowed))));
        let authority = Arc::clone(&told) as Arc<dyn Authority>;
        let response = Response::new(Body::new(StreamBody::new(pieces)));
        let response =
            while_permitted(response, authority, "sesame".to_owned(), Need::read("watch", "images"));
        (response.into_body(), told)
    }

    /// The time until it breaks off, and the pieces until then.
    async fn end(mut body: Body) -> (Duration, usize) {
        let (begun, mut pieces) = (Instant::now(), 0);
        while body.frame().await.unwrap().is_ok() {
            pieces += 1;
        }
        assert!(body.frame().await.is_none());
        (begun.elapsed(), pieces)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_goes_on_while_its_token_is_good_and_breaks_off_soon_afterwards() {
        let (mut body, told) = answer();
        for _ in 0..100 {
            assert!(body.frame().await.unwrap().is_ok());
        }
        *told.0.lock().unwrap() = Ok(Verdict::Forbidden("somebody".to_owned()));
        let (time, _) = end(body).await;
        assert!(time <= AGAIN, "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_about_which_nobody_can_tell_sends_nothing_and_ends() {
        let (body, told) = answer();
        *told.0.lock().unwrap() = Err("away".to_owned());
        let (time, pieces) = end(body).await;
        assert!(time <= AGAIN + UNSURE + SOON && pieces <= 6, "{pieces} pieces in {time:?}");
    }
}
