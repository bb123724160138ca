//! Keeps the children of each node side by side. A walk over a hundred thousand of them knows the next child before it
//! has looked at the last, so it does not wait for one memory access after the other.

use super::node::NONE;

/// Lists of nodes by 32-bit numbers. Only nodes with children have one.
#[derive(Debug, Clone, Default)]
pub(super) struct Families {
    lists: Vec<Vec<u32>>,
    free: Vec<u32>,
}

impl Families {
    /// The members of a list; empty for [`NONE`].
    pub(super) fn get(&self, family: u32) -> &[u32] {
        if family == NONE { &[] } else { &self.lists[family as usize] }
    }

    /// Creates a list with one member.
    pub(super) fn found(&mut self, member: u32) -> u32 {
        if let Some(family) = self.free.pop() {
            self.lists[family as usize].push(member);
            return family;
        }
        self.lists.push(vec![member]);
        // There are fewer lists than nodes.
        u32::try_from(self.lists.len() - 1).unwrap_or(NONE)
    }

    /// Adds a member and returns its position.
    pub(super) fn add(&mut self, family: u32, member: u32) -> u32 {
        let list = &mut self.lists[family as usize];
        list.push(member);
        u32::try_from(list.len() - 1).unwrap_or(NONE)
    }

    /// Replaces the member at a position.
    pub(super) fn replace(&mut self, family: u32, position: u32, member: u32) {
        self.lists[family as usize][position as usize] = member;
    }

    /// Removes a member. Another member, if one stands behind it, takes its position and is returned.
    pub(super) fn remove(&mut self, family: u32, position: u32) -> Option<u32> {
        let list = &mut self.lists[family as usize];
        list.swap_remove(position as usize);
        list.get(position as usize).copied()
    }

    /// Frees the list.
    pub(super) fn dissolve(&mut self, family: u32) {
        self.lists[family as usize] = Vec::new();
        self.free.push(family);
    }

    /// Frees the room kept for further members.
    pub(super) fn shrink(&mut self) {
        self.lists.iter_mut().for_each(Vec::shrink_to_fit);
        self.lists.shrink_to_fit();
    }

    #[cfg(feature = "internals")]
    pub(super) fn bytes(&self) -> usize {
        let lists: usize = self.lists.iter().map(|list| list.capacity() * size_of::<u32>()).sum();
        lists + self.lists.capacity() * size_of::<Vec<u32>>() + self.free.capacity() * size_of::<u32>()
    }
}
