//! Maps the digest of an image to its partition.

use dashmap::DashMap;

use crate::oci::Digest;

/// The partition of each image, so that a look-up need not search all partitions.
///
/// Every processor writes it after each commit while readers use it, on as many threads as there are partitions: hence
/// dashmap with its divided locks. An entry is a hint of sixteen bytes, the first eight of the digest and a number; two
/// images that share eight bytes (nobody's accident) share an entry, and the reader, which checks the whole digest,
/// searches the other partitions.
#[derive(Debug, Default)]
pub(super) struct Directory {
    partitions: DashMap<u64, u16>,
}

impl Directory {
    /// The partition that probably has this image.
    pub(super) fn find(&self, image: &Digest) -> Option<u16> {
        self.partitions.get(&key(image)).map(|partition| *partition)
    }

    /// Notes that the partition has the image.
    pub(super) fn put(&self, image: &Digest, partition: u16) {
        self.partitions.insert(key(image), partition);
    }

    /// Notes that the partition does not have the image any more, unless another partition has claimed it meanwhile.
    pub(super) fn remove(&self, image: &Digest, partition: u16) {
        self.partitions.remove_if(&key(image), |_, noted| *noted == partition);
    }
}

fn key(image: &Digest) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&image.as_bytes()[..8]);
    u64::from_le_bytes(first)
}
