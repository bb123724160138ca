//! The auditor on a real Apache Kafka, where offsets have gaps and transactions are aborted.

use std::sync::Arc;

use clade::log::SharedLog;

use super::{append, audit, entries, in_the_trail, on_the_log, options, small};
use crate::kafka::{fresh_config, open};

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn on_apache_kafka_each_record_has_one_entry_also_after_a_restart() {
    let config = fresh_config(3);
    let log: SharedLog = Arc::new(open(&config));
    let dir = tempfile::tempdir().unwrap();
    append(&*log, 0..3_000);
    audit(&log, options(dir.path(), small(None))).unwrap();
    append(&*log, 3_000..5_000);
    audit(&log, options(dir.path(), small(None))).unwrap();
    let all = entries(dir.path());
    assert_eq!(all.len(), 5_000);
    assert!(all.iter().all(|entry| entry.what != "audit.reset"));
    assert_eq!(in_the_trail(&all), on_the_log(&*log));
}
