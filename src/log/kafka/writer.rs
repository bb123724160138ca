//! Appends in transactions: a batch is one transaction, and the name of a writer is its transactional ID.
//!
//! After any failure the writer reports either that nothing was written or that the result is unknown. In the second
//! case the caller must drop the writer, because librdkafka may repeat a transaction that it believes lost (it does not
//! support transactions v2, KIP-890).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};

use super::Names;
use super::context::Context;
use crate::log::{AppendError, Batch, LogError, Offset, TopicPartition, Writer, check_sizes};
use crate::record::Record;

/// Time limit for writing and committing a transaction. It is longer than a broker takes to restart.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait for an answer before callbacks are served.
const SLICE: Duration = Duration::from_millis(500);
/// Time limit for aborting a transaction.
const ABORT: Duration = Duration::from_secs(5);
/// A short wait, for events that take some milliseconds.
const LOOK: Duration = Duration::from_micros(200);

/// Serves the events of the producer, and waits for a moment. The waits of rust-rdkafka are not used here: `flush` and
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
    /// Fences every earlier writer with the same transactional ID, and aborts its open transaction.
    pub(super) fn new(
        producer: BaseProducer<Context>,
        context: Context,
        names: Names,
    ) -> Result<Self, LogError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Serves the callbacks, which request an OAuth token and report why the cluster refuses us.
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
        // Each record is freed as soon as the client has copied it: the client's next allocation then finds warm
        // memory.
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

    /// Aborts the transaction. Returns `false` if that failed; the successor's `init_transactions` will then abort it.
    fn abort(&mut self) -> bool {
        if !std::mem::take(&mut self.is_open) {
            return true;
        }
        // The abort of librdkafka waits until we have taken the delivery reports of all records.
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

    /// Waits for the delivery reports of all records. Returns `false` if the deadline passed before.
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
            // The record will not be appended, but this writer cannot say when that is certain.
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
            // Repeating the same commit is safe; continuing without an answer is not.
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
        // An open transaction would delay every reader until its time-out.
        let _ = self.abort();
    }
}

/// The position of the first record of each partition in the batch. These records are sent first: librdkafka registers
/// the partitions of a transaction with its coordinator one request at a time, and a request covers the records sent
/// within a millisecond.
fn first_of_each_partition(batch: &Batch) -> Vec<usize> {
    let mut seen = HashSet::new();
    (0..batch.len()).filter(|index| seen.insert(batch[*index].0)).collect()
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(transaction) if transaction.is_retriable())
}

/// The error, with the last error of the client as a whole, which is the reason in most cases.
fn told(error: &KafkaError, context: &Context) -> String {
    match context.last_error() {
        Some(reason) => format!("{error} ({reason})"),
        None => error.to_string(),
    }
}
