//! A registry of any size that is made up from numbers. It refuses one manifest in a hundred for ever, fails one request in
//! a hundred for the moment, counts the requests, and knows what a right answer about it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use clade::oci::Digest;
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PLATFORMS: [&str; 2] = ["amd64", "arm64"];
/// One in so many manifests is refused, and one in so many requests fails.
const ONE_IN: u16 = 100;
/// One in so many answers 429 says when to come back.
const SAYS_WHEN: u64 = 100;

/// Requests that were answered, by what they asked for, and those that were not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All requests.
    pub requests: u64,
    /// Pages of lists.
    pub lists: u64,
    /// Targets of tags.
    pub heads: u64,
    /// Manifests, indexes and configs.
    pub documents: u64,
    /// The manifests that the registry refuses for ever.
    pub refused: u64,
    /// Answers 429 and 5xx.
    pub failed: u64,
    /// Whole lists of repositories.
    pub passes: u64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            lists: self.lists - before.lists,
            heads: self.heads - before.heads,
            documents: self.documents - before.documents,
            refused: self.refused - before.refused,
            failed: self.failed - before.failed,
            passes: self.passes - before.passes,
        }
    }
}

/// Tags by full name, each with its target and the images there.
pub type Tags = BTreeMap<String, (Digest, BTreeSet<Digest>)>;

/// The parts from which a document is made again. Whole documents would take more memory than clade, which is measured.
#[derive(Clone)]
enum Document {
    Manifest(String),
    Config(String),
    Index(Vec<Digest>),
}

#[derive(Default)]
struct Repository {
    tags: BTreeMap<String, Digest>,
    documents: HashMap<Digest, Document>,
}

/// The registry. Clones share it.
#[derive(Clone)]
pub struct MadeUp(Arc<Mutex<Content>>);

struct Content {
    address: String,
    repositories: BTreeMap<String, Repository>,
    counts: Counts,
    /// The number of deliveries of each document of a repository.
    delivered: HashMap<(String, Digest), u32>,
    random: fastrand::Rng,
}

