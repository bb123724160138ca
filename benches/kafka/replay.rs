//! What a processor has written, written once more by a client that knows it all before it begins.

use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pipe::{say, wait_for_parent};
use crate::settings::PARTITIONS;
use crate::{cluster, copy};

/// The records that a processor has written since some offsets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// A topic of as many partitions that is read meanwhile, to its end.
    pub(crate) inputs: Option<String>,
    /// Classifications and transitions.
    pub(crate) from: [String; 2],
    pub(crate) offsets: [Vec<u64>; 2],
    pub(crate) to: [String; 2],
    /// Images of one transaction, with all that is said of each; where inputs are read, so many of them.
    pub(crate) images: usize,
}

/// What one partition has to write.
struct Part {
    classifications: Vec<OwnedMessage>,
    transitions: Vec<OwnedMessage>,
    /// How many inputs are read meanwhile, and by what.
    inputs: usize,
    consumer: Option<BaseConsumer>,
    producer: BaseProducer,
}

/// Reads them into memory, partition by partition, then writes them with a producer for each.
pub(crate) fn replay(task: &Replay) -> Value {
    let [classifications, transitions] =
        [0, 1].map(|topic: usize| read(&task.from[topic], &task.offsets[topic]));
    let (images, records) = (
        classifications.iter().map(Vec::len).sum::<usize>(),
        classifications.iter().chain(&transitions).map(Vec::len).sum::<usize>(),
    );
    let ends = task.inputs.as_deref().map(cluster::ends);
    let part = |(number, (classifications, transitions))| {
        let producer = cluster::producer(Some(&format!("{}-{number}", task.to[0])), &[]);
        producer.init_transactions(cluster::PATIENCE).unwrap();
        let inputs = ends.as_ref().map_or(0, |ends| ends[usize::from(number)] as usize);
        let consumer = task.inputs.as_ref().map(|topic| cluster::reader(topic, &[(number, 0)]));
        Part { classifications, transitions, inputs, consumer, producer }
    };
    let parts: Vec<Part> = (0..).zip(classifications.into_iter().zip(transitions)).map(part).collect();
    say("began");
    let transactions: usize = std::thread::scope(|scope| {
        let start = |(number, part): (usize, Part)| scope.spawn(move || part.run(number, task));
        let threads: Vec<_> = parts.into_iter().enumerate().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    say("ended");
    wait_for_parent();
    json!({ "images": images, "records": records, "transactions": transactions })
}

impl Part {
    /// Returns how many transactions it took. While one is on its way, what follows is read, as clade does.
    fn run(self, number: usize, task: &Replay) -> usize {
        let partition = i32::try_from(number).unwrap();
        let mut transitions = self.transitions.iter().peekable();
        let send = |topic: &str, message: &OwnedMessage| {
            let record = BaseRecord::to(topic).partition(partition);
            copy::queue(&self.producer, owned(record, message));
        };
        let transactions = match self.inputs {
            0 => self.classifications.len().div_ceil(task.images),
            inputs => inputs.div_ceil(task.images),
        };
        let in_each = self.classifications.len().div_ceil(transactions.max(1)).max(1);
        let (mut is_begun, mut read) = (false, 0);
        for part in self.classifications.chunks(in_each) {
            let share = (self.inputs - read).min(task.images);
            self.read(share);
            read += share;
            if std::mem::replace(&mut is_begun, true) {
                self.commit();
            }
            self.producer.begin_transaction().unwrap();
            for classification in part {
                while let Some(transition) =
                    transitions.next_if(|transition| transition.key() == classification.key())
                {
                    send(&task.to[1], transition);
                }
                send(&task.to[0], classification);
            }
        }
        self.read(self.inputs - read);
        if is_begun {
            self.commit();
        }
        assert!(transitions.next().is_none(), "a transition of no classification");
        self.classifications.len().div_ceil(in_each)
    }

    fn read(&self, mut records: usize) {
        let Some(consumer) = &self.consumer else { return };
        while records > 0 {
            match consumer.poll(cluster::PATIENCE).expect("nothing came") {
                Ok(message) => {
                    std::hint::black_box(message.key_len() + message.payload_len());
                    records -= 1;
                }
                Err(KafkaError::PartitionEOF(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn commit(&self) {
        copy::flush(&self.producer);
        self.producer.commit_transaction(cluster::PATIENCE).unwrap();
    }
}

fn owned<'a>(
    mut record: BaseRecord<'a, [u8], [u8]>,
    message: &'a OwnedMessage,
) -> BaseRecord<'a, [u8], [u8]> {
    if let Some(key) = message.key() {
        record = record.key(key);
    }
    if let Some(value) = message.payload() {
        record = record.payload(value);
    }
    match message.headers() {
        Some(headers) => record.headers(headers.clone()),
        None => record,
    }
}

/// The records of each partition from an offset on.
fn read(topic: &str, offsets: &[u64]) -> Vec<Vec<OwnedMessage>> {
    let from: Vec<(u16, u64)> = (0..PARTITIONS).zip(offsets.iter().copied()).collect();
    let consumer = cluster::reader(topic, &from);
    let (mut read, mut open) = (vec![Vec::new(); from.len()], from.len());
    while open > 0 {
        match consumer.poll(cluster::PATIENCE).expect("nothing came") {
            Ok(message) => read[message.partition() as usize].push(message.detach()),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    read
}
