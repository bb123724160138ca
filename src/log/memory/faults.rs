//! What goes wrong, decided by a seed.

use crate::log::TopicPartition;

/// How often each thing goes wrong, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// An append fails and nothing was appended.
    pub crash_before: u32,
    /// An append fails although all was appended.
    pub crash_after: u32,
    /// An append fails and, by chance, was appended or not.
    pub unknown: u32,
    /// Some partition is compacted before a read or append.
    pub compaction: u32,
    /// A read returns fewer records than there are.
    pub short_read: u32,
}

/// A source of faults: the same seed gives the same faults for the same calls.
#[derive(Debug, Clone)]
pub struct Faults {
    state: u64,
    rates: Rates,
}

pub(super) enum Fault {
    None,
    CrashBefore,
    CrashAfter,
    Unknown { appended: bool },
}

impl Faults {
    /// Nothing fails.
    pub fn none() -> Self {
        Self::seeded(0, Rates::default())
    }

    /// Faults by this seed at these rates.
    pub fn seeded(seed: u64, rates: Rates) -> Self {
        Self { state: seed, rates }
    }

    pub(super) fn append(&mut self) -> Fault {
        let Rates { crash_before, crash_after, unknown, .. } = self.rates;
        let drawn = self.below(1000);
        if drawn < crash_before {
            Fault::CrashBefore
        } else if drawn < crash_before + crash_after {
            Fault::CrashAfter
        } else if drawn < crash_before + crash_after + unknown {
            Fault::Unknown { appended: self.below(2) == 0 }
        } else {
            Fault::None
        }
    }

    pub(super) fn compaction(&mut self, partitions: &[TopicPartition]) -> Option<TopicPartition> {
        let happens = self.below(1000) < self.rates.compaction;
        let chosen = self.below(u32::try_from(partitions.len()).unwrap_or(u32::MAX).max(1));
        partitions.get(chosen as usize).copied().filter(|_| happens)
    }

    pub(super) fn short_read(&mut self, asked: usize) -> usize {
        if self.below(1000) < self.rates.short_read { asked.min(1 + self.below(3) as usize) } else { asked }
    }

    /// splitmix64 (Steele, Lea, Flood 2014): small, and good enough to choose faults.
    fn below(&mut self, bound: u32) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The remainder is below a u32.
        u32::try_from(mixed % u64::from(bound)).unwrap_or(0)
    }
}
