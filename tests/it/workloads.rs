//! Workloads: published, and found by class, by state and by name.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;

use clade::observe::{Listing, Observation};
use clade::oci::Platform;
use clade::query::answer::WorkloadItem;
use clade::query::{Filter, Page};
use clade::record::{
    ImageRecord, RunningImage, RunningKind, State, TagImage, TagItem, Timestamp, WorkloadImage,
    WorkloadRecord,
};
use serde_json::{Value as Json, json};

use crate::support::{World, class, digest, fold, group, image, workload};

fn asked(asked: &str) -> WorkloadImage {
    WorkloadImage {
        asked: asked.to_owned(),
        running: None,
        platform: Some(Platform::default()),
        pods: 1,
        since: None,
    }
}

fn running(asked_for: &str, of: &str, kind: RunningKind) -> WorkloadImage {
    WorkloadImage { running: Some(RunningImage { digest: digest(of), kind }), ..asked(asked_for) }
}

/// A base with two versions, an application on each, and a multi-platform one.
fn world() -> World {
    let mut world = World::new();
    world.images(&[
        ("base1", &["A", "B"]),
        ("base2", &["A", "C"]),
        ("old", &["A", "B", "x"]),
        ("new", &["A", "C", "x"]),
        ("other", &["Z"]),
    ]);
    let arm = Platform::new("linux", "arm64");
    let config_digest = Some(digest("config"));
    for (name, platform, layers) in
        [("many-amd", Platform::default(), ["A", "C", "m"]), ("many-arm", arm, ["A", "B", "n"])]
    {
        let of = ImageRecord { platform, config_digest, ..image(name, &layers) };
        let of = ImageRecord { config_digest: (name == "many-amd").then_some(digest("config")), ..of };
        world.see(Observation::Image(Box::new(of)));
    }
    world.tag("base:1", &["base1"]).class("vendor", "base:1").process();
    world.tag("base:1", &["base2"]);
    world.tag("shop/app:1", &["old"]);
    let images = ["many-amd", "many-arm"].map(|of| TagImage { digest: digest(of), platform: None }).to_vec();
    see_tag(&mut world, &[TagItem { since: minute(10), digest: Some(digest("index")), images }]);
    world
}

fn minute(number: i64) -> Timestamp {
    Timestamp::from_second(number * 60).unwrap()
}

/// The tag shop/many:1 has this history.
fn see_tag(world: &mut World, items: &[TagItem]) {
    world.see(Observation::Tag(clade::observe::ObservedTag {
        source: None,
        repository: "shop/many".to_owned(),
        tag: "1".to_owned(),
        items: items.to_vec(),
        complete: false,
    }));
}

fn items(world: &mut World, filter: &Filter, unknown: Option<bool>) -> Vec<WorkloadItem> {
    world.query_of_workloads().list_workloads(filter, unknown, &Page::default()).unwrap().items
}

fn put(world: &mut World, workloads: Vec<WorkloadRecord>) {
    for workload in workloads {
        world.see(Observation::Workload(Box::new(workload)));
    }
}

/// The state of a workload in the class; `None` if it is in none.
fn state(world: &mut World, image: WorkloadImage) -> (Option<State>, bool) {
    put(world, vec![workload("shop", "app", vec![image])]);
    let item = items(world, &Filter::default(), None).remove(0);
    (item.classes.first().map(|of| of.state), item.unknown)
}

