//! Reads from a registry the digest of a tag and the documents behind it, and compares each document with its digest.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::de::IgnoredAny;

use super::RegistryError;
use super::access::Scope;
use super::client::{Client, Request, is_of_registry};
use crate::http::header::HeaderValue;
use crate::http::{Method, StatusCode};
use crate::oci::Digest;
use crate::oci::document::{
    Config, Descriptor, Manifest, is_schema_1, not_an_image, not_an_image_config, not_an_image_manifest,
};
use crate::oci::lenient::Entries;
use crate::record::{Claim, ImageRecord};
use crate::source::manifest::{self, Annotations, MAX_DOCUMENT};
use crate::source::provenance;

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
const DIGEST: &str = "docker-content-digest";

/// A reference to a manifest or an index, from a tag or from an index.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub(super) digest: Digest,
    /// The media type that the index states.
    pub(super) media_type: Option<String>,
    /// The image that the document is about, if it is an attestation.
    attests: Option<Digest>,
    /// The annotations of the index and of the indexes above it, which hold for all entries.
    inherited: Arc<Annotations>,
    /// The annotations of the entry in the index.
    annotations: Annotations,
}

impl Lead {
    /// Returns a reference that has only a digest.
    pub(super) fn to(digest: Digest) -> Self {
        Self {
            digest,
            media_type: None,
            attests: None,
            inherited: Arc::default(),
            annotations: Annotations::new(),
        }
    }

    /// Returns the claim that the annotations of the reference make.
    pub(super) fn claim(&self) -> Option<Claim> {
        let mut annotations = (*self.inherited).clone();
        annotations.extend(self.annotations.clone());
        manifest::claim(&annotations)
    }

    /// Returns `true` if the index says that the document is an attestation about one of its images.
    pub(super) fn is_attestation(&self) -> bool {
        self.attests.is_some()
    }

    /// Returns `true` if the document may be an index.
    pub(super) fn may_be_index(&self) -> bool {
        let told = self.media_type.as_deref().unwrap_or_default();
        !told.contains("image.manifest.") && !told.contains("distribution.manifest.v2")
    }
}

/// An entry of an index.
pub(super) enum Entry {
    Lead(Lead),
    NotAnImage(&'static str),
    /// An entry that clade cannot read, with the reason.
    Unreadable(String),
}

/// The document behind a digest.
pub(super) enum Document {
    Image(Box<ImageRecord>),
    /// An index with its entries.
    Index(Vec<Entry>),
    NotAnImage(&'static str),
    /// An attestation about an image, with the bases that its provenance claims, and whether all of it was read.
    Attestation(Digest, Vec<Claim>, bool),
    /// A document that clade cannot read: the reason, and the content if there is any.
    Unreadable(String, Option<Vec<u8>>),
    /// A document that the registry does not deliver, at least not now, with the reason.
    Withheld(String),
}

/// The reason why there is no document.
pub(super) enum Missing {
    Withheld(String),
    Unreadable(String),
    NotAnImage(&'static str),
}

/// The target of a tag.
pub(super) enum Pointed {
    At(Digest),
    /// The registry has no such tag.
    Nowhere,
}

impl Client {
    /// Asks the registry for the current target of a tag.
    pub(super) async fn digest(&self, repository: &str, tag: &str) -> Result<Pointed, RegistryError> {
        let mut request = self.manifest(repository, tag);
        request.method = Method::HEAD;
        let answer = match self.ask(&request).await {
            Err(error) if !matches!(error, RegistryError::Status { .. }) => return Err(error),
            answer => answer.ok(),
        };
        let told = answer.filter(|answer| answer.status == StatusCode::OK);
        if let Some(Ok(digest)) = told.as_ref().and_then(|answer| answer.headers.get(DIGEST)).map(read_digest)
        {
            return Ok(Pointed::At(digest));
        }
        // The registry refuses HEAD, or its answer has no digest. Then GET gives it, in its headers or as the digest of
        // its content.
        request.method = Method::GET;
        let answer = self.ask(&request).await?;
        match answer.status {
            StatusCode::OK => {}
            // Only an error in the format of a registry counts: an ingress that cannot find the registry answers 404 as
            // well.
            StatusCode::NOT_FOUND if is_of_registry(&answer) => return Ok(Pointed::Nowhere),
            _ => return Err(self.status(&request, &answer)),
        }
        let malformed = |problem: String| self.malformed(&request.path, problem);
        let body = answer.body.as_deref();
        body.map_or(Ok(()), is_manifest).map_err(malformed)?;
        match (answer.headers.get(DIGEST).map(read_digest), body) {
            // The digest of schema 1 leaves out the signatures in it.
            (Some(Ok(digest)), Some(body)) if Digest::of(body) != digest && !is_schema_1(body) => {
                Err(malformed(format!("its content is not that of {digest}, which its header says")))
            }
            (Some(Ok(digest)), _) => Ok(Pointed::At(digest)),
            (_, Some(body)) => Ok(Pointed::At(Digest::of(body))),
            (_, None) => Err(malformed(format!("it is longer than {MAX_DOCUMENT} bytes"))),
        }
    }

