//! Writes what the admission webhook has judged to the topic `admissions`.

use super::{BATCH, DecideError};
use crate::log::{Batch, Log, Record, TopicPartition, Writer, check_size};
use crate::record::{AdmissionRecord, Topic, encode};

const PLACE: TopicPartition = TopicPartition { topic: Topic::Admissions, partition: 0 };

/// A writer of admissions. Each webhook has its own, so its name is given: none fences another.
pub struct Admissions {
    writer: Box<dyn Writer>,
}

impl Admissions {
    /// Opens a writer of this name. Blocks.
    pub fn open(log: &dyn Log, name: &str) -> Result<Self, DecideError> {
        Ok(Self { writer: log.writer(name)? })
    }

    /// Appends the records. Blocks. After an error the writer has to be opened anew, and some of the records may stand on the
    /// topic: they keep their IDs, so that subscribers know them again.
    pub fn write(&mut self, records: &[AdmissionRecord]) -> Result<(), DecideError> {
        for part in records.chunks(BATCH) {
            let batch: Batch = part.iter().map(encoded).collect::<Result<_, _>>()?;
            self.writer.append(batch)?;
        }
        Ok(())
    }

    /// Does the periodic work of a client.
    pub fn idle(&mut self) {
        self.writer.idle();
    }
}

fn encoded(admission: &AdmissionRecord) -> Result<(TopicPartition, Record), DecideError> {
    let record = encode(admission.key(), admission)
        .map_err(|error| DecideError::Append(format!("{} cannot be encoded: {error}", admission.key())))?;
    check_size(PLACE, &record)?;
    Ok((PLACE, record))
}
