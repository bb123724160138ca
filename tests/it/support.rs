//! What several subjects need: digests from short names, and a whole clade in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clade::declare::{ClassSpec, GroupSpec};
use clade::log::memory::{Faults, MemoryLog};
use clade::log::{Log, SharedLog, TopicPartition, for_each};
use clade::observe::{Observation, ObservedTag};
use clade::oci::{Digest, LayerIdentity, Platform};
use clade::processor::{Options, Processor};
use clade::publisher::Publisher;
use clade::query::answer::{ClassItem, ClassStanding, ImageItem};
use clade::query::{Filter, Page, Query};
use clade::record::catalog::Selector;
use clade::record::{
    ClassificationRecord, ContainerRole, ImageRecord, Layer, ObjectReference, Record, ReferenceKind, State,
    TagImage, TagItem, Timestamp, Topic, TransitionRecord, Value, WorkloadContainer, WorkloadImage,
    WorkloadRecord, decode,
};
use clade::view::{View, Workloads};

/// The digest that stands for a short name. A test reads as the domain's examples do.
pub(crate) fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The live source that has every [`image`].
pub(crate) const SOURCE: &str = "test";

/// An image called `name` of the live source, of these layers, base first, for linux/amd64.
pub(crate) fn image(name: &str, layers: &[&str]) -> ImageRecord {
    ImageRecord {
        digest: digest(name),
        sequence: 0,
        platform: Platform::default(),
        repositories: vec!["test".to_owned()],
        media_type: None,
        config_digest: None,
        created: None,
        layer_identity: LayerIdentity::Blob,
        layers: layers
            .iter()
            .map(|layer| Layer { digest: digest(layer), diff_id: None, size: None })
            .collect(),
        sources: vec![SOURCE.to_owned()],
        imported: false,
        claims: Vec::new(),
    }
}

/// The live source has the image no longer.
pub(crate) fn image_gone(name: &str) -> Observation {
    Observation::ImageGoneFrom(SOURCE.to_owned(), digest(name))
}

/// A tag that points at these images from `second` on; at nothing when there are none.
pub(crate) fn tag(name: &str, second: i64, images: &[&str]) -> Observation {
    let (repository, tag) = name.rsplit_once(':').unwrap();
    let images: Vec<TagImage> =
        images.iter().map(|image| TagImage { digest: digest(image), platform: None }).collect();
    let target = match &images[..] {
        [] => None,
        [one] => Some(one.digest),
        several => Some(digest(&format!("{several:?}"))),
    };
    let item = TagItem { since: Timestamp::from_second(second).unwrap(), digest: target, images };
    Observation::Tag(ObservedTag {
        source: None,
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        items: vec![item],
        complete: false,
    })
}

/// A Deployment that runs these images in one container.
pub(crate) fn workload(namespace: &str, name: &str, images: Vec<WorkloadImage>) -> WorkloadRecord {
    let container = WorkloadContainer { role: ContainerRole::Container, name: "main".to_owned(), images };
    WorkloadRecord {
        namespace: namespace.to_owned(),
        kind: "Deployment".to_owned(),
        group: "apps".to_owned(),
        name: name.to_owned(),
        sequence: 0,
        source: Some("kubernetes".to_owned()),
        pods: 1,
        labels: BTreeMap::new(),
        namespace_labels: BTreeMap::new(),
        containers: vec![container],
        omitted: 0,
    }
}

/// A class that follows a tag.
pub(crate) fn class(name: &str, tag: &str, labels: &[(&str, &str)]) -> ClassSpec {
    ClassSpec {
        name: name.to_owned(),
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        from: ObjectReference { kind: ReferenceKind::ImageStreamTag, name: tag.to_owned(), namespace: None },
        versions: clade::record::VersionSources::default(),
        rebuild: None,
    }
}

/// A selector of everything that has this label.
pub(crate) fn having(label: &str) -> Selector {
    serde_json::from_value(serde_json::json!({"matchExpressions": [{"key": label, "operator": "Exists"}]}))
        .unwrap()
}

/// A group of everything that has this label.
pub(crate) fn group(name: &str, label: &str) -> GroupSpec {
    GroupSpec { name: name.to_owned(), selector: having(label) }
}

