//! References to images, as they stand in declarations and BuildConfigs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, Reference};

/// A reference to an image, with the kinds of OpenShift's ObjectReference, or to a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// The kind, which decides the form of `name`.
    pub kind: ReferenceKind,
    /// `stream:tag`, `stream@digest`, a pull spec, or a chain ID.
    pub name: String,
    /// The namespace of the image stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// The kinds of reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReferenceKind {
    /// A tag of an image stream, or of a repository: `stream:tag`.
    ImageStreamTag,
    /// One image of an image stream: `stream@sha256:…`.
    ImageStreamImage,
    /// A pull spec: `registry/repository:tag` or `…@sha256:…`.
    DockerImage,
    /// A beginning of images, by its chain ID: `sha256:…`. Only a class can follow one.
    Chain,
}

/// The object that a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Referenced {
    /// A tag by its full name.
    Tag(String),
    /// One image.
    Image(Digest),
}

impl ObjectReference {
    /// Resolves the reference. The error says what is wrong with it.
    pub fn resolve(&self) -> Result<Referenced, String> {
        if self.kind == ReferenceKind::Chain {
            return Err("kind Chain names no image: only a class can follow a chain".to_owned());
        }
        let name = match (&self.namespace, self.kind) {
            (Some(namespace), ReferenceKind::ImageStreamTag | ReferenceKind::ImageStreamImage) => {
                format!("{namespace}/{}", self.name)
            }
            _ => self.name.clone(),
        };
        let reference: Reference =
            name.parse().map_err(|error| format!("name {:?} of kind {:?}: {error}", self.name, self.kind))?;
        match (self.kind, reference.digest, reference.tag) {
            (ReferenceKind::ImageStreamImage | ReferenceKind::DockerImage, Some(digest), _) => {
                Ok(Referenced::Image(digest))
            }
            (ReferenceKind::ImageStreamTag, None, Some(tag)) => {
                Ok(Referenced::Tag(Reference::tag_name(&reference.repository, &tag)))
            }
            (ReferenceKind::DockerImage, None, tag) => {
                // A pull spec without a tag means `latest`, as in other tools.
                let tag = tag.as_deref().unwrap_or("latest");
                Ok(Referenced::Tag(Reference::tag_name(Reference::familiar(&reference.repository), tag)))
            }
            (ReferenceKind::ImageStreamTag | ReferenceKind::Chain, ..) => {
                Err(format!("name {:?} of kind ImageStreamTag must be STREAM:TAG, as php:7.1", self.name))
            }
            (ReferenceKind::ImageStreamImage, ..) => {
                Err(format!("name {:?} of kind ImageStreamImage must be STREAM@sha256:DIGEST", self.name))
            }
        }
    }

    /// Returns the reference as seen from this namespace: an image stream without a namespace is in the same one.
    #[must_use]
    pub fn seen_from(&self, namespace: &str) -> Self {
        let is_stream = matches!(self.kind, ReferenceKind::ImageStreamTag | ReferenceKind::ImageStreamImage);
        let own = || (is_stream && !namespace.is_empty()).then(|| namespace.to_owned());
        Self { namespace: self.namespace.clone().or_else(own), ..self.clone() }
    }
}