#[test]
fn what_runs_is_found_by_manifest_by_index_and_platform_and_by_image_id() {
    let mut world = world();
    let arm = Some(Platform::new("linux", "arm64"));
    let windows = Some(Platform::new("windows", "amd64"));
    let by_index = || running("shop/many:1", "index", RunningKind::Digest);
    for (image, expected) in [
        (running("shop/app:1", "old", RunningKind::Digest), (Some(State::Outdated), false)),
        (running("shop/app:1", "new", RunningKind::Digest), (Some(State::Current), false)),
        (running("shop/app:1", "other", RunningKind::Digest), (None, false)),
        (by_index(), (Some(State::Current), false)),
        (WorkloadImage { platform: arm, ..by_index() }, (Some(State::Outdated), false)),
        (WorkloadImage { platform: windows, ..by_index() }, (None, true)),
        // Nobody knows the node: one of the images that may run is outdated.
        (WorkloadImage { platform: None, ..by_index() }, (Some(State::Outdated), false)),
        (running("shop/many:1", "config", RunningKind::ImageId), (Some(State::Current), false)),
        (running("shop/app:1", "never seen", RunningKind::Digest), (None, true)),
        // Nothing has started: what was asked for counts.
        (asked("shop/app:1"), (Some(State::Outdated), false)),
        (asked(&format!("shop/app@{}", digest("new"))), (Some(State::Current), false)),
        (
            asked("image-registry.openshift-image-registry.svc:5000/shop/app:1"),
            (Some(State::Outdated), false),
        ),
        (asked("shop/nothing:1"), (None, true)),
        // No beginning of a digest is a name.
        (asked(&digest("old").hex()[..8]), (None, true)),
    ] {
        let told = format!("{image:?}");
        assert_eq!(state(&mut world, image), expected, "{told}");
    }
}

#[test]
fn what_runs_by_an_image_index_is_found_after_the_tag_has_left_that_index() {
    let mut world = world();
    let arm = Some(Platform::new("linux", "arm64"));
    let windows = Some(Platform::new("windows", "amd64"));
    let by_index = || running("shop/many:1", "index", RunningKind::Digest);
    let gone = TagItem { since: minute(30), digest: None, images: Vec::new() };
    let rebuilt = TagItem { since: minute(20), digest: Some(digest("new")), images: Vec::new() };
    for later in [rebuilt, gone] {
        see_tag(&mut world, &[later]);
        for (image, expected) in [
            (by_index(), (Some(State::Current), false)),
            (WorkloadImage { platform: arm.clone(), ..by_index() }, (Some(State::Outdated), false)),
            (WorkloadImage { platform: windows.clone(), ..by_index() }, (None, true)),
            (asked(&format!("shop/many@{}", digest("index"))), (Some(State::Current), false)),
        ] {
            let told = format!("{image:?}");
            assert_eq!(state(&mut world, image), expected, "{told}");
        }
        let images = world.query_of_workloads().images(&digest("index").to_string()).unwrap();
        assert_eq!(images.len(), 2, "the index is a REF as well");
    }
}

#[test]
fn what_runs_an_image_is_found_by_any_name_of_it_page_by_page() {
    let mut world = world();
    let old = || vec![running("shop/app:1", "old", RunningKind::Digest)];
    let rolling = vec![asked("shop/app:1"), running("shop/app:2", "new", RunningKind::Digest)];
    put(&mut world, ["one", "two"].map(|name| workload("shop", name, old())).to_vec());
    put(&mut world, vec![workload("shop", "rolling", rolling)]);
    let query = world.query_of_workloads();
    let found = |reference: &str, page: &Page| {
        let cut = query.list_workloads_of(reference, &Filter::default(), None, page).unwrap();
        (cut.items.into_iter().map(|item| item.name).collect::<Vec<_>>(), cut.more)
    };
    let all = Page::default();
    assert_eq!(found("shop/app:1", &all).0, ["one", "two"], "what has not started does not count");
    assert_eq!(found(&digest("new").to_string(), &all).0, ["rolling"]);
    assert!(found(&digest("other").to_string(), &all).0.is_empty());
    let (names, more) = found("shop/app:1", &Page { limit: Some(1), ..Page::default() });
    let next = Page { after: more.next, anchor: more.anchor, limit: Some(1), ..Page::default() };
    assert_eq!((names, found("shop/app:1", &next).0), (vec!["one".to_owned()], vec!["two".to_owned()]));
    assert!(query.list_workloads_of("nobody:1", &Filter::default(), None, &all).is_err());
    let outdated = Filter { state: Some(State::Outdated), ..Filter::default() };
    assert_eq!(query.list_workloads_of("shop/app:1", &outdated, None, &all).unwrap().items.len(), 2);
}

