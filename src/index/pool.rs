//! A growing array in chunks: it never moves its values, and never reserves twice what it needs.

use std::ops::{Index, IndexMut};

/// Values in one chunk. A shard of few images wastes little, one of millions has few chunks.
const CHUNK: usize = 4096;

/// Values by 32-bit numbers.
#[derive(Debug)]
pub(super) struct Pool<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

/// Not derived: a cloned `Vec` has no room to grow, and its next push would move the chunk.
impl<T: Clone> Clone for Pool<T> {
    fn clone(&self) -> Self {
        let chunk = |chunk: &Vec<T>| {
            let mut copy = Vec::with_capacity(CHUNK);
            copy.extend_from_slice(chunk);
            copy
        };
        Self { chunks: self.chunks.iter().map(chunk).collect() }
    }
}

impl<T> Pool<T> {
    pub(super) fn len(&self) -> u32 {
        match self.chunks.last() {
            // The caller refuses to grow beyond 32 bits.
            Some(last) => u32::try_from((self.chunks.len() - 1) * CHUNK + last.len()).unwrap_or(u32::MAX),
            None => 0,
        }
    }

    pub(super) fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(value),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
    }

    #[cfg(feature = "internals")]
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;
    fn index(&self, at: u32) -> &T {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK]
    }
}
