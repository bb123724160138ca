//! Questions of an API server, and the answers.

use clade::admission::{Review, Unjudged};
use clade::record::ContainerRole;
use serde_json::{Value as Json, json};

fn review(group: &str, kind: &str, operation: &str, object: Json, old: Json) -> Review {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "7", "kind": {"group": group, "version": "v1", "kind": kind}, "namespace": "shop",
            "operation": operation, "object": object, "oldObject": old,
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        },
    });
    Review::read(body.to_string().as_bytes()).unwrap()
}

fn pod() -> Json {
    json!({
        "metadata": {
            "generateName": "web-5d4f8-", "labels": {"app": "web", "pod-template-hash": "5d4f8"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d4f8", "controller": true}],
        },
        "spec": {
            "initContainers": [{"name": "setup", "image": "setup:1"}],
            "containers": [{"name": "app", "image": "web:1"}, {"name": "side", "image": "side:2"}],
            "ephemeralContainers": [{"name": "debug", "image": "tools:3"}],
            "volumes": [{"name": "data", "image": {"reference": "models:4"}}, {"name": "tmp", "emptyDir": {}}],
            "nodeSelector": {"kubernetes.io/arch": "arm64"},
        },
    })
}

#[test]
fn every_image_of_a_pod_is_judged_with_its_place_and_its_workload() {
    let asked = review("", "Pod", "CREATE", pod(), Json::Null).asked.unwrap();
    let found: Vec<(ContainerRole, &str, &str, &str)> = asked
        .subject
        .containers
        .iter()
        .zip(&asked.places)
        .map(|(of, place)| (of.role, of.name.as_str(), of.image.as_str(), place.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (ContainerRole::Init, "setup", "setup:1", "/spec/initContainers/0/image"),
            (ContainerRole::Container, "app", "web:1", "/spec/containers/0/image"),
            (ContainerRole::Container, "side", "side:2", "/spec/containers/1/image"),
            (ContainerRole::Ephemeral, "debug", "tools:3", "/spec/ephemeralContainers/0/image"),
            (ContainerRole::Volume, "data", "models:4", "/spec/volumes/0/image/reference"),
        ]
    );
    let workload = asked.subject.workload.unwrap();
    assert_eq!((workload.kind.as_str(), workload.name.as_str()), ("Deployment", "web"));
    assert_eq!(asked.subject.platform.unwrap().architecture.as_deref(), Some("arm64"));
    assert!(asked.is_pod && asked.subject.namespace == "shop");
}

#[test]
fn an_update_that_leaves_images_alone_is_not_judged_and_a_new_image_alone_is() {
    let mut changed = pod();
    changed["metadata"]["labels"]["more"] = "x".into();
    assert_eq!(review("", "Pod", "UPDATE", changed.clone(), pod()).asked, Err(Unjudged::NoImages));
    changed["spec"]["containers"][1]["image"] = "side:3".into();
    let asked = review("", "Pod", "UPDATE", changed, pod()).asked.unwrap();
    let images: Vec<&str> = asked.subject.containers.iter().map(|of| of.image.as_str()).collect();
    assert_eq!((images, asked.places), (vec!["side:3"], vec!["/spec/containers/1/image".to_owned()]));
}

#[test]
fn deletions_and_kinds_without_pods_are_not_judged() {
    for (group, kind, operation) in [
        ("", "Pod", "DELETE"),
        ("", "Pod", "CONNECT"),
        ("", "Service", "CREATE"),
        ("example.com", "Pod", "CREATE"),
    ] {
        assert_eq!(
            review(group, kind, operation, pod(), pod()).asked,
            Err(Unjudged::NoImages),
            "{kind} {operation}"
        );
    }
}

#[test]
fn the_templates_of_workloads_are_judged_where_each_kind_has_them() {
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}});
    let deployment = json!({"metadata": {"name": "web"}, "spec": {"template": template}});
    let cron =
        json!({"metadata": {"name": "web"}, "spec": {"jobTemplate": {"spec": {"template": template}}}});
    for (group, kind, object, place) in [
        ("apps", "Deployment", &deployment, "/spec/template/spec/containers/0/image"),
        ("apps.openshift.io", "DeploymentConfig", &deployment, "/spec/template/spec/containers/0/image"),
        ("batch", "CronJob", &cron, "/spec/jobTemplate/spec/template/spec/containers/0/image"),
    ] {
        let asked = review(group, kind, "CREATE", object.clone(), Json::Null).asked.unwrap();
        assert_eq!((asked.is_pod, asked.places[0].as_str()), (false, place));
        assert_eq!(asked.subject.labels["app"], "web");
        assert_eq!(asked.subject.workload.unwrap().kind, kind);
    }
}

#[test]
fn a_question_that_cannot_be_read_is_refused_with_its_reason() {
    for (body, told) in [
        (&b""[..], "is no AdmissionReview"),
        (
            br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "requ"#,
            "is no AdmissionReview",
        ),
        (br#"{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}"#, "v1beta1"),
        (br#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#, "no request"),
        (br#"{"apiVersion": "v1", "kind": "Pod"}"#, "\"Pod\""),
    ] {
        let error = Review::read(body).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let object = json!({"spec": {"containers": "none"}});
    let asked = review("", "Pod", "CREATE", object, Json::Null).asked;
    assert!(
        matches!(asked, Err(Unjudged::Unreadable(problem)) if problem.starts_with("the Pod cannot be read"))
    );
}

#[test]
fn a_pod_of_a_hundred_containers_with_long_names_is_read_whole() {
    let container = |number: usize| json!({"name": format!("c{number}"), "image": "x".repeat(10_240)});
    let containers: Vec<Json> = (0..100).map(container).collect();
    let asked =
        review("", "Pod", "CREATE", json!({"spec": {"containers": containers}}), Json::Null).asked.unwrap();
    assert_eq!(asked.subject.containers.len(), 100);
}

/// An exemption of a workload must not cover whoever writes its name into a pod.
#[test]
fn the_owner_of_a_pod_is_believed_only_where_a_controller_has_made_the_pod() {
    let by = |username: &str, object: Json| {
        let body = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "7", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": "shop",
                "operation": "CREATE", "object": object, "userInfo": {"username": username},
            },
        });
        let review = Review::read(body.to_string().as_bytes()).unwrap();
        let workload = review.asked.unwrap().subject.workload.unwrap();
        (workload.kind, workload.name)
    };
    let owned = |kind: &str, name: &str| {
        let mut pod = pod();
        pod["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
        pod
    };
    let controller = "system:serviceaccount:kube-system:job-controller";
    let told = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    assert_eq!(by(controller, owned("ReplicaSet", "web-5d4f8")), told("Deployment", "web"));
    assert_eq!(by(controller, owned("Job", "nightly-28939200")), told("CronJob", "nightly"));
    assert_eq!(by(controller, owned("Job", "once-1")), told("Job", "once-1"));
    assert_eq!(by(controller, owned("ReplicationController", "web-3")), told("DeploymentConfig", "web"));
    assert_eq!(by(controller, owned("StatefulSet", "db")), told("StatefulSet", "db"));
    for stranger in ["ada", "system:serviceaccount:shop:default", "system:serviceaccount:kube-systemx:y"] {
        assert_eq!(by(stranger, owned("ReplicaSet", "web-5d4f8")).0, "Pod", "{stranger}");
    }
}
