//! Clusters that do not answer, or want to know who asks.

use std::process::Output;
use std::time::{Duration, Instant};

use clade::log::kafka::{Admin, Config, KafkaLog};
use clade::log::{Log as _, TopicPartition};
use clade::record::{Timestamp, Topic};

use super::{clade, encode_image};
use crate::kafka::{bootstrap, folder, fresh_config};

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_cluster_that_does_not_answer_is_told_by_its_address_and_reason() {
    let output = clade(&["topics", "plan", "--kafka", "127.0.0.1:1"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("127.0.0.1:1 does not answer within 30 s") && error.contains("refused"),
        "{error}"
    );
}

/// `clade topics plan` on the SASL_SSL listener.
fn plan_with(properties: &[String]) -> Output {
    let sasl = std::fs::read_to_string(folder().join("sasl")).unwrap();
    let mut arguments =
        vec!["topics", "plan", "--kafka", sasl.trim(), "--kafka-config", "security.protocol=SASL_SSL"];
    for property in properties {
        arguments.extend(["--kafka-config", property]);
    }
    clade(&arguments)
}

fn ca() -> String {
    format!("ssl.ca.location={}", folder().join("ca.pem").display())
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn credentials_are_taken_by_every_mechanism_and_wrong_ones_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (right, wrong) = (write("right", "secret\n"), write("wrong", "hidden-word\n"));
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let with = |password: &str| {
            plan_with(&[
                ca(),
                format!("sasl.mechanism={mechanism}"),
                "sasl.username=clade".to_owned(),
                format!("sasl.password.file={password}"),
            ])
        };
        let output = with(&right);
        assert!(output.status.success(), "{mechanism}: {}", String::from_utf8_lossy(&output.stderr));
        let begun = Instant::now();
        let output = with(&wrong);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{mechanism}: {error}");
        assert!(
            error.contains("refuses us") && error.to_lowercase().contains("authentication"),
            "{mechanism}: {error}"
        );
        assert!(!error.contains("hidden-word"), "a secret is printed: {error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{mechanism}: {error}");
    }
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn with_a_token_from_a_file_everything_is_read_and_written_but_topics_are_not_looked_after() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, unsecured_token()).unwrap();
    let plain = fresh_config(1);
    drop(crate::kafka::open(&plain));
    let sasl = std::fs::read_to_string(folder().join("sasl")).unwrap();
    let mut config = Config::new(sasl.trim(), &plain.prefix);
    for (name, value) in [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", &folder().join("ca.pem").display().to_string()),
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.token.file", &token.display().to_string()),
    ] {
        config.set(name, value).unwrap();
    }
    let log = KafkaLog::open(config.clone()).unwrap();
    let to = TopicPartition { topic: Topic::Images, partition: 0 };
    let offsets = log.writer("test").unwrap().append(vec![(to, encode_image("one"))]).unwrap();
    assert_eq!(log.get(to, offsets[0]).unwrap().unwrap().record, encode_image("one"));
    let refused = Admin::open(config).err().unwrap().to_string();
    assert!(refused.contains("OAUTHBEARER") && refused.contains("strimzi"), "{refused}");
}

/// A JSON Web Token as Kafka's own handler for tests takes it: unsigned, and young.
fn unsecured_token() -> String {
    let now = Timestamp::now().as_second();
    let encode = |json: String| data_encoding::BASE64URL_NOPAD.encode(json.as_bytes());
    let claims = format!("{{\"sub\":\"clade\",\"iat\":{now},\"exp\":{}}}", now + 600);
    format!("{}.{}.", encode("{\"alg\":\"none\"}".to_owned()), encode(claims))
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_certificate_that_nobody_vouches_for_is_told_at_once() {
    let output = plan_with(&[
        "sasl.mechanism=PLAIN".to_owned(),
        "sasl.username=clade".to_owned(),
        "sasl.password=secret".to_owned(),
    ]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("refuses us") && error.contains("certificate"), "{error}");
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_property_that_does_not_exist_is_told_by_its_name_and_not_by_its_value() {
    let output =
        clade(&["topics", "plan", "--kafka", &bootstrap(), "--kafka-config", "sasl.pasword=hidden-word"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("sasl.pasword") && !error.contains("hidden-word"), "{error}");
}
