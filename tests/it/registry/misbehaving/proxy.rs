//! An HTTP proxy before a registry that misbehaves by chance, as a seed has it.
//!
//! The misbehaviour of an answer depends on the seed, the request and the number of times that it came, so it does not depend
//! on the order in which requests of several repositories come. It is fair: of each thing, the proxy tells no second lie that
//! something is gone before it has told the truth about it, since clade believes the second one (docs/guides/registry.md,
//! "Deletions"); and a list of tags that it shortens lacks more than half of them, since clade believes a list that lacks few.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Error;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::kind::{self, ALL, Kind, Of};

/// One in so many requests for the target of a tag begins a misbehaviour, which may last for some requests of the same path.
const ONE_HEAD_IN: u32 = 15;
/// One in so many other requests does, of which there are fewer.
const ONE_IN: u32 = 6;
/// A stall: long beside an answer, and short beside a test.
const STALL: Duration = Duration::from_millis(300);

/// The proxy. It ends when it is dropped.
pub(super) struct Proxy {
    pub(super) address: String,
    of: Shared,
    _runtime: tokio::runtime::Runtime,
}

type Shared = Arc<Mutex<Facts>>;

struct Facts {
    seed: u64,
    registry: String,
    http: reqwest::Client,
    address: String,
    /// Another host, which has an answer to everything.
    elsewhere: String,
    misbehaves: bool,
    requests: usize,
    passes: usize,
    told: BTreeMap<Kind, usize>,
    paths: HashMap<String, Path>,
    /// The repositories of which the last list was true.
    honest: HashSet<String>,
    /// A manifest for those who ask for another one.
    manifest: Bytes,
}

#[derive(Default)]
struct Path {
    times: u32,
    /// The misbehaviour that goes on, and the requests for which it does.
    mood: Option<(Kind, u8)>,
    /// `true` if the last that it said is that there is nothing.
    has_lied: bool,
}

impl Proxy {
    pub(super) fn start(registry: &str, seed: u64) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listen = || runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (listener, other) = (listen(), listen());
        let facts = Facts {
            seed,
            registry: registry.to_owned(),
            http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            address: listener.local_addr().unwrap().to_string(),
            elsewhere: other.local_addr().unwrap().to_string(),
            misbehaves: false,
            requests: 0,
            passes: 0,
            told: BTreeMap::new(),
            paths: HashMap::new(),
            honest: HashSet::new(),
            manifest: Bytes::new(),
        };
        let (address, of) = (facts.address.clone(), Arc::new(Mutex::new(facts)));
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&of));
        runtime.spawn(async move { axum::serve(listener, router).await });
        let elsewhere = axum::Router::new().fallback(|| async { r#"{"message": "welcome elsewhere"}"# });
        runtime.spawn(async move { axum::serve(other, elsewhere).await });
        Self { address, of, _runtime: runtime }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.of.lock().unwrap()
    }

    pub(super) fn misbehave(&self, misbehaves: bool) {
        let mut facts = self.facts();
        facts.misbehaves = misbehaves;
        facts.paths.values_mut().for_each(|path| path.mood = None);
    }

    /// The requests that it was asked.
    pub(super) fn requests(&self) -> usize {
        self.facts().requests
    }

    /// The lists of repositories that it was asked for.
    pub(super) fn passes(&self) -> usize {
        self.facts().passes
    }

    /// The number of answers of each kind of misbehaviour.
    pub(super) fn told(&self) -> BTreeMap<Kind, usize> {
        self.facts().told.clone()
    }
}

