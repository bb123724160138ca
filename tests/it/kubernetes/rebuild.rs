//! Rebuilds on a real API server, with BuildConfigs that are built for show.

use std::process::Command;
use std::time::Duration;

use serde_json::Value as Json;

use super::builds::{Builds, ask, config, outdated, planned, rebuild, states, triggered, with};
use super::process::Clade;
use super::server::{Server, becomes, class, eventually, image, root, stream};

/// Five levels, two diamonds, and two BuildConfigs that are built on each other.
const NAMES: &[&str] = &["a", "b1", "b2", "c", "d1", "d2", "e", "x", "y"];
const BASES: &[(&str, &[&str])] = &[
    ("b1", &["a"]),
    ("b2", &["a"]),
    ("c", &["b1", "b2"]),
    ("d1", &["c"]),
    ("d2", &["c"]),
    ("e", &["d1", "d2"]),
];

fn chain() -> Vec<Json> {
    let mut objects = outdated(NAMES);
    objects.extend([
        config("a", "base", &[]),
        config("b1", "a", &[]),
        config("b2", "a", &[]),
        config("c", "b1", &["b2"]),
        config("d1", "c", &[]),
        config("d2", "c", &[]),
        config("e", "d1", &["d2"]),
        config("x", "y", &["base"]),
        config("y", "x", &[]),
        class("vendor", "base:latest"),
    ]);
    objects
}

