//! A new class over many images, beside writing just what came of it.

use std::collections::BTreeMap;

use clade::publisher::{ClassSpec, Outcome};

use clade::record::{ObjectReference, ReferenceKind, Topic};
use rdkafka::Message as _;
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedMessage;
use rdkafka::producer::{BaseRecord, Producer as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::child::{Run, Running, Task, say, wait_for_parent};
use crate::report::{Goal, all, best, cpu, goal, table};
use crate::restart::Big;
use crate::settings::{PARTITIONS, Settings};
use crate::watch::Watch;
use crate::{cluster, copy, history};

/// More than half of the generated applications are built on it, directly or not: `src/source/generated/registry.rs`.
const BASE: &str = "base/rhel7:latest";

pub(crate) fn run(settings: &Settings, big: &Big) {
    let name = |topic| cluster::name(&big.prefix, topic);
    let outputs = [name(Topic::Classifications), name(Topic::Outdated)];
    let mut publisher = history::publisher(&big.prefix);
    let mut watch = Watch::start(&big.prefix);
    let task = Task::Process { prefix: big.prefix.clone(), snapshots: Some(big.snapshots.path().to_owned()) };
    let mut child = Running::start(&task);
    child.wait_for("ready");
    let (mut clade, mut bare): (Vec<Run>, Vec<Run>) = Default::default();
    let (mut ratios, mut members, mut records) = (Vec::new(), 0, 0);
    for round in 0..settings.rounds {
        eprintln!("class: round {}", round + 1);
        let before = outputs.clone().map(|topic| cluster::ends(&topic));
        let spec = ClassSpec {
            name: format!("bench-{round}"),
            labels: BTreeMap::new(),
            from: ObjectReference {
                kind: ReferenceKind::DockerImage,
                name: BASE.to_owned(),
                namespace: None,
            },
            rebuild: None,
        };
        assert_eq!(publisher.apply_class(&spec).unwrap(), Outcome::Created);
        let begun = child.now();
        publisher.flush().unwrap();
        let mut end = 0;
        copy::each(&name(Topic::Catalog), |message| end = message.offset().unsigned_abs() + 1);
        let run = begun.until(child.at(watch.until(|progress| progress.catalog >= end)));
        let to = [cluster::fresh_topic("raw-classifications"), cluster::fresh_topic("raw-outdated")];
        let replay = Replay {
            from: outputs.clone(),
            offsets: before,
            to: to.clone(),
            images: clade::processor::Options::default().commit_images,
        };
        let mut raw = Running::start(&Task::Replay(replay));
        let begun = raw.wait_for("began");
        let raw_run = begun.until(raw.wait_for("ended"));
        let told = raw.end();
        cluster::delete(&to);
        members = told["images"].as_u64().unwrap();
        records = told["records"].as_u64().unwrap();
        ratios.push(run.seconds / raw_run.seconds);
        clade.push(run);
        bare.push(raw_run);
    }
    child.end();
    let row = |name: &str, runs: &[Run]| {
        let [client, broker] = cpu(best(runs), members);
        let seconds = format!("{:.2}", best(runs).seconds);
        vec![name.to_owned(), seconds, client, broker, all(runs.iter().map(|run| run.seconds), 2)]
    };
    table(
        &format!(
            "A new class over {} images: {members} members, {records} records written by it in the last round",
            settings.many_images
        ),
        &["contender", "s", "client CPU ns/member", "broker CPU ns/member", "rounds (s)"],
        &[row("clade process: from declaring it", &clade), row("bare: writing the same records", &bare)],
    );
    println!(
        "Each round's class comes on top of those before it; by rounds, clade / bare: {}\n",
        all(ratios, 2)
    );
    let ratio = best(&clade).seconds / best(&bare).seconds;
    goal("class, clade / writing the same records", ratio, Goal::AtMost(1.25));
}

/// The records that a processor has written since some offsets, written once more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// Classifications and transitions.
    from: [String; 2],
    offsets: [Vec<u64>; 2],
    to: [String; 2],
    /// Images of one transaction, with all that is said of each.
    images: usize,
}

/// Reads them into memory, partition by partition, then writes them with a producer for each.
pub(crate) fn replay(task: &Replay) -> Value {
    let [classifications, transitions] =
        [0, 1].map(|topic: usize| read(&task.from[topic], &task.offsets[topic]));
    let (images, records) = (
        classifications.iter().map(Vec::len).sum::<usize>(),
        classifications.iter().chain(&transitions).map(Vec::len).sum::<usize>(),
    );
    let parts: Vec<_> = classifications.into_iter().zip(transitions).enumerate().collect();
    let producers: Vec<_> = parts
        .iter()
        .map(|(partition, _)| {
            let producer = cluster::producer(Some(&format!("{}-{partition}", task.to[0])), &[]);
            producer.init_transactions(cluster::PATIENCE).unwrap();
            producer
        })
        .collect();
    say("began");
    std::thread::scope(|scope| {
        for ((partition, (classifications, transitions)), producer) in parts.iter().zip(&producers) {
            scope.spawn(move || {
                let mut transitions = transitions.iter().peekable();
                let send = |topic: &str, message: &OwnedMessage| {
                    let record = BaseRecord::to(topic).partition(*partition as i32);
                    copy::queue(producer, owned(record, message));
                };
                for part in classifications.chunks(task.images) {
                    producer.begin_transaction().unwrap();
                    for classification in part {
                        while let Some(transition) =
                            transitions.next_if(|transition| transition.key() == classification.key())
                        {
                            send(&task.to[1], transition);
                        }
                        send(&task.to[0], classification);
                    }
                    copy::flush(producer);
                    producer.commit_transaction(cluster::PATIENCE).unwrap();
                }
                assert!(transitions.next().is_none(), "a transition of no classification");
            });
        }
    });
    say("ended");
    wait_for_parent();
    json!({ "images": images, "records": records })
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
