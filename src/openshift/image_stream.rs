//! `ImageStream` of image.openshift.io/v1.

use serde::Deserialize;

use super::Metadata;
use crate::observe::{Observation, ObservedTag};
use crate::record::{TagImage, TagItem, Timestamp};

#[derive(Deserialize)]
pub(super) struct ImageStream {
    metadata: Metadata,
    #[serde(default)]
    status: ImageStreamStatus,
}

#[derive(Deserialize, Default)]
struct ImageStreamStatus {
    #[serde(default)]
    tags: Option<Vec<NamedTagEvents>>,
}

#[derive(Deserialize)]
struct NamedTagEvents {
    tag: String,
    #[serde(default)]
    items: Option<Vec<TagEvent>>,
}

#[derive(Deserialize)]
struct TagEvent {
    created: Timestamp,
    /// Empty for a tag that only names where an image is (`oc tag --reference`).
    #[serde(default)]
    image: String,
}

pub(super) fn observations(stream: ImageStream) -> Vec<Observation> {
    let repository = match stream.metadata.namespace.as_str() {
        "" => stream.metadata.name,
        namespace => format!("{namespace}/{}", stream.metadata.name),
    };
    let mut observations = Vec::new();
    for events in stream.status.tags.unwrap_or_default() {
        if let Some(what) = crate::oci::document::not_an_image_tag(&events.tag) {
            observations.push(Observation::NotAnImage(what));
            continue;
        }
        // The newest comes first in a stream.
        let items = events.items.unwrap_or_default().into_iter().rev().filter_map(|event| {
            let digest = event.image.parse().ok()?;
            let images = vec![TagImage { digest, platform: None }];
            Some(TagItem { since: event.created, digest: Some(digest), images })
        });
        let tag = ObservedTag {
            source: None,
            repository: repository.clone(),
            tag: events.tag,
            items: items.collect(),
        };
        observations.push(Observation::Tag(tag));
    }
    observations
}
