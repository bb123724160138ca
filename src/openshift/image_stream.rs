//! `ImageStream` of image.openshift.io/v1.

use std::time::Duration;

use serde::Deserialize;

use super::Metadata;
use crate::observe::{Observation, ObservedTag};
use crate::oci::Digest;
use crate::oci::lenient::{self, Entries};
use crate::record::{DeadLetterRecord, TagImage, TagItem, Timestamp};

#[derive(Deserialize)]
pub(super) struct ImageStream {
    metadata: Metadata,
    #[serde(default, deserialize_with = "lenient::or_null")]
    status: ImageStreamStatus,
}

#[derive(Deserialize, Default)]
struct ImageStreamStatus {
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
    /// Empty for a tag that only names where an image is (`oc tag --reference`), or that was not imported yet.
    #[serde(default, deserialize_with = "lenient::field")]
    image: String,
}

pub(super) fn observations(stream: ImageStream) -> Vec<Observation> {
    let repository = match stream.metadata.namespace.as_str() {
        "" => stream.metadata.name,
        namespace => format!("{namespace}/{}", stream.metadata.name),
    };
    let mut observations = Vec::new();
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
        };
        observations.push(Observation::Tag(tag));
    }
    observations
}

/// What the tag pointed at, oldest first. The first event is the current one, whatever it says of when it was made: a tag that
/// is set to another takes that one's time over. So each comes after the one that it followed.
fn moments(events: Vec<TagEvent>) -> Vec<TagItem> {
    let mut moments: Vec<TagItem> = Vec::with_capacity(events.len());
    for event in events.into_iter().rev() {
        // What names a place and no image leads to none that is known.
        let digest: Option<Digest> = event.image.parse().ok();
        let images = digest.map(|digest| TagImage { digest, platform: None }).into_iter().collect();
        let mut since = event.created.unwrap_or(Timestamp::UNIX_EPOCH);
        match moments.last() {
            Some(before) if before.digest == digest => continue,
            Some(before) if before.since >= since => {
                since = before.since.checked_add(Duration::from_secs(1)).unwrap_or(before.since);
            }
            // It leads nowhere from its beginning on: there is nothing to tell.
            None if digest.is_none() => continue,
            _ => {}
        }
        moments.push(TagItem { since, digest, images });
    }
    moments
}
