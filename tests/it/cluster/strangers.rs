//! Programs that are not ours and read what clade writes.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use clade::log::SharedLog;
use clade::publisher::Publisher;
use clade::record::{ClassificationRecord, Timestamp};

use super::{Member, eventually, image_of};
use crate::kafka::fresh_config;
use crate::support::{class, digest, fold};

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_consumer_in_another_language_reads_classifications_that_fit_their_schema() {
    let config = fresh_config(2);
    let log: SharedLog = Arc::new(crate::kafka::open(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[("os", "one")])).unwrap();
    publisher.apply_group(&crate::support::group("os", "os")).unwrap();
    publisher.observe(image_of("base", &["base"])).unwrap();
    publisher.observe(image_of("app", &["base", "app"])).unwrap();
    publisher.observe(crate::support::tag("base/os:latest", 60, &["base"])).unwrap();
    publisher.flush().unwrap();
    let _member = Member::start(&config);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = Command::new(root.join("tests/kafka/python.sh")).stderr(Stdio::inherit()).output().unwrap();
    let mut consumer = Command::new(String::from_utf8(python.stdout).unwrap().trim())
        .arg(root.join("topics/consume.py"))
        .args([&config.bootstrap, &config.prefix])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(consumer.stdout.take().unwrap()).lines();
    let mut lines: Vec<String> = lines.take(2).map(|line| line.unwrap()).collect();
    consumer.kill().unwrap();
    consumer.wait().unwrap();
    lines.sort();
    let mut expected: Vec<String> = ["app", "base"]
        .iter()
        .map(|name| format!("{} dev.clade.classification.v1 os:current", digest(name)))
        .collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn kcat_shows_a_classification_as_a_cloud_event_in_kafkas_binary_mode() {
    let config = fresh_config(1);
    let log: SharedLog = Arc::new(crate::kafka::open(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[])).unwrap();
    publisher.observe(image_of("base", &["base"])).unwrap();
    publisher.observe(crate::support::tag("base/os:latest", 60, &["base"])).unwrap();
    publisher.flush().unwrap();
    let member = Member::start(&config);
    eventually(&1, || fold::<ClassificationRecord>(&*log).len());
    // What is concluded when a partition is taken over has no trace; what comes later has.
    publisher.observe(image_of("app", &["base", "app"])).unwrap();
    publisher.flush().unwrap();
    eventually(&2, || fold::<ClassificationRecord>(&*log).len());
    drop(member);
    let topic = format!("{}classifications", config.prefix);
    let output = Command::new("kcat")
        .args(["-C", "-q", "-b", &config.bootstrap, "-t", &topic, "-o", "beginning", "-e"])
        .args(["-X", "isolation.level=read_committed", "-f", "%h %k %s\n"])
        .output()
        .expect("kcat is missing: install kcat of Debian");
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let [headers, key, value] = last.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{last}") };
    let headers: BTreeMap<&str, &str> =
        headers.split(',').map(|header| header.split_once('=').unwrap()).collect();
    assert_eq!(key, digest("app").to_string());
    let record: ClassificationRecord = serde_json::from_str(value).unwrap();
    assert_eq!(record.classes[0].name, "os");
    assert_eq!(headers["ce_specversion"], "1.0");
    assert_eq!(headers["ce_source"], "/clade/classifications");
    assert_eq!(headers["ce_type"], "dev.clade.classification.v1");
    assert_eq!(headers["ce_subject"], key);
    assert!(headers["ce_id"].starts_with(key), "{headers:?}");
    assert_eq!(headers["content-type"], "application/json");
    assert!(headers["traceparent"].starts_with("00-"), "{headers:?}");
}
