//! A process that is really killed, again and again while events come in: each is in the trail once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clade::audit::{Auditor, Layout, SigningKey, Wanted, verify};
use clade::log::embedded::{self, EmbeddedLog};
use clade::log::{Log, SharedLog, TopicPartition};
use clade::record::Topic;
use clade::telemetry::Metrics;

use super::{entries, events, in_the_trail, on_the_log, options, record, rest};

const CHILD: &str = "audit::kill::what_the_killed_process_does";
/// So many are there before the first process is killed; the others arrive while they are.
const THERE: u64 = 10_000;
const KILLS: u32 = 25;

fn open(dir: &Path) -> SharedLog {
    let options = embedded::Options { partitions: Some(3), ..embedded::Options::default() };
    Arc::new(EmbeddedLog::open(dir, options).unwrap())
}

/// How many events there are already: every one is one record.
fn there(log: &dyn Log) -> u64 {
    let ends =
        |topic: Topic, partitions| (0..partitions).map(move |partition| TopicPartition { topic, partition });
    let of =
        [Topic::Outdated, Topic::Classifications].into_iter().flat_map(|topic| ends(topic, log.partitions()));
    of.chain(ends(Topic::Catalog, 1)).map(|of| log.end(of).unwrap()).sum()
}

/// The child: appends the events that are missing, and audits; ends when all of them are in the trail.
#[test]
#[ignore = "run by the test of this module, as a process of its own"]
fn what_the_killed_process_does() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let dir = std::path::PathBuf::from(variable("CLADE_KILL_DIR"));
    let (many, pause): (u64, u64) =
        (variable("CLADE_KILL_EVENTS").parse().unwrap(), variable("CLADE_KILL_PAUSE").parse().unwrap());
    let log = open(&dir.join("log"));
    let key = SigningKey::read(&dir.join("key")).unwrap();
    let layout = Layout { segment_bytes: 1 << 20, signing_key: Some(key), ..Layout::default() };
    let auditor =
        Auditor::start(SharedLog::clone(&log), options(&dir.join("audit"), layout), &Metrics::default())
            .unwrap();
    println!("\nworking");
    let mut writer = log.writer("test").unwrap();
    let mut next = there(&*log);
    while next < many {
        let until = many.min(next + 200);
        writer.append((next..until).map(|n| record(n, log.partitions())).collect()).unwrap();
        next = until;
        rest(Duration::from_millis(pause));
    }
    let deadline = Instant::now() + Duration::from_secs(300);
    while auditor.handle().last() < many {
        assert!(!auditor.is_finished() && Instant::now() < deadline, "the auditor does not come to the end");
        rest(Duration::from_millis(5));
    }
    auditor.stop().unwrap();
}

fn start(dir: &Path, many: u64, pause: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env("CLADE_KILL_DIR", dir)
        .env("CLADE_KILL_EVENTS", many.to_string())
        .env("CLADE_KILL_PAUSE", pause.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[test]
fn a_hundred_thousand_events_under_kill_9_are_each_in_the_trail_once() {
    let many = events(100_000);
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    std::fs::write(dir.path().join("key"), key.pem().unwrap()).unwrap();
    {
        let log = open(&dir.path().join("log"));
        super::append(&*log, 0..THERE.min(many));
    }
    let mut random = fastrand::Rng::with_seed(5);
    let mut killed = 0;
    for _ in 0..KILLS {
        let mut child = start(dir.path(), many, 3);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "working"), "the child has not begun");
        rest(Duration::from_millis(random.u64(2..120)));
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().code().is_none());
    }
    let mut last = start(dir.path(), many, 0);
    std::io::copy(&mut last.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert!(last.wait().unwrap().success());
    let trail = dir.path().join("audit");
    let wanted = Wanted { keys: vec![key.public()], anchors: Vec::new() };
    let report = verify(&clade::audit::Directory(trail.clone()), &wanted).unwrap();
    assert_eq!(report.findings, []);
    let log = open(&dir.path().join("log"));
    let expected = on_the_log(&*log);
    assert_eq!(expected.len() as u64, many);
    let found = in_the_trail(&entries(&trail));
    assert!(found == expected, "{} entries of {} records", found.len(), expected.len());
    println!("killed {killed} times: {many} events in {} segments, each once", report.segments);
    assert!(killed >= 20, "killed {killed} times only");
}
