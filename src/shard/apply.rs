//! Applies records to a shard.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::columns::Row;
use super::marks::Mark;
use super::orders::Keys;
use super::{Change, Kind, Orphan, Shard};
use crate::class::{CatalogChange, Classification};
use crate::index::{ImageId, IndexError};
use crate::oci::Digest;
use crate::record::{
    CatalogKey, CatalogRecord, ClassificationRecord, ImageRecord, VersionRecord, partition_of,
};

impl Shard {
    /// Applies a record. After an error the shard is unchanged.
    pub fn apply(&mut self, change: &Change) -> Result<(), IndexError> {
        match change {
            Change::Image(record) => return self.put_image(record),
            Change::ImageGone(digest) => self.remove_image(digest),
            Change::Tag(record) => {
                self.tags.put(record);
                self.left.put(record);
            }
            Change::TagHistory(record) => self.left.put_part(record),
            Change::TagGone(key) => {
                self.tags.remove(key);
                self.left.remove(key);
            }
            Change::Catalog(key, record) => return self.apply_catalog(key, record.as_deref()),
            Change::Committed(_, Some(record)) => self.restore(record),
            Change::Committed(digest, None) => self.restore_nothing(digest),
        }
        Ok(())
    }

    fn put_image(&mut self, record: &ImageRecord) -> Result<(), IndexError> {
        let inserted = self.index.insert(record.digest, &record.chain())?;
        let id = inserted.image;
        let platform = self.platforms.acquire_copy(&record.platform);
        let repositories = self.repositories.acquire_copy(&record.repositories);
        let mut row = Row {
            sequence: record.sequence,
            platform,
            repositories,
            config: record.config_digest,
            created: record.created,
            size: record.size().and_then(NonZeroU64::new),
            classification: None,
        };
        if inserted.change == crate::index::Change::Added {
            if let Some(orphan) = self.orphans.remove(&record.digest) {
                if orphan.platform != platform {
                    self.misstated.insert(id);
                }
                self.platforms.release(orphan.platform);
                row.classification = Some(orphan.classification);
            }
            if id.index() >= self.rows.len() {
                self.rows.resize(id.index() + 1, row);
            }
            self.dirty_images.insert(id);
        } else {
            self.leave_orders(id);
            let before = self.rows[id.index()];
            row.classification = before.classification;
            if before.platform != platform {
                self.misstated.insert(id);
            }
            if inserted.change == crate::index::Change::Moved || before.platform != platform {
                self.dirty_images.insert(id);
            }
            self.platforms.release(before.platform);
            self.repositories.release(before.repositories);
        }
        self.rows[id.index()] = row;
        self.enter_orders(id);
        if record.claims.is_empty() {
            self.claims.remove(&id);
        } else {
            self.claims.insert(id, Arc::from(record.claims.as_slice()));
        }
        Ok(())
    }

    fn remove_image(&mut self, digest: &Digest) {
        let Some(id) = self.index.image(digest) else { return };
        self.leave_orders(id);
        self.index.remove(digest);
        let row = self.rows[id.index()];
        self.claims.remove(&id);
        self.dirty_images.remove(&id);
        self.misstated.remove(&id);
        self.repositories.release(row.repositories);
        match row.classification {
            Some(classification) => {
                let orphan = Orphan { sequence: row.sequence, platform: row.platform, classification };
                self.orphans.insert(*digest, orphan);
            }
            None => self.platforms.release(row.platform),
        }
    }

    fn enter_orders(&mut self, id: ImageId) {
        self.orders.insert(id, &Keys::of(&self.index, &self.rows, &self.repositories, id));
    }

    fn leave_orders(&mut self, id: ImageId) {
        self.orders.remove(id, &Keys::of(&self.index, &self.rows, &self.repositories, id));
    }