#[test]
fn a_workload_is_outdated_while_any_of_its_images_is_and_what_has_not_started_does_not_count() {
    let mut world = world();
    let (old, new) =
        (running("app:1", "old", RunningKind::Digest), running("app:2", "new", RunningKind::Digest));
    put(&mut world, vec![workload("shop", "rolling", vec![old.clone(), new.clone()])]);
    put(&mut world, vec![workload("shop", "starting", vec![new.clone(), asked("shop/app:1")])]);
    put(&mut world, vec![workload("pay", "new", vec![new]), workload("pay-test", "old", vec![old])]);
    let names = |world: &mut World, class: Option<&str>, state, namespace: Option<&str>| -> Vec<String> {
        let (class, namespace) = (class.map(str::to_owned), namespace.map(str::to_owned));
        let filter = Filter { class, state, namespace, ..Filter::default() };
        items(world, &filter, None).into_iter().map(|item| item.key).collect()
    };
    let (outdated, current) = (Some(State::Outdated), Some(State::Current));
    let all_outdated = ["pay-test/Deployment/old", "shop/Deployment/rolling"];
    assert_eq!(names(&mut world, Some("vendor"), outdated, None), all_outdated);
    assert_eq!(names(&mut world, None, outdated, None), all_outdated);
    let all_current = ["pay/Deployment/new", "shop/Deployment/starting"];
    assert_eq!(names(&mut world, Some("vendor"), current, None), all_current);
    assert_eq!(names(&mut world, None, outdated, Some("pay*")), ["pay-test/Deployment/old"]);
    assert_eq!(names(&mut world, None, None, Some("pay")), ["pay/Deployment/new"]);
    let starting = items(&mut world, &Filter::default(), None).pop().unwrap();
    let counts: Vec<bool> = starting.containers[0].images.iter().map(|image| image.counts).collect();
    assert_eq!((starting.name.as_str(), counts), ("starting", vec![true, false]));
    let count = world.query_of_workloads().running_counts().unwrap()["vendor"];
    assert_eq!((count.all, count.outdated), (4, 2));
    let class = world.query_of_workloads().list_classes(Some("vendor")).unwrap().remove(0);
    assert_eq!((class.status.running, class.status.running_outdated), (Some(4), Some(2)));
    assert_eq!(world.query_of_workloads().usage("vendor", true).unwrap().running_outdated, Some(2));
    assert!(
        world
            .query_of_workloads()
            .list_workloads(
                &Filter { class: Some("none".to_owned()), ..Filter::default() },
                None,
                &Page::default()
            )
            .is_err()
    );
}

#[test]
fn an_image_that_runs_and_was_never_seen_is_told_with_the_name_to_pull_it_by() {
    let mut world = world();
    put(
        &mut world,
        vec![
            workload("a", "digest", vec![running("quay.io/x/y:1", "strange", RunningKind::Digest)]),
            workload("a", "id", vec![running("quay.io/x/z:1", "strange", RunningKind::ImageId)]),
            workload("a", "known", vec![running("shop/app:1", "old", RunningKind::Digest)]),
        ],
    );
    let pulls: Vec<Option<String>> = items(&mut world, &Filter::default(), Some(true))
        .into_iter()
        .map(|item| item.containers[0].images[0].pull.clone())
        .collect();
    let by_digest = format!("quay.io/x/y@{}", digest("strange"));
    assert_eq!(pulls, [Some(by_digest), Some("quay.io/x/z:1".to_owned())]);
    assert_eq!(items(&mut world, &Filter::default(), Some(false)).len(), 1);
    let counts = world.query_of_workloads().workload_counts();
    assert_eq!((counts.outdated, counts.unknown, counts.current, counts.unclassified), (1, 2, 0, 0));
}

