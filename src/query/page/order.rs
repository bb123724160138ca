//! The orders in which lists stand, and positions in them.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::foreign;
use crate::index::ImageId;
use crate::oci::{Digest, Timestamp};

/// The order of a list of images. Images that share a key stand by digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sort {
    /// By the first of their repositories that matches the filter.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// By the time of their build, those of an unknown time first.
    #[serde(rename = "created")]
    Created,
    /// The same in the opposite order: the newest first.
    #[serde(rename = "-created")]
    Newest,
    /// Outdated images alone, those that are outdated for the longest time first.
    #[serde(rename = "outdated")]
    Outdated,
}

impl Sort {
    /// Compares two places in the order.
    pub(super) fn compare(self, a: &Place<'_>, b: &Place<'_>) -> Ordering {
        let order = (a.key, a.digest).cmp(&(b.key, b.digest));
        if self == Self::Newest { order.reverse() } else { order }
    }

    /// A test of whether a place comes after a position of this order.
    pub(super) fn after(self, position: &Position) -> Result<impl Fn(&Place<'_>) -> bool, String> {
        let (key, digest) = match (self, position) {
            (Self::Name, Position::NameAndDigest(name, digest)) => (Key::Name(name), digest),
            (Self::Created | Self::Newest | Self::Outdated, Position::TimeAndDigest(time, digest)) => {
                (Key::Time(*time), digest)
            }
            _ => return Err(foreign()),
        };
        let is_reverse = self == Self::Newest;
        Ok(move |place: &Place<'_>| {
            let order = (place.key, place.digest).cmp(&(key, digest));
            if is_reverse { order.is_lt() } else { order.is_gt() }
        })
    }
}

/// The key by which an image stands in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Name(&'a str),
    Time(Option<Timestamp>),
}

/// An image at its place in an order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) key: Key<'a>,
    pub(super) digest: &'a Digest,
    pub(super) partition: u16,
    pub(super) id: ImageId,
    /// The image matches the conditions of the list.
    pub(super) matches: bool,
}

/// A position in a list: that of the last item before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Position {
    /// After the object of this name.
    Name(String),
    /// After an image that stands by name.
    NameAndDigest(String, Digest),
    /// After an image that stands by time.
    TimeAndDigest(Option<Timestamp>, Digest),
    /// After an image that stands by the number of its layers.
    DepthAndDigest(u32, Digest),
}

impl From<&Place<'_>> for Position {
    fn from(place: &Place<'_>) -> Self {
        match place.key {
            Key::Name(name) => Self::NameAndDigest(name.to_owned(), *place.digest),
            Key::Time(time) => Self::TimeAndDigest(time, *place.digest),
        }
    }
}
