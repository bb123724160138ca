//! Decides by a seed which calls of the log in memory fail.

use crate::log::TopicPartition;

/// The rates of faults, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// An append fails and nothing was appended.
    pub crash_before: u32,
    /// An append fails although everything was appended.
    pub crash_after: u32,
    /// An append fails, and by chance everything or nothing was appended.
    pub unknown: u32,
    /// Some partition is compacted before a read or append.
    pub compaction: u32,
    /// A read returns fewer records than there are.
    pub short_read: u32,
}

/// A source of faults: the same seed gives the same faults for the same calls.
#[derive(Debug, Clone)]
pub struct Faults {
    random: fastrand::Rng,
    rates: Rates,
}

pub(super) enum Fault {
    None,
    CrashBefore,
    CrashAfter,
    Unknown { appended: bool },
}

impl Faults {
    /// Returns faults with which nothing fails.
    pub fn none() -> Self {
        Self::seeded(0, Rates::default())
    }

    /// Returns faults by this seed at these rates.
    pub fn seeded(seed: u64, rates: Rates) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), rates }
    }

    pub(super) fn append(&mut self) -> Fault {
        let Rates { crash_before, crash_after, unknown, .. } = self.rates;
        let drawn = self.random.u32(0..1000);
        if drawn < crash_before {
            Fault::CrashBefore
        } else if drawn < crash_before + crash_after {
            Fault::CrashAfter
        } else if drawn < crash_before + crash_after + unknown {
            Fault::Unknown { appended: self.random.bool() }
        } else {
            Fault::None
        }
    }

    pub(super) fn compaction(&mut self, partitions: &[TopicPartition]) -> Option<TopicPartition> {
        let happens = self.random.u32(0..1000) < self.rates.compaction;
        let chosen = self.random.choice(partitions)?;
        happens.then_some(*chosen)
    }

    pub(super) fn short_read(&mut self, asked: usize) -> usize {
        if self.random.u32(0..1000) < self.rates.short_read {
            asked.min(self.random.usize(1..4))
        } else {
            asked
        }
    }
}
