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

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

pub use directory::Directory;
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

    /// The state of every partition now. What is held does not change; hold it for one answer, not for long: the
    /// processor needs the copy back.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { partitions: self.partitions.iter().map(ArcSwap::load_full).collect() }
    }

    /// Where images are.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The partition that has this image, and its state.
    pub fn locate(&self, image: &Digest) -> Option<Arc<Committed>> {
        let hint =
            self.directory.find(image).and_then(|partition| self.partitions.get(usize::from(partition)));
        let has = |state: &Arc<Committed>| state.shard.index().image(image).is_some();
        hint.map(ArcSwap::load_full)
            .filter(has)
            .or_else(|| self.partitions.iter().map(ArcSwap::load_full).find(has))
    }
}

/// All partitions at one moment, each as of its own last commit.
pub struct Snapshot {
    /// By partition number.
    pub partitions: Vec<Arc<Committed>>,
}

impl Snapshot {
    /// The states.
    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.partitions.iter().map(|committed| &committed.shard)
    }
}
