//! Topics: refused where they are wrong, made where they are missing, and moved to others.

use std::sync::Arc;

use clade::engine::Engine;
use clade::log::MissingTopic;
use clade::log::kafka::{Admin, Config, KafkaLog};
use clade::log::{LogError, SharedLog};
use clade::processor::Options;
use clade::publisher::Publisher;
use clade::query::{Filter, Page, Query};
use clade::record::{ClassificationRecord, Timestamp, Topic};

use super::{Member, clade, classifications, eventually, image_of};
use crate::kafka::{bootstrap, fresh_config};
use crate::support::{class, fold, transitions};

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn topics_that_are_missing_or_have_a_wrong_number_of_partitions_are_refused_by_name() {
    let config = Config::new(&bootstrap(), &crate::kafka::fresh_prefix());
    let message = |result: Result<KafkaLog, LogError>| match result {
        Err(LogError::Incompatible(message)) => message,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    };
    let missing = message(KafkaLog::open(config.clone()));
    assert!(missing.contains("images") && missing.contains("clade topics apply"), "{missing}");
    let topic = |topic: Topic| MissingTopic {
        topic,
        partitions: if topic == Topic::Tags {
            3
        } else if topic.is_partitioned() {
            2
        } else {
            1
        },
        replication: None,
        settings: topic.settings(),
    };
    Admin::open(config.clone()).unwrap().create(&Topic::ALL.map(topic)).unwrap();
    let told = || match KafkaLog::open(config.clone()) {
        Err(LogError::Incompatible(message)) => message.contains("tags has 3 partitions and must have 2"),
        _ => false,
    };
    eventually(&true, told);
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn topics_are_planned_created_and_checked_and_nothing_is_created_twice() {
    let prefix = crate::kafka::fresh_prefix();
    let kafka = bootstrap();
    let topics = |command: &str, more: &[&str]| {
        let output =
            clade(&[&["topics", command, "--kafka", &kafka, "--kafka-prefix", &prefix], more].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, plan) = topics("plan", &["--partitions", "3"]);
    assert!(
        code == Some(0) && plan.contains(&format!("+ {prefix}images: to be created, 3 partitions")),
        "{plan}"
    );
    assert_eq!(topics("check", &[]).0, Some(1));
    assert_eq!(topics("apply", &["--partitions", "3"]).1.lines().count(), Topic::ALL.len());
    let all = format!("all {} topics are as they should be\n", Topic::ALL.len());
    eventually(&(Some(0), all), || topics("check", &[]));
    assert_eq!(topics("apply", &[]), (Some(0), String::new()));
    let (code, check) = topics("check", &["--partitions", "4"]);
    assert!(code == Some(1) && check.contains("has 3 partitions instead of 4"), "{check}");
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn migrating_to_another_number_of_partitions_keeps_everything_and_announces_nothing_again() {
    let old = fresh_config(2);
    let log: SharedLog = Arc::new(crate::kafka::open(&old));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[])).unwrap();
    for number in 0..30_i64 {
        let (base, app) = (format!("os {}", number / 10), format!("app {number}"));
        publisher.observe(image_of(&base, &[&base])).unwrap();
        publisher.observe(crate::support::tag("base/os:latest", number * 60, &[&base])).unwrap();
        publisher.observe(image_of(&app, &[&base, &app])).unwrap();
        publisher.observe(crate::support::tag(&format!("app:{number}"), number * 60, &[&app])).unwrap();
    }
    publisher.flush().unwrap();
    let member = Member::start(&old);
    eventually(&33, || fold::<ClassificationRecord>(&*log).len());
    drop((member, publisher));

    let prefix = crate::kafka::fresh_prefix();
    let migrate = ["topics", "migrate", "--kafka", &old.bootstrap, "--kafka-prefix", &old.prefix];
    let output = clade(&[&migrate[..], &["--to-prefix", &prefix, "--partitions", "5"]].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("copied 33 images, 31 tags"), "{told}");
    let again = clade(&[&migrate[..], &["--to-prefix", &prefix, "--partitions", "5"]].concat());
    assert!(String::from_utf8_lossy(&again.stderr).contains("not empty"), "{again:?}");

    let new = old.with_prefix(&prefix);
    let moved: SharedLog = Arc::new(crate::kafka::open(&new));
    assert_eq!(moved.partitions(), 5);
    let member = Member::start(&new);
    let replica = Engine::follow(SharedLog::clone(&moved), &Options::default()).unwrap();
    replica.wait_until_restored().unwrap();
    // A new version of the base: all is outdated, and only that is announced.
    let mut publisher = Publisher::restore(SharedLog::clone(&moved), Timestamp::now).unwrap();
    publisher.observe(image_of("os 9", &["os 9"])).unwrap();
    publisher.observe(crate::support::tag("base/os:latest", 9_999, &["os 9"])).unwrap();
    publisher.flush().unwrap();
    eventually(&34, || fold::<ClassificationRecord>(&*moved).len());
    drop(member);
    assert_eq!(classifications(&*moved).len(), 34);
    let announced = transitions(&*moved);
    assert_eq!(announced.iter().filter(|event| event.from.is_none()).count(), 1, "{announced:#?}");
    let tags = Query::new(replica.view().snapshot()).list_tags(&Filter::default(), &Page::default()).unwrap();
    assert_eq!(tags.iter().count(), 31);
}
