//! The circumstances of a verdict, and what is found of one image.

use super::{Behind, Standing, Verdict};
use crate::class::Catalog;
use crate::oci::Timestamp;
use crate::record::ClassRecord;
use crate::record::policy::Require;

/// The circumstances that a verdict depends on beside the policies and the pod.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The classes.
    pub catalog: &'a Catalog,
    /// The time.
    pub now: Timestamp,
    /// The age of what is known of the images.
    pub behind: Behind,
}

/// The reason for a verdict on one image.
pub(super) struct Found<'a> {
    pub(super) verdict: Verdict,
    pub(super) reason: &'static str,
    pub(super) class: Option<&'a str>,
    pub(super) standing: Option<&'a Standing>,
    pub(super) until: Option<Timestamp>,
}

/// Nothing is known of the image.
pub(super) const UNKNOWN: Found<'static> =
    Found { verdict: Verdict::Unknown, reason: "UnknownImage", class: None, standing: None, until: None };

/// Returns `true` if a policy requires this class, among others.
pub(super) fn selects(require: &Require, class: &ClassRecord) -> bool {
    require.classes.contains(&class.name)
        || require.selector.as_ref().is_some_and(|selector| selector.selects(&class.labels))
}

/// The end of the grace of a version that is outdated since then.
pub(super) fn grace_ends(require: &Require, outdated_since: Option<Timestamp>) -> Option<Timestamp> {
    let grace = require.grace.as_ref()?;
    outdated_since?.checked_add(grace.length()).ok()
}

/// Orders times at which something ends by itself; what has no end comes last.
pub(super) fn lasting(until: Option<Timestamp>) -> (bool, Option<Timestamp>) {
    (until.is_none(), until)
}
