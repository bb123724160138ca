//! Reads all records as of one moment and passes them on.

use std::ops::ControlFlow;

use redb::{ReadTransaction, ReadableTableMetadata as _};

use super::super::fault::Fault;
use super::super::store::Store;
use super::super::tables::{EXTENTS, RECORDS, number};
use super::super::walk::{bad_record, walk};
use super::super::{extent, frame, history};
use super::parts::Part;
use crate::log::{LogError, TakePiece};

/// Passes on everything that is committed. One read transaction sees it all: what others append meanwhile is not part of
/// the copy. A damaged record ends it.
pub(in super::super) fn copy(store: &Store, partitions: u16, to: TakePiece<'_>) -> Result<(), LogError> {
    let copied = store.read("cannot copy the log", |read| all(read, partitions, to));
    match copied {
        // Nobody takes it any more.
        Ok(()) | Err(LogError::Closed) => {}
        // The receiver may have failed itself.
        Err(ref failed) => drop(to(&Part::Failed(failed.to_string()).encode())),
    }
    copied
}

fn all(read: &ReadTransaction, partitions: u16, to: TakePiece<'_>) -> Result<(), Fault> {
    let mut send = |part: Part<'_>| to(&part.encode()).map_err(Fault::Log);
    let extents = extent::all(read)?;
    if extents.len() as u64 != read.open_table(EXTENTS)?.len()? {
        return Err(Fault::Log(LogError::Incompatible(
            "the log has topics that this version of clade does not know: use the version that wrote them"
                .to_owned(),
        )));
    }
    let records = extents.iter().map(|(_, extent)| extent.live).sum();
    send(Part::Begin { partitions, records })?;
    let records = read.open_table(RECORDS)?;
    for (of, extent) in extents {
        send(Part::Partition { topic: number(of.topic), partition: of.partition, extent })?;
        let mut found = 0;
        walk(&records, of, 0..extent.end, |place @ (.., offset), frame| {
            frame::decode(place, frame).map_err(|problem| bad_record(of, offset, problem))?;
            found += 1;
            send(Part::Record { offset, frame })?;
            Ok(ControlFlow::Continue(()))
        })?;
        if found != extent.live {
            let live = extent.live;
            return Err(Fault::damaged(format_args!("of the {live} records of {of}, {found} are found")));
        }
    }
    if let Some(noted) = history::get(read)? {
        send(Part::History(noted))?;
    }
    send(Part::End)
}
