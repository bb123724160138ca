//! What registries answer, right and wrong, and what the registry source makes of it: against a made-up server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use clade::oci::Digest;
use clade::publisher::{Listing, Observation};
use clade::registry::{Config, watch};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An answer: status, headers, body.
#[derive(Clone)]
struct Answer(u16, Vec<(&'static str, String)>, Vec<u8>);

impl Answer {
    fn json(value: &Value) -> Self {
        Self(200, Vec::new(), value.to_string().into_bytes())
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.1.push((name, value.into()));
        self
    }

    fn status(status: u16) -> Self {
        Self(status, Vec::new(), Vec::new())
    }
}

/// A registry that answers what it is told to; 404 to all else. `GET /path?parameters` is what it is asked.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    address: String,
    /// The last stays; those before it are given once each.
    answers: HashMap<String, Vec<Answer>>,
    asked: Vec<String>,
    /// A token that each request needs, by repository.
    tokens: bool,
}

impl Server {
    async fn start() -> Self {
        let server = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        server.0.lock().unwrap().address = listener.local_addr().unwrap().to_string();
        let router = axum::Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn address(&self) -> String {
        self.0.lock().unwrap().address.clone()
    }

    fn answers(&self, to: &str, answers: &[Answer]) -> &Self {
        self.0.lock().unwrap().answers.insert(to.to_owned(), answers.to_vec());
        self
    }

    fn asked(&self, beginning: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| asked.starts_with(beginning)).count()
    }

    fn passes(&self) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|asked| *asked == "GET /v2/_catalog?n=1000").count()
    }

    fn repositories(&self, names: &[&str]) -> &Self {
        self.answers("GET /v2/_catalog?n=1000", &[Answer::json(&json!({"repositories": names}))])
    }

    fn tags(&self, repository: &str, tags: &[(&str, Digest)]) -> &Self {
        for (tag, digest) in tags {
            let head = Answer::status(200).with("docker-content-digest", digest.to_string());
            self.answers(&format!("HEAD /v2/{repository}/manifests/{tag}"), &[head]);
        }
        let names: Vec<&str> = tags.iter().map(|(tag, _)| *tag).collect();
        let list = Answer::json(&json!({"name": repository, "tags": names}));
        self.answers(&format!("GET /v2/{repository}/tags/list?n=1000"), &[list])
    }

    fn manifest(&self, repository: &str, manifest: &Value) -> Digest {
        let answer = Answer::json(manifest);
        let digest = Digest::of(&answer.2);
        self.answers(&format!("GET /v2/{repository}/manifests/{digest}"), &[answer]);
        digest
    }

    /// An image of these layers.
    fn image(&self, repository: &str, layers: &[&str]) -> Digest {
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

    /// Everything that is seen in one pass. Whether it was told as a whole is the last.
    async fn pass(&self) -> Seen {
        let mut config: Config = format!("http://{}", self.address()).parse().unwrap();
        config.requests_per_second = 1_000;
        let (out, mut observations) = mpsc::channel(4);
        let (_notices, notified) = mpsc::channel(4);
        let watching = tokio::spawn(watch(config, notified, out));
        let mut seen = Seen { host: self.address(), observations: Vec::new() };
        // A pass that fails is followed by another: by then all of the first was seen.
        while !seen.is_whole() && self.passes() < 2 {
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
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).unwrap()
}

/// A registry with tokens, as Docker's specification has them, gives a token for the repository in the scope, and wants it.
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

struct Seen {
    host: String,
    observations: Vec<Observation>,
}

impl Seen {
    fn is_whole(&self) -> bool {
        self.observations.iter().any(|seen| matches!(seen, Observation::Listed(_, Listing::Images(_))))
    }

    /// The images that were told of.
    fn images(&self) -> Vec<Digest> {
        let image = |seen: &Observation| match seen {
            Observation::Image(image) => Some(image.digest),
            _ => None,
        };
        self.observations.iter().filter_map(image).collect()
    }

    /// All images that there are.
    fn listed_images(&self) -> Vec<Digest> {
        let listed = |seen: &Observation| match seen {
            Observation::Listed(_, Listing::Images(images)) => Some(images.clone()),
            _ => None,
        };
        self.observations.iter().find_map(listed).unwrap().into_iter().collect()
    }

    /// All repositories that there are.
    fn listed_repositories(&self) -> Vec<String> {
        let listed = |seen: &Observation| match seen {
            Observation::Listed(_, Listing::Repositories(names)) => Some(names.clone()),
            _ => None,
        };
        let mut names: Vec<String> = self
            .observations
            .iter()
            .find_map(listed)
            .unwrap()
            .into_iter()
            .map(|name| self.short(&name))
            .collect();
        names.sort_unstable();
        names
    }

    /// The tags of a repository that was told as a whole, with how many images each has.
    fn repository(&self, name: &str) -> Option<Vec<(String, usize)>> {
        self.observations.iter().find_map(|seen| match seen {
            Observation::Repository { repository, tags, .. } if self.short(repository) == name => {
                Some(tags.iter().map(|tag| (tag.tag.clone(), tag.items[0].images.len())).collect())
            }
            _ => None,
        })
    }

    /// Where something could not be read, without the registry, and why.
    fn unreadable(&self) -> Vec<(String, String)> {
        let letter = |seen: &Observation| match seen {
            Observation::Unreadable(letter) => Some((self.short(&letter.origin), letter.reason.clone())),
            _ => None,
        };
        self.observations.iter().filter_map(letter).collect()
    }

    fn short(&self, name: &str) -> String {
        name.strip_prefix(&format!("{}/", self.host)).unwrap().to_owned()
    }
}

#[tokio::test]
async fn lists_are_read_page_by_page_however_the_next_page_is_called() {
    let server = Server::start().await;
    let page = |names: &[&str]| Answer::json(&json!({"repositories": names}));
    let link = "<https://elsewhere.example/v2/_catalog?next_page=abc>; rel=\"next\"";
    server.answers("GET /v2/_catalog?n=1000", &[page(&["a"]).with("link", link)]);
    server.answers("GET /v2/_catalog?next_page=abc", &[page(&["b"])]);
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    server.tags("a", &[("1", one)]).tags("b", &[]);
    let tags = Answer::json(&json!({"tags": ["1"]})).with("link", "</v2/a/tags/list?last=1>; rel=\"next\"");
    server.answers("GET /v2/a/tags/list?n=1000", &[tags]);
    server.answers("GET /v2/a/tags/list?last=1", &[Answer::json(&json!({"tags": ["2"]}))]);
    let head = Answer::status(200).with("docker-content-digest", other.to_string());
    server.answers("HEAD /v2/a/manifests/2", &[head]);
    let seen = server.pass().await;
    assert_eq!(seen.listed_repositories(), ["a", "b"]);
    assert_eq!(seen.repository("a").unwrap(), [("1".to_owned(), 1), ("2".to_owned(), 1)]);
}

#[tokio::test]
async fn a_full_page_without_a_link_is_not_taken_for_the_end() {
    let server = Server::start().await;
    let names: Vec<String> = (0..1_000).map(|number| format!("r{number:04}")).collect();
    server.answers("GET /v2/_catalog?n=1000", &[Answer::json(&json!({"repositories": names}))]);
    server.answers("GET /v2/_catalog?n=1000&last=r0999", &[Answer::json(&json!({"repositories": ["s"]}))]);
    for name in names.iter().map(String::as_str).chain(["s"]) {
        server.tags(name, &[]);
    }
    assert_eq!(server.pass().await.listed_repositories().len(), 1_001);
}

#[tokio::test]
async fn a_registry_that_wants_to_be_asked_later_is_asked_later() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.repositories(&["a"]).tags("a", &[("1", image)]);
    let list = Answer::json(&json!({"tags": ["1"]}));
    let later = Answer::status(429).with("retry-after", "1");
    server.answers("GET /v2/a/tags/list?n=1000", &[later, Answer::status(502), list]);
    let begun = Instant::now();
    assert_eq!(server.pass().await.listed_images(), [image]);
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.asked("GET /v2/a/tags"), 3);
}

