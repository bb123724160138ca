//! The part of clade that watches a registry, on a log that outlives it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use clade::log::memory::{Faults, MemoryLog};
use clade::log::{SharedLog, TopicPartition, for_each};
use clade::observe::{Observation, Wanted};
use clade::oci::Digest;
use clade::publisher::{Publishing, Settings};
use clade::record::{ImageRecord, TagRecord, Timestamp, Topic, decode};
use clade::registry::{self, Config, Remembered};
use clade::telemetry::{Metrics, Spans};
use tokio::sync::{mpsc, watch};

use super::made_up::{MadeUp, Tags};
use crate::support::fold;

/// A log, and each start of clade on it.
pub(crate) struct Clade {
    log: SharedLog,
    /// The digests that sources are told to look for, if they differ from those that the publisher wants.
    pub(crate) wanted: Option<Wanted>,
}

impl Clade {
    pub(crate) fn new() -> Self {
        Self { log: Arc::new(MemoryLog::new(3, Faults::none())), wanted: None }
    }

    fn publishing(&self) -> Publishing {
        let settings = Settings {
            clock: Timestamp::now,
            delay: Duration::ZERO,
            spans: Spans::default(),
            metrics: Metrics::default(),
        };
        Publishing::start(SharedLog::clone(&self.log), settings).unwrap()
    }

    /// Publishes what another source has observed.
    pub(crate) fn import(&self, seen: Observation) {
        self.publishing().observe(Arc::new(vec![seen])).unwrap();
    }

    /// Starts clade, and stops it as a kill does once it has come so far.
    pub(crate) async fn run_until(&self, host: &str, is_far_enough: impl Fn() -> bool) {
        let publishing = self.publishing();
        let asked = (publishing.clone(), host.to_owned());
        let remembered = tokio::task::spawn_blocking(move || {
            asked.0.published(asked.1.clone(), Remembered::of(&asked.1), Remembered::add).unwrap()
        });
        let remembered = remembered.await.unwrap();
        let config = Config {
            requests_per_second: 100_000,
            poll: Duration::from_millis(200),
            ..format!("http://{host}").parse().unwrap()
        };
        let (out, mut observations) = mpsc::channel(16);
        let (_notices, notified) = mpsc::channel(1);
        let (_wants, told) = watch::channel(self.wanted.clone().map(Arc::new));
        let wanted = if self.wanted.is_some() { told } else { publishing.wanted() };
        let watching = tokio::spawn(async move {
            registry::watch(config, remembered, notified, wanted, &Metrics::default().registries, out).await
        });
        while !is_far_enough() {
            let next = tokio::time::timeout(Duration::from_millis(10), observations.recv()).await;
            if let Ok(Some(seen)) = next {
                let publishing = publishing.clone();
                tokio::task::spawn_blocking(move || publishing.observe(Arc::new(seen)).unwrap())
                    .await
                    .unwrap();
            }
        }
        watching.abort();
        let _ = watching.await;
    }

    /// Starts clade, and stops it once it has begun this many passes and come to the end of the one before.
    pub(crate) async fn passes(&self, registry: &MadeUp, passes: u64) {
        let before = registry.counts().passes;
        self.run_until(&registry.address(), || registry.counts().passes > before + passes).await;
    }

    pub(crate) fn tags(&self) -> Tags {
        let mut newest: BTreeMap<String, TagRecord> = BTreeMap::new();
        for partition in 0..self.log.partitions() {
            for_each(&*self.log, TopicPartition { topic: Topic::Tags, partition }, |stored| {
                let Ok(Some(tag)) = decode::<TagRecord>(&stored.record) else { return };
                if tag.home && newest.get(&tag.name).is_none_or(|known| known.sequence < tag.sequence) {
                    newest.insert(tag.name.clone(), tag);
                }
            })
            .unwrap();
        }
        let images = |tag: &TagRecord| tag.current.images.iter().map(|image| image.digest).collect();
        newest
            .into_iter()
            .filter_map(|(name, tag)| Some((name, (tag.current.digest?, images(&tag)))))
            .collect()
    }

    pub(crate) fn images(&self) -> HashSet<Digest> {
        fold::<ImageRecord>(&*self.log).into_values().map(|image| image.digest).collect()
    }
}
