//! Whole classifications: what an image is, in all classes and groups.
//!
//! Transitions say already what has changed in each class. The groups stand here alone, and whoever asks how everything was
//! at some moment needs no second source: hence an entry for each of these records as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{no_key, wrong};
use crate::audit::entry::{Entry, Facts};
use crate::log::Stored;
use crate::oci::Timestamp;
use crate::record::{ClassificationRecord, Common, Membership, decode};

/// What an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// The classes that it is in.
    pub classes: Common<Vec<Membership>>,
    /// By group, the classes of it, nearest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: Common<BTreeMap<String, Vec<String>>>,
}

#[derive(Serialize)]
struct Why {
    evidence: &'static str,
    /// Of the image's record that it was concluded from.
    sequence: u64,
}

pub(super) fn entry(time: Timestamp, stored: &Stored) -> Result<Entry, String> {
    let image = stored.record.key.parse().map_err(|_| no_key(stored))?;
    match decode::<ClassificationRecord>(&stored.record).map_err(|error| wrong(&error))? {
        None => Ok(Entry { image: Some(image), ..Entry::new("image.unclassified", time) }),
        Some(of) => Ok(Entry {
            image: Some(image),
            platform: Some(Arc::unwrap_or_clone(of.platform)),
            to: Facts::of(&Classified { classes: of.classes, groups: of.groups }),
            why: Facts::of(&Why { evidence: "layers", sequence: of.sequence }),
            ..Entry::new("image.classified", time)
        }),
    }
}
