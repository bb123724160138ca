//! Versions that a class had in a log which is lost: the status of its object on the API server still names the newest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::versions::{Earlier, Target, is_newer};
use super::{PublishError, Publisher};
use crate::observe::ObservedVersion;
use crate::record::catalog::ImageChain;
use crate::record::{ClassRecord, DeadLetterRecord, Origin};

/// Versions by class. Shared, since each request keeps a copy in case the log fails.
pub(super) type Remembered = BTreeMap<String, Arc<Vec<ObservedVersion>>>;

impl Publisher {
    /// Sets the remembered versions of an earlier publisher.
    #[must_use]
    pub(super) fn remembering(self, remembered: Remembered) -> Self {
        Self { remembered, ..self }
    }

    /// The versions of classes that have no current version yet.
    pub(super) fn all_remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Keeps the versions until the class has a current one: without it, every image on them would count as outdated. A class
    /// that has versions in this log knows better.
    pub(super) fn observe_history(&mut self, class: String, versions: Vec<Result<ObservedVersion, String>>) {
        self.remembered.remove(&class);
        if self.catalog.class(&class).is_some_and(|known| known.record.versions > 0) {
            return;
        }
        let mut readable = Vec::new();
        for version in versions {
            match version {
                Ok(version) => readable.push(version),
                Err(reason) => self.refuse_remembered(&class, reason),
            }
        }
        if !readable.is_empty() {
            self.remembered.insert(class, Arc::new(readable));
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
        for version in self.remembered.remove(&class.name).map(Arc::unwrap_or_clone).unwrap_or_default() {
            let ObservedVersion { tag, digest, since, built, images } = version;
            let images: Vec<ImageChain> =
                images.into_iter().map(|image| self.as_known(image)).collect::<Result<_, _>>()?;
            if is_newer((since, &images), (Some(current.since), &current.images)) {
                let began = current.since;
                self.refuse_remembered(
                    &class.name,
                    format!(
                        "version {digest} in the status began after the current version, which began at {began}: once the tag \
                         has moved on, import it from a backup with `clade export versions` and `clade import`"
                    ),
                );
                continue;
            }
            earlier.push(Earlier { origin: Origin::History, tag, since, built, digest, images });
        }
        Ok(earlier)
    }

    fn refuse_remembered(&mut self, class: &str, reason: String) {
        let origin = format!("imageclass {class}");
        self.pending.dead_letters.push(DeadLetterRecord::new(origin, None, reason, None));
    }
}
