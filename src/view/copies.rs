//! The protocol of two copies, apart from what is in them: readers have one, one writer works on the other; then the two
//! change places, and what was done to the first is repeated on the second once its last reader has let go.
//!
//! `model.rs` tries it in every order in which a writer and its readers can act.

use std::sync::Arc;

/// Something that exists twice.
pub(super) trait Copy: Clone {
    /// The work on a copy between two publications.
    type Step;

    /// Does to this copy what was done to the other one.
    fn repeat(&mut self, step: Self::Step);
}

/// The place where readers find their copy.
pub(super) trait Slot<T> {
    /// The copy that readers see now.
    fn load(&self) -> Arc<T>;
    /// Shows readers another copy, and returns the one that they saw.
    fn swap(&self, copy: Arc<T>) -> Arc<T>;
}

/// The writer's half: its copy, and the step that the copy lacks.
pub(super) struct Copies<T: Copy> {
    working: Arc<T>,
    /// Done to the published copy and not yet to the working one.
    owed: Option<T::Step>,
}

impl<T: Copy> Copies<T> {
    /// Begins with a copy that nobody sees.
    pub(super) fn new(first: T) -> Self {
        Self { working: Arc::new(first), owed: None }
    }

    /// The working copy, up to date and nobody else's. While readers still have it, `wait` is called; once that says no, the
    /// writer takes a clone of what is published instead, which lacks nothing.
    pub(super) fn own(&mut self, slot: &impl Slot<T>, mut wait: impl FnMut() -> bool) -> &mut T {
        while Arc::get_mut(&mut self.working).is_none() {
            if !wait() {
                self.working = slot.load();
                self.owed = None;
                break;
            }
        }
        // Clones only what is still shared.
        let working = Arc::make_mut(&mut self.working);
        if let Some(step) = self.owed.take() {
            working.repeat(step);
        }
        working
    }

    /// Shows readers the working copy, to which exactly `step` was done since the last publication. The writer goes on with
    /// the copy that they saw.
    pub(super) fn publish(&mut self, slot: &impl Slot<T>, step: T::Step) -> &T::Step {
        self.working = slot.swap(Arc::clone(&self.working));
        self.owed.insert(step)
    }

    /// Shows readers the working copy, whatever they saw before. The writer goes on with a clone of it.
    pub(super) fn publish_anew(&mut self, slot: &impl Slot<T>) {
        let copy = Arc::new((*self.working).clone());
        slot.swap(std::mem::replace(&mut self.working, copy));
        self.owed = None;
    }

    /// The content of the working copy.
    pub(super) fn peek(&self) -> &T {
        &self.working
    }
}
