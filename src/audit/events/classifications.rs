//! Entries about whole classifications: the state of an image in all classes and groups.
//!
//! Transitions already record the changes in each class. Each of these records has an entry as well for two reasons:
//! the groups stand only here, and a reader who asks for the state at some moment needs no second source.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{no_key, wrong};
use crate::audit::entry::{Entry, Facts};
use crate::log::Stored;
use crate::oci::Timestamp;
use crate::record::{ClassificationRecord, Common, Membership, decode};

/// The classification of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// The classes that the image is a member of.
    pub classes: Common<Vec<Membership>>,
    /// For each group, the classes of the group that the image is a member of, nearest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: Common<BTreeMap<String, Vec<String>>>,
}

#[derive(Serialize)]
struct Why {
    evidence: &'static str,
    /// The sequence of the image record that the classification was concluded from.
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
