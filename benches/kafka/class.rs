//! A new class over many images, beside writing just what came of it.

use std::collections::BTreeMap;

use clade::declare::ClassSpec;
use clade::publisher::Outcome;
use clade::record::{ObjectReference, ReferenceKind, Topic};
use rdkafka::Message as _;

use crate::child::{Run, Running, Task};
use crate::replay::Replay;
use crate::report::{Goal, all, best, cpu, goal, table};
use crate::restart::Big;
use crate::settings::Settings;
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
            versions: clade::record::VersionSources::default(),
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
            inputs: None,
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
