//! Exemptions of a policy.

use super::found::lasting;
use super::{ImageFacts, Subject};
use crate::oci::wildcard::matches;
use crate::oci::{Digest, Reference, Timestamp};
use crate::record::policy::{ExemptWorkload, Exemption};

/// The exemption that covers this image of this pod at this time, and of several the one that lasts longest.
pub(super) fn exemption<'a>(
    exemptions: &'a [Exemption],
    subject: &Subject,
    image: &ImageFacts,
    now: Timestamp,
) -> Option<&'a Exemption> {
    let valid = exemptions.iter().filter(|exemption| exemption.until.is_none_or(|until| now < until));
    let covering = valid.filter(|exemption| {
        is_of_repository(&exemption.repositories, &image.repository)
            || exemption.digests.iter().any(|digest| is_of_digest(image, digest))
            || exemption.workloads.iter().any(|workload| is_of_workload(workload, subject))
    });
    covering.reduce(|a, b| if lasting(b.until) > lasting(a.until) { b } else { a })
}

/// The names of Docker Hub have several spellings; a pattern may use any of them.
fn is_of_repository(patterns: &[String], repository: &str) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let spellings = Reference::spellings(repository);
    patterns.iter().any(|pattern| spellings.iter().any(|name| matches(pattern, name)))
}

/// A digest exempts an image index, or the one image that a reference leads to.
fn is_of_digest(image: &ImageFacts, digest: &Digest) -> bool {
    let is_alone = image.unknown.is_empty() && image.known.iter().all(|known| known.digest == *digest);
    image.digest == Some(*digest) || is_alone && !image.known.is_empty()
}

fn is_of_workload(exempt: &ExemptWorkload, subject: &Subject) -> bool {
    subject.workload.as_ref().is_some_and(|workload| {
        exempt.namespace == subject.namespace
            && exempt.kind == workload.kind
            && matches(&exempt.name, &workload.name)
    })
}
