//! Reads all records as of one moment and passes them on.

use std::ops::ControlFlow;

use redb::ReadTransaction;

use super::super::block::Opener;
use super::super::content::{Content, missing};
use super::super::fault::Fault;
use super::super::history;
use super::super::meta::Found;
use super::super::store::Store;
use super::super::tables::number;
use super::super::walk::{bad_block, blocks};
use super::parts::Part;
use crate::log::{LogError, TakePiece};

/// Passes on everything that is committed in a file of this format. One read transaction sees it all: what others append
/// meanwhile is not part of the copy. A damaged block ends it.
pub(in super::super) fn copy(store: &Store, of: &Found, to: TakePiece<'_>) -> Result<(), LogError> {
    let copied = store.read("cannot copy the log", |read| all(read, of, to));
    match copied {
        // Nobody takes it any more.
        Ok(()) | Err(LogError::Closed) => {}
        // The receiver may have failed itself.
        Err(ref failed) => drop(to(&Part::Failed(failed.to_string()).encode())),
    }
    copied
}

fn all(read: &ReadTransaction, of: &Found, to: TakePiece<'_>) -> Result<(), Fault> {
    let mut send = |part: Part<'_>| to(&part.encode()).map_err(Fault::Log);
    let content = Content::open(read, of.format)?;
    let extents = content.all_extents()?;
    let noted = history::get_beside(read, &extents)?;
    let records = extents.iter().map(|(_, extent)| extent.live).sum();
    send(Part::Begin { partitions: of.partitions, records })?;
    let mut opener = Opener::default();
    for (of, extent) in extents {
        send(Part::Partition { topic: number(of.topic), partition: of.partition, extent })?;
        let mut found = 0;
        blocks(&content.blocks, of, 0..extent.end, |place @ (.., offset), bytes| {
            let block = opener.open(place, bytes).map_err(|problem| bad_block(of, offset, problem))?;
            found += u64::from(block.count);
            // Records of the first format have no checksum: what cannot be read is damage of this file, and not of the copy.
            if !block.has_checksum {
                let mut entries = block.entries();
                entries
                    .try_for_each(|entry| entry.map(drop))
                    .map_err(|problem| bad_block(of, offset, problem))?;
            }
            send(Part::Block { offset, bytes })?;
            Ok(ControlFlow::Continue(()))
        })?;
        if found != extent.live {
            return Err(missing(of, extent.live, found));
        }
    }
    if let Some(noted) = noted {
        send(Part::History(noted))?;
    }
    send(Part::End)
}
