//! What readers see: of every partition the state as of its last commit.
//!
//! A partition's state exists twice. Readers have one copy, the processor works on the other; after a commit the two
//! change places, and the processor brings the copy that it got back up to date by applying the same records again,
//! as soon as its last reader has let go. So no reader ever waits, and none sees half of a batch. The price is memory
//! for a second copy and the time to apply each record twice, which is small beside reading it.

mod copies;
mod directory;
#[cfg(test)]
mod model;
mod replica;

use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;

use directory::Directory;
pub use replica::Replica;

use crate::oci::Digest;
use crate::record::ProgressRecord;
use crate::shard::Shard;

/// The committed state of one partition.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The state.
    pub shard: Shard,
    /// Up to where the inputs are in it.
    pub progress: ProgressRecord,
}

/// The committed state of every partition of this process.
pub struct View {
    partitions: Vec<ArcSwap<Committed>>,
    /// Counts the replicas that each partition has had; the newest alone may publish. Held while publishing, by writers
    /// alone: readers never wait.
    replicas: Vec<Mutex<u64>>,
    directory: Directory,
}

impl View {
    /// A view of `partitions` empty partitions.
    pub fn new(partitions: u16) -> Self {
        let empty = |partition| {
            let progress = ProgressRecord::beginning(partition, partitions);
            ArcSwap::from_pointee(Committed { shard: Shard::new(partition, partitions), progress })
        };
        Self {
            partitions: (0..partitions).map(empty).collect(),
            replicas: (0..partitions).map(|_| Mutex::new(0)).collect(),
            directory: Directory::default(),
        }
    }

    /// The committed states for one answer. Each partition is loaded when it is first asked for, and stays as it was then.
    /// Drop it after one answer: the processors need their copies back.
    pub fn snapshot(self: &Arc<Self>) -> Snapshot {
        let loaded = self.partitions.iter().map(|_| OnceLock::new()).collect();
        Snapshot { view: Arc::clone(self), loaded }
    }
}

/// Every partition as of one of its own commits.
pub struct Snapshot {
    view: Arc<View>,
    loaded: Box<[OnceLock<Arc<Committed>>]>,
}

impl Snapshot {
    /// The state of one partition; `None` past the last.
    pub fn partition(&self, partition: usize) -> Option<&Committed> {
        let loaded = self.loaded.get(partition)?;
        Some(&**loaded.get_or_init(|| self.view.partitions[partition].load_full()))
    }

    /// The states of all partitions, by partition number.
    pub fn partitions(&self) -> impl Iterator<Item = &Committed> {
        (0..self.loaded.len()).filter_map(|partition| self.partition(partition))
    }

    /// The states of all partitions, each let go before the next is loaded: for answers that take long.
    pub fn one_by_one(self) -> impl Iterator<Item = Arc<Committed>> {
        let Self { view, loaded } = self;
        loaded.into_iter().enumerate().map(move |(partition, loaded)| {
            loaded.into_inner().unwrap_or_else(|| view.partitions[partition].load_full())
        })
    }

    /// The shards of all partitions.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.partitions().map(|committed| &committed.shard)
    }

    /// The shard that has this image. The directory names it, so that the cost does not grow with the partitions; only an
    /// image that no partition has is looked for in all of them.
    pub fn locate(&self, image: &Digest) -> Option<&Shard> {
        let has = |shard: &&Shard| shard.index().image(image).is_some();
        let hint = self.view.directory.find(image);
        let named = hint.and_then(|partition| self.partition(usize::from(partition)));
        named.map(|committed| &committed.shard).filter(has).or_else(|| self.shards().find(has))
    }
}
