//! Appending in transactions: a batch is one transaction, a writer's name its transactional ID.
//!
//! Whatever goes wrong, the writer says whether nothing was written, or that it is not known; in the second case it must
//! be dropped, because librdkafka may repeat what it believes lost (it does not speak transactions v2, KIP-890).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};

use super::Names;
use super::context::Context;
use crate::log::{AppendError, Batch, LogError, Offset, TopicPartition, Writer, check_sizes};
use crate::record::Record;

/// So long may a transaction take to be written and committed. Longer than a broker takes to start again.
const PATIENCE: Duration = Duration::from_secs(30);
/// One wait for an answer, between which callbacks are served.
const SLICE: Duration = Duration::from_millis(500);
/// So long may it take to end a transaction without effect.
const ABORT: Duration = Duration::from_secs(5);
/// A short wait, for what takes some milliseconds.
const LOOK: Duration = Duration::from_micros(200);

/// Serves what has come for the producer, and waits for a moment. rust-rdkafka's own waits are not used here: `flush` and
/// `commit_transaction` sleep to the end of their first tenth of a second while records are in flight, and `poll` spins
/// through the last millisecond of its time-out.
fn serve(producer: &BaseProducer<Context>) {
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() > 0 {
        std::thread::park_timeout(LOOK);
    }
}

pub(super) struct KafkaWriter {
    producer: BaseProducer<Context>,
    context: Context,
    names: Names,
    is_open: bool,
}

impl KafkaWriter {
    /// Fences every earlier writer with the same transactional ID, and ends what it had begun.
    pub(super) fn new(
        producer: BaseProducer<Context>,
        context: Context,
        names: Names,
    ) -> Result<Self, LogError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Serves the callbacks: an OAuth token is asked for there, and there is told why we are refused.
            producer.poll(Duration::ZERO);
            match producer.init_transactions(SLICE) {
                Ok(()) => {
                    return Ok(Self { producer, context, names, is_open: false });
                }
                Err(error) => {
                    if let Some(reason) = context.refused() {
                        return Err(LogError::Configuration(format!("the cluster refuses us: {reason}")));
                    }
                    if !is_retriable(&error) || Instant::now() >= deadline {
                        return Err(LogError::storage(format!(
                            "cannot begin to write: {}",
                            told(&error, &context)
                        )));
                    }
                    std::thread::park_timeout(Duration::from_millis(20));
                }
            }
        }
    }

    fn send(&self, batch: Batch) -> Result<(), KafkaError> {
        let deadline = Instant::now() + PATIENCE;
        let firsts = first_of_each_partition(&batch);
        for index in &firsts {
            let (to, record) = &batch[*index];
            self.send_one(*index, *to, record, deadline)?;
        }
        // Each is freed as soon as it was taken over: what the client allocates for the next finds its memory warm.
        for (index, (to, record)) in batch.into_iter().enumerate() {
            if firsts.binary_search(&index).is_err() {
                self.send_one(index, to, &record, deadline)?;
            }
        }
        Ok(())
    }

    /// Queues a record, as soon as there is room.
    fn send_one(
        &self,
        index: usize,
        to: TopicPartition,
        record: &Record,
        deadline: Instant,
    ) -> Result<(), KafkaError> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: Some(&**value) });
        }
        let mut message = BaseRecord::with_opaque_to(self.names.of(to.topic), index)
            .partition(i32::from(to.partition))
            .key(&record.key)
            .headers(headers);
        if let Some(value) = &record.value {
            message = message.payload(value);
        }
        while let Err((error, refused)) = self.producer.send(message) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || Instant::now() >= deadline {
                return Err(error);
            }
            serve(&self.producer);
            message = refused;
        }
        Ok(())
    }

    /// Ends the transaction without effect; whether it did. If not, the successor's `init_transactions` will.
    fn abort(&mut self) -> bool {
        if !std::mem::take(&mut self.is_open) {
            return true;
        }
        // librdkafka waits in the abort until somebody has taken the reports of all records, which is we.
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let deadline = Instant::now() + ABORT;
        self.wait_for_reports(deadline);
        loop {
            match self.producer.abort_transaction(SLICE) {
                Ok(()) => return true,
                Err(error) if is_retriable(&error) && Instant::now() < deadline => serve(&self.producer),
                Err(error) => {
                    tracing::warn!(%error, "a transaction could not be aborted; its successor will");
                    return false;
                }
            }
        }
    }

    /// Waits until every record was taken or refused; whether that was before the deadline.
    fn wait_for_reports(&self, deadline: Instant) -> bool {
        while self.producer.in_flight_count() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            serve(&self.producer);
        }
        true
    }

    fn not_appended(&mut self, error: &KafkaError) -> AppendError {
        if self.is_fenced(error) {
            self.is_open = false;
            return AppendError::Fenced;
        }
        let text = told(error, &self.context);
        if self.abort() {
            AppendError::NotAppended(text)
        } else {
            // It will not be appended; but this writer cannot say when.
            AppendError::Unknown(text)
        }
    }

    fn is_fenced(&self, error: &KafkaError) -> bool {
        let fencing = |code: RDKafkaErrorCode| {
            matches!(
                code,
                RDKafkaErrorCode::Fenced
                    | RDKafkaErrorCode::ProducerFenced
                    | RDKafkaErrorCode::InvalidProducerEpoch
            )
        };
        error.rdkafka_error_code().is_some_and(fencing)
            || self.producer.client().fatal_error().is_some_and(|(code, _)| fencing(code))
    }

    fn commit(&mut self, deadline: Instant) -> Result<(), AppendError> {
        loop {
            let Err(error) = self.producer.commit_transaction(Duration::from_secs(5)) else {
                self.is_open = false;
                return Ok(());
            };
            if self.is_fenced(&error) {
                self.is_open = false;
                return Err(AppendError::Fenced);
            }
            if let KafkaError::Transaction(transaction) = &error
                && transaction.txn_requires_abort()
            {
                return Err(self.not_appended(&error));
            }
            // Asking again about the same commit is safe; going on without an answer is not.
            if !is_retriable(&error) || Instant::now() >= deadline {
                self.is_open = false;
                return Err(AppendError::Unknown(told(&error, &self.context)));
            }
        }
    }
}