    /// Reads a manifest, and its config if it has one.
    pub(super) async fn document(&self, repository: &str, lead: &Lead) -> Result<Document, RegistryError> {
        if let Some(image) = lead.attests {
            let (claims, is_read) = match self.attestation(repository, lead).await {
                Err(error) if error.is_everywhere() => return Err(error),
                Err(error) => {
                    tracing::debug!("{error}; an attestation claims nothing until the next start");
                    (Vec::new(), false)
                }
                Ok(read) => read,
            };
            return Ok(Document::Attestation(image, claims, is_read));
        }
        let request = self.manifest(repository, &lead.digest.to_string());
        let content = match self.content(&request).await?.and_then(|content| checked(&lead.digest, content)) {
            Ok(content) => content,
            Err(missing) => return Ok(missing.document(None)),
        };
        let read = match manifest::manifest(&lead.digest, &content) {
            Ok(read) => read,
            Err(problem) => return Ok(Document::Unreadable(problem, Some(content))),
        };
        if let Some(what) = not_an_image_manifest(&read) {
            return Ok(Document::NotAnImage(what));
        }
        let annotations = manifest::annotations(&lead.inherited, &lead.annotations, &read);
        if let Some(manifests) = read.manifests {
            return Ok(Document::Index(entries(manifests, annotations)));
        }
        Ok(match self.image(repository, lead, &read, &annotations).await? {
            Ok(image) => Document::Image(Box::new(image)),
            Err(missing) => missing.document(Some(content)),
        })
    }

    async fn image(
        &self,
        repository: &str,
        lead: &Lead,
        read: &Manifest,
        annotations: &Annotations,
    ) -> Result<Result<ImageRecord, Missing>, RegistryError> {
        let digest = match manifest::config(read) {
            Ok(config) => config.digest,
            Err(problem) => return Ok(Err(Missing::Unreadable(problem))),
        };
        let request = blob(repository, &digest, MAX_DOCUMENT);
        let content = match self.content(&request).await?.and_then(|content| checked(&digest, content)) {
            Ok(content) => content,
            Err(missing) => return Ok(Err(missing)),
        };
        let config = match manifest::read::<Config>(&digest, &content) {
            Ok(config) => config,
            Err(problem) => return Ok(Err(Missing::Unreadable(problem))),
        };
        if let Some(what) = not_an_image_config(read, &config) {
            return Ok(Err(Missing::NotAnImage(what)));
        }
        let image = manifest::image(lead.digest, lead.media_type.clone(), read, &config, annotations);
        Ok(image.map_err(Missing::Unreadable).map(|image| ImageRecord {
            repositories: vec![self.full_name(repository)],
            sources: vec![self.host.clone()],
            ..image
        }))
    }

