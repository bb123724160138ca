//! A made-up registry with given answers, and the observations from it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use clade::observe::{Observation, ObservedTag, Polled, Wanted};
use clade::oci::Digest;
use clade::registry::{self, Config, Remembered};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::MANIFEST;
use crate::support::digest;

/// The header of an answer whose body breaks off.
pub(super) const BREAKS_OFF: &str = "breaks-off";

/// An answer: status, headers, body.
#[derive(Clone)]
pub(super) struct Answer(pub(super) u16, pub(super) Vec<(&'static str, String)>, pub(super) Vec<u8>);

impl Answer {
    pub(super) fn json(value: &Value) -> Self {
        Self(200, Vec::new(), value.to_string().into_bytes())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.1.push((name, value.into()));
        self
    }

    pub(super) fn status(status: u16) -> Self {
        Self(status, Vec::new(), Vec::new())
    }
}

/// A registry that gives these answers, and 404 to all other requests. A request is written as `GET /path?parameters`.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    address: String,
    /// The answers to each request. The last one stays; the registry gives those before it once each.
    answers: HashMap<String, Vec<Answer>>,
    asked: Vec<String>,
    /// The digests that the publisher would like to see.
    wanted: Wanted,
    /// `true` if each request needs a token of its repository.
    tokens: bool,
}

impl Server {
    pub(super) async fn start() -> Self {
        let server = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        server.0.lock().unwrap().address = listener.local_addr().unwrap().to_string();
        let router = axum::Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(super) fn address(&self) -> String {
        self.0.lock().unwrap().address.clone()
    }

    pub(super) fn answers(&self, to: &str, answers: &[Answer]) -> &Self {
        self.0.lock().unwrap().answers.insert(to.to_owned(), answers.to_vec());
        self
    }

    /// Makes the publisher want a digest of a repository.
    pub(super) fn wants(&self, repository: &str, digest: Digest) -> &Self {
        let name = format!("{}/{repository}", self.address());
        self.0.lock().unwrap().wanted.entry(name).or_default().insert(digest);
        self
    }

    /// Returns the first answer to this request.
    pub(super) fn answer_to(&self, to: &str) -> Answer {
        self.0.lock().unwrap().answers[to][0].clone()
    }

    pub(super) fn asked(&self, beginning: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| asked.starts_with(beginning)).count()
    }

    /// Makes the registry demand a token of its repository with each request.
    pub(super) fn wants_tokens(&self) {
        self.0.lock().unwrap().tokens = true;
    }

    pub(super) fn passes(&self) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| *asked == "GET /v2/_catalog?n=1000").count()
    }

    pub(super) fn repositories(&self, names: &[&str]) -> &Self {
        self.answers("GET /v2/_catalog?n=1000", &[Answer::json(&json!({"repositories": names}))])
    }

    pub(super) fn tags(&self, repository: &str, tags: &[(&str, Digest)]) -> &Self {
        for (tag, digest) in tags {
            let head = Answer::status(200).with("docker-content-digest", digest.to_string());
            self.answers(&format!("HEAD /v2/{repository}/manifests/{tag}"), &[head]);
        }
        let names: Vec<&str> = tags.iter().map(|(tag, _)| *tag).collect();
        let list = Answer::json(&json!({"name": repository, "tags": names}));
        self.answers(&format!("GET /v2/{repository}/tags/list?n=1000"), &[list])
    }

    pub(super) fn manifest(&self, repository: &str, manifest: &Value) -> Digest {
        let answer = Answer::json(manifest);
        let digest = Digest::of(&answer.2);
        self.answers(&format!("GET /v2/{repository}/manifests/{digest}"), &[answer]);
        digest
    }

    /// Adds an image of these layers.
    pub(super) fn image(&self, repository: &str, layers: &[&str]) -> Digest {
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| digest(layer)).collect();
        let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}});
        let answer = Answer::json(&config);
        let config = Digest::of(&answer.2);
        self.answers(&format!("GET /v2/{repository}/blobs/{config}"), &[answer]);
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| json!({"digest": digest(&format!("blob {layer}")), "size": 1}))
            .collect();
        let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config});
        self.manifest(repository, &json!({"mediaType": MANIFEST, "config": config, "layers": layers}))
    }

    /// Returns everything that one pass observes.
    pub(super) async fn pass(&self) -> Seen {
        self.passes_until(2, Seen::is_whole).await
    }

    /// Returns everything that is observed until it is enough, or until this many passes have begun.
    pub(super) async fn passes_until(&self, most: usize, is_enough: impl Fn(&Seen) -> bool) -> Seen {
        let mut config: Config = format!("http://{}", self.address()).parse().unwrap();
        config.requests_per_second = 1_000;
        config.poll = Duration::from_millis(50);
        let (out, mut observations) = mpsc::channel(4);
        let (_notices, notified) = mpsc::channel(4);
        let (_wants, wanted) = watch::channel(Some(Arc::new(self.0.lock().unwrap().wanted.clone())));
        let remembered = Remembered::of(&self.address());
        let watching = tokio::spawn(async move {
            let metrics = clade::telemetry::Metrics::default().registries;
            registry::watch(config, remembered, notified, wanted, &metrics, out).await
        });
        let mut seen = Seen { host: self.address(), observations: Vec::new() };
        // Another pass follows a failed one: by then everything of the first was observed.
        while !is_enough(&seen) && self.passes() < most {
            let next = tokio::time::timeout(Duration::from_millis(100), observations.recv()).await;
            seen.observations.extend(next.ok().flatten().into_iter().flatten());
        }
        watching.abort();
        seen
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response<Body> {
    let asked = format!("{} {}", request.method(), request.uri());
    let authorization =
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let mut state = server.0.lock().unwrap();
    state.asked.push(asked.clone());
    let Answer(status, headers, body) = if let Some(refusal) = refusal(&state, &asked, authorization) {
        refusal
    } else {
        match state.answers.get_mut(&asked) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => Answer::status(404),
        }
    };
    if headers.iter().any(|(name, _)| *name == BREAKS_OFF) {
        let pieces = [Ok("{"), Err(std::io::Error::other("it breaks off"))];
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        return Response::builder().status(status).body(body).unwrap();
    }
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

/// Answers as a registry with tokens, as Docker's specification has them: it gives a token for the repository in the
/// scope, and demands it.
fn refusal(state: &Answers, asked: &str, authorization: Option<String>) -> Option<Answer> {
    if !state.tokens {
        return None;
    }
    if let Some((_, scope)) = asked.split_once("/token?scope=repository%3A") {
        let repository = scope.split("%3Apull").next().unwrap().replace("%2F", "/");
        return Some(Answer::json(&json!({"token": format!("for-{repository}")})));
    }
    let (_, path) = asked.split_once("/v2/")?;
    if path.starts_with("_catalog") {
        return None;
    }
    let repository = ["/manifests/", "/blobs/", "/tags/"].iter().find_map(|part| path.split_once(part));
    let wanted = repository.map(|(name, _)| format!("Bearer for-{name}"));
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"made-up\"", state.address);
    (wanted.is_none() || wanted != authorization)
        .then(|| Answer::status(401).with("www-authenticate", challenge))
}

