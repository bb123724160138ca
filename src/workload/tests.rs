//! The rules of workloads, and random histories of pods against the same worked out from nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::record::{ContainerRole, RunningImage, RunningKind, WorkloadRecord};

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn object(kind: Kind, json: &Json) -> Object {
    read(kind, &json.to_string()).unwrap()
}

fn owner(kind: &str, name: &str) -> Json {
    let version = match kind {
        "ReplicaSet" | "Deployment" | "StatefulSet" => "apps/v1",
        "Job" | "CronJob" => "batch/v1",
        "DeploymentConfig" => "apps.openshift.io/v1",
        _ => "v1",
    };
    json!([{"apiVersion": version, "kind": kind, "name": name, "controller": true}])
}

fn pod(name: &str, owners: &Json, asked: &str, running: &str) -> Json {
    json!({
        "metadata": {"namespace": "shop", "name": name, "ownerReferences": owners, "labels": {"app": "web"}},
        "spec": {"nodeName": "one", "containers": [{"name": "main", "image": asked}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "main", "imageID": running}]},
    })
}

fn controller(kind: Kind, name: &str, owners: &Json) -> Object {
    object(kind, &json!({"metadata": {"namespace": "shop", "name": name, "ownerReferences": owners}}))
}

fn keys(workloads: &Workloads) -> Vec<&str> {
    workloads.keys().map(String::as_str).collect()
}

#[test]
fn every_form_of_an_image_id_is_read() {
    let (hex, digest) = (&DIGEST[7..], DIGEST.parse().unwrap());
    let as_digest = Some(RunningImage { digest, kind: RunningKind::Digest });
    let as_id = Some(RunningImage { digest, kind: RunningKind::ImageId });
    for (text, expected) in [
        (format!("quay.io/shop/web@{DIGEST}"), as_digest),
        (format!("docker-pullable://quay.io/shop/web@{DIGEST}"), as_digest),
        (DIGEST.to_owned(), as_id),
        (hex.to_owned(), as_id),
        (format!("docker://{DIGEST}"), as_id),
        (String::new(), None),
        ("quay.io/shop/web@sha512:11".to_owned(), None),
        ("quay.io/shop/web:1".to_owned(), None),
    ] {
        assert_eq!(running_image(&text), expected, "{text}");
    }
}

#[test]
fn a_workload_is_the_topmost_owner_of_its_pods() {
    let mut workloads = Workloads::default();
    workloads.put(controller(Kind::ReplicaSet, "web-1", &owner("Deployment", "web")));
    workloads.put(controller(Kind::ReplicaSet, "alone", &json!([])));
    workloads.put(controller(Kind::Job, "night-1", &owner("CronJob", "night")));
    workloads.put(controller(Kind::ReplicationController, "old-1", &owner("DeploymentConfig", "old")));
    for (name, owners) in [
        ("web-1-a", owner("ReplicaSet", "web-1")),
        ("web-1-b", owner("ReplicaSet", "web-1")),
        ("alone-a", owner("ReplicaSet", "alone")),
        ("night-1-a", owner("Job", "night-1")),
        ("old-1-a", owner("ReplicationController", "old-1")),
        ("db-0", owner("StatefulSet", "db")),
        ("bare", json!([])),
        ("etcd-one", owner("Node", "one")),
    ] {
        workloads.put(object(Kind::Pod, &pod(name, &owners, "web:1", "")));
    }
    let volcano =
        json!([{"apiVersion": "batch.volcano.sh/v1", "kind": "Job", "name": "train", "controller": true}]);
    workloads.put(object(Kind::Pod, &pod("train-0", &volcano, "web:1", "")));
    let expected = [
        "shop/CronJob/night",
        "shop/Deployment/web",
        "shop/DeploymentConfig/old",
        "shop/Job.batch.volcano.sh/train",
        "shop/Pod/bare",
        "shop/Pod/etcd-one",
        "shop/ReplicaSet/alone",
        "shop/StatefulSet/db",
    ];
    assert_eq!(keys(&workloads), expected);
    assert_eq!(workloads.record("shop/Deployment/web").unwrap().pods, 2);
}

