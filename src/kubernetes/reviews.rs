//! Asks the API server who has a token and what its owner may do: TokenReview, then SubjectAccessReview.
//!
//! Answers are kept for some seconds, since a client asks many questions in a row. Tokens themselves are not kept: an answer is
//! found by the digest of its token.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::Semaphore;

use super::cluster::{Cluster, told};
use crate::access::{Authority, Judging, Need, Verdict};
use crate::oci::Digest;

/// The group of the resources that rights are for, as that of the custom resources.
const GROUP: &str = "clade.dev";
/// Time for which an answer counts.
const KEPT: Duration = Duration::from_secs(10);
/// Answers that are kept at most. Each has some hundred bytes; a stranger can have as many kept as he invents tokens.
const MOST: usize = 10_000;
/// Requests at once: whoever invents tokens must not keep the API server busy.
const AT_ONCE: usize = 16;
/// Time for an answer, with the time to wait for a turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The API server as the one who decides.
pub struct Reviews {
    cluster: Cluster,
    turns: Semaphore,
    kept: Mutex<HashMap<(Digest, Need), (Instant, Verdict)>>,
}

impl Reviews {
    /// Of this cluster. The process needs the right to create TokenReviews and SubjectAccessReviews.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, turns: Semaphore::new(AT_ONCE), kept: Mutex::default() }
    }

    async fn verdict(&self, token: &str, need: Need) -> Result<Verdict, String> {
        let key = (Digest::of(token.as_bytes()), need);
        if let Some(kept) = self.kept(&key, Instant::now()) {
            return Ok(kept);
        }
        let asked = Instant::now();
        let reviewed = async {
            let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
            self.review(token, need).await.map_err(|error| told(&error))
        };
        let late = |_| format!("the API server has not answered within {} s", PATIENCE.as_secs());
        let verdict = match tokio::time::timeout(PATIENCE, reviewed).await.map_err(late) {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(reason)) | Err(reason) => {
                tracing::warn!(reason, "cannot tell what a token may do");
                return Err(reason);
            }
        };
        self.keep(key, asked, verdict.clone());
        Ok(verdict)
    }

    async fn review(&self, token: &str, need: Need) -> Result<Verdict, kube::Error> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let tokens: Api<TokenReview> = Api::all(self.cluster.client());
        let status = tokens.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Verdict::Unknown);
        };
        let name = user.username.clone().unwrap_or_default();
        let review = SubjectAccessReview { spec: asks(user, need), ..SubjectAccessReview::default() };
        let rights: Api<SubjectAccessReview> = Api::all(self.cluster.client());
        let status = rights.create(&PostParams::default(), &review).await?.status.unwrap_or_default();
        Ok(if status.allowed { Verdict::Allowed } else { Verdict::Forbidden(name) })
    }

    fn kept(&self, key: &(Digest, Need), now: Instant) -> Option<Verdict> {
        let kept = self.lock();
        let (since, verdict) = kept.get(key)?;
        (now.saturating_duration_since(*since) < KEPT).then(|| verdict.clone())
    }

    fn keep(&self, key: (Digest, Need), now: Instant, verdict: Verdict) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.retain(|_, (since, _)| now.saturating_duration_since(*since) < KEPT);
        }
        // Full of answers that still count: this one is asked for again.
        if kept.len() < MOST {
            kept.insert(key, (now, verdict));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Digest, Need), (Instant, Verdict)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authority for Reviews {
    fn judge<'a>(&'a self, token: &'a str, need: Need) -> Judging<'a> {
        Box::pin(self.verdict(token, need))
    }
}

/// The question whether a user may do it, in any namespace.
fn asks(user: UserInfo, need: Need) -> SubjectAccessReviewSpec {
    let resource_attributes = Some(ResourceAttributes {
        group: Some(GROUP.to_owned()),
        resource: Some(need.resource.to_owned()),
        verb: Some(need.verb.to_owned()),
        ..ResourceAttributes::default()
    });
    SubjectAccessReviewSpec {
        user: user.username,
        groups: user.groups,
        uid: user.uid,
        extra: user.extra,
        resource_attributes,
        ..SubjectAccessReviewSpec::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_count_for_some_seconds_and_have_a_bound() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let reviews = Reviews::new(Cluster::with(config).unwrap());
        let now = Instant::now();
        let key = |number: usize| (Digest::of(number.to_string().as_bytes()), Need::read("list", "images"));
        for number in 0..MOST + 5 {
            reviews.keep(key(number), now, Verdict::Unknown);
        }
        assert_eq!(reviews.lock().len(), MOST);
        assert_eq!(reviews.kept(&key(0), now), Some(Verdict::Unknown));
        assert_eq!(reviews.kept(&key(0), now + KEPT), None);
        reviews.keep(key(MOST + 1), now + KEPT, Verdict::Allowed);
        assert_eq!(reviews.lock().len(), 1, "those that count no more make room");
    }
}
