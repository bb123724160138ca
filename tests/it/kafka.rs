//! Against a real Apache Kafka, which `make test` starts: `CLADE_TEST_KAFKA` names the folder of `tests/kafka/broker.sh`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use clade::log::kafka::{Admin, Config, KafkaLog};
use clade::topics;

/// The folder of the broker that runs.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("CLADE_TEST_KAFKA").map(PathBuf::from).expect(
        "CLADE_TEST_KAFKA names no folder: start Apache Kafka with `tests/kafka/broker.sh start DIR` and set it to DIR, or run \
         `make test`",
    )
}

/// Where the broker is.
pub(crate) fn bootstrap() -> String {
    std::fs::read_to_string(folder().join("bootstrap")).unwrap().trim().to_owned()
}

/// A prefix that nobody else has.
pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// New topics under a prefix of their own.
pub(crate) fn fresh_config(partitions: u16) -> Config {
    let config = Config::new(&bootstrap(), &fresh_prefix());
    let admin = Admin::open(config.clone()).unwrap();
    let wanted = topics::Wanted { partitions: Some(partitions), replication: None };
    let plan = topics::plan(&wanted, &admin.find().unwrap());
    admin.create(&plan.missing).unwrap();
    config
}

/// The log on topics that were just created: they are known everywhere a moment later.
pub(crate) fn open(config: &Config) -> KafkaLog {
    KafkaLog::open_when_created(config.clone()).unwrap()
}

/// A log on new topics.
pub(crate) fn fresh(partitions: u16) -> (KafkaLog, ()) {
    (open(&fresh_config(partitions)), ())
}
