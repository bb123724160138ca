//! One version of a class, and the ways in which clade learns of versions. A version is a record of topic `catalog`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::catalog::ImageChain;
use crate::oci::tag_pattern::TagPattern;
use crate::oci::{Digest, Platform};

/// Patterns of tags in one class, at most.
const MOST_PATTERNS: usize = 32;

/// One version of a class: an image that the followed tag has pointed at, or that counts as an earlier version of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionRecord {
    /// The class.
    pub class: String,
    /// The number in the class, from 0, in the order in which clade learned of the versions.
    pub number: u32,
    /// The image or image index; of an adopted version its chain ID.
    pub digest: Digest,
    /// The source of clade's knowledge of the version.
    #[serde(default, skip_serializing_if = "Origin::is_observed")]
    pub origin: Origin,
    /// The tag by which a pattern found the version, or that claims name, by its full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The time at which the followed tag began to point at the image. The version that is next in time ends it. Absent
    /// if nobody knows it: such a version comes before those with a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// The time of the build of a version without `since`, as the config of its first image states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub built: Option<Timestamp>,
    /// One chain per platform.
    pub images: Vec<ImageChain>,
}

/// The source of clade's knowledge of a version.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The followed tag pointed at it: clade saw it, or the history of the image stream has it.
    #[default]
    Observed,
    /// An administrator imported it, from another clade or from a history that others keep.
    History,
    /// A tag of the same repository points at it, or did, that a pattern of the class names.
    Pattern,
    /// An administrator named the chain.
    Adopted,
    /// Images claim to be built on the followed tag at this digest, and the repository of the tag has that digest.
    Claimed,
}

/// The sources of versions beside the followed tag itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionSources {
    /// Patterns of tags in the repository of the followed tag: names with `*` and `?`, or ranges of versions such as
    /// `>=9.2, <10`. The images that such a tag points at, or has pointed at, are earlier versions of the class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tags: Vec<String>,
    /// `false` if claims of images name no versions. By default they do.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub claims: bool,
}

impl Default for VersionSources {
    fn default() -> Self {
        Self { tags: Vec::new(), claims: true }
    }
}

impl VersionSources {
    /// Returns `true` if nothing is declared.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The patterns of tags. The error names the pattern that is none.
    pub fn patterns(&self) -> Result<Vec<TagPattern>, String> {
        if self.tags.len() > MOST_PATTERNS {
            return Err(format!("spec.versions.tags has more than {MOST_PATTERNS} patterns"));
        }
        let pattern = |text: &String| {
            text.parse::<TagPattern>().map_err(|problem| format!("spec.versions.tags: {text:?}: {problem}"))
        };
        self.tags.iter().map(pattern).collect()
    }
}

impl Origin {
    /// Returns `true` for the origin that a record leaves out.
    pub fn is_observed(&self) -> bool {
        *self == Self::Observed
    }

    /// The word of the records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::History => "history",
            Self::Pattern => "pattern",
            Self::Adopted => "adopted",
            Self::Claimed => "claimed",
        }
    }
}

impl VersionRecord {
    /// The image for this platform. `None` if the version has none.
    pub fn image_for(&self, platform: &Platform) -> Option<Digest> {
        // Windows images differ in `os.version` from one version to the next. Of two as close the first counts.
        let closest = self.images.iter().rev().max_by_key(|image| image.platform.closeness(platform));
        closest.filter(|image| image.platform.closeness(platform) > 0).map(|image| image.digest)
    }

    /// The place of the version among those of its class: versions without a time first, by their builds, then the
    /// others by time.
    pub fn age(&self) -> impl Ord + use<> {
        (self.since, self.built.filter(|_| self.since.is_none()), self.number)
    }
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_yes(value: &bool) -> bool {
    *value
}
