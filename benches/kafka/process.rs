//! Clade in a child: the member of the group of processors that `clade process` runs, or restores alone.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use clade::engine::member;
use clade::log::SharedLog;
use clade::log::kafka::{Config, KafkaLog};
use clade::processor::{Options, Processor, Step};
use clade::snapshot::Snapshots;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cluster;
use crate::pipe::{say, wait_for_parent};
use crate::settings::PARTITIONS;

fn snapshots(dir: Option<&Path>) -> Option<Snapshots> {
    // None is taken in the middle of what is measured.
    dir.map(|dir| Snapshots::new(dir, Duration::from_secs(24 * 60 * 60)))
}

/// Says `began` when partitions are handed out, and `ready` when all of them were brought up to date.
pub(crate) fn run(prefix: &str, dir: Option<&Path>) -> Value {
    tracing_subscriber::registry().with(TookOver(Once::new())).init();
    let mut config = Config::new(&cluster::bootstrap(), prefix);
    // The parent stops this process for a while; the group must not give its partitions away meanwhile.
    config.set("session.timeout.ms", "120000").unwrap();
    let log = Arc::new(KafkaLog::open(config).unwrap());
    let transactions = Arc::new(AtomicU64::new(0));
    let published = Mutex::new(BTreeSet::new());
    let counted = Arc::clone(&transactions);
    let observer = move |partition: u16, step: Step| match step {
        Step::PartlyCommitted | Step::Committed => {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        Step::Published => {
            let mut published = published.lock().unwrap();
            if published.insert(partition) && published.len() == usize::from(PARTITIONS) {
                say("ready");
            }
        }
        _ => {}
    };
    let options = Options { observer: Arc::new(observer), snapshots: snapshots(dir), ..Options::default() };
    let metrics = options.metrics.clone();
    let handle = member::Handle::default();
    let asked = handle.clone();
    let member = std::thread::spawn(move || member::run(log, &options, &asked).unwrap());
    wait_for_parent();
    handle.stop();
    member.join().unwrap();
    assert_eq!((metrics.failures.get(), metrics.dead_letters.get()), (0, 0), "a processor has failed");
    json!({
        "records": metrics.records.get(),
        "classifications": metrics.classifications.get(),
        "transitions": metrics.transitions.get(),
        "transactions": transactions.load(Ordering::Relaxed),
    })
}

/// Waits for the one event that says that the group has given partitions; everything else is off, as in the program.
struct TookOver(Once);

impl<S: Subscriber> Layer<S> for TookOver {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::WARN
            || *metadata.level() == Level::INFO && metadata.target() == "clade::engine::member"
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        match *event.metadata().level() {
            Level::INFO => self.0.call_once(|| say("began")),
            level => eprintln!("{level} {event:?}"),
        }
    }
}

/// Restores all partitions at once, a thread each, as `clade process` does when it was given them.
pub(crate) fn restore(prefix: &str, dir: Option<&Path>) -> Value {
    let log: SharedLog = Arc::new(KafkaLog::open(Config::new(&cluster::bootstrap(), prefix)).unwrap());
    let options = Options { snapshots: snapshots(dir), ..Options::default() };
    say("began");
    let restore = |partition| {
        let (log, options) = (SharedLog::clone(&log), options.clone());
        std::thread::spawn(move || Processor::restore(log, None, partition, options).unwrap())
    };
    let threads: Vec<_> = (0..log.partitions()).map(restore).collect();
    let processors: Vec<Processor> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    say("ended");
    wait_for_parent();
    drop(processors);
    assert_eq!(options.metrics.discarded_snapshots.get(), 0, "a snapshot was of no use");
    let images = |partition: u16| options.metrics.images.with_label_values(&[&partition.to_string()]).get();
    json!({ "images": (0..PARTITIONS).map(images).sum::<i64>() })
}