impl Facts {
    /// Decides how the answer to a request misbehaves, if it does.
    fn decide(&mut self, method: &Method, path: &str, of: &Of) -> Option<Kind> {
        self.requests += 1;
        self.passes += usize::from(*of == Of::Catalog);
        let are_all_honest = || {
            let lists = self.paths.keys().filter_map(|path| match Of::path(path) {
                Of::Tags(repository) => Some(repository),
                _ => None,
            });
            lists.into_iter().all(|repository| self.honest.contains(&repository))
        };
        let is_honest = match of {
            Of::Catalog => are_all_honest(),
            Of::Tags(repository) => self.honest.contains(repository),
            Of::Manifest | Of::Blob => true,
        };
        let entry = self.paths.entry(path.to_owned()).or_default();
        entry.times += 1;
        let mut random = {
            let mut hasher = DefaultHasher::new();
            (self.seed, method.as_str(), path, entry.times).hash(&mut hasher);
            fastrand::Rng::with_seed(hasher.finish())
        };
        let mood = entry.mood.take().filter(|_| self.misbehaves);
        let may_be =
            |kind: &Kind| kind.suits(of, method) && (!kind.is_lie(method) || is_honest && !entry.has_lied);
        let one_in = if method == Method::HEAD { ONE_HEAD_IN } else { ONE_IN };
        let kind = match mood {
            Some((kind, left)) => {
                entry.mood = left.checked_sub(1).map(|left| (kind, left));
                Some(kind).filter(may_be)
            }
            None if self.misbehaves && random.u32(..one_in) == 0 => {
                let kinds: Vec<Kind> = ALL.into_iter().filter(may_be).collect();
                // Kinds that have not come yet come first, so that each comes.
                let new: Vec<Kind> =
                    kinds.iter().filter(|kind| !self.told.contains_key(kind)).copied().collect();
                let kinds = if new.is_empty() { kinds } else { new };
                let kind = kinds[random.usize(..kinds.len())];
                if kind.may_last() && random.bool() {
                    entry.mood = Some((kind, random.u8(..5)));
                }
                Some(kind)
            }
            None => None,
        };
        match kind {
            Some(kind) if kind.is_lie(method) => {
                entry.has_lied = true;
                match of {
                    Of::Catalog => self.honest.clear(),
                    Of::Tags(repository) => drop(self.honest.remove(repository)),
                    Of::Manifest | Of::Blob => {}
                }
            }
            Some(_) => {}
            None => {
                entry.has_lied = false;
                if let Of::Tags(repository) = of {
                    self.honest.insert(repository.clone());
                }
            }
        }
        kind
    }
}

/// An answer of the registry.
struct True {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

async fn ask(asking: reqwest::RequestBuilder) -> True {
    let answer = asking.send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.unwrap();
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    True { status, headers, body }
}

async fn answer(State(facts): State<Shared>, request: Request) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if path == "/loop" {
        facts.lock().unwrap().requests += 1;
        return to("/loop");
    }
    let of = Of::path(&path);
    let (kind, mut asking) = {
        let mut facts = facts.lock().unwrap();
        let place = format!("http://{}{}", facts.registry, request.uri().path_and_query().unwrap());
        (facts.decide(&method, &path, &of), facts.http.request(method, place))
    };
    if let Some(accept) = request.headers().get(header::ACCEPT) {
        asking = asking.header(header::ACCEPT, accept);
    }
    let there = ask(asking).await;
    let (kind, own, elsewhere, manifest) = {
        let mut facts = facts.lock().unwrap();
        let kind = kind.filter(|kind| there.status.is_success() && kind.can(&of, &there.body));
        let Some(kind) = kind else {
            if of == Of::Manifest && there.status.is_success() && !there.body.is_empty() {
                facts.manifest = there.body.clone();
            }
            return there.response(Body::from);
        };
        *facts.told.entry(kind).or_default() += 1;
        (kind, facts.address.clone(), facts.elsewhere.clone(), facts.manifest.clone())
    };
    misbehaved(kind, there, &of, &path, &own, &elsewhere, manifest).await
}

