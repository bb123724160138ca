//! Changes in the assignment of partitions by the consumer group.

/// A change in the partitions assigned to this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These partitions are assigned to this process now.
    Gained(Vec<u16>),
    /// These partitions are assigned to another process, or will be.
    Lost(Vec<u16>),
}