#[test]
fn a_pod_waits_for_its_replica_set_and_then_counts_by_its_labels() {
    let mut workloads = Workloads::default();
    let mut json = pod("web-5d-x", &owner("ReplicaSet", "web-5d"), "web:1", "");
    workloads.put(object(Kind::Pod, &json));
    assert!(workloads.drain().is_empty() && workloads.is_busy());
    workloads.put(controller(Kind::ReplicaSet, "web-5d", &owner("Deployment", "web")));
    assert_eq!(workloads.drain()[0].0, "shop/Deployment/web");
    json["metadata"]["name"] = "api-77-x".into();
    json["metadata"]["ownerReferences"] = owner("ReplicaSet", "api-77");
    json["metadata"]["labels"] = json!({"pod-template-hash": "77"});
    workloads.put(object(Kind::Pod, &json));
    workloads.put(object(Kind::Pod, &pod("lost-x", &owner("ReplicaSet", "lost"), "web:1", "")));
    workloads.stop_waiting();
    assert_eq!(keys(&workloads), ["shop/Deployment/api", "shop/Deployment/web", "shop/ReplicaSet/lost"]);
    // It was a guess: the ReplicaSet that comes late says where its pods belong.
    workloads.put(controller(Kind::ReplicaSet, "lost", &owner("Rollout", "found")));
    assert_eq!(keys(&workloads), ["shop/Deployment/api", "shop/Deployment/web", "shop/Rollout/found"]);
    let changed: Vec<String> = workloads.drain().into_iter().map(|(key, _)| key).collect();
    assert_eq!(changed, ["shop/Deployment/api", "shop/ReplicaSet/lost", "shop/Rollout/found"]);
}

#[test]
fn pods_of_a_deleted_replica_set_belong_to_its_deployment_to_the_end() {
    let mut workloads = Workloads::default();
    workloads.put(controller(Kind::ReplicaSet, "web-1", &owner("Deployment", "web")));
    let of = owner("ReplicaSet", "web-1");
    workloads.put(object(Kind::Pod, &pod("a", &of, "web:1", "")));
    workloads.remove(Kind::ReplicaSet, "shop/web-1");
    workloads.put(object(Kind::Pod, &pod("b", &of, "web:1", "")));
    assert_eq!(keys(&workloads), ["shop/Deployment/web"]);
    workloads.remove(Kind::Pod, "shop/a");
    workloads.keep(Kind::Pod, &[].into());
    assert_eq!(workloads.drain(), [("shop/Deployment/web".to_owned(), None)]);
    assert!(!workloads.is_busy());
}