impl Writer for KafkaWriter {
    fn idle(&mut self) {
        self.producer.poll(Duration::ZERO);
    }

    fn begin(&mut self, batch: Batch) -> Result<(), AppendError> {
        check_sizes(&batch)?;
        self.context.expect(batch.len());
        if let Err(error) = self.producer.begin_transaction() {
            return Err(self.not_appended(&error));
        }
        self.is_open = true;
        self.send(batch).map_err(|error| self.not_appended(&error))
    }

    fn finish(&mut self) -> Result<Vec<Offset>, AppendError> {
        if !self.is_open {
            return Ok(Vec::new());
        }
        let begun = Instant::now();
        let deadline = begun + PATIENCE;
        if !self.wait_for_reports(deadline) {
            let error = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
            return Err(self.not_appended(&error));
        }
        let offsets = self.context.delivered().map_err(|error| self.not_appended(&error))?;
        let acknowledged = Instant::now();
        self.commit(deadline)?;
        tracing::debug!(
            records = offsets.len(),
            acknowledge = ?acknowledged - begun,
            commit = ?acknowledged.elapsed(),
            "committed"
        );
        Ok(offsets)
    }
}

impl Drop for KafkaWriter {
    fn drop(&mut self) {
        // Left open, it would hold every reader up until its time-out.
        let _ = self.abort();
    }
}

/// Where the first record of each partition stands. They are sent before all others: librdkafka makes the partitions of a
/// transaction known to its coordinator by one request at a time, which takes with it what was sent within a millisecond.
fn first_of_each_partition(batch: &Batch) -> Vec<usize> {
    let mut seen = HashSet::new();
    (0..batch.len()).filter(|index| seen.insert(batch[*index].0)).collect()
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(transaction) if transaction.is_retriable())
}

/// The error, and what the client as a whole had met, which mostly is the reason.
fn told(error: &KafkaError, context: &Context) -> String {
    match context.last_error() {
        Some(reason) => format!("{error} ({reason})"),
        None => error.to_string(),
    }
}
