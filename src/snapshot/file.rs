//! A file with a checksum, replaced as a whole.

use std::io::ErrorKind;
use std::path::Path;

use super::Unusable;
use crate::checksum;

/// The first bytes of a snapshot. The format follows.
const MAGIC: [u8; 8] = *b"clade-ss";
/// To be raised with every change after which the same log leads to another shard, in layout or in conclusions: a snapshot
/// is believed, not checked.
const FORMAT: u32 = 6;
const HEAD: usize = 16;

/// Reads the content of the file. Returns `None` if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Unusable> {
    let mut bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let damaged = |what: &str| Unusable::Damaged(what.to_owned());
    let (head, content) = bytes.split_at_checked(HEAD).ok_or_else(|| damaged("it is cut off"))?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if head[..8] != MAGIC {
        return Err(damaged("it does not begin as a snapshot does"));
    }
    if number(8) != FORMAT {
        return Err(Unusable::OtherVersion(format!("with format {}", number(8))));
    }
    if number(12) != checksum::of(&[content]) {
        return Err(damaged("its checksum is another"));
    }
    bytes.drain(..HEAD);
    Ok(Some(bytes))
}

/// Writes the content to another file and renames it. It is not synced: after a crash of the machine, a partial file
/// fails the checksum.
pub(super) fn write(
    path: &Path,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), rmp_serde::encode::Error>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; HEAD];
    content(&mut bytes).map_err(std::io::Error::other)?;
    let checksum = checksum::of(&[&bytes[HEAD..]]);
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[12..HEAD].copy_from_slice(&checksum.to_le_bytes());
    let aside = path.with_extension("snapshot.new");
    std::fs::write(&aside, bytes)?;
    std::fs::rename(aside, path)
}