#[test]
fn pages_of_workloads_have_each_of_them_once() {
    let mut world = world();
    for number in 0..7 {
        put(&mut world, vec![workload("a", &format!("w{number}"), vec![asked("x:1")])]);
    }
    let (mut seen, mut page) = (Vec::new(), Page { limit: Some(3), ..Page::default() });
    loop {
        let cut = world.query_of_workloads().list_workloads(&Filter::default(), None, &page).unwrap();
        seen.extend(cut.items.into_iter().map(|item| item.name));
        let Some(after) = cut.more.next else { break };
        page.after = Some(after);
    }
    assert_eq!(seen, ["w0", "w1", "w2", "w3", "w4", "w5", "w6"]);
}

fn keys(world: &World) -> Vec<String> {
    fold::<WorkloadRecord>(&*world.log).into_keys().collect()
}

#[test]
fn a_workload_is_written_when_it_changes_and_runs_since_its_first_pod() {
    let mut world = World::new();
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    let started = |since| WorkloadImage { since, ..running("app:1", "old", RunningKind::Digest) };
    put(&mut world, vec![workload("shop", "app", vec![started(at(100))])]);
    world.process();
    let before = fold::<WorkloadRecord>(&*world.log);
    // A pod is replaced: the image runs all the same.
    put(&mut world, vec![workload("shop", "app", vec![started(at(900))])]);
    world.process();
    assert_eq!(fold::<WorkloadRecord>(&*world.log), before);
    assert_eq!(world.publisher.counts().workloads, 1);
    let two = WorkloadImage { pods: 2, ..started(at(950)) };
    put(&mut world, vec![workload("shop", "app", vec![two])]);
    world.process();
    let image = &fold::<WorkloadRecord>(&*world.log)["shop/Deployment/app"].containers[0].images[0];
    assert_eq!((image.pods, image.since), (2, at(100)));
}

#[test]
fn a_workload_that_its_source_has_no_longer_is_gone_and_no_other() {
    let mut world = World::new();
    let imported = |namespace, name| WorkloadRecord { source: None, ..workload(namespace, name, vec![]) };
    put(&mut world, vec![workload("a", "live", vec![]), workload("a", "live2", vec![])]);
    put(&mut world, vec![imported("a", "file"), imported("b", "file")]);
    world.process();
    let listing = |keys: &[&str], namespaces: Option<&[&str]>| Listing::Workloads {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        namespaces: namespaces.map(|of| of.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>()),
    };
    world.see(Observation::Listed("kubernetes".to_owned(), listing(&["a/Deployment/live"], None))).process();
    assert_eq!(keys(&world), ["a/Deployment/file", "a/Deployment/live", "b/Deployment/file"]);
    world.see(Observation::Listed(String::new(), listing(&[], Some(&["a"])))).process();
    assert_eq!(keys(&world), ["a/Deployment/live", "b/Deployment/file"]);
    world.see(Observation::WorkloadGone("other".to_owned(), "a/Deployment/live".to_owned())).process();
    assert_eq!(keys(&world).len(), 2);
    world.see(Observation::WorkloadGone("kubernetes".to_owned(), "a/Deployment/live".to_owned())).process();
    assert_eq!(keys(&world), ["b/Deployment/file"]);
}

/// The program on a data directory.
fn clade(dir: &tempfile::TempDir, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_clade"))
        .args(arguments)
        .env("CLADE_DATA_DIR", dir.path().join("data"))
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn ok(dir: &tempfile::TempDir, arguments: &[&str]) -> String {
    let (success, out, error) = clade(dir, arguments);
    assert!(success, "clade {arguments:?}: {error}");
    out
}

/// A pod as `kubectl get pods -o json` prints it.
fn pod(namespace: &str, name: &str, owner: (&str, &str), asked: &str, running: &str) -> Json {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": namespace, "name": name, "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "controller": true}],
        },
        "spec": {"nodeName": "one", "containers": [{"name": "main", "image": asked, "env": [{"name": "SECRET", "value": "x"}]}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "main", "imageID": running}]},
    })
}