    /// Reads the content, or returns the reason why the registry does not deliver it.
    pub(super) async fn content(
        &self,
        request: &Request<'_>,
    ) -> Result<Result<Vec<u8>, Missing>, RegistryError> {
        let answer = match self.ask(request).await {
            Ok(answer) => answer,
            Err(error) if error.is_refusal() => return Ok(Err(Missing::Withheld(error.to_string()))),
            Err(error) => return Err(error),
        };
        let error = self.status(request, &answer);
        Ok(match (answer.status, answer.body) {
            (StatusCode::OK, Some(body)) => Ok(body),
            (StatusCode::OK, None) => {
                Err(Missing::Unreadable(format!("{} is larger than {MAX_DOCUMENT} bytes", request.path)))
            }
            (StatusCode::NOT_FOUND, _) => {
                Err(Missing::Withheld(format!("the registry does not have {}", request.path)))
            }
            _ if error.is_refusal() => Err(Missing::Withheld(error.to_string())),
            _ => return Err(error),
        })
    }

    pub(super) fn manifest<'a>(&self, repository: &'a str, reference: &str) -> Request<'a> {
        Request {
            method: Method::GET,
            path: format!("/v2/{repository}/manifests/{reference}"),
            accept: MANIFESTS,
            scope: Scope::Repository(repository),
            most: MAX_DOCUMENT,
        }
    }

    /// Returns the name of a repository with the registry's host in front.
    pub(super) fn full_name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.host)
    }
}

/// Returns the content if its digest is the right one. Other content comes from somebody else, such as a proxy that is out of
/// order, so clade asks the registry again.
fn checked(digest: &Digest, content: Vec<u8>) -> Result<Vec<u8>, Missing> {
    if Digest::of(&content) == *digest || is_schema_1(&content) {
        return Ok(content);
    }
    let actual = Digest::of(&content);
    Err(Missing::Withheld(format!("{digest} has the content of {actual}: it was changed or damaged")))
}

/// Returns an error for what is no manifest: an error may come with status 200.
fn is_manifest(body: &[u8]) -> Result<(), String> {
    const MEMBERS: [&str; 5] = ["schemaVersion", "mediaType", "manifests", "config", "layers"];
    let read: BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(body).map_err(|error| format!("it is no object of JSON: {error}"))?;
    match MEMBERS.iter().any(|member| read.contains_key(*member)) {
        true => Ok(()),
        false => Err("it is no manifest".to_owned()),
    }
}

impl Missing {
    fn document(self, content: Option<Vec<u8>>) -> Document {
        match self {
            Self::Withheld(problem) => Document::Withheld(problem),
            Self::Unreadable(problem) => Document::Unreadable(problem, content),
            Self::NotAnImage(what) => Document::NotAnImage(what),
        }
    }
}

/// The request for a blob of a repository.
pub(super) fn blob<'a>(repository: &'a str, digest: &Digest, most: u64) -> Request<'a> {
    Request {
        method: Method::GET,
        path: format!("/v2/{repository}/blobs/{digest}"),
        accept: "*/*",
        scope: Scope::Repository(repository),
        most,
    }
}

/// Returns the entries of an index. They share one copy of the inherited annotations.
fn entries(manifests: Entries<Descriptor>, annotations: Annotations) -> Vec<Entry> {
    let inherited = Arc::new(annotations);
    let inside: HashSet<Digest> = manifests.good().map(|descriptor| descriptor.digest).collect();
    let entry = |(number, entry): (usize, Result<Descriptor, String>)| match entry {
        Ok(descriptor) => match not_an_image(&descriptor) {
            Some(what) => match provenance::subject(&descriptor).filter(|image| inside.contains(image)) {
                Some(image) => Entry::Lead(Lead { attests: Some(image), ..Lead::to(descriptor.digest) }),
                None => Entry::NotAnImage(what),
            },
            None => Entry::Lead(Lead {
                digest: descriptor.digest,
                annotations: manifest::kept(&descriptor.annotations),
                media_type: Some(descriptor.media_type),
                attests: None,
                inherited: Arc::clone(&inherited),
            }),
        },
        Err(problem) => Entry::Unreadable(format!("entry {number} of the index: {problem}")),
    };
    (1..).zip(manifests.0).map(entry).collect()
}

fn read_digest(told: &HeaderValue) -> Result<Digest, String> {
    String::from_utf8_lossy(told.as_bytes()).parse::<Digest>().map_err(|error| error.to_string())
}
