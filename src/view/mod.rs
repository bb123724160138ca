//! The view of readers: holds the state of every partition as of its last commit.
//!
//! A partition's state exists twice. Readers use one copy, and the processor works on the other. After a commit the two
//! change places. As soon as the last reader of the copy that the processor got back is gone, the processor brings it
//! up to date by applying the same records again. So no reader ever waits, and none sees half of a batch. The price is
//! memory for a second copy and the time to apply each record twice, which is small beside reading it.

mod copies;
mod directory;
#[cfg(test)]
mod model;
mod replica;
mod workloads;

use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;

use directory::Directory;
pub use replica::Replica;
pub use workloads::Workloads;

use crate::oci::Digest;
use crate::record::ProgressRecord;
use crate::shard::Shard;

/// The committed state of one partition.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The state.
    pub shard: Shard,
    /// The offsets of the inputs up to which the state is complete.
    pub progress: ProgressRecord,
}

/// The committed state of every partition of this process.
pub struct View {
    partitions: Vec<ArcSwap<Committed>>,
    /// Counts the replicas of each partition; only the newest may publish. Held while publishing, by writers only:
    /// readers never wait.
    replicas: Vec<Mutex<u64>>,
    directory: Directory,
    workloads: ArcSwap<Workloads>,
}

impl View {
    /// Returns a view of `partitions` empty partitions.
    pub fn new(partitions: u16) -> Self {
        let empty = |partition| {
            let progress = ProgressRecord::beginning(partition, partitions);
            ArcSwap::from_pointee(Committed { shard: Shard::new(partition, partitions), progress })
        };
        Self {
            partitions: (0..partitions).map(empty).collect(),
            replicas: (0..partitions).map(|_| Mutex::new(0)).collect(),
            directory: Directory::default(),
            workloads: ArcSwap::default(),
        }
    }

    /// A view of these partitions, all there are, that nobody changes any more.
    pub fn of(partitions: Vec<Committed>) -> Self {
        Self {
            replicas: partitions.iter().map(|_| Mutex::new(0)).collect(),
            partitions: partitions.into_iter().map(ArcSwap::from_pointee).collect(),
            directory: Directory::default(),
            workloads: ArcSwap::default(),
        }
    }

    /// The committed states for one answer. Each partition is loaded when it is first asked for, and stays as it was then.
    /// Drop it after one answer: the processors need their copies back.
    pub fn snapshot(self: &Arc<Self>) -> Snapshot {
        let loaded = self.partitions.iter().map(|_| OnceLock::new()).collect();
        Snapshot { view: Arc::clone(self), workloads: self.workloads.load_full(), loaded }
    }

    /// Sets the workloads that readers see from now on.
    pub fn set_workloads(&self, workloads: Workloads) {
        self.workloads.store(Arc::new(workloads));
    }
}

/// Every partition as of one of its own commits.
pub struct Snapshot {
    view: Arc<View>,
    workloads: Arc<Workloads>,
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

    /// The states of all partitions, each released before the next is loaded: for answers that take long.
    pub fn one_by_one(self) -> impl Iterator<Item = Arc<Committed>> {
        let Self { view, loaded, .. } = self;
        loaded.into_iter().enumerate().map(move |(partition, loaded)| {
            loaded.into_inner().unwrap_or_else(|| view.partitions[partition].load_full())
        })
    }

    /// The workloads. There are none of a past.
    pub fn workloads(&self) -> &Workloads {
        &self.workloads
    }

    /// The shards of all partitions.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.partitions().map(|committed| &committed.shard)
    }

    /// The shard that has this image. The directory names it, so that the cost does not grow with the partitions. Only
    /// an image that is in no partition is searched in all of them.
    pub fn locate(&self, image: &Digest) -> Option<&Shard> {
        let has = |shard: &&Shard| shard.index().image(image).is_some();
        let hint = self.view.directory.find(image);
        let named = hint.and_then(|partition| self.partition(usize::from(partition)));
        named.map(|committed| &committed.shard).filter(has).or_else(|| self.shards().find(has))
    }
}
