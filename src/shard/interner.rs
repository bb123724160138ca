//! Keeps values that many images share once, named by a small number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// The number of a value in its interner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Interned(u32);

impl Interned {
    /// The number as an index into columns by number.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Keeps each value once and counts its uses: the last release frees it.
#[derive(Debug, Clone)]
pub(super) struct Interner<T> {
    numbers: HashMap<Arc<T>, u32>,
    values: Vec<Option<(Arc<T>, u32)>>,
    free: Vec<u32>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new(), free: Vec::new() }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// Returns the number of `value`, used once more.
    pub(super) fn acquire(&mut self, value: T) -> Interned {
        if let Some(number) = self.numbers.get(&value) {
            let number = Interned(*number);
            self.retain(number);
            return number;
        }
        self.acquire_shared(Arc::new(value))
    }

    /// Does the same as [`Interner::acquire`], and copies the value only if it is new.
    pub(super) fn acquire_copy(&mut self, value: &T) -> Interned
    where
        T: Clone,
    {
        match self.numbers.get(value).copied().map(Interned) {
            Some(number) => {
                self.retain(number);
                number
            }
            None => self.acquire_shared(Arc::new(value.clone())),
        }
    }

    /// Does the same as [`Interner::acquire`] for a value that is shared already.
    pub(super) fn acquire_shared(&mut self, value: Arc<T>) -> Interned {
        if let Some(number) = self.numbers.get(&value) {
            let number = Interned(*number);
            self.retain(number);
            return number;
        }
        let entry = Some((Arc::clone(&value), 1));
        let number = match self.free.pop() {
            Some(number) => {
                self.values[number as usize] = entry;
                number
            }
            None => {
                self.values.push(entry);
                // Each value takes far more than a byte, so memory ends long before the numbers do.
                u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.numbers.insert(value, number);
        Interned(number)
    }

    /// Adds a use of the value.
    pub(super) fn retain(&mut self, number: Interned) {
        if let Some((_, users)) = &mut self.values[number.0 as usize] {
            *users += 1;
        }
    }

    /// Removes a use of the value.
    pub(super) fn release(&mut self, number: Interned) {
        let slot = &mut self.values[number.0 as usize];
        if let Some((value, users)) = slot {
            *users -= 1;
            if *users == 0 {
                self.numbers.remove(value);
                *slot = None;
                self.free.push(number.0);
            }
        }
    }

    /// The value with this number, which must be in use.
    pub(super) fn get(&self, number: Interned) -> Option<&Arc<T>> {
        self.values.get(number.0 as usize)?.as_ref().map(|(value, _)| value)
    }

    /// The value under each number; `None` for a free number.
    pub(super) fn slots(&self) -> impl Iterator<Item = Option<&Arc<T>>> {
        self.values.iter().map(|slot| slot.as_ref().map(|(value, _)| value))
    }

    /// Each value in use, with the number of its uses.
    pub(super) fn users(&self) -> impl Iterator<Item = (&Arc<T>, u32)> {
        self.values.iter().flatten().map(|(value, users)| (value, *users))
    }

    /// The number of distinct values in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_nobody_uses_any_more_is_freed_and_its_number_reused() {
        let mut interner = Interner::default();
        let a = interner.acquire("a");
        assert_eq!(interner.acquire("a"), a);
        interner.release(a);
        assert_eq!(interner.get(a).map(|value| **value), Some("a"));
        interner.release(a);
        assert_eq!(interner.len(), 0);
        assert_eq!(interner.acquire("b"), a);
    }
}
