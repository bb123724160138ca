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
use crate::access::{Authority, JUDGED, Judging, Need, Verdict};
use crate::oci::Digest;

/// The group of the resources that rights are for, as that of the custom resources.
const GROUP: &str = "clade.dev";
/// Time for which an answer counts.
const KEPT: Duration = Duration::from_secs(10);
/// Answers that are kept at most. Each has some hundred bytes; a stranger can have as many kept as he invents tokens.
const MOST: usize = 10_000;
/// The part of them that says that a token is unknown: invented tokens must not keep those of users out.
const MOST_UNKNOWN: usize = 1_000;
/// Requests at once: whoever invents tokens must not keep the API server busy.
const AT_ONCE: usize = 16;
/// Time for an answer, with the time to wait for a turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The API server as the one who decides.
pub struct Reviews {
    cluster: Cluster,
    turns: Semaphore,
    /// Those with a turn and those that wait for one.
    places: Semaphore,
    kept: Mutex<Kept>,
}

/// The answers that were given, by token and need.
#[derive(Default)]
struct Kept {
    known: HashMap<(Digest, Need), (Instant, Verdict)>,
    unknown: HashMap<(Digest, Need), Instant>,
}

impl Reviews {
    /// Of this cluster. The process needs the right to create TokenReviews and SubjectAccessReviews.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            turns: Semaphore::new(AT_ONCE),
            places: Semaphore::new(JUDGED),
            kept: Mutex::default(),
        }
    }

    async fn verdict(&self, token: &str, need: Need) -> Result<Verdict, String> {
        let key = (Digest::of(token.as_bytes()), need);
        if let Some(kept) = self.kept(&key, Instant::now()) {
            return Ok(kept);
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Err("too many tokens are being looked at".to_owned());
        };
        let reviewed = async {
            let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
            let asked = Instant::now();
            // Another request with this token may have had the answer meanwhile, which counts no longer for that.
            if let Some(kept) = self.kept(&key, asked) {
                return Ok(kept);
            }
            let verdict = self.review(token, need).await?;
            self.keep(key, asked, verdict.clone());
            Ok(verdict)
        };
        let reviewed = tokio::time::timeout(PATIENCE, reviewed).await;
        let late = |_| Err(format!("the API server has not answered within {} s", PATIENCE.as_secs()));
        let verdict = reviewed.unwrap_or_else(late);
        if let Err(reason) = &verdict {
            tracing::warn!(reason, "cannot tell what a token may do");
        }
        verdict
    }

    async fn review(&self, token: &str, need: Need) -> Result<Verdict, String> {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let tokens: Api<TokenReview> = Api::all(self.cluster.client());
        let created = tokens.create(&PostParams::default(), &review).await.map_err(|error| told(&error))?;
        let status = created.status.unwrap_or_default();
        let failure = status.error.filter(|error| !error.is_empty());
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return match failure {
                Some(error) if is_of_a_request(&error) => Err(error),
                _ => Ok(Verdict::Unknown),
            };
        };
        let name = user.username.clone().unwrap_or_default();
        let review = SubjectAccessReview { spec: asks(user, need), ..SubjectAccessReview::default() };
        let rights: Api<SubjectAccessReview> = Api::all(self.cluster.client());
        let created = rights.create(&PostParams::default(), &review).await.map_err(|error| told(&error))?;
        let status = created.status.unwrap_or_default();
        match status.evaluation_error.filter(|error| !error.is_empty()) {
            _ if status.allowed => Ok(Verdict::Allowed),
            Some(error) if status.denied != Some(true) => Err(error),
            _ => Ok(Verdict::Forbidden(name)),
        }
    }

    fn kept(&self, key: &(Digest, Need), now: Instant) -> Option<Verdict> {
        let kept = self.lock();
        let (since, verdict) = match kept.known.get(key) {
            Some((since, verdict)) => (since, verdict.clone()),
            None => (kept.unknown.get(key)?, Verdict::Unknown),
        };
        (now.saturating_duration_since(*since) < KEPT).then_some(verdict)
    }

    fn keep(&self, key: (Digest, Need), now: Instant, verdict: Verdict) {
        let mut kept = self.lock();
        let counts = |since: &Instant| now.saturating_duration_since(*since) < KEPT;
        // Where it is full of answers that still count, this one is asked for again.
        if verdict == Verdict::Unknown {
            if kept.unknown.len() >= MOST_UNKNOWN {
                kept.unknown.retain(|_, since| counts(since));
            }
            if kept.unknown.len() < MOST_UNKNOWN {
                kept.unknown.insert(key, now);
            }
            return;
        }
        if kept.known.len() >= MOST {
            kept.known.retain(|_, (since, _)| counts(since));
        }
        if kept.known.len() < MOST {
            kept.known.insert(key, (now, verdict));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authority for Reviews {
    fn judge<'a>(&'a self, token: &'a str, need: Need) -> Judging<'a> {
        Box::pin(self.verdict(token, need))
    }
}

/// Returns `true` if an authenticator has failed to ask a server elsewhere, and so does not know whose the token is. The API server
/// tells of that in the field in which it tells why a token is no good; Go names the request that has failed.
fn is_of_a_request(error: &str) -> bool {
    ["Post \"http", "Get \"http"].iter().any(|request| error.contains(request))
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

    #[test]
    fn an_authenticator_that_fails_says_nothing_about_the_token() {
        for failure in [
            r#"[invalid bearer token, Post "https://sso.example/review": dial tcp 10.0.0.1:443: connect: connection refused]"#,
            r#"oidc: fetching keys: Get "https://sso.example/keys": x509: certificate signed by unknown authority"#,
        ] {
            assert!(is_of_a_request(failure), "{failure}");
        }
        for verdict in [
            "invalid bearer token",
            "[invalid bearer token, service account token has expired]",
            r#"oidc: expected audience "https://a.example" got "https://b.example""#,
        ] {
            assert!(!is_of_a_request(verdict), "{verdict}");
        }
    }

    #[tokio::test]
    async fn answers_count_for_some_seconds_and_have_a_bound() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let reviews = Reviews::new(Cluster::with(config).unwrap());
        let now = Instant::now();
        let key = |number: usize| (Digest::of(number.to_string().as_bytes()), Need::read("list", "images"));
        for number in 0..MOST + 5 {
            reviews.keep(key(number), now, Verdict::Unknown);
        }
        assert_eq!(reviews.lock().unknown.len(), MOST_UNKNOWN);
        assert_eq!(reviews.kept(&key(0), now), Some(Verdict::Unknown));
        assert_eq!(reviews.kept(&key(0), now + KEPT), None);
        reviews.keep(key(MOST + 1), now, Verdict::Allowed);
        assert_eq!(
            reviews.kept(&key(MOST + 1), now),
            Some(Verdict::Allowed),
            "invented tokens keep nobody out"
        );
        reviews.keep(key(MOST + 2), now + KEPT, Verdict::Unknown);
        assert_eq!(reviews.lock().unknown.len(), 1, "those that count no more make room");
    }
}