    /// Restores the committed classification of an image, for comparison with the next conclusions.
    fn restore(&mut self, record: &ClassificationRecord) {
        let content = Classification { classes: record.classes.clone(), groups: record.groups.clone() };
        let classification = self.classifications.acquire(content);
        let platform = self.platforms.acquire_copy(&record.platform);
        if let Some(id) = self.index.image(&record.digest) {
            self.set_classification(id, Some(classification));
            if self.rows[id.index()].platform == platform {
                self.misstated.remove(&id);
            } else {
                self.misstated.insert(id);
            }
            self.platforms.release(platform);
            self.dirty_images.insert(id);
            return;
        }
        let orphan = Orphan { sequence: record.sequence, platform, classification };
        if let Some(replaced) = self.orphans.insert(record.digest, orphan) {
            self.platforms.release(replaced.platform);
            self.classifications.release(replaced.classification);
        }
    }

    fn restore_nothing(&mut self, digest: &Digest) {
        if let Some(id) = self.index.image(digest) {
            self.set_classification(id, None);
            self.misstated.remove(&id);
            self.dirty_images.insert(id);
        } else if let Some(orphan) = self.orphans.remove(digest) {
            self.platforms.release(orphan.platform);
            self.classifications.release(orphan.classification);
        }
    }

    /// Replaces the classification of an image. The use of `new` is handed over, and that of the old one is released.
    pub(super) fn set_classification(&mut self, id: ImageId, new: Option<super::Interned>) {
        let before = self.kind(id);
        let row = &mut self.rows[id.index()];
        let now = Kind { classification: new, ..before };
        self.orders.change_kind(id, self.index.digest(id), before, now);
        if let Some(old) = std::mem::replace(&mut row.classification, new) {
            self.classifications.release(old);
        }
    }

    pub(super) fn apply_catalog(
        &mut self,
        key: &CatalogKey,
        record: Option<&CatalogRecord>,
    ) -> Result<(), IndexError> {
        let CatalogChange { classes, versions, added, removed } = self.catalog.apply(key, record.cloned());
        for version in removed {
            for (node, mark) in self.marks.remove(&version.class, version.number) {
                self.platforms.release(mark.platform);
                self.dirty_nodes.insert(node);
                self.released.push(node);
            }
        }
        for version in added {
            self.mark(&version)?;
        }
        for (class, version) in versions {
            self.dirty_nodes.extend(self.marks.of_version(&class, version));
        }
        for class in classes {
            self.dirty_nodes.extend(self.marks.of_class(&class).map(|(_, node)| node));
        }
        Ok(())
    }

    /// Marks the ends of the version's chains that belong to this partition.
    fn mark(&mut self, version: &VersionRecord) -> Result<(), IndexError> {
        let chains = version.images.iter().flat_map(|image| image.chains().map(move |chain| (image, chain)));
        for (image, chain) in chains {
            if partition_of(&image.digest, &chain, self.partitions) != self.partition {
                continue;
            }
            let Some(node) = self.index.pin(&chain)? else { continue };
            let mark = Mark {
                class: version.class.clone(),
                version: version.number,
                digest: image.digest,
                platform: self.platforms.acquire_copy(&image.platform),
            };
            self.marks.add(node, mark);
        }
        Ok(())
    }

    /// Lays the index out again, so that data used together lies together. Answers stay the same.
    pub fn settle(&mut self) {
        debug_assert!(
            self.dirty_images.is_empty() && self.dirty_nodes.is_empty(),
            "settled between apply and drain"
        );
        let renumbering = self.index.settle();
        self.marks.renumber(|node| renumbering.node(node));
        let mut rows = vec![None; self.index.len()];
        for (old, row) in self.rows.drain(..).enumerate() {
            if let Some(new) = renumbering.image_at(old) {
                rows[new.index()] = Some(row);
            }
        }
        self.rows = rows.into_iter().flatten().collect();
        self.orders.renumber(|image| renumbering.image(image));
        self.claims = std::mem::take(&mut self.claims)
            .into_iter()
            .map(|(image, claims)| (renumbering.image(image), claims))
            .collect();
    }
}