fn once(names: &[&str]) -> std::collections::BTreeMap<String, usize> {
    names.iter().map(|name| ((*name).to_owned(), 1)).collect()
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn the_build_server_of_these_tests_does_what_openshifts_does() {
    let server = Server::begin();
    let check = root("tests/kubernetes/builds/check.sh");
    let output = Command::new(check).arg(&server.dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_base_that_moved_is_built_upon_again_wave_by_wave_and_nothing_twice() {
    let server = Server::begin();
    let builds = Builds::serve(&server);
    server.apply(&chain());
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    let plan = planned(dir.path(), 7);
    assert_eq!(plan["cost"]["waves"], 5);
    let problems: Vec<&str> = plan["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["kind"].as_str().unwrap())
        .collect();
    assert_eq!(problems, ["Cycle", "Cycle"]);

    let told = ask(
        dir.path(),
        &["rebuild", "--class", "vendor", "--max-concurrent", "2", "--reason", "CVE-2016-5195", "--wait"],
    );
    // Not everything was built, and whoever waits in a script is told.
    let told = told.expect_err("the cycle is not built");
    assert!(told.contains("vendor-1: 7 built, 0 failed, 2 not built"), "{told}\n{}", running.said());
    eprintln!("{}", ask(dir.path(), &["rebuild", "show", "vendor-1"]).unwrap());
    let states = states(&rebuild(dir.path(), "vendor-1"));
    assert!(states["x"].0 == "Skipped" && states["x"].1.contains("built on each other"), "{states:?}");
    assert_eq!(builds.counts(), once(&NAMES[..7]));
    builds.assert_order(BASES);
    assert!(builds.most_at_once() <= 2, "{:?}", builds.journal());
    // The images that came of it are on the new base, and say so.
    eventually("nothing is outdated but what cannot be built", || {
        let tags =
            ask(dir.path(), &["get", "tags", "--class", "vendor", "--state", "outdated", "-o", "name"]);
        tags.unwrap() == "default/x:latest\ndefault/y:latest\n"
    });
    assert_eq!(planned(dir.path(), 0)["targets"], serde_json::json!([]));
    let refused = ask(dir.path(), &["rebuild", "--class", "vendor"]).unwrap_err();
    assert!(refused.contains("nothing can be rebuilt: 2 BuildConfigs"), "{refused}");
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_rebuilder_that_is_killed_fifty_times_builds_the_same_and_nothing_twice() {
    let server = Server::begin();
    let builds = Builds::serve(&server);
    // Answers are lost as well.
    std::fs::write(server.dir.join("builds.faults"), r#"{"drop_responses": 0.3, "seed": 7}"#).unwrap();
    let slow = |object: Json| match object["kind"].as_str() {
        Some("BuildConfig") => with(object, "test.clade.dev/seconds", "4"),
        _ => object,
    };
    server.apply(&chain().into_iter().map(slow).collect::<Vec<_>>());
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    planned(dir.path(), 7);
    ask(dir.path(), &["rebuild", "--class", "vendor", "--max-concurrent", "1", "--retries", "5"]).unwrap();
    running.kill();
    let seed = std::env::var("CLADE_KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}: CLADE_KILL_SEED={seed} does the same again");
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut done = Vec::new();
    for _ in 0..50 {
        let running = Clade::run_again(&server, dir.path());
        #[allow(clippy::disallowed_methods, reason = "when it is killed is what is tried")]
        std::thread::sleep(Duration::from_millis(chance.u64(100..1_600)));
        running.kill();
        done.push(builds.counts().len());
    }
    eprintln!("builds that had begun at each kill: {done:?}");
    assert!(done.iter().filter(|done| **done < 7).count() > 15, "it was over too soon: {done:?}");
    let running = Clade::run_again(&server, dir.path());
    eventually("the clade answers", || ask(dir.path(), &["status"]).is_ok());
    let told = ask(dir.path(), &["rebuild", "show", "vendor-1", "--wait"]);
    let _ = std::fs::remove_file(server.dir.join("builds.faults"));
    let told = told.expect_err("the cycle is not built");
    assert!(told.contains("vendor-1: 7 built, 0 failed, 2 not built"), "{told}\n{}", running.said());
    assert_eq!(builds.counts(), once(&NAMES[..7]));
    builds.assert_order(BASES);
    assert_eq!(builds.most_at_once(), 1);
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn what_a_trigger_builds_is_left_to_it_and_waited_for() {
    let server = Server::begin();
    let builds = Builds::serve(&server);
    let mut objects = outdated(&["a", "moved", "last"]);
    objects.extend([
        config("a", "base", &[]),
        triggered(config("moved", "a", &[])),
        config("last", "moved", &[]),
        class("vendor", "base:latest"),
    ]);
    server.apply(&objects);
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    planned(dir.path(), 3);
    let told = ask(dir.path(), &["rebuild", "--class", "vendor", "--wait"]);
    let told = told.unwrap_or_else(|error| panic!("{error}\n{}", running.said()));
    assert!(told.contains("built by its trigger"), "{told}");
    assert_eq!(builds.counts(), once(&["a", "moved", "last"]));
    builds.assert_order(&[("moved", &["a"]), ("last", &["moved"])]);
    assert!(builds.journal().iter().any(|event| event.config == "moved" && event.by == "trigger"));
}

/// A multi-platform image with these images.
fn index(name: &str, images: &[(&str, &str)]) -> Json {
    let manifests: Vec<Json> = images
        .iter()
        .map(|(architecture, image)| {
            serde_json::json!({
                "digest": crate::support::digest(image), "architecture": architecture, "os": "linux", "manifestSize": 1,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
            })
        })
        .collect();
    let mut object = image(name, &[]);
    object["dockerImageManifests"] = manifests.into();
    object["dockerImageManifestMediaType"] = "application/vnd.oci.image.index.v1+json".into();
    object
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_base_that_is_pushed_platform_by_platform_is_one_rebuild_by_itself() {
    const PLATFORMS: [&str; 5] = ["amd64", "arm64", "ppc64le", "s390x", "386"];
    let server = Server::begin();
    let builds = Builds::serve(&server);
    let name = |architecture: &str, version: usize| format!("base-{architecture}-{version}");
    let mut objects = Vec::new();
    for architecture in PLATFORMS {
        for version in 1..=2 {
            let name = name(architecture, version);
            objects.push(image(&name, &[architecture, &name]));
        }
    }
    // Each index has one platform more of the new version.
    for moved in 0..=PLATFORMS.len() {
        let of = |(number, architecture): (usize, &&'static str)| {
            (*architecture, name(architecture, if number < moved { 2 } else { 1 }))
        };
        let images: Vec<(&str, String)> = PLATFORMS.iter().enumerate().map(of).collect();
        let images: Vec<(&str, &str)> = images.iter().map(|(of, image)| (*of, image.as_str())).collect();
        objects.push(index(&format!("index-{moved}"), &images));
    }
    objects.extend([
        stream("base", "latest", &["index-0"]),
        image("a", &["amd64", "base-amd64-1", "a"]),
        stream("a", "latest", &["a"]),
        config("a", "base", &[]),
    ]);
    let mut vendor = class("vendor", "base:latest");
    vendor["spec"]["rebuild"] =
        serde_json::json!({"policy": "OnOutdated", "settleSeconds": 2, "priority": 3});
    objects.push(vendor);
    server.apply(&objects);
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run_with(&server, dir.path(), &["--settle", "4"]);
    let current = |state: &str| {
        let tags = ask(dir.path(), &["get", "tags", "--class", "vendor", "--state", state, "-o", "name"]);
        tags.is_ok_and(|tags| tags.contains("default/a:latest"))
    };
    eventually("a is current", || current("current"));
    let indexes: Vec<String> = (0..=PLATFORMS.len()).map(|moved| format!("index-{moved}")).collect();
    for moved in 1..=PLATFORMS.len() {
        let images: Vec<&str> = indexes[..=moved].iter().map(String::as_str).collect();
        server.apply(&[stream("base", "latest", &images)]);
        #[allow(clippy::disallowed_methods, reason = "they are pushed one after the other")]
        std::thread::sleep(Duration::from_millis(300));
    }
    eventually("a is built by itself", || builds.counts().contains_key("a"));
    eventually("a is current again", || current("current") && !current("outdated"));
    #[allow(clippy::disallowed_methods, reason = "that nothing more happens is seen by waiting")]
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(builds.counts(), once(&["a"]), "{}", running.said());
    let listed = ask(dir.path(), &["rebuild", "list", "-o", "name"]).unwrap();
    assert_eq!(listed, "vendor-1\n");
    let found = rebuild(dir.path(), "vendor-1");
    assert_eq!((&found["automatic"], &found["request"]["priority"]), (&true.into(), &3.into()));
}

#[test]
#[ignore = "needs a Kubernetes API server and Apache Kafka: make test"]
fn two_rebuilders_at_once_build_the_same_and_nothing_twice() {
    let server = Server::begin();
    let builds = Builds::serve(&server);
    let slow = |object: Json| match object["kind"].as_str() {
        Some("BuildConfig") => with(object, "test.clade.dev/seconds", "3"),
        _ => object,
    };
    server.apply(&chain().into_iter().map(slow).collect::<Vec<_>>());
    let config = crate::kafka::fresh_config(2);
    let dir = tempfile::tempdir().unwrap();
    let kafka = ["--kafka", &config.bootstrap, "--kafka-prefix", &config.prefix];
    let start = |name: &str, command: &str| {
        let kubeconfig = server.service("openshift", &format!("clade-{command}"));
        let arguments = [&[command][..], &kafka, &["--kubernetes"]].concat();
        Clade::start(&dir.path().join(name), &arguments, &kubeconfig)
    };
    let process = super::server::clade(&["process"]).args(kafka).spawn();
    let mut process = process.unwrap();
    let watch = start("watch.log", "watch");
    // No lease keeps them apart: it is the log that lets only the last one write.
    let mut first = start("first.log", "rebuilder");
    let ask_first = |arguments: &[&str]| {
        let url = first.said().split("ask on ").nth(1)?.split(';').next()?.to_owned();
        let output = super::server::clade(arguments).args(["--server", &url]).output().ok()?;
        if !output.status.success() {
            eprintln!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    };
    becomes(&Some(7), || {
        let plan = ask_first(&["rebuild", "--class", "vendor", "--dry-run", "-o", "json"])?;
        serde_json::from_str::<Json>(&plan).ok()?["cost"]["builds"].as_u64()
    });
    // It plans as soon as it knows what there is, and takes commands once it knows that this is all.
    eventually("the rebuild begins", || ask_first(&["rebuild", "--class", "vendor", "-o", "name"]).is_some());
    let mut turns = 0;
    let mut second = start("second.log", "rebuilder");
    let url = |of: &Clade| of.said().rsplit("ask on ").next().unwrap().split(';').next().unwrap().to_owned();
    let finished = |of: &Clade| {
        let output =
            super::server::clade(&["rebuild", "show", "vendor-1", "-o", "json", "--server", &url(of)])
                .output();
        let shown: Option<Json> = output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok());
        shown.is_some_and(|shown| shown["state"] == "Finished")
    };
    eventually("it is finished by whoever is left", || {
        // Whoever has lost begins again, as an orchestrator has it, and the other loses.
        if turns < 6 && first.has_ended() {
            assert!(first.said().contains("a newer writer of this name has taken over"), "{}", first.said());
            turns += 1;
            first = start(&format!("first{turns}.log"), "rebuilder");
        }
        if turns < 6 && second.has_ended() {
            turns += 1;
            second = start(&format!("second{turns}.log"), "rebuilder");
        }
        !first.has_ended() && finished(&first) || !second.has_ended() && finished(&second)
    });
    assert!(turns > 0, "both worked on");
    assert_eq!(builds.counts(), once(&NAMES[..7]));
    builds.assert_order(BASES);
    drop(watch);
    process.kill().unwrap();
    process.wait().unwrap();
}
