//! The checksum of what stands in clade's files. It shows accidents, not what somebody has changed on purpose.

/// The CRC-32 of these parts, one after another.
pub fn of(parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}