#[test]
fn a_record_has_the_labels_that_all_pods_share_and_says_how_many_run_what() {
    let mut workloads = Workloads::default();
    workloads.put(object(
        Kind::Node,
        &json!({"metadata": {"name": "one"}, "status": {"nodeInfo": {"operatingSystem": "linux", "architecture": "arm64"}}}),
    ));
    workloads.put(object(Kind::Namespace, &json!({"metadata": {"name": "shop", "labels": {"team": "a"}}})));
    let of = owner("StatefulSet", "db");
    let mut first = pod("db-0", &of, "db:1", &format!("quay.io/db@{DIGEST}"));
    first["metadata"]["labels"] = json!({"app": "db", "tier": "x", "statefulset.kubernetes.io/pod-name": "db-0", "batch.kubernetes.io/a": "b"});
    first["status"]["containerStatuses"][0]["state"] =
        json!({"running": {"startedAt": "2026-01-02T00:00:00Z"}});
    let mut second = first.clone();
    second["metadata"]["name"] = "db-1".into();
    second["metadata"]["labels"] = json!({"app": "db", "tier": "y"});
    second["status"]["containerStatuses"][0]["state"] =
        json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    let mut third = pod("db-2", &of, "db:2", "");
    third["metadata"]["labels"] = json!({"app": "db"});
    third["spec"]["volumes"] =
        json!([{"name": "model", "image": {"reference": "quay.io/model:1"}}, {"name": "tmp"}]);
    third["spec"]["initContainers"] = json!([{"name": "main", "image": "init:1"}]);
    for pod in [first, second, third] {
        workloads.put(object(Kind::Pod, &pod));
    }
    let record = workloads.drain().remove(0).1.unwrap();
    assert_eq!(record.labels, BTreeMap::from([("app".to_owned(), "db".to_owned())]));
    assert_eq!(record.namespace_labels["team"], "a");
    assert_eq!(record.pods, 3);
    let roles: Vec<_> = record.containers.iter().map(|of| (of.role, of.images.len())).collect();
    assert_eq!(roles, [(ContainerRole::Container, 2), (ContainerRole::Init, 1), (ContainerRole::Volume, 1)]);
    let images = &record.containers[0].images;
    assert_eq!((images[0].asked.as_str(), images[0].pods), ("db:1", 2));
    assert_eq!(images[0].since.unwrap().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(images[0].platform.as_ref().unwrap().to_string(), "linux/arm64");
    assert_eq!((images[1].asked.as_str(), images[1].running, images[1].since), ("db:2", None, None));
}

#[test]
fn the_largest_record_stays_far_below_what_a_record_may_have() {
    let mut workloads = Workloads::default();
    let containers = |pod: usize| -> Vec<Json> {
        let image = |number: usize| format!("{pod}-{number}-{}", "\"".repeat(10_000));
        (0..100)
            .map(|number| json!({"name": format!("{number}{}", "\u{1}".repeat(300)), "image": image(number)}))
            .collect()
    };
    for number in 0..20 {
        let mut json = pod(&format!("p{number}"), &owner("StatefulSet", &"x".repeat(253)), "", "");
        json["spec"]["containers"] = containers(number).into();
        workloads.put(object(Kind::Pod, &json));
    }
    let record = workloads.drain().remove(0).1.unwrap();
    let bytes = serde_json::to_vec(&record).unwrap().len();
    assert!((100_000..700_000).contains(&bytes), "{bytes}");
    assert_eq!(record.omitted, 50 * 20 + 50 * 10);
}

#[test]
fn an_object_without_a_proper_name_is_refused() {
    for metadata in [json!({}), json!({"namespace": "a"}), json!({"namespace": "a/b", "name": "c"})] {
        assert!(read(Kind::Pod, &json!({"metadata": metadata}).to_string()).is_err(), "{metadata}");
    }
    assert!(read(Kind::Pod, "[]").is_err());
}

/// A change in a random history. Few names, so that the same come again and again.
#[derive(Debug, Clone)]
enum Change {
    Pod { name: u8, owner: u8, image: u8, node: u8, ended: bool },
    PodGone(u8),
    ReplicaSet { name: u8, deployment: u8 },
    Node { name: u8, arm: bool },
    Namespace(u8),
    Drain,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let pod = (0..8_u8, 0..6_u8, 0..3_u8, 0..2_u8, 0..8_u8).prop_map(|(name, owner, image, node, ended)| {
        Change::Pod { name, owner, image, node, ended: ended == 0 }
    });
    let change = prop_oneof![
        8 => pod,
        2 => (0..8_u8).prop_map(Change::PodGone),
        2 => (0..3_u8, 0..3_u8).prop_map(|(name, deployment)| Change::ReplicaSet { name, deployment }),
        1 => (0..2_u8, any::<bool>()).prop_map(|(name, arm)| Change::Node { name, arm }),
        1 => (0..2_u8).prop_map(Change::Namespace),
        2 => Just(Change::Drain),
    ];
    proptest::collection::vec(change, 1..60)
}

fn object_of(change: &Change) -> Option<Object> {
    Some(match change {
        Change::Pod { name, owner: of, image, node, ended } => {
            // Three ReplicaSets that come and go, two that are never told of, and a pod of its own.
            let owners = match of {
                0..=2 => owner("ReplicaSet", &format!("rs{of}")),
                3 => owner("StatefulSet", "db"),
                4 => owner("ReplicaSet", "never"),
                _ => json!([]),
            };
            let running = if *image == 0 { String::new() } else { format!("r@sha256:{image:064}") };
            let mut json = pod(&format!("p{name}"), &owners, "app:1", &running);
            json["spec"]["nodeName"] = format!("n{node}").into();
            json["metadata"]["labels"] = json!({"a": "1", "b": image.to_string()});
            if *ended {
                json["status"]["phase"] = "Failed".into();
            }
            object(Kind::Pod, &json)
        }
        Change::ReplicaSet { name, deployment } => {
            let owners =
                if *deployment == 0 { json!([]) } else { owner("Deployment", &format!("d{deployment}")) };
            controller(Kind::ReplicaSet, &format!("rs{name}"), &owners)
        }
        Change::Node { name, arm } => {
            let architecture = if *arm { "arm64" } else { "amd64" };
            let info = json!({"operatingSystem": "linux", "architecture": architecture});
            object(
                Kind::Node,
                &json!({"metadata": {"name": format!("n{name}")}, "status": {"nodeInfo": info}}),
            )
        }
        Change::Namespace(label) => object(
            Kind::Namespace,
            &json!({"metadata": {"name": "shop", "labels": {"l": label.to_string()}}}),
        ),
        Change::PodGone(_) | Change::Drain => return None,
    })
}

/// The workloads of the last state of every object, worked out at once.
fn from_nothing(changes: &[Change]) -> BTreeMap<String, WorkloadRecord> {
    let mut pods: BTreeMap<u8, &Change> = BTreeMap::new();
    let mut others: BTreeMap<String, &Change> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Pod { name, ended: false, .. } => drop(pods.insert(*name, change)),
            Change::Pod { name, .. } | Change::PodGone(name) => drop(pods.remove(name)),
            Change::ReplicaSet { name, .. } => drop(others.insert(format!("r{name}"), change)),
            Change::Node { name, .. } => drop(others.insert(format!("n{name}"), change)),
            Change::Namespace(_) => drop(others.insert("shop".to_owned(), change)),
            Change::Drain => {}
        }
    }
    let mut workloads = Workloads::default();
    others
        .values()
        .chain(pods.values())
        .filter_map(|change| object_of(change))
        .for_each(|of| workloads.put(of));
    workloads.stop_waiting();
    let keys: Vec<String> = workloads.keys().cloned().collect();
    keys.into_iter().map(|key| (key.clone(), workloads.record(&key).unwrap())).collect()
}

