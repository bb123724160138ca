//! Transitions: an image entered or left a class, became outdated or current in it.

use std::sync::Arc;

use serde::Serialize;

use super::{no_key, wrong};
use crate::audit::entry::{Entry, Facts};
use crate::log::Stored;
use crate::oci::{Digest, Timestamp};
use crate::record::{State, TransitionRecord, decode};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Why<'a> {
    /// The kind of evidence: classes follow from layers alone.
    evidence: &'static str,
    /// The class's current version at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<Digest>,
    /// The tags that referenced the image.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    more_tags: Option<u64>,
    /// The ID of the transition.
    id: Digest,
}

pub(super) fn entry(time: Timestamp, stored: &Stored) -> Result<Entry, String> {
    let decoded = decode::<TransitionRecord>(&stored.record).map_err(|error| wrong(&error))?;
    let of = decoded.ok_or_else(|| no_key(stored))?;
    let what = match (&of.from, &of.to) {
        (None, Some(_)) => "image.entered",
        (_, None) => "image.left",
        (Some(_), Some(to)) => match to.state {
            State::Current => "image.current",
            State::Outdated => "image.outdated",
        },
    };
    let why = Why {
        evidence: "layers",
        current: of.current,
        tags: &of.tags,
        more_tags: Some(of.more_tags).filter(|more| *more > 0),
        id: of.id,
    };
    Ok(Entry {
        image: Some(of.digest),
        from: of.from.as_ref().and_then(Facts::of),
        to: of.to.as_ref().and_then(Facts::of),
        why: Facts::of(&why),
        platform: Some(Arc::unwrap_or_clone(of.platform)),
        class: Some(of.class),
        ..Entry::new(what, time)
    })
}