async fn misbehaved(
    kind: Kind,
    there: True,
    of: &Of,
    path: &str,
    own: &str,
    elsewhere: &str,
    manifest: Bytes,
) -> Response<Body> {
    match kind {
        Kind::Cut => there.response(|body| pieces(&body, None, true)),
        Kind::StallBeforeHeaders => {
            tokio::time::sleep(STALL).await;
            there.response(Body::from)
        }
        Kind::StallAfterHeaders => there.response(|body| Body::from_stream(later(body))),
        Kind::StallInBody => there.response(|body| pieces(&body, Some(STALL), false)),
        Kind::StallAndCut => there.response(|body| pieces(&body, Some(STALL), true)),
        Kind::WrongType => there.with("content-type", "text/html").response(Body::from),
        Kind::Page => said(200, "text/html", "<html><body>sign in</body></html>".to_owned()),
        Kind::Errors => json_of(200, &json!({"errors": [{"code": "UNAVAILABLE", "message": "later"}]})),
        Kind::Message => json_of(200, &json!({"message": "temporarily unavailable"})),
        Kind::EmptyArray => json_of(200, &json!([])),
        Kind::EmptyObject => json_of(200, &json!({})),
        Kind::EmptyList | Kind::HalfList | Kind::OtherName => {
            json_of(200, &kind::list(kind, of, &there.body))
        }
        Kind::NotFound => {
            json_of(404, &json!({"errors": [{"code": "NAME_UNKNOWN", "message": "there is nothing"}]}))
        }
        Kind::NotFoundPage => said(404, "text/html", "<html>default backend</html>".to_owned()),
        Kind::Unauthorized => json_of(401, &json!({"errors": [{"code": "UNAUTHORIZED", "message": "who?"}]})),
        Kind::NoTokens => {
            let mut answer = json_of(401, &json!({}));
            let challenge = format!("Bearer realm=\"http://{elsewhere}/token\",service=\"none\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
            answer
        }
        Kind::Forbidden => json_of(403, &json!({"errors": [{"code": "DENIED", "message": "not you"}]})),
        Kind::TooMany => {
            let mut answer = json_of(429, &json!({}));
            answer.headers_mut().insert(header::RETRY_AFTER, "1".parse().unwrap());
            answer
        }
        Kind::Internal => said(500, "text/plain", "it broke".to_owned()),
        Kind::BadGateway => said(502, "text/html", "<html>bad gateway</html>".to_owned()),
        Kind::Unavailable => json_of(503, &json!({"errors": [{"code": "UNAVAILABLE", "message": "later"}]})),
        Kind::RedirectInCircles => to("/loop"),
        Kind::RedirectElsewhere => to(&format!("http://{elsewhere}{path}")),
        Kind::RedirectNowhere => to("http://127.0.0.1:1/v2/"),
        Kind::RedirectToItself => to(&format!("http://{own}{path}?n=1000")),
        Kind::DigestOfNothing => {
            let digest = clade::oci::Digest::of(path.as_bytes()).to_string();
            there.with("docker-content-digest", &digest).response(Body::from)
        }
        Kind::DigestThatIsNone => there.with("docker-content-digest", "sha256:none").response(Body::from),
        Kind::NoDigest => {
            let mut there = there;
            there.headers.remove("docker-content-digest");
            there.response(Body::from)
        }
        Kind::OtherBody => {
            let mut there = there;
            there.headers.remove(header::CONTENT_LENGTH);
            there.body = manifest;
            there.response(Body::from)
        }
    }
}

impl True {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    fn response(self, body: impl FnOnce(Bytes) -> Body) -> Response<Body> {
        let mut response = Response::new(body(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn said(status: u16, media: &str, body: String) -> Response<Body> {
    Response::builder().status(status).header(header::CONTENT_TYPE, media).body(Body::from(body)).unwrap()
}

fn json_of(status: u16, value: &Value) -> Response<Body> {
    said(status, "application/json", value.to_string())
}

fn to(place: &str) -> Response<Body> {
    Response::builder().status(307).header(header::LOCATION, place).body(Body::empty()).unwrap()
}

/// The body, after a while.
fn later(body: Bytes) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    futures_util::stream::once(async move {
        tokio::time::sleep(STALL).await;
        Ok(body)
    })
}

/// Half of the body, and after a pause the other half, or the end of the connection.
fn pieces(body: &Bytes, pause: Option<Duration>, breaks_off: bool) -> Body {
    let middle = body.len() / 2;
    let first = futures_util::stream::iter([Ok(body.slice(..middle))]);
    let rest = body.slice(middle..);
    let second = futures_util::stream::once(async move {
        tokio::time::sleep(pause.unwrap_or_default()).await;
        if breaks_off { Err(Error::other("it breaks off")) } else { Ok(rest) }
    });
    Body::from_stream(first.chain(second))
}
