//! Changes of the partitions that the consumer group gives to this process.

/// A change of what is this process's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These partitions are this process's from now on.
    Gained(Vec<u16>),
    /// These are another's now, or will be.
    Lost(Vec<u16>),
}
