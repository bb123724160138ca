//! Stores the layers of all nodes, those of each node side by side.

use std::collections::BTreeMap;

use crate::oci::Digest;

/// Layers in one chunk, and so the most that one segment can have.
pub(super) const CHUNK: usize = 1 << 14;

/// Segments of layers in large chunks. The number of its first layer and its length name a segment, so it can be
/// divided into two without being touched.
#[derive(Debug, Default)]
pub(super) struct Segments {
    chunks: Vec<Vec<Digest>>,
    /// Free segments by length.
    free: BTreeMap<u16, Vec<u32>>,
    free_layers: usize,
}

impl Clone for Segments {
    fn clone(&self) -> Self {
        let chunk = |chunk: &Vec<Digest>| {
            let mut copy = Vec::with_capacity(CHUNK);
            copy.extend_from_slice(chunk);
            copy
        };
        Self {
            chunks: self.chunks.iter().map(chunk).collect(),
            free: self.free.clone(),
            free_layers: self.free_layers,
        }
    }
}

impl Segments {
    pub(super) fn get(&self, at: u32, len: u16) -> &[Digest] {
        let (chunk, from) = (at as usize / CHUNK, at as usize % CHUNK);
        &self.chunks[chunk][from..from + usize::from(len)]
    }

    /// Returns `true` if `layers` more are sure to have numbers below 2^32.
    pub(super) fn has_room(&self) -> bool {
        (self.chunks.len() + 1) * CHUNK <= u32::MAX as usize
    }

    /// Stores a segment of at most [`CHUNK`] layers.
    pub(super) fn put(&mut self, layers: &[Digest]) -> u32 {
        let len = u16::try_from(layers.len()).unwrap_or(u16::MAX);
        if let Some(at) = self.reuse(len) {
            let (chunk, from) = (at as usize / CHUNK, at as usize % CHUNK);
            self.chunks[chunk][from..from + layers.len()].copy_from_slice(layers);
            return at;
        }
        let fits = self.chunks.last().is_some_and(|last| last.len() + layers.len() <= CHUNK);
        if !fits {
            self.give_up_tail();
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = self.chunks.len() - 1;
        let from = self.chunks[chunk].len();
        self.chunks[chunk].extend_from_slice(layers);
        number(chunk, from)
    }

    /// Turns the rest of the last chunk into a free segment.
    fn give_up_tail(&mut self) {
        let Some(last) = self.chunks.last_mut() else { return };
        let (from, rest) = (last.len(), CHUNK - last.len());
        if rest > 0 {
            last.resize(CHUNK, Digest::from_bytes([0; 32]));
            let at = number(self.chunks.len() - 1, from);
            self.free(at, u16::try_from(rest).unwrap_or(u16::MAX));
        }
    }

    fn reuse(&mut self, len: u16) -> Option<u32> {
        let (found, list) = self.free.range_mut(len..).next()?;
        let found = *found;
        let at = list.pop()?;
        if list.is_empty() {
            self.free.remove(&found);
        }
        self.free_layers -= usize::from(found);
        if found > len {
            self.free(at + u32::from(len), found - len);
        }
        Some(at)
    }

    pub(super) fn free(&mut self, at: u32, len: u16) {
        self.free_layers += usize::from(len);
        self.free.entry(len).or_default().push(at);
    }

    #[cfg(feature = "internals")]
    pub(super) fn bytes(&self) -> usize {
        let free: usize = self.free.values().map(|list| list.capacity() * size_of::<u32>() + 64).sum();
        self.chunks.len() * CHUNK * size_of::<Digest>() + free
    }
}

fn number(chunk: usize, from: usize) -> u32 {
    u32::try_from(chunk * CHUNK + from).unwrap_or(u32::MAX)
}