/// The last value of every key of a topic, over all partitions; a key that stands in two of them is an error.
pub(crate) fn fold<V: Value>(log: &dyn Log) -> BTreeMap<String, V> {
    try_fold(log).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The same where records are still being written: while an image goes from one partition to another, it stands in both.
pub(crate) fn try_fold<V: Value>(log: &dyn Log) -> Result<BTreeMap<String, V>, String> {
    let mut all = BTreeMap::new();
    for partition in 0..log.partitions() {
        let mut here = BTreeMap::new();
        for_each(log, TopicPartition { topic: V::TOPIC, partition }, |stored| {
            match decode::<V>(&stored.record) {
                Ok(Some(value)) => {
                    here.insert(stored.record.key.clone(), value);
                }
                Ok(None) => {
                    here.remove(&stored.record.key);
                }
                // What cannot be read is not there; the processor has a dead letter for it.
                Err(_) => {}
            }
        })
        .unwrap();
        for (key, value) in here {
            if all.insert(key.clone(), value).is_some() {
                return Err(format!("{key} stands in two partitions"));
            }
        }
    }
    Ok(all)
}

/// Every transition, in the order of each partition.
pub(crate) fn transitions(log: &dyn Log) -> Vec<TransitionRecord> {
    let mut all = Vec::new();
    for partition in 0..log.partitions() {
        for_each(log, TopicPartition { topic: Topic::Outdated, partition }, |stored| {
            all.extend(decode::<TransitionRecord>(&stored.record).unwrap());
        })
        .unwrap();
    }
    all
}

/// A clade in memory: a publisher, a processor a partition, and readers.
pub(crate) struct World {
    pub(crate) log: SharedLog,
    memory: Arc<MemoryLog>,
    pub(crate) view: Arc<View>,
    pub(crate) publisher: Publisher,
    processors: Vec<Processor>,
    second: i64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Options::default())
    }

    /// A clade whose processors have these options.
    pub(crate) fn with(options: &Options) -> Self {
        let memory = Arc::new(MemoryLog::new(3, Faults::none()));
        let log: SharedLog = Arc::<MemoryLog>::clone(&memory);
        let view = Arc::new(View::new(log.partitions()));
        let publisher = Publisher::restore(SharedLog::clone(&log), || Timestamp::UNIX_EPOCH).unwrap();
        let restore = |partition| {
            Processor::restore(SharedLog::clone(&log), Some(&view), partition, options.clone()).unwrap()
        };
        let processors = (0..log.partitions()).map(restore).collect();
        Self { log, memory, view, publisher, processors, second: 0 }
    }

    /// Images, each with its layers.
    pub(crate) fn images(&mut self, images: &[(&str, &[&str])]) -> &mut Self {
        for (name, layers) in images {
            self.see(Observation::Image(Box::new(image(name, layers))));
        }
        self
    }

    pub(crate) fn see(&mut self, seen: Observation) -> &mut Self {
        self.publisher.observe(seen).unwrap();
        self
    }

    /// Writes a record of the present day, as another process does.
    pub(crate) fn append(&self, to: TopicPartition, record: Record) {
        self.memory.set_time(Timestamp::now().as_millisecond());
        self.log.writer("another").unwrap().append(vec![(to, record)]).unwrap();
    }

    /// The tag points at these images from now on.
    pub(crate) fn tag(&mut self, name: &str, images: &[&str]) -> &mut Self {
        self.second += 60;
        self.see(tag(name, self.second, images))
    }

    pub(crate) fn class(&mut self, name: &str, tag: &str) -> &mut Self {
        self.publisher.apply_class(&class(name, tag, &[])).unwrap();
        self
    }

    /// The class follows a chain.
    pub(crate) fn adopt(&mut self, name: &str, chain: Digest) -> &mut Self {
        let from = ObjectReference { kind: ReferenceKind::Chain, name: chain.to_string(), namespace: None };
        self.publisher.apply_class(&ClassSpec { from, ..class(name, "none:1", &[]) }).unwrap();
        self
    }

    /// Everything is published and processed.
    pub(crate) fn process(&mut self) -> &mut Self {
        self.publisher.flush().unwrap();
        for processor in &mut self.processors {
            while processor.step(Duration::ZERO).unwrap().records > 0 {}
        }
        self
    }

    /// Everything is published, and this partition alone has processed it.
    pub(crate) fn process_only(&mut self, partition: u16) -> &mut Self {
        self.publisher.flush().unwrap();
        while self.processors[usize::from(partition)].step(Duration::ZERO).unwrap().records > 0 {}
        self
    }

    /// A question after what was published has been read, workloads too.
    pub(crate) fn query_of_workloads(&mut self) -> Query {
        self.process();
        let mut table = Workloads::default();
        table.is_whole = true;
        for (key, record) in fold::<WorkloadRecord>(&*self.log) {
            table.put(&key, Some(record));
        }
        self.view.set_workloads(table);
        self.query()
    }

    pub(crate) fn query(&mut self) -> Query {
        self.process();
        Query::new(self.view.snapshot())
    }

    pub(crate) fn item(&mut self, name: &str) -> ImageItem {
        let found = self.query().list_images(&Filter::default(), &Page::default()).unwrap();
        found.iter().find(|item| item.digest == digest(name)).unwrap_or_else(|| panic!("no image {name}"))
    }

    pub(crate) fn standing(&mut self, image: &str, class: &str) -> Option<ClassStanding> {
        self.item(image).classes.into_iter().find(|standing| standing.name == class)
    }

    /// State in the class, and the version that the image is built on.
    pub(crate) fn state(&mut self, image: &str, class: &str) -> Option<(State, Digest)> {
        self.standing(image, class).map(|standing| (standing.state, standing.version))
    }

    pub(crate) fn class_item(&mut self, name: &str) -> ClassItem {
        self.query().list_classes(Some(name)).unwrap().remove(0)
    }

    pub(crate) fn ancestors(&mut self, of: &str) -> Vec<Digest> {
        let items =
            self.query().ancestors(&digest(of).to_string(), &Filter::default(), &Page::default()).unwrap();
        items.items.into_iter().map(|item| item.digest).collect()
    }

    pub(crate) fn descendants(&mut self, of: &str) -> Vec<Digest> {
        let list = self.query().descendants(&digest(of).to_string(), &Filter::default(), &Page::default());
        let mut found: Vec<Digest> = list.unwrap().iter().map(|item| item.digest).collect();
        found.sort_unstable();
        found
    }

    pub(crate) fn classifications(&mut self) -> BTreeMap<String, ClassificationRecord> {
        self.process();
        fold(&*self.log)
    }
}
