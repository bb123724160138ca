//! The baselines: what any client of the broker has to do, with librdkafka alone and the properties of clade's clients.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Once};
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pipe::{say, wait_for_parent};
use crate::{cluster, copy};

/// A processor waits so long for a record, `src/engine/supervisor.rs`.
const IDLE: Duration = Duration::from_millis(20);

/// Reads, and looks at every byte of the key so that it was read.
pub(crate) fn consume(topic: &str) -> Value {
    let (mut records, mut sum) = (0, 0_usize);
    copy::each(topic, |message| {
        if records == 0 {
            say("began");
        }
        records += 1;
        sum += message.key_len() + message.payload_len();
        std::hint::black_box(sum);
    });
    say("ended");
    wait_for_parent();
    json!({ "records": records, "bytes": sum })
}

/// Reads and writes the same, idempotent, without transactions.
pub(crate) fn produce(from: &str, to: &str) -> Value {
    let producer = cluster::producer(None, &[]);
    producer.client().fetch_metadata(Some(to), cluster::PATIENCE).unwrap();
    let mut records = 0_u64;
    copy::each(from, |message| {
        if records == 0 {
            say("began");
        }
        records += 1;
        copy::send(&producer, to, message);
        // Serves the deliveries, which otherwise pile up to the end.
        if records.is_multiple_of(1_000) {
            producer.poll(Duration::ZERO);
        }
    });
    copy::flush(&producer);
    say("ended");
    wait_for_parent();
    assert_eq!(cluster::ends(to).iter().sum::<u64>(), records, "not everything was written");
    json!({ "records": records })
}

/// Reads and writes the same in transactions. Up to where it was read stands in the transaction as a record of its own, as
/// clade's progress does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Transactions {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) progress: String,
    /// Records of one transaction.
    pub(crate) records: usize,
    /// A thread, a consumer and a producer for each partition, as clade has them; else one for all.
    pub(crate) by_partition: bool,
    /// Goes on until the parent ends it, and commits whatever is there; else reads to the end, and every transaction
    /// but the last has so many records.
    pub(crate) on_and_on: bool,
}

pub(crate) fn transactions(task: &Transactions) -> Value {
    let partitions: Vec<(u16, u64)> = (0..).zip(cluster::ends(&task.from)).map(|(p, _)| (p, 0)).collect();
    let parts: Vec<&[(u16, u64)]> = match task.by_partition {
        true => partitions.chunks(1).collect(),
        false => vec![&partitions],
    };
    let (stop, began, connected) = (AtomicBool::new(false), Once::new(), Barrier::new(parts.len() + 1));
    let (stop, began, connected) = (&stop, &began, &connected);
    let written: u64 = std::thread::scope(|scope| {
        let start = |(number, part): (usize, &&[(u16, u64)])| {
            let part = part.to_vec();
            scope.spawn(move || {
                let producer = cluster::producer(Some(&format!("{}-{number}", task.to)), &[]);
                producer.init_transactions(cluster::PATIENCE).unwrap();
                let consumer = cluster::reader(&task.from, &part);
                connected.wait();
                Pass { task, producer, open: part.len(), is_begun: false, began, stop }.run(&consumer)
            })
        };
        let threads: Vec<_> = parts.iter().enumerate().map(start).collect();
        connected.wait();
        if task.on_and_on {
            say("ready");
            wait_for_parent();
            stop.store(true, Ordering::Relaxed);
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    say("ended");
    if !task.on_and_on {
        wait_for_parent();
    }
    json!({ "transactions": written })
}

struct Pass<'a> {
    task: &'a Transactions,
    producer: BaseProducer,
    /// Partitions that have not ended.
    open: usize,
    is_begun: bool,
    began: &'a Once,
    stop: &'a AtomicBool,
}

impl Pass<'_> {
    /// Returns how many transactions it took. To the end, the next batch is read while one is on its way, as clade does with
    /// full ones; on and on, all that has come until one was committed is the next.
    fn run(mut self, consumer: &BaseConsumer) -> u64 {
        let mut transactions = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let batch = if self.task.on_and_on { Vec::new() } else { self.fetch(consumer) };
            transactions += u64::from(self.is_begun);
            self.commit();
            let batch = if self.task.on_and_on { self.fetch(consumer) } else { batch };
            if !batch.is_empty() {
                self.began.call_once(|| say("began"));
                self.producer.begin_transaction().unwrap();
                self.is_begun = true;
                let mut read = BTreeMap::new();
                for message in &batch {
                    copy::send(&self.producer, &self.task.to, message);
                    read.insert(message.partition(), message.offset());
                }
                for (partition, offset) in read {
                    let (key, offset) = (partition.to_string(), offset.to_string());
                    let record = BaseRecord::to(&self.task.progress).partition(partition);
                    copy::queue(&self.producer, record.key(key.as_bytes()).payload(offset.as_bytes()));
                }
            }
            if self.open == 0 && !self.task.on_and_on {
                transactions += u64::from(self.is_begun);
                self.commit();
                return transactions;
            }
        }
        transactions
    }

    fn fetch<'c>(&mut self, consumer: &'c BaseConsumer) -> Vec<BorrowedMessage<'c>> {
        let mut batch = Vec::new();
        while batch.len() < self.task.records && (self.open > 0 || self.task.on_and_on) {
            let wait = match (self.task.on_and_on, batch.is_empty() && !self.is_begun) {
                (false, _) => cluster::PATIENCE,
                (true, true) => IDLE,
                (true, false) => Duration::ZERO,
            };
            match consumer.poll(wait) {
                Some(Ok(message)) => batch.push(message),
                Some(Err(KafkaError::PartitionEOF(_))) => self.open = self.open.saturating_sub(1),
                Some(Err(error)) => panic!("{error}"),
                None => break,
            }
        }
        batch
    }

    fn commit(&mut self) {
        if std::mem::take(&mut self.is_begun) {
            copy::flush(&self.producer);
            self.producer.commit_transaction(cluster::PATIENCE).unwrap();
        }
    }
}
