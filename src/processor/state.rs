//! The state that a processor works on, visible to readers of this process or to nobody.

use std::sync::Arc;

use crate::record::ProgressRecord;
use crate::shard::{Change, Shard};
use crate::view::{Replica, View};

/// Without readers one copy is enough, and the next batch can be concluded while the last is under way.
#[allow(clippy::large_enum_variant, reason = "there are few at a time, and they move seldom")]
pub(super) enum State {
    Shown(Replica),
    Unseen(Box<Shard>),
}

impl State {
    /// Starts with `shard`, which no reader sees yet.
    pub(super) fn new(view: Option<&Arc<View>>, partition: u16, shard: Shard) -> Self {
        match view {
            Some(view) => Self::Shown(Replica::new(Arc::clone(view), partition, shard)),
            None => Self::Unseen(Box::new(shard)),
        }
    }

    /// Returns `true` if conclusions have to be published before the next ones.
    pub(super) fn is_shown(&self) -> bool {
        matches!(self, Self::Shown(_))
    }

    pub(super) fn shard(&mut self) -> &mut Shard {
        match self {
            Self::Shown(replica) => replica.shard(),
            Self::Unseen(shard) => shard,
        }
    }

    pub(super) fn publish(&mut self, changes: Vec<Change>, progress: ProgressRecord) {
        if let Self::Shown(replica) = self {
            replica.publish(changes, progress);
        }
    }

    pub(super) fn publish_restored(&mut self, progress: ProgressRecord) {
        match self {
            Self::Shown(replica) => replica.publish_restored(progress),
            Self::Unseen(shard) => shard.settle(),
        }
    }

    pub(super) fn settle(&mut self) {
        match self {
            Self::Shown(replica) => replica.settle(),
            Self::Unseen(shard) => shard.settle(),
        }
    }
}