#[tokio::test]
async fn what_cannot_be_found_out_of_one_repository_makes_nothing_look_deleted_and_stops_no_other() {
    let server = Server::start().await;
    let (here, there) = (server.image("a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["a", "b", "c"]).tags("a", &[("1", here)]).tags("b", &[("1", there), ("2", there)]);
    server.answers("HEAD /v2/b/manifests/2", &[Answer::status(403)]);
    server.answers("GET /v2/c/tags/list?n=1000", &[Answer::status(500)]);
    let seen = server.pass().await;
    assert!(!seen.is_whole());
    assert!(seen.repository("a").is_some());
    assert!(seen.repository("b").is_none() && seen.repository("c").is_none());
    let tag = |seen: &&Observation| matches!(seen, Observation::Tag(tag) if tag.repository.ends_with("/b"));
    assert_eq!(seen.observations.iter().filter(tag).count(), 1, "the tag that could be found out is told");
    assert_eq!(seen.images().len(), 2);
}

#[tokio::test]
async fn a_repository_that_is_listed_and_answers_404_is_gone() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.repositories(&["a", "gone"]).tags("a", &[("1", image)]);
    let unknown =
        json!({"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]});
    let unknown = Answer(404, Vec::new(), unknown.to_string().into_bytes());
    server.answers("GET /v2/gone/tags/list?n=1000", &[unknown]);
    let seen = server.pass().await;
    assert_eq!(seen.listed_repositories(), ["a"]);
    assert_eq!(seen.repository("gone"), Some(Vec::new()));
}

#[tokio::test]
async fn a_404_that_no_registry_has_written_says_nothing_of_a_repository() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    server.repositories(&["a", "hidden"]).tags("a", &[("1", image)]);
    let page = Answer(404, Vec::new(), b"<html>default backend</html>".to_vec());
    server.answers("GET /v2/hidden/tags/list?n=1000", &[page]);
    let seen = server.pass().await;
    assert_eq!(seen.repository("hidden"), None);
    assert!(!seen.is_whole(), "a pass with a failure lists nothing");
}

#[tokio::test]
async fn documents_that_are_no_good_become_dead_letters_with_their_place() {
    let server = Server::start().await;
    let image = server.image("a", &["A"]);
    let damaged = digest("what was pushed");
    server.answers(&format!("GET /v2/a/manifests/{damaged}"), &[Answer::json(&json!({"layers": []}))]);
    let huge = digest("huge");
    let body = vec![b' '; (16 << 20) + 1];
    server.answers(&format!("GET /v2/a/manifests/{huge}"), &[Answer(200, Vec::new(), body)]);
    let fewer = server.manifest(
        "a",
        &json!({"config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest("none")}}),
    );
    let tags = [("damaged", damaged), ("fewer", fewer), ("good", image), ("huge", huge)];
    server.repositories(&["a"]).tags("a", &tags);
    let seen = server.pass().await;
    let mut unreadable = seen.unreadable();
    unreadable.sort_unstable();
    let reason = |digest: Digest| {
        let found = unreadable.iter().find(|(place, _)| *place == format!("a@{digest}"));
        found.map(|(_, reason)| reason.clone()).unwrap_or_default()
    };
    assert_eq!(unreadable.len(), 3);
    assert!(reason(damaged).contains("was changed or damaged"), "{}", reason(damaged));
    assert!(reason(huge).contains("is larger than"), "{}", reason(huge));
    assert!(reason(fewer).contains("the registry does not have"), "{}", reason(fewer));
    // What was published of them before is not taken back: they are there, after all.
    assert_eq!(seen.listed_images().len(), 4);
    let none = |tag: &str| (tag.to_owned(), 0);
    let tags = seen.repository("a").unwrap();
    assert_eq!(tags, [none("damaged"), none("fewer"), ("good".to_owned(), 1), none("huge")]);
}

#[tokio::test]
async fn an_index_is_its_images_without_what_is_none_or_is_missing() {
    let server = Server::start().await;
    let (one, other) = (server.image("a", &["A"]), server.image("a", &["B"]));
    let missing = digest("missing");
    let unknown = json!({"os": "unknown", "architecture": "unknown"});
    let base = json!({"org.opencontainers.image.base.name": "base:1"});
    let inner = server.manifest("a", &json!({"mediaType": INDEX, "manifests": [{"digest": other}]}));
    let outer = server.manifest(
        "a",
        &json!({"mediaType": INDEX, "annotations": base, "manifests": [
            {"digest": one, "mediaType": MANIFEST},
            {"digest": digest("attestation"), "platform": unknown},
            {"digest": inner, "mediaType": INDEX},
            {"digest": missing, "mediaType": MANIFEST},
        ]}),
    );
    let helm = json!({"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest("chart")});
    let chart = server.manifest("a", &json!({"mediaType": MANIFEST, "config": helm}));
    let cosign = format!("sha256-{}.sig", one.hex());
    server
        .repositories(&["a"])
        .tags("a", &[("chart", chart), ("multi", outer), (&cosign, digest("signature"))]);
    let seen = server.pass().await;
    assert_eq!(seen.images(), [one, other]);
    assert_eq!(seen.repository("a").unwrap(), [("multi".to_owned(), 2)]);
    assert_eq!(seen.unreadable()[0].0, format!("a@{missing}"));
    let not_images = |seen: &&Observation| matches!(seen, Observation::NotAnImage(_));
    assert_eq!(seen.observations.iter().filter(not_images).count(), 3);
    assert_eq!(server.asked(&format!("HEAD /v2/a/manifests/{cosign}")), 0);
    let claims = |seen: &Observation| match seen {
        Observation::Image(image) => image.claims.first().and_then(|claim| claim.name.clone()),
        _ => None,
    };
    assert_eq!(seen.observations.iter().filter_map(claims).collect::<Vec<_>>(), ["base:1", "base:1"]);
}

#[tokio::test]
async fn a_registry_with_tokens_is_asked_for_one_for_each_repository() {
    let server = Server::start().await;
    server.0.lock().unwrap().tokens = true;
    let (one, other) = (server.image("team/a", &["A"]), server.image("b", &["B"]));
    server.repositories(&["team/a", "b"]).tags("team/a", &[("1", one)]).tags("b", &[("1", other)]);
    let seen = server.pass().await;
    assert_eq!(seen.listed_images().len(), 2);
    assert_eq!(server.asked("GET /token"), 2);
}
