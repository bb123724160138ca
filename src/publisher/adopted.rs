//! Classes that follow a chain: an administrator has named a beginning of images that no known image is.

use std::ops::ControlFlow;

use super::tracker::{not_ready, ready};
use super::{PublishError, Publisher};
use crate::log::{SharedLog, TopicPartition, for_each_from};
use crate::oci::{ChainId, LayerChain};
use crate::record::catalog::ImageChain;
use crate::record::{CatalogRecord, ClassRecord, ImageRecord, Origin, Topic, VersionRecord, decode};

impl Publisher {
    /// Brings a class up to date that follows a chain. Its one version counts once any image with the chain is known,
    /// whose layers the version takes over.
    pub(super) fn track_chain(&mut self, record: ClassRecord, chain: ChainId) -> Result<(), PublishError> {
        if record.current.is_some() {
            self.put_class(record);
            return Ok(());
        }
        let is_new = !self.adopting.contains_key(&chain);
        self.adopting.entry(chain).or_default().insert(record.name.clone());
        let pending = self.pending.images.values().flatten().find_map(|image| beginning(image, chain));
        let found = match pending {
            // Later images are looked at as they come.
            None if is_new => self.published_beginning(chain)?,
            found => found,
        };
        let Some(image) = found else {
            let text = format!("no image has been seen yet that begins with the chain {chain}");
            self.put_class(ClassRecord { following: not_ready("NotFound", text), ..record });
            return Ok(());
        };
        let (name, number) = (record.name.clone(), record.versions);
        self.put(CatalogRecord::ImageClassVersion(VersionRecord {
            class: record.name.clone(),
            number,
            digest: *chain.digest(),
            origin: Origin::Adopted,
            tag: None,
            since: None,
            built: None,
            images: vec![image],
        }));
        self.put_class(ClassRecord {
            versions: number + 1,
            current: Some(number),
            revision: record.revision + 1,
            following: ready(format!("following the chain {chain}")),
            ..record
        });
        // Other classes that wait for the same chain have it as well now.
        let waiting = self.adopting.remove(&chain).unwrap_or_default();
        self.pending.classes.extend(waiting.into_iter().filter(|class| *class != name));
        Ok(())
    }

    /// The classes that wait for a chain which a pending image has.
    pub(super) fn classes_of_new_chains(&self) -> Vec<String> {
        if self.adopting.is_empty() {
            return Vec::new();
        }
        let chains = self.pending.images.values().flatten().flat_map(|image| {
            let chain = image.chain();
            chain.chain_ids().collect::<Vec<_>>()
        });
        chains.filter_map(|chain| self.adopting.get(&chain)).flatten().cloned().collect()
    }

    /// The chain of any published image that begins with it. It reads all images, since their places do not have their
    /// layers: a chain is adopted rarely.
    fn published_beginning(&self, chain: ChainId) -> Result<Option<ImageChain>, PublishError> {
        let log = SharedLog::clone(&self.log);
        for partition in 0..log.partitions() {
            let mut found = None;
            for_each_from(&*log, TopicPartition { topic: Topic::Images, partition }, 0, |stored| {
                let image = decode::<ImageRecord>(&stored.record).ok().flatten();
                found = image.and_then(|image| beginning(&image, chain));
                if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The part of an image's chain that has this ID.
fn beginning(image: &ImageRecord, chain: ChainId) -> Option<ImageChain> {
    let of = image.chain();
    let depth = of.chain_ids().position(|id| id == chain)? + 1;
    let layers = of.layers()[..depth].to_vec();
    debug_assert_eq!(LayerChain::new(of.identity(), layers.iter().copied()).last(), Some(chain));
    Some(ImageChain {
        // No image is known that ends here.
        digest: *chain.digest(),
        platform: image.platform.clone(),
        layer_identity: of.identity(),
        layers,
        chain_id: chain,
        blobs: Vec::new(),
    })
}