#[test]
fn what_kubectl_prints_of_pods_is_imported_and_listed_by_class_and_state() {
    let dir = tempfile::tempdir().unwrap();
    let layers = |name: &str, layers: &[&str]| -> Json {
        let layers: Vec<Json> = layers.iter().map(|of| json!({"name": digest(of), "size": 1})).collect();
        json!({
            "apiVersion": "image.openshift.io/v1", "kind": "Image",
            "metadata": {"name": digest(name), "annotations": {"image.openshift.io/dockerLayersOrder": "ascending"}},
            "dockerImageMetadata": {"Architecture": "amd64", "Os": "linux"}, "dockerImageLayers": layers,
        })
    };
    let items: Vec<Json> = [("base2", 2), ("base1", 1)]
        .map(|(of, day)| json!({"created": format!("2026-11-{day:02}T08:00:00Z"), "image": digest(of)}))
        .to_vec();
    let images = json!({"apiVersion": "v1", "kind": "List", "items": [
        layers("base1", &["A"]), layers("base2", &["B"]), layers("old", &["A", "x"]), layers("new", &["B", "x"]),
        {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"namespace": "base", "name": "ubi"},
         "status": {"tags": [{"tag": "latest", "items": items}]}},
    ]});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"namespace": "shop", "name": "web-1",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": true}]}});
    let repository = |of: &str| format!("quay.io/shop/{of}@{}", digest(of));
    let pods = |names: &[&str]| {
        let mut items = vec![
            pod("shop", "db-0", ("StatefulSet", "db"), "quay.io/shop/db:1", &repository("new")),
            pod("shop", "odd-0", ("StatefulSet", "odd"), "quay.io/shop/odd:1", &repository("odd")),
        ];
        items.extend(names.iter().map(|name| {
            pod("shop", name, ("ReplicaSet", "web-1"), "quay.io/shop/web:1", &repository("old"))
        }));
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    };
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("images.json"), images.to_string()).unwrap();
    std::fs::write(path("pods.json"), pods(&["web-1-a", "web-1-b"])).unwrap();
    // Behind the pods, in a file of its own, and as YAML.
    std::fs::write(path("sets.yaml"), yaml(&set)).unwrap();
    std::fs::write(path("class.yaml"), "{apiVersion: clade.dev/v1alpha1, kind: ImageClass, metadata: {name: vendor}, spec: {from: {kind: ImageStreamTag, namespace: base, name: 'ubi:latest'}}}").unwrap();
    ok(&dir, &["import", &path("images.json")]);
    ok(&dir, &["apply", "-f", &path("class.yaml")]);
    let (_, _, told) = clade(&dir, &["import", &path("pods.json"), &path("sets.yaml")]);
    assert!(told.contains("read 3 workloads, of which 3 are new or changed"), "{told}");

    let outdated =
        ok(&dir, &["get", "workloads", "--class", "vendor", "--state", "outdated", "--namespace", "shop"]);
    let rows: Vec<Vec<&str>> = outdated.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAMESPACE", "KIND", "NAME", "PODS", "CLASSES", "UNKNOWN", "IMAGES"]);
    assert_eq!(rows[1], ["shop", "Deployment", "web", "2", "vendor:outdated", "-"], "{outdated}");
    assert_eq!(rows.len(), 2);
    assert_eq!(ok(&dir, &["get", "workloads", "--unknown", "-o", "name"]), "shop/StatefulSet/odd\n");
    let runs = |reference: &str| ok(&dir, &["get", "workloads", "--runs", reference, "-o", "name"]);
    assert_eq!(runs(&digest("old").to_string()), "shop/Deployment/web\n");
    let (success, _, error) = clade(&dir, &["get", "images", "--runs", &digest("old").to_string()]);
    assert!(!success && error.contains("--runs is for workloads"), "{error}");
    let wide = ok(&dir, &["get", "workloads", "--unknown", "-o", "wide"]);
    assert!(wide.contains(&format!("unknown: quay.io/shop/odd@{}", digest("odd"))), "{wide}");
    let list: Json = serde_json::from_str(&ok(&dir, &["get", "workloads", "-o", "json"])).unwrap();
    assert_eq!(list["items"][0]["key"], "shop/Deployment/web");
    assert!(!list.to_string().contains("SECRET") && !list.to_string().contains("web-1-a"), "{list}");
    let classes: Json = serde_json::from_str(&ok(&dir, &["get", "classes", "-o", "json"])).unwrap();
    let status = &classes["items"][0]["status"];
    assert_eq!((&status["running"], &status["runningOutdated"]), (&json!(2), &json!(1)));
    let usage: Json = serde_json::from_str(&ok(&dir, &["usage", "--class", "vendor", "-o", "json"])).unwrap();
    assert_eq!((&usage["running"], &usage["runningOutdated"]), (&json!(2), &json!(1)));

    // A pod that a file lacks, in a namespace that the file has, runs no more.
    std::fs::write(path("pods.json"), pods(&[])).unwrap();
    ok(&dir, &["import", &path("pods.json")]);
    let names = ok(&dir, &["get", "workloads", "-o", "name"]);
    assert_eq!(names, "shop/StatefulSet/db\nshop/StatefulSet/odd\n");
    let (success, _, error) = clade(&dir, &["get", "workloads", "--at", "1d"]);
    assert!(!success && error.contains("nothing is kept of what ran before"), "{error}");
    let events = ok(&dir, &["subscribe", "workloads", "--namespace", "shop"]);
    assert!(events.contains("\"key\":\"shop/StatefulSet/db\""), "{events}");
}

