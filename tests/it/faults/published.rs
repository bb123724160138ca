//! What was published, as the test itself knows it: what a publisher loses cannot be found on the log.

use std::collections::BTreeMap;

use clade::declare::ClassSpec;
use clade::log::{Log, TopicPartition, for_each};
use clade::observe::Observation;
use clade::oci::Digest;
use clade::record::catalog::Selector;
use clade::record::{CatalogRecord, ImageRecord, TagImage, TagRecord, Topic, decode};

use crate::history::{Fact, image_name};
use crate::support::{class, digest, fold, having, tag};

/// What a tag points at: nothing, an image, or several.
type Target = (Option<Digest>, Vec<TagImage>);

/// What is so after all facts that were published.
#[derive(Default)]
pub(super) struct Published {
    images: BTreeMap<Digest, ImageRecord>,
    tags: BTreeMap<String, Target>,
    classes: BTreeMap<String, ClassSpec>,
    groups: BTreeMap<String, Selector>,
}

impl Published {
    pub(super) fn add(&mut self, fact: Fact) {
        match fact {
            Fact::Image(image) => drop(self.images.insert(image.digest, *image)),
            Fact::ImageGone(number) => drop(self.images.remove(&digest(&image_name(number)))),
            Fact::Tag { name, second, images } => {
                let names: Vec<String> = images.into_iter().map(image_name).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let Observation::Tag(mut seen) = tag(&name, second, &names) else { unreachable!() };
                let item = seen.items.remove(0);
                self.tags.insert(name, (item.digest, item.images));
            }
            Fact::Class { name, tag, labels } => {
                let labels: Vec<(&str, &str)> = labels.into_iter().map(|label| (label, "yes")).collect();
                self.classes.insert(name.clone(), class(&name, &tag, &labels));
            }
            Fact::ClassGone(name) => drop(self.classes.remove(&name)),
            Fact::Group { name, label } => drop(self.groups.insert(name, having(label))),
            Fact::GroupGone(name) => drop(self.groups.remove(&name)),
        }
    }

    /// The inputs on the log are what was published, no more and no less.
    pub(super) fn check(&self, log: &dyn Log) {
        let mut images: BTreeMap<Digest, ImageRecord> =
            fold::<ImageRecord>(log).into_values().map(|image| (image.digest, image)).collect();
        images.values_mut().for_each(|image| image.sequence = 0);
        assert_eq!(images.keys().collect::<Vec<_>>(), self.images.keys().collect::<Vec<_>>());
        assert_eq!(images, self.images);
        self.check_tags(log);
        self.check_catalog(log);
    }

    /// Each tag points there, wherever it stands, and stands in the partition of every image that it points at.
    fn check_tags(&self, log: &dyn Log) {
        let mut tags: BTreeMap<String, Target> = BTreeMap::new();
        for partition in 0..log.partitions() {
            let here = keys::<TagRecord>(log, TopicPartition { topic: Topic::Tags, partition });
            for (name, tag) in &here {
                let target = (tag.current.digest, tag.current.images.clone());
                assert_eq!(self.tags.get(name), Some(&target), "{name} in partition {partition}");
                tags.insert(name.clone(), target);
            }
            let images = keys::<ImageRecord>(log, TopicPartition { topic: Topic::Images, partition });
            for (name, (target, of)) in &self.tags {
                let mut points_at = of.iter().map(|image| image.digest).chain(*target);
                if points_at.any(|image| images.contains_key(&image.to_string())) {
                    assert!(here.contains_key(name), "{name} is missing in partition {partition}");
                }
            }
        }
        assert_eq!(tags, self.tags);
    }

    fn check_catalog(&self, log: &dyn Log) {
        let (mut classes, mut groups) = (BTreeMap::new(), BTreeMap::new());
        let of = TopicPartition { topic: Topic::Catalog, partition: 0 };
        for record in keys::<CatalogRecord>(log, of).into_values() {
            match record {
                CatalogRecord::ImageClass(class) => {
                    let name = class.name.clone();
                    let spec = ClassSpec {
                        name: class.name,
                        labels: class.labels,
                        from: class.from,
                        versions: class.version_sources,
                        rebuild: None,
                    };
                    classes.insert(name, spec);
                }
                CatalogRecord::ImageClassGroup(group) => drop(groups.insert(group.name, group.selector)),
                // No classification depends on one.
                CatalogRecord::ClassPolicy(_) => {}
                CatalogRecord::ImageClassVersion(_) => {}
            }
        }
        assert_eq!((classes, groups), (self.classes.clone(), self.groups.clone()));
    }
}

/// The last value of every key of one partition.
fn keys<V: clade::record::Value>(log: &dyn Log, of: TopicPartition) -> BTreeMap<String, V> {
    let mut keys = BTreeMap::new();
    for_each(log, of, |stored| {
        // What cannot be read is not there.
        match decode::<V>(&stored.record).ok().flatten() {
            Some(value) => keys.insert(stored.record.key.clone(), value),
            None => keys.remove(&stored.record.key),
        };
    })
    .unwrap();
    keys
}
