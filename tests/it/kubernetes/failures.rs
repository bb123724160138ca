//! Rebuilds in which something goes wrong, on a real API server.

use super::builds::{Builds, ask, config, outdated, planned, rebuild, states, triggered, with};
use super::process::Clade;
use super::server::{Server, class, eventually};

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn what_cannot_be_built_is_told_and_the_others_go_on() {
    let server = Server::begin();
    let builds = Builds::serve(&server);
    let names = ["fails", "onfails", "once", "stale", "never", "fine", "held", "gone", "moved", "elsewhere"];
    let mut objects = outdated(&names);
    let mut elsewhere = config("elsewhere", "base", &[]);
    elsewhere["metadata"]["namespace"] = "clade".into();
    elsewhere["spec"]["strategy"]["dockerStrategy"]["from"]["namespace"] = "default".into();
    elsewhere["spec"]["output"]["to"] = serde_json::json!({
        "kind": "ImageStreamTag", "name": "elsewhere:latest", "namespace": "default"
    });
    objects.extend([
        with(config("fails", "base", &[]), "test.clade.dev/outcome", "fail"),
        config("onfails", "fails", &[]),
        with(config("once", "base", &[]), "test.clade.dev/outcome", "fail-once"),
        with(config("stale", "base", &[]), "test.clade.dev/outcome", "stale-once"),
        with(config("never", "base", &[]), "test.clade.dev/outcome", "never"),
        config("fine", "base", &[]),
        config("held", "fine", &[]),
        config("gone", "fine", &[]),
        triggered(config("moved", "fine", &[])),
        class("vendor", "base:latest"),
    ]);
    server.apply(&objects);
    server.service("openshift-single", "clade");
    server.apply(&[elsewhere]);
    // It may build in one namespace and not in the other.
    server.kubectl(&["delete", "clusterrolebinding", "clade-openshift-rebuild"]);
    server.apply(&[serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "clade-openshift-rebuild", "namespace": "default"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "clade-openshift-rebuild"},
        "subjects": [{"kind": "ServiceAccount", "name": "clade", "namespace": "clade"}],
    })]);
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run_again(&server, dir.path());
    planned(dir.path(), 10);
    let arguments = ["rebuild", "--class", "vendor", "--max-concurrent", "20", "--build-timeout", "8"];
    ask(dir.path(), &[&arguments[..], &["--max-failures", "10", "-o", "name"]].concat()).unwrap();
    // Two changes that it could not know when it planned.
    server.kubectl(&["annotate", "buildconfig", "held", "openshift.io/build-config.paused=true"]);
    server.kubectl(&["delete", "buildconfig", "gone"]);
    let error = ask(dir.path(), &["rebuild", "show", "vendor-1", "--wait"]).unwrap_err();
    assert!(error.contains("vendor-1: "), "{error}\n{}", running.said());
    let states = states(&rebuild(dir.path(), "vendor-1"));
    let is = |name: &str, state: &str, part: &str| {
        let (found, message) = &states[name];
        assert!(found == state && message.contains(part), "{name}: {found} {message:?}");
    };
    is("fails", "Failed", "GenericBuildFailed");
    is("onfails", "Skipped", "fails, which it is built on, was not built");
    is("once", "Succeeded", "");
    is("stale", "Succeeded", "");
    is("never", "Failed", "has not ended within 8 s");
    is("fine", "Succeeded", "");
    is("held", "Skipped", "paused");
    is("gone", "Skipped", "gone");
    is("elsewhere", "Failed", "the ServiceAccount's Role lacks this permission");
    let counts = builds.counts();
    assert_eq!((counts["fails"], counts["once"], counts["never"], counts["fine"]), (2, 2, 1, 1));
    assert_eq!(counts["stale"], 2, "the first was complete, and its layers on the old base");
    assert_eq!(counts["moved"], 1, "left to its trigger");
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_rebuild_stops_after_failures_and_is_resumed_paused_and_cancelled_on_command() {
    let server = Server::begin();
    let builds = Builds::serve(&server);
    let mut objects = outdated(&["f1", "f2", "p", "q", "slow"]);
    objects.extend([
        with(config("f1", "base", &[]), "test.clade.dev/outcome", "fail"),
        with(config("f2", "base", &[]), "test.clade.dev/outcome", "fail"),
        config("p", "base", &[]),
        with(config("q", "p", &[]), "test.clade.dev/seconds", "3"),
        config("slow", "q", &[]),
        class("vendor", "base:latest"),
    ]);
    server.apply(&objects);
    let dir = tempfile::tempdir().unwrap();
    let _running = Clade::run(&server, dir.path());
    planned(dir.path(), 5);
    let error =
        ask(dir.path(), &["rebuild", "--class", "vendor", "--max-failures", "2", "--retries", "0", "--wait"])
            .unwrap_err();
    assert!(error.contains("2 targets could not be built; `clade rebuild resume vendor-1`"), "{error}");
    assert_eq!(rebuild(dir.path(), "vendor-1")["state"], "Stopped");
    assert_eq!(builds.counts().get("q"), None);
    ask(dir.path(), &["rebuild", "resume", "vendor-1"]).unwrap();
    eventually("q is begun", || builds.counts().contains_key("q"));
    let told = ask(dir.path(), &["rebuild", "pause", "vendor-1"]).unwrap();
    assert!(told.contains("Paused: paused"), "{told}");
    eventually("q is built all the same", || states(&rebuild(dir.path(), "vendor-1"))["q"].0 == "Succeeded");
    assert_eq!(states(&rebuild(dir.path(), "vendor-1"))["slow"].0, "Waiting");
    ask(dir.path(), &["rebuild", "cancel", "vendor-1"]).unwrap();
    eventually("what was left is told", || {
        states(&rebuild(dir.path(), "vendor-1"))["slow"]
            == ("Skipped".to_owned(), "the rebuild was cancelled".to_owned())
    });
    let error = ask(dir.path(), &["rebuild", "resume", "vendor-1"]).unwrap_err();
    assert!(error.contains("vendor-1 is over"), "{error}");
    let error = ask(dir.path(), &["rebuild", "pause", "vendor-9"]).unwrap_err();
    assert!(error.contains("there is no rebuild"), "{error}");
    let listed = ask(dir.path(), &["rebuild", "list"]).unwrap();
    assert!(listed.contains("vendor-1") && listed.contains("Cancelled"), "{listed}");
    assert!(!builds.counts().contains_key("slow"));
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_build_config_that_the_server_cannot_build_ends_soon_and_holds_no_other_up() {
    let server = Server::begin();
    let builds = Builds::serve(&server);
    let names = ["account", "strategy", "unresolved", "fine", "onfine"];
    let mut objects = outdated(&names);
    objects.extend([
        with(config("account", "base", &[]), "test.clade.dev/refuses", "no-service-account"),
        with(config("strategy", "base", &[]), "test.clade.dev/refuses", "strategy"),
        with(config("unresolved", "base", &[]), "test.clade.dev/refuses", "unresolved"),
        config("fine", "base", &[]),
        config("onfine", "fine", &[]),
        class("vendor", "base:latest"),
    ]);
    server.apply(&objects);
    server.service("openshift-single", "clade");
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run_again(&server, dir.path());
    planned(dir.path(), 5);
    // One at a time: whoever held the place would hold all others up.
    let arguments =
        ["rebuild", "--class", "vendor", "--max-concurrent", "1", "--max-failures", "5", "-o", "name"];
    ask(dir.path(), &arguments).unwrap();
    let error = ask(dir.path(), &["rebuild", "show", "vendor-1", "--wait"]).unwrap_err();
    assert!(error.contains("vendor-1: "), "{error}\n{}", running.said());
    let states = states(&rebuild(dir.path(), "vendor-1"));
    for (name, state, part) in [
        ("account", "Failed", "serviceaccounts \"nobody\" not found"),
        ("strategy", "Failed", "build strategy Docker is not allowed"),
        ("unresolved", "Failed", "unable to find the image"),
        ("fine", "Succeeded", ""),
        ("onfine", "Succeeded", ""),
    ] {
        let (found, message) = &states[name];
        assert!(found == state && message.contains(part), "{name}: {found} {message:?}");
    }
    assert_eq!(builds.counts().keys().collect::<Vec<_>>(), ["fine", "onfine"]);
}