/// YAML that is JSON as well would be read as such.
fn yaml(json: &Json) -> String {
    let owner = &json["metadata"]["ownerReferences"][0];
    format!(
        "apiVersion: {}\nkind: {}\nmetadata:\n  namespace: {}\n  name: {}\n  ownerReferences:\n  - apiVersion: {}\n    kind: {}\n    name: {}\n    controller: true\n",
        json["apiVersion"].as_str().unwrap(),
        json["kind"].as_str().unwrap(),
        json["metadata"]["namespace"].as_str().unwrap(),
        json["metadata"]["name"].as_str().unwrap(),
        owner["apiVersion"].as_str().unwrap(),
        owner["kind"].as_str().unwrap(),
        owner["name"].as_str().unwrap(),
    )
}

#[test]
fn a_workload_stands_by_the_worst_of_its_images_and_by_its_template_where_nothing_is_known_to_run() {
    let mut world = world();
    let labels = [("os", "yes")];
    world.tag("other:1", &["other"]).publisher.apply_class(&class("vendor", "base:1", &labels)).unwrap();
    world.publisher.apply_class(&class("alien", "other:1", &labels)).unwrap();
    world.publisher.apply_group(&group("os", "os")).unwrap();
    let run = |of: &str| running("x:1", of, RunningKind::Digest);
    let imported = WorkloadRecord { source: None, ..workload("shop", "imported", vec![run("new")]) };
    put(
        &mut world,
        vec![
            workload("shop", "both", vec![run("new"), run("other")]),
            workload("shop", "rolling", vec![run("new"), run("old")]),
            workload("shop", "strange", vec![run("never seen")]),
            imported,
        ],
    );
    let templates = [
        workload("shop", "imported", vec![asked("shop/app:1")]),
        workload("shop", "idle", vec![asked("shop/app:1")]),
        workload("shop", "rolling", vec![asked("other:1")]),
    ];
    let query = world.query_of_workloads();
    let mut found = BTreeMap::new();
    query.each_standing(templates.iter(), |record, standing| {
        let classes = standing.classes.iter().map(|(class, state)| format!("{class}={state}"));
        let groups = standing.groups.iter().map(|(group, class)| format!("{group}={class}"));
        found.insert(record.name.clone(), classes.chain(groups).collect::<Vec<_>>().join(" "));
    });
    let expected = [
        ("both", "alien=current vendor=current os=vendor"),
        ("idle", "vendor=outdated os=vendor"),
        ("imported", "vendor=outdated os=vendor"),
        ("rolling", "vendor=outdated os=vendor"),
        ("strange", ""),
    ];
    assert_eq!(found, expected.map(|(name, told)| (name.to_owned(), told.to_owned())).into());
}
