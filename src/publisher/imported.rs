//! Versions that an administrator imports: another clade exported them, or somebody else keeps the history of the tag.

use super::versions::{Earlier, is_newer};
use super::{PublishError, Publisher};
use crate::class::Class;
use crate::observe::ObservedVersion;
use crate::record::catalog::ImageChain;
use crate::record::{DeadLetterRecord, Origin, canonical_name};

impl Publisher {
    /// Takes a version for all classes that follow its tag. It becomes a dead letter if there is none, or none has a
    /// current version yet: then every image on it would count as outdated.
    pub(super) fn observe_version(&mut self, version: ObservedVersion) -> Result<(), PublishError> {
        // A tag that came before it in a file may have given a class its current version.
        if !self.pending.images.is_empty()
            || !self.pending.tags.is_empty()
            || !self.pending.classes.is_empty()
        {
            self.flush()?;
        }
        let name = canonical_name(&version.tag);
        let followers = self.followers.get(&name).into_iter().flatten();
        let (ready, waiting): (Vec<&Class>, Vec<&Class>) = followers
            .filter_map(|class| self.catalog.class(class))
            .partition(|class| class.record.current.is_some());
        let names: Vec<String> = ready.iter().map(|class| class.record.name.clone()).collect();
        if names.is_empty() {
            let reason = match waiting.first() {
                Some(class) => format!(
                    "class {:?} has no current version yet, since {name} has not been seen: import the version again \
                     once it has",
                    class.record.name
                ),
                None => format!("no class follows {name}: declare one with `clade apply`, and import again"),
            };
            let place = format!("version {} of {}", version.digest, version.tag);
            self.pending.dead_letters.push(DeadLetterRecord::new(place, None, reason, None));
            return Ok(());
        }
        let ObservedVersion { tag, digest, since, built, images } = version;
        let images: Vec<ImageChain> =
            images.into_iter().map(|image| self.as_known(image)).collect::<Result<_, _>>()?;
        for class in names {
            let current = self.catalog.class(&class).and_then(Class::current);
            let newer =
                current.filter(|current| is_newer((since, &images), (current.since, &current.images)));
            if let Some(began) = newer.and_then(|current| current.since) {
                let reason = format!(
                    "it began after the current version of class {class:?}, which began at {began}: import it again once \
                     the tag has moved on"
                );
                let place = format!("version {digest} of {tag}");
                self.pending.dead_letters.push(DeadLetterRecord::new(place, None, reason, None));
                continue;
            }
            let (tag, images, origin) = (tag.clone(), images.clone(), Origin::History);
            let earlier = Earlier { origin, tag, since, built, digest, images };
            self.pending.versions.entry(class).or_default().push(earlier);
            self.pending.imported += 1;
        }
        Ok(())
    }
}