proptest! {
    #[test]
    fn a_history_of_pods_gives_the_same_workloads_as_its_last_state(changes in changes()) {
        let mut workloads = Workloads::default();
        let mut published: BTreeMap<String, WorkloadRecord> = BTreeMap::new();
        let mut drain = |workloads: &mut Workloads| {
            let drained = workloads.drain();
            let keys: BTreeSet<&String> = drained.iter().map(|(key, _)| key).collect();
            prop_assert_eq!(keys.len(), drained.len(), "a workload comes once");
            for (key, record) in drained {
                match record {
                    Some(record) => drop(published.insert(key, record)),
                    None => drop(published.remove(&key)),
                }
            }
            Ok(published.clone())
        };
        for change in &changes {
            match change {
                Change::PodGone(name) => workloads.remove(Kind::Pod, &format!("shop/p{name}")),
                Change::Drain => drop(drain(&mut workloads)?),
                other => workloads.put(object_of(other).unwrap()),
            }
        }
        workloads.stop_waiting();
        let all = drain(&mut workloads)?;
        prop_assert_eq!(all, from_nothing(&changes));
        prop_assert!(!workloads.is_busy());
    }
}

#[test]
fn a_workload_without_pods_asks_for_what_its_template_asks_for() {
    let template = json!({"spec": {
        "initContainers": [{"name": "first", "image": "quay.io/x/init:1"}],
        "containers": [{"name": "main", "image": "quay.io/x/web:1"}, "no container"],
        "volumes": [{"name": "data", "image": {"reference": "quay.io/x/data:1"}}],
    }});
    let metadata = json!({"namespace": "shop", "name": "web"});
    let images = |record: WorkloadRecord| {
        let containers = record.containers.into_iter();
        containers.map(|of| (of.role, of.images[0].asked.clone(), of.images[0].running)).collect::<Vec<_>>()
    };
    let expected = [
        (ContainerRole::Container, "quay.io/x/web:1".to_owned(), None),
        (ContainerRole::Init, "quay.io/x/init:1".to_owned(), None),
        (ContainerRole::Volume, "quay.io/x/data:1".to_owned(), None),
    ];
    let deployment = json!({"metadata": metadata, "spec": {"template": template}});
    let record = asked("apps", "Deployment", &deployment.to_string()).unwrap();
    assert_eq!(record.key(), "shop/Deployment/web");
    assert_eq!(images(record), expected);
    let cron = json!({"metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": template}}}});
    assert_eq!(images(asked("batch", "CronJob", &cron.to_string()).unwrap()), expected);
    assert_eq!(images(asked("batch", "CronJob", &json!({"metadata": metadata}).to_string()).unwrap()), []);
    // The pods of a Job that a controller has made are that controller's; those of an operator's Deployment are the Deployment's.
    let owned = |kind: &str, group: &str| {
        let mut object = deployment.clone();
        object["metadata"]["ownerReferences"] = owner("CronJob", "nightly");
        asked(group, kind, &object.to_string())
    };
    assert_eq!(owned("Job", "batch"), None);
    assert!(owned("Deployment", "apps").is_some());
    assert_eq!(asked("apps", "Deployment", "no object"), None);
}
