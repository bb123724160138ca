//! `ImageStream` of image.openshift.io/v1.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::Metadata;
use crate::observe::{Observation, ObservedTag};
use crate::oci::lenient::{self, Entries};
use crate::oci::{Digest, Reference};
use crate::record::{
    DeadLetterRecord, ObjectReference, ReferenceKind, Referenced, StreamTag, TagImage, TagItem, Timestamp,
};

#[derive(Deserialize)]
pub(super) struct ImageStream {
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::field")]
    spec: ImageStreamSpec,
    #[serde(default, deserialize_with = "lenient::or_null")]
    status: ImageStreamStatus,
}

#[derive(Deserialize, Default)]
struct ImageStreamSpec {
    #[serde(default)]
    tags: Entries<TagReference>,
}

/// The declaration of a tag, with the object that the tag follows.
#[derive(Deserialize)]
struct TagReference {
    name: String,
    #[serde(default, deserialize_with = "lenient::field")]
    from: Option<ObjectReference>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ImageStreamStatus {
    #[serde(default, deserialize_with = "lenient::field")]
    docker_image_repository: String,
    #[serde(default, deserialize_with = "lenient::field")]
    public_docker_image_repository: String,
    #[serde(default)]
    tags: Entries<NamedTagEvents>,
}

#[derive(Deserialize)]
struct NamedTagEvents {
    tag: String,
    #[serde(default)]
    items: Entries<TagEvent>,
}

#[derive(Deserialize)]
struct TagEvent {
    #[serde(default, deserialize_with = "lenient::field")]
    created: Option<Timestamp>,
    /// Empty for a tag that only names the place of an image (`oc tag --reference`), or whose image was not imported
    /// yet.
    #[serde(default, deserialize_with = "lenient::field")]
    image: String,
}

pub(super) fn observations(stream: ImageStream) -> Vec<Observation> {
    let repository = match stream.metadata.namespace.as_str() {
        "" => stream.metadata.name,
        namespace => format!("{namespace}/{}", stream.metadata.name),
    };
    let mut observations = Vec::new();
    let suffix = format!("/{repository}");
    let addresses = [&stream.status.docker_image_repository, &stream.status.public_docker_image_repository];
    let registries: Vec<String> = addresses
        .into_iter()
        .filter_map(|address| Some(address.strip_suffix(&suffix)?.to_owned()))
        .filter(|host| !host.is_empty())
        .collect();
    let aliases: BTreeMap<String, String> = stream
        .spec
        .tags
        .good()
        .filter_map(|tag| Some((tag.name.clone(), followed(tag, &repository)?)))
        .collect();
    let (tags, problem) = stream.status.tags.split();
    if let Some(problem) = problem {
        let place = format!("ImageStream {repository}");
        let reason = format!("left out of status.tags: {problem}");
        observations.push(Observation::Unreadable(DeadLetterRecord::new(place, None, reason, None)));
    }
    for events in tags {
        if let Some(what) = crate::oci::document::not_an_image_tag(&events.tag) {
            observations.push(Observation::NotAnImage(what));
            continue;
        }
        let items = moments(events.items.split().0);
        let tag = ObservedTag {
            source: None,
            repository: repository.clone(),
            tag: events.tag,
            items,
            complete: false,
        };
        let name = Reference::tag_name(&repository, &tag.tag);
        let of = StreamTag { follows: aliases.get(&tag.tag).cloned(), registries: registries.clone() };
        observations.push(Observation::Tag(tag));
        observations.push(Observation::StreamTag(name, of));
    }
    observations
}

/// Returns the targets of a tag, oldest first. The first event is the current one, whatever its time: a tag that is set
/// to another tag takes over the time of that one. Each target therefore gets a time after that of the one before it.
fn moments(events: Vec<TagEvent>) -> Vec<TagItem> {
    let mut moments: Vec<TagItem> = Vec::with_capacity(events.len());
    for event in events.into_iter().rev() {
        // An event that names a place and no image leads to no known image.
        let digest: Option<Digest> = event.image.parse().ok();
        let images = digest.map(|digest| TagImage { digest, platform: None }).into_iter().collect();
        let mut since = event.created.unwrap_or(Timestamp::UNIX_EPOCH);
        match moments.last() {
            Some(before) if before.digest == digest => continue,
            Some(before) if before.since >= since => {
                since = before.since.checked_add(Duration::from_secs(1)).unwrap_or(before.since);
            }
            // The tag leads nowhere from its beginning on, so there is nothing to report.
            None if digest.is_none() => continue,
            _ => {}
        }
        moments.push(TagItem { since, digest, images });
    }
    moments
}

/// Returns the tag that a tag of this stream follows: one of the same stream, unless another stream is named.
fn followed(tag: &TagReference, repository: &str) -> Option<String> {
    let from = tag.from.as_ref().filter(|from| from.kind == ReferenceKind::ImageStreamTag)?;
    let namespace = repository.split_once('/').map(|(namespace, _)| namespace).unwrap_or_default();
    if !from.name.contains(':') {
        return Some(Reference::tag_name(repository, &from.name));
    }
    match from.seen_from(namespace).resolve() {
        Ok(Referenced::Tag(name)) => Some(name),
        _ => None,
    }
}