impl MadeUp {
    /// Makes up a registry and serves it at a free port. A few repositories have most of the tags.
    #[allow(clippy::cast_possible_truncation, reason = "there are far fewer tags")]
    pub async fn start(repositories: usize, tags: usize) -> Self {
        let weight = |number: usize| 1.0 / (number as f64 + 10.0).powf(0.8);
        let all: f64 = (0..repositories).map(weight).sum();
        let mut content = Content {
            address: String::new(),
            repositories: BTreeMap::new(),
            counts: Counts::default(),
            delivered: HashMap::new(),
            random: fastrand::Rng::with_seed(7),
        };
        let mut due = 0.0;
        let mut made = 0;
        for number in 0..repositories {
            due += weight(number) / all * tags as f64;
            // Scattered, so that the large ones are not all at the beginning of the list.
            let name = format!("team{}/app{number:04}", number * 7 % 40);
            let mut repository = Repository::default();
            let count = (due.round() as usize).saturating_sub(made).max(1);
            for tag in 0..count {
                let (version, kind) = (tag / 2, if tag % 2 == 0 { "1" } else { "build" });
                let target = repository.push(&name, version, number % 5 == 0);
                repository.tags.insert(format!("{kind}.{version}"), target);
            }
            made += count;
            content.repositories.insert(name, repository);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        content.address = listener.local_addr().unwrap().to_string();
        let registry = Self(Arc::new(Mutex::new(content)));
        let router = axum::Router::new().fallback(answer).with_state(registry.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        registry
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap()
    }

    pub fn address(&self) -> String {
        self.content().address.clone()
    }

    pub fn counts(&self) -> Counts {
        self.content().counts
    }

    pub fn repositories(&self) -> Vec<String> {
        self.content().repositories.keys().cloned().collect()
    }

    pub fn tags(&self, repository: &str) -> Vec<String> {
        self.content().repositories[repository].tags.keys().cloned().collect()
    }

    /// The documents that were delivered more than once, by repository.
    pub fn delivered_again(&self) -> BTreeMap<String, u32> {
        let mut again = BTreeMap::new();
        for ((repository, _), times) in &self.content().delivered {
            if *times > 1 {
                *again.entry(repository.clone()).or_default() += times - 1;
            }
        }
        again
    }

    /// Counts deliveries anew.
    pub fn forget_deliveries(&self) {
        self.content().delivered.clear();
    }

    /// Makes a tag point at an image of this version, which is new. Returns `false` if it is refused.
    pub fn push(&self, repository: &str, tag: &str, version: usize) -> bool {
        let mut content = self.content();
        let of = content.repositories.get_mut(repository).unwrap();
        let target = of.push(repository, version, false);
        of.tags.insert(tag.to_owned(), target);
        refusal(&target).is_none()
    }

    pub fn delete_tag(&self, repository: &str, tag: &str) {
        self.content().repositories.get_mut(repository).unwrap().tags.remove(tag).unwrap();
    }

    pub fn delete_repository(&self, repository: &str) {
        self.content().repositories.remove(repository).unwrap();
    }

    /// All that can be known: each tag by full name with its target and the images there, and all images.
    pub fn truth(&self) -> (Tags, HashSet<Digest>) {
        let content = self.content();
        let (mut tags, mut all) = (BTreeMap::new(), HashSet::new());
        for (name, repository) in &content.repositories {
            for (tag, target) in &repository.tags {
                let images: BTreeSet<Digest> = match (refusal(target), &repository.documents[target]) {
                    // Nobody says where such a tag points.
                    (Some(403), _) => continue,
                    (Some(_), _) => BTreeSet::new(),
                    (None, Document::Index(inside)) => {
                        inside.iter().filter(|image| refusal(image).is_none()).copied().collect()
                    }
                    (None, _) => BTreeSet::from([*target]),
                };
                all.extend(&images);
                tags.insert(format!("{}/{name}:{tag}", content.address), (*target, images));
            }
        }
        (tags, all)
    }

    /// The documents that no request gets, as far as tags lead to them.
    pub fn refused(&self) -> usize {
        let content = self.content();
        let documents = content.repositories.values().flat_map(|of| of.documents.iter());
        documents
            .filter(|(digest, of)| !matches!(of, Document::Config(_)) && refusal(digest).is_some())
            .count()
    }
}

impl Repository {
    /// Adds an image, or an index of two, and returns its digest.
    fn push(&mut self, name: &str, version: usize, is_index: bool) -> Digest {
        let platforms = if is_index { &PLATFORMS[..] } else { &PLATFORMS[..1] };
        let mut images = Vec::new();
        for platform in platforms {
            let of = format!("{name} {version} {platform}");
            let digest = Digest::of(&manifest(&of));
            self.documents.insert(Digest::of(&config(&of)), Document::Config(of.clone()));
            self.documents.insert(digest, Document::Manifest(of));
            images.push(digest);
        }
        match images[..] {
            [image] => image,
            _ => {
                let digest = Digest::of(&index(&images));
                self.documents.insert(digest, Document::Index(images));
                digest
            }
        }
    }
}

/// The status with which a manifest is refused for ever.
fn refusal(digest: &Digest) -> Option<u16> {
    let number = u16::from_str_radix(&digest.hex()[..4], 16).unwrap();
    number.is_multiple_of(ONE_IN).then_some(if number.is_multiple_of(2 * ONE_IN) { 403 } else { 404 })
}

/// Layers on one of 20 bases, and three of the image's own.
fn layers(of: &str, kind: &str) -> Vec<Digest> {
    let mut words = of.split(' ');
    let (name, version, platform) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let base = name.bytes().map(usize::from).sum::<usize>() % 20;
    let era = version.parse::<usize>().unwrap() / 10;
    let below = (0..4).map(|layer| format!("base {base} {era} {platform} {layer}"));
    let own = (0..3).map(|layer| format!("{of} {layer}"));
    below.chain(own).map(|layer| Digest::of(format!("{kind} {layer}").as_bytes())).collect()
}

fn config(of: &str) -> Vec<u8> {
    let history: Vec<Value> = (0..7)
        .map(|step| json!({"created_by": format!("RUN step {step} of {of}"), "created": "2026-01-01T00:00:00Z"}))
        .collect();
    let platform = of.rsplit(' ').next().unwrap();
    let config = json!({"os": "linux", "architecture": platform, "history": history,
        "rootfs": {"type": "layers", "diff_ids": layers(of, "diff")}});
    config.to_string().into_bytes()
}

fn manifest(of: &str) -> Vec<u8> {
    let config = config(of);
    let layer = |digest: &Digest| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest, "size": 1});
    let layers: Vec<Value> = layers(of, "blob").iter().map(layer).collect();
    let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config),
        "size": config.len()});
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
        .to_string()
        .into_bytes()
}

