//! Appends records in batches. While the log writes one batch, the publisher prepares the next.

use super::places::TagPlace;
use super::written::{Group, Written};
use super::{PublishError, Publisher};
use crate::log::Batch;
use crate::record::{TagHistoryRecord, TraceContext};
use crate::telemetry::Span;

/// Records of one append: large enough for the storage to be fast, small enough for readers to follow closely, and for the
/// log to write most of a flush while the rest of it is prepared.
const BATCH_RECORDS: usize = 2_048;
const BATCH_BYTES: usize = 8 << 20;

/// The batch that grows, and the one that the log is writing.
#[derive(Default)]
pub(super) struct Appends {
    next: Batch,
    bytes: usize,
    /// What the records of the next batch mean.
    meaning: Meaning,
    under_way: Option<Meaning>,
}

/// What the records of a batch mean to the publisher once they are on the log.
#[derive(Default)]
struct Meaning {
    written: Vec<Written>,
    spans: Vec<Span>,
}

impl Publisher {
    /// Adds a group, which is not divided, to the next batch, and begins to append a batch that is full.
    pub(super) fn put_group(&mut self, group: Group) -> Result<(), PublishError> {
        let Appends { next, bytes, .. } = &self.appends;
        let is_full = next.len() + group.len() > BATCH_RECORDS || *bytes >= BATCH_BYTES;
        if !next.is_empty() && is_full {
            self.begin_append()?;
        }
        self.traces += 1;
        let trace = TraceContext::root(&format!("{:x}-{}", self.instance, self.traces));
        let trace = trace.sampled(self.spans.sample(&trace));
        let Appends { next, bytes, meaning, .. } = &mut self.appends;
        if trace.is_sampled() {
            meaning.spans.extend(span(trace, &group));
        }
        for (to, record, written) in group {
            *bytes += record.bytes();
            next.push((to, record.traced(Some(trace))));
            meaning.written.push(written);
        }
        Ok(())
    }

    /// Appends everything that was put, and waits until it is on the log.
    pub(super) fn finish_appends(&mut self) -> Result<(), PublishError> {
        if !self.appends.next.is_empty() {
            self.begin_append()?;
        }
        self.finish_append()
    }

    /// Begins to append the next batch, once the one before is on the log.
    fn begin_append(&mut self) -> Result<(), PublishError> {
        self.finish_append()?;
        let Appends { next, meaning, .. } = std::mem::take(&mut self.appends);
        match self.writer.begin(next) {
            Ok(()) => {
                self.appends.under_way = Some(meaning);
                Ok(())
            }
            Err(error) => {
                self.spans.end(meaning.spans, Some(&error.to_string()));
                Err(error.into())
            }
        }
    }

    /// Waits for the batch under way, and stores the new places.
    fn finish_append(&mut self) -> Result<(), PublishError> {
        let Some(Meaning { written, spans }) = self.appends.under_way.take() else { return Ok(()) };
        let appended = self.writer.finish();
        let error = appended.as_ref().err().map(ToString::to_string);
        self.spans.end(spans, error.as_deref());
        for (offset, written) in appended?.into_iter().zip(written) {
            match written {
                Written::Image(image, partition) => {
                    self.places.put_image(&image, partition, offset);
                }
                Written::ImageGone(digest) => self.places.remove_image(&digest),
                Written::Tag(tag, place) => {
                    let home = place.home;
                    self.places.put_tag(&tag.name, TagPlace { offset, ..place });
                    self.cache.put_tag(*tag, home, offset);
                }
                Written::TagHistory(part, bytes) => {
                    self.histories.put(&part, offset, bytes);
                    let key = TagHistoryRecord::key(&part.name, part.number);
                    self.cache.put_part(key, offset, part.items.into());
                }
                Written::TagHistoryGone(key) => self.histories.remove(&key),
                Written::Nothing => {}
            }
        }
        Ok(())
    }
}

/// The span of a group: that of its main record, for which the other records only make room or which they repeat.
fn span(context: TraceContext, group: &Group) -> Option<Span> {
    let is_main =
        |written: &Written| matches!(written, Written::Image(..) | Written::ImageGone(_) | Written::Tag(..));
    let main = group.iter().find(|(.., written)| is_main(written));
    let (to, record, _) = main.or(group.first())?;
    Some(Span::publishing(context, None, (to.topic, to.partition), record))
}