pub(super) struct Seen {
    host: String,
    pub(super) observations: Vec<Observation>,
}

impl Seen {
    /// Returns `true` if the whole registry was reported, and no repository in it could not be read.
    pub(super) fn is_whole(&self) -> bool {
        self.everything().is_some_and(|(_, _, unseen)| unseen.is_empty())
    }

    fn everything(&self) -> Option<(&HashSet<String>, &HashSet<Digest>, &HashSet<String>)> {
        self.observations.iter().rev().find_map(|seen| match seen {
            Observation::Polled { seen: Polled::Everything { repositories, images, unseen }, .. } => {
                Some((repositories, images, unseen))
            }
            _ => None,
        })
    }

    /// Returns the same, or nothing before the whole registry was reported.
    pub(super) fn unseen_or_none(&self) -> Vec<String> {
        self.everything().map(|_| self.unseen()).unwrap_or_default()
    }

    /// Returns the repositories that exist and could not be read whole.
    pub(super) fn unseen(&self) -> Vec<String> {
        let unseen = self.everything().unwrap().2;
        let mut names: Vec<String> = unseen.iter().map(|name| self.short(name)).collect();
        names.sort_unstable();
        names
    }

    /// Returns the images that were observed.
    pub(super) fn images(&self) -> Vec<Digest> {
        let image = |seen: &Observation| match seen {
            Observation::Image(image) => Some(image.digest),
            _ => None,
        };
        self.observations.iter().filter_map(image).collect()
    }

    /// Returns all images of the last report of the whole registry.
    pub(super) fn listed_images(&self) -> Vec<Digest> {
        self.everything().unwrap().1.iter().copied().collect()
    }

    /// Returns all repositories of the last report of the whole registry.
    pub(super) fn listed_repositories(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.everything().unwrap().0.iter().map(|name| self.short(name)).collect();
        names.sort_unstable();
        names
    }

    /// Returns the tags of a repository that was reported as a whole, with the number of images of each.
    pub(super) fn repository(&self, name: &str) -> Option<Vec<(String, usize)>> {
        let images = |tag: &ObservedTag| tag.items.first().map_or(0, |item| item.images.len());
        self.observations.iter().rev().find_map(|seen| match seen {
            Observation::Polled { seen: Polled::Repository(repository, tags), .. }
                if self.short(repository) == name =>
            {
                Some(tags.iter().map(|tag| (tag.tag.clone(), images(tag))).collect())
            }
            _ => None,
        })
    }

    /// Returns the places that could not be read, without the registry, and the reasons.
    pub(super) fn unreadable(&self) -> Vec<(String, String)> {
        let letter = |seen: &Observation| match seen {
            Observation::Unreadable(letter) => Some((self.short(&letter.origin), letter.reason.clone())),
            _ => None,
        };
        self.observations.iter().filter_map(letter).collect()
    }

    pub(super) fn short(&self, name: &str) -> String {
        name.strip_prefix(&format!("{}/", self.host)).unwrap().to_owned()
    }
}
