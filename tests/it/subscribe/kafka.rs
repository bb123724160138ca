//! `clade subscribe --kafka`: with a consumer group and without.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use clade::log::{Log as _, SharedLog, TopicPartition};
use clade::processor::{Options, Processor};
use clade::publisher::Publisher;
use clade::record::{State, Timestamp, Topic};
use serde_json::Value;

use super::transition;
use crate::support::{class, image, tag};

fn subscribe(config: &clade::log::kafka::Config, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
    command.arg("subscribe").args(args).args([
        "--kafka",
        &config.bootstrap,
        "--kafka-prefix",
        &config.prefix,
    ]);
    command
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
        .stdout
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn without_a_group_it_begins_anywhere_is_filtered_and_ends_well_whoever_ends_it() {
    let config = crate::kafka::fresh_config(2);
    let log: SharedLog = std::sync::Arc::new(crate::kafka::open(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[("os", "one")])).unwrap();
    publisher.apply_group(&crate::support::group("os", "os")).unwrap();
    publisher.flush().unwrap();
    let mut writer = log.writer("test").unwrap();
    for number in 0..1_000_u32 {
        let state = if number % 10 == 0 { State::Outdated } else { State::Current };
        let record = transition(&format!("image {number}"), None, Some(state), &["shop/app:1"]);
        let partition = u16::try_from(number % 2).unwrap();
        writer.append(vec![(TopicPartition { topic: Topic::Outdated, partition }, record)]).unwrap();
    }
    let told = |args: &[&str]| lines(&subscribe(&config, &[&["outdated"], args].concat()).output().unwrap());
    assert_eq!(told(&[]).len(), 1_000);
    assert_eq!(told(&["--from", "1h"]).len(), 1_000);
    assert_eq!(told(&["--from", "end"]).len(), 0);
    assert_eq!(told(&["--group", "os=os", "--namespace", "shop"]).len(), 1_000);
    assert_eq!(told(&["--group", "os", "--state", "outdated"]).len(), 100);
    // Offsets are counted with the marks that transactions leave.
    let all = told(&[]);
    let offset_of = |event: &Value| event["offset"].as_u64().unwrap();
    let in_second = all.iter().filter(|event| event["partition"] == 1);
    let middle = in_second.map(offset_of).nth(400).unwrap();
    let rest = told(&["--from", &format!("1:{middle}")]);
    assert_eq!(rest.iter().filter(|event| event["partition"] == 1).count(), 100);
    assert_eq!(rest.len(), 600, "the other partition is told from its beginning");

    // Interrupted, it ends well with whole lines; nobody misses what was written before.
    let mut follower = subscribe(&config, &["outdated", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(follower.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..1_000 {
        line.clear();
        out.read_line(&mut line).unwrap();
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    }
    Command::new("kill").args(["-INT", &follower.id().to_string()]).status().unwrap();
    assert!(follower.wait().unwrap().success(), "Ctrl-C is a good end");

    // Whoever reads has seen enough.
    let mut closed = subscribe(&config, &["outdated", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(closed.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    // It notices with the next line at the latest.
    let record = transition("last", None, Some(State::Current), &[]);
    writer.append(vec![(TopicPartition { topic: Topic::Outdated, partition: 0 }, record)]).unwrap();
    let output = closed.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn the_data_of_cloud_events_fits_the_schemas_of_their_topics() {
    let config = crate::kafka::fresh_config(2);
    let log: SharedLog = std::sync::Arc::new(crate::kafka::open(&config));
    let mut publisher = Publisher::restore(SharedLog::clone(&log), Timestamp::now).unwrap();
    publisher.apply_class(&class("os", "base/os:latest", &[("os", "one")])).unwrap();
    publisher.apply_group(&crate::support::group("os", "os")).unwrap();
    for name in ["one", "two"] {
        for layers in [&[name][..], &[name, "app"]] {
            publisher
                .observe(clade::observe::Observation::Image(Box::new(image(&layers.concat(), layers))))
                .unwrap();
        }
    }
    publisher.observe(tag("base/os:latest", 60, &["one"])).unwrap();
    publisher.observe(tag("base/os:latest", 120, &["two"])).unwrap();
    publisher.flush().unwrap();
    for partition in 0..2 {
        let mut processor =
            Processor::restore(SharedLog::clone(&log), None, partition, Options::default()).unwrap();
        while !processor.step(Duration::from_millis(100)).unwrap().at_end {}
        processor.close().unwrap();
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = Command::new(root.join("tests/kafka/python.sh")).stderr(Stdio::inherit()).output().unwrap();
    let python = String::from_utf8(python.stdout).unwrap();
    for (topic, least) in [("classifications", 4), ("outdated", 4), ("catalog", 3)] {
        let events = subscribe(&config, &[topic, "-o", "cloudevents"]).output().unwrap();
        assert!(lines(&events).len() >= least, "{topic}");
        let mut check = Command::new(python.trim())
            .arg(root.join("tests/kafka/check-events.py"))
            .arg(root.join(format!("topics/schemas/{topic}.json")))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        check.stdin.take().unwrap().write_all(&events.stdout).unwrap();
        assert!(check.wait().unwrap().success(), "{topic}");
    }
}

/// A member of a consumer group; its lines come through a channel.
struct Member {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Member {
    fn start(config: &clade::log::kafka::Config) -> Self {
        let args = ["outdated", "--follow", "--consumer-group", "alerts", "-o", "cloudevents"];
        let mut child = subscribe(config, &args).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }
}

impl Member {
    /// Kills it, and returns what it had written: of that, it has committed what it was done with.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn a_group_whose_members_are_killed_is_told_of_everything_at_least_once_and_goes_on_where_it_has_stopped() {
    let config = crate::kafka::fresh_config(4);
    let log = crate::kafka::open(&config);
    let mut writer = log.writer("test").unwrap();
    let mut expected = BTreeSet::new();
    let mut write = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            let record = transition(&format!("image {number}"), None, Some(State::Current), &["shop/app:1"]);
            expected.insert(record.headers.iter().find(|(name, _)| name == "ce_id").unwrap().1.to_string());
            let partition = u16::try_from(number % 4).unwrap();
            writer.append(vec![(TopicPartition { topic: Topic::Outdated, partition }, record)]).unwrap();
        }
        expected.clone()
    };
    let mut seen: Vec<String> = Vec::new();
    let mut all = write(0..200);
    let deadline = Instant::now() + Duration::from_secs(180);
    for round in 0..3 {
        let members = [Member::start(&config), Member::start(&config)];
        all.extend(write(200 + round * 100..300 + round * 100));
        // All but the last are killed after some events, in the midst of what is being written out.
        let enough = |seen: &[String]| match round {
            2 => seen.iter().collect::<BTreeSet<_>>().len() == all.len(),
            _ => seen.iter().collect::<BTreeSet<_>>().len() >= 120 * (round as usize + 1),
        };
        while !enough(&seen) {
            assert!(Instant::now() < deadline, "{} of {}", seen.len(), all.len());
            for member in &members {
                while let Ok(line) = member.lines.recv_timeout(Duration::from_millis(20)) {
                    let event: Value = serde_json::from_str(&line).unwrap();
                    seen.push(event["id"].as_str().unwrap().to_owned());
                    if enough(&seen) {
                        break;
                    }
                }
            }
        }
        for line in members.into_iter().flat_map(Member::kill) {
            // The last line may be cut off; then nothing of its batch is committed.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            seen.push(event["id"].as_str().unwrap().to_owned());
        }
        println!("round {round}: {} lines", seen.len());
    }
    assert_eq!(seen.iter().cloned().collect::<BTreeSet<_>>(), all, "without repeats, exactly the topic's");
    assert!(seen.len() < 2 * all.len(), "it goes on where it has stopped: {} lines", seen.len());
}
