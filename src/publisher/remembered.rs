//! Versions that a class had in a log which is lost: the status of its object on the API server still names the newest.

use super::versions::{Earlier, Target, too_new};
use super::{PublishError, Publisher};
use crate::observe::ObservedVersion;
use crate::record::catalog::ImageChain;
use crate::record::{ClassRecord, DeadLetterRecord, Origin};

impl Publisher {
    /// Keeps the versions until the class has a current one: without it, every image on them would count as outdated. A class
    /// that has versions in this log knows better.
    pub(super) fn observe_history(&mut self, class: String, versions: Vec<ObservedVersion>) {
        if self.catalog.class(&class).is_none_or(|known| known.record.versions == 0) && !versions.is_empty() {
            self.remembered.insert(class, versions);
        }
    }

    /// The remembered versions of a class, once it has a current one.
    pub(super) fn remembered(
        &mut self,
        class: &ClassRecord,
        targets: &[Target],
    ) -> Result<Vec<Earlier>, PublishError> {
        let Some(current) = targets.iter().rev().find(|target| !target.images.is_empty()) else {
            return Ok(Vec::new());
        };
        let mut earlier = Vec::new();
        for version in self.remembered.remove(&class.name).unwrap_or_default() {
            let ObservedVersion { tag, digest, since, built, images } = version;
            let images: Vec<ImageChain> =
                images.into_iter().map(|image| self.as_known(image)).collect::<Result<_, _>>()?;
            if let Some(reason) =
                too_new(&class.name, (Some(current.since), &current.images), (since, &images))
            {
                let place = format!("version {digest} in the status of class {}", class.name);
                self.pending.dead_letters.push(DeadLetterRecord::new(place, None, reason, None));
                continue;
            }
            earlier.push(Earlier { origin: Origin::History, tag, since, built, digest, images });
        }
        Ok(earlier)
    }
}