fn index(images: &[Digest]) -> Vec<u8> {
    let entry = |(image, architecture): (&Digest, &&str)| {
        json!({"mediaType": MANIFEST, "digest": image, "size": 1,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let entries: Vec<Value> = images.iter().zip(&PLATFORMS).map(entry).collect();
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string().into_bytes()
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

async fn answer(State(registry): State<MadeUp>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (status, headers, body) = registry.content().answer(&path, &query);
    let response = headers
        .into_iter()
        .fold(Response::builder().status(status), |response, (name, value)| response.header(name, value));
    response.body(if request.method() == "HEAD" { Body::empty() } else { Body::from(body) }).unwrap()
}

impl Content {
    fn answer(&mut self, path: &str, query: &str) -> Answer {
        self.counts.requests += 1;
        if self.random.u16(..ONE_IN) == 0 {
            self.counts.failed += 1;
            let status = [429, 500, 502, 503][self.random.usize(..4)];
            let says_when = status == 429 && self.random.u64(..SAYS_WHEN) == 0;
            let headers = says_when.then(|| ("retry-after", "1".to_owned()));
            return (status, headers.into_iter().collect(), Vec::new());
        }
        let found = self.find(path, query);
        if found.0 >= 400 {
            self.counts.refused += 1;
        }
        found
    }

    fn find(&mut self, path: &str, query: &str) -> Answer {
        if path == "/v2/_catalog" {
            let names = self.repositories.keys().cloned().collect();
            let (answer, is_last) = page(path, query, names, |names| json!({"repositories": names}));
            self.counts.lists += 1;
            self.counts.passes += u64::from(is_last);
            return answer;
        }
        let path_in = path.strip_prefix("/v2/").unwrap_or_default();
        let parts = ["/tags/", "/manifests/", "/blobs/"];
        let split = parts.iter().find_map(|part| path_in.split_once(part));
        let Some((name, reference)) = split else { return (200, Vec::new(), Vec::new()) };
        let Some(repository) = self.repositories.get(name) else { return unknown("NAME_UNKNOWN") };
        if reference == "list" {
            let names = repository.tags.keys().cloned().collect();
            self.counts.lists += 1;
            return page(path, query, names, |names| json!({"name": name, "tags": names})).0;
        }
        let by_tag = repository.tags.get(reference).copied();
        let Some(digest) = by_tag.or_else(|| reference.parse().ok()) else {
            return unknown("MANIFEST_UNKNOWN");
        };
        let of = repository.documents.get(&digest);
        match (of, refusal(&digest)) {
            (None, _) => return unknown("MANIFEST_UNKNOWN"),
            (Some(Document::Config(_)), _) | (_, None) => {}
            (_, Some(403)) => {
                let said = json!({"errors": [{"code": "DENIED", "message": "blocked by policy"}]});
                return (403, Vec::new(), said.to_string().into_bytes());
            }
            (_, Some(_)) if by_tag.is_none() => return unknown("MANIFEST_UNKNOWN"),
            _ => {}
        }
        let headers = vec![("docker-content-digest", digest.to_string())];
        if by_tag.is_some() {
            self.counts.heads += 1;
            return (200, headers, Vec::new());
        }
        let content = match of.unwrap() {
            Document::Manifest(of) => manifest(of),
            Document::Config(of) => config(of),
            Document::Index(images) => index(images),
        };
        self.counts.documents += 1;
        *self.delivered.entry((name.to_owned(), digest)).or_default() += 1;
        (200, headers, content)
    }
}

fn unknown(code: &str) -> Answer {
    let said = json!({"errors": [{"code": code, "message": "not known"}]});
    (404, Vec::new(), said.to_string().into_bytes())
}

/// A page of a list, and whether it is the last one with an entry: after a full one, clade asks for another.
fn page(path: &str, query: &str, names: Vec<String>, json: impl Fn(&[String]) -> Value) -> (Answer, bool) {
    const ENTRIES: usize = 1_000;
    let last = query.split('&').find_map(|of| of.strip_prefix("last="));
    let begin = last.map_or(0, |last| {
        let last = last.replace("%2F", "/");
        names.partition_point(|name| *name <= last)
    });
    let end = (begin + ENTRIES).min(names.len());
    let mut headers = Vec::new();
    if end < names.len() {
        let next = names[end - 1].replace('/', "%2F");
        headers.push(("link", format!("<{path}?n={ENTRIES}&last={next}>; rel=\"next\"")));
    }
    ((200, headers, json(&names[begin..end]).to_string().into_bytes()), begin < end && end == names.len())
}
