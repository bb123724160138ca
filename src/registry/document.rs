//! What a tag leads to in a registry: its digest, and the documents behind it, each compared with its digest.

use super::RegistryError;
use super::access::Scope;
use super::client::{Client, Request};
use crate::http::{Method, StatusCode};
use crate::oci::Digest;
use crate::oci::document::{Config, Descriptor, Manifest, not_an_image, not_an_image_manifest};
use crate::record::ImageRecord;
use crate::source::manifest::{self, Annotations, MAX_DOCUMENT};

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
const DIGEST: &str = "docker-content-digest";

/// What leads to a manifest: a tag, or an index.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub(super) digest: Digest,
    /// What the index says that it is.
    pub(super) media_type: Option<String>,
    /// What the indexes above say of it.
    pub(super) annotations: Annotations,
}

/// What a manifest is.
pub(super) enum Document {
    Image(Box<ImageRecord>),
    /// What its manifests are; those that are no images are none, with what they are.
    Index(Vec<Result<Lead, &'static str>>),
    NotAnImage(&'static str),
    /// Why, and what it is instead.
    Unreadable(String, Option<Vec<u8>>),
}

impl Client {
    /// What the tag points at now; none if there is no such tag.
    pub(super) async fn digest(&self, repository: &str, tag: &str) -> Result<Option<Digest>, RegistryError> {
        let mut request = self.manifest(repository, tag);
        request.method = Method::HEAD;
        let mut answer = self.ask(&request).await?;
        if answer.status == StatusCode::OK && !answer.headers.contains_key(DIGEST) {
            // Then its content tells.
            request.method = Method::GET;
            answer = self.ask(&request).await?;
        }
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.status(&request, &answer)),
        }
        match (answer.headers.get(DIGEST), answer.body) {
            (Some(told), _) => {
                let told = String::from_utf8_lossy(told.as_bytes());
                told.parse().map(Some).map_err(|error| self.malformed(&request.path, format!("{error}")))
            }
            (None, Some(body)) => Ok(Some(Digest::of(&body))),
            (None, None) => {
                Err(self.malformed(&request.path, format!("it is longer than {MAX_DOCUMENT} bytes")))
            }
        }
    }

    /// Reads a manifest, and its config if it has one.
    pub(super) async fn document(&self, repository: &str, lead: &Lead) -> Result<Document, RegistryError> {
        let request = self.manifest(repository, &lead.digest.to_string());
        let content = match self.content(&request).await? {
            Ok(content) => content,
            Err(problem) => return Ok(Document::Unreadable(problem, None)),
        };
        let read: Manifest = match manifest::read(&lead.digest, &content) {
            Ok(read) => read,
            Err(problem) => return Ok(Document::Unreadable(problem, Some(content))),
        };
        let annotations = manifest::annotations(&lead.annotations, &Annotations::new(), &read);
        if let Some(manifests) = &read.manifests {
            let lead = |descriptor: &Descriptor| {
                let mut annotations = annotations.clone();
                annotations.extend(descriptor.annotations.clone());
                let media_type = Some(descriptor.media_type.clone());
                let lead = Lead { digest: descriptor.digest, media_type, annotations };
                not_an_image(descriptor).map_or(Ok(lead), Err)
            };
            return Ok(Document::Index(manifests.iter().map(lead).collect()));
        }
        if let Some(what) = not_an_image_manifest(&read) {
            return Ok(Document::NotAnImage(what));
        }
        Ok(match self.image(repository, lead, &read, &annotations).await? {
            Ok(image) => Document::Image(Box::new(image)),
            Err(problem) => Document::Unreadable(problem, Some(content)),
        })
    }

    async fn image(
        &self,
        repository: &str,
        lead: &Lead,
        read: &Manifest,
        annotations: &Annotations,
    ) -> Result<Result<ImageRecord, String>, RegistryError> {
        let digest = match manifest::config(read) {
            Ok(config) => config.digest,
            Err(problem) => return Ok(Err(problem)),
        };
        let request = Request {
            method: Method::GET,
            path: format!("/v2/{repository}/blobs/{digest}"),
            accept: "*/*",
            scope: Scope::Repository(repository),
            most: MAX_DOCUMENT,
        };
        let content = self.content(&request).await?;
        let config = content.and_then(|content| manifest::read::<Config>(&digest, &content));
        let image = config.and_then(|config| {
            manifest::image(lead.digest, lead.media_type.clone(), read, &config, annotations)
        });
        Ok(image.map(|image| ImageRecord {
            repositories: vec![self.full_name(repository)],
            sources: vec![self.host.clone()],
            ..image
        }))
    }

    /// The content; or what is wrong with it that will not change.
    async fn content(&self, request: &Request<'_>) -> Result<Result<Vec<u8>, String>, RegistryError> {
        let answer = self.ask(request).await?;
        Ok(match (answer.status, answer.body) {
            (StatusCode::OK, Some(body)) => Ok(body),
            (StatusCode::OK, None) => Err(format!("{} is larger than {MAX_DOCUMENT} bytes", request.path)),
            (StatusCode::NOT_FOUND, _) => Err(format!("the registry does not have {}", request.path)),
            (status, body) => {
                let answer = super::client::Answer { status, headers: answer.headers, body };
                return Err(self.status(request, &answer));
            }
        })
    }

    fn manifest<'a>(&self, repository: &'a str, reference: &str) -> Request<'a> {
        Request {
            method: Method::GET,
            path: format!("/v2/{repository}/manifests/{reference}"),
            accept: MANIFESTS,
            scope: Scope::Repository(repository),
            most: MAX_DOCUMENT,
        }
    }

    /// The name of a repository with the registry in front.
    pub(super) fn full_name(&self, repository: &str) -> String {
        format!("{}/{repository}", self.host)
    }
}
