//! `clade check`, and policies that are declared.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::shell::Shell;
use crate::support::digest;

fn policy(name: &str, spec: &Json) -> String {
    json!({"apiVersion": "clade.dev/v1alpha1", "kind": "ClassPolicy", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn write(shell: &Shell, name: &str, content: &str) -> String {
    std::fs::write(shell.dir.path().join(name), content).unwrap();
    shell.path(name)
}

/// Exit code, standard output and message.
fn check(shell: &Shell, arguments: &[&str]) -> (i32, String, String) {
    let output = shell.run(&[&["check"], arguments].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn images_are_judged_by_a_file_and_by_what_is_declared_with_an_exit_code_for_pipelines() {
    let shell = Shell::new();
    let current =
        policy("current", &json!({"require": {"classes": ["base"], "state": "Current"}, "action": "Deny"}));
    let file = write(&shell, "policy.json", &current);
    let (code, told, _) = check(&shell, &["shop/app3", "--policy", &file]);
    assert_eq!((code, told.as_str()), (0, "shop/app3: allowed\n  current: allowed: built on class base\n"));
    let (code, told, error) = check(&shell, &["shop/app1:1", "shop/app3", "--policy", &file]);
    assert_eq!(code, 5);
    assert!(
        told.contains("shop/app1:1: violating") && told.contains("rebuild it on the current one"),
        "{told}"
    );
    assert!(error.contains("1 of 2 images is violating"), "{error}");
    let (code, told, _) = check(&shell, &["shop/never:1", "--policy", &file]);
    assert_eq!(code, 6, "{told}");

    assert_eq!(shell.ok(&["apply", "-f", &file]), "classpolicy.clade.dev/current created\n");
    assert_eq!(shell.ok(&["apply", "-f", &file]), "classpolicy.clade.dev/current unchanged\n");
    assert_eq!(check(&shell, &["shop/app2"]).0, 5);
    let listed = shell.ok(&["get", "policies"]);
    assert!(listed.contains("current") && listed.contains("Deny") && listed.contains("True"), "{listed}");
    let any = policy("current", &json!({"require": {"classes": ["base"]}}));
    let file = write(&shell, "policy.json", &any);
    assert_eq!(shell.ok(&["apply", "-f", &file]), "classpolicy.clade.dev/current configured\n");
    assert_eq!(check(&shell, &["shop/app2"]).0, 0);
    assert_eq!(shell.ok(&["delete", "policy", "current"]), "classpolicy.clade.dev/current deleted\n");
    assert_eq!(shell.ok(&["get", "policies", "-o", "name"]), "");
}

#[test]
fn a_file_is_judged_by_its_layers_though_no_source_has_reported_it() {
    let shell = Shell::new();
    let file = write(
        &shell,
        "policy.json",
        &policy("current", &json!({"require": {"classes": ["base"], "state": "Current"}})),
    );
    let image = |name: &str, layers: &[&str]| {
        let layers: Vec<Json> = layers.iter().map(|layer| json!({"digest": digest(layer)})).collect();
        let line = json!({"repository": "build/x", "digest": digest(name), "layers": layers});
        write(&shell, name, &line.to_string())
    };
    let (good, old) = (image("good", &["A", "X", "new"]), image("old", &["A", "B", "C", "new"]));
    assert_eq!(check(&shell, &[&good, "--policy", &file]).0, 0);
    let (code, told, _) = check(&shell, &[&good, &old, "--policy", &file, "-o", "json"]);
    let told: Json = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, &told["containers"][0]["verdict"], &told["containers"][1]["verdict"]),
        (5, &json!("allowed"), &json!("violating"))
    );
    assert_eq!(told["containers"][1]["digest"], json!(digest("old")));
    // Nothing of it stays.
    assert_eq!(shell.fails(&["explain", &digest("good").to_string()]).0, 3);
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_its_place() {
    let shell = Shell::new();
    for (spec, told) in [
        (json!({"require": {}}), "spec.require names no class"),
        (
            json!({"require": {"classes": ["base"], "grace": "14d"}}),
            "spec.require.grace needs state: Current",
        ),
        (
            json!({"require": {"classes": ["base"], "state": "Current", "grace": "soon"}}),
            "\"soon\" is no span of time",
        ),
        (json!({"require": {"clases": ["base"]}}), "unknown field `clases`"),
        (json!({"require": {"classes": ["base"]}, "action": "Destroy"}), "unknown variant `Destroy`"),
        (
            json!({"require": {"classes": ["base"]}, "exempt": [{"reason": "x"}]}),
            "spec.exempt[0].exempts nothing",
        ),
        (
            json!({"require": {"classes": ["base"]}, "exempt": [{"reason": "x", "repositories": ["a:1"]}]}),
            "has a tag: leave it out",
        ),
    ] {
        let file = write(&shell, "policy.json", &policy("wrong", &spec));
        let (code, error) = shell.fails(&["apply", "-f", &file]);
        assert!(code == 2 && error.contains(told), "{told:?} in {error}");
        let (code, error) = shell.fails(&["check", "x:1", "--policy", &file]);
        assert!(code == 2 && error.contains(told), "{told:?} in {error}");
    }
    let file = shell.path("classes.yaml");
    assert!(shell.fails(&["check", "x:1", "--policy", &file]).1.contains("policies alone"));
    let none = write(&shell, "policy.json", &policy("none", &json!({"require": {"classes": ["bsae"]}})));
    let (code, told, error) = check(&shell, &["shop/app3", "--policy", &none]);
    assert!(
        code == 6 && told.contains("policy none is not ready") && error.contains("not ready"),
        "{told} {error}"
    );
}

#[test]
fn a_policy_is_tried_on_what_runs_before_it_denies_anything() {
    let shell = Shell::new();
    let pod = |name: &str, image: &str, running: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": name}},
            "spec": {"nodeName": "one", "containers": [{"name": "app", "image": image}]},
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "app", "image": image, "imageID": running, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }]},
        })
    };
    let running = |image: &str| format!("registry/x@{}", digest(image));
    let pods = [
        pod("new", "shop/app3", &running("app3")),
        pod("old", "shop/app1:1", &running("app1")),
        // It asks for a tag that has moved on; what runs counts.
        pod("moved", "shop/app3", &running("app2")),
        pod("strange", "elsewhere/x:1", &running("never")),
    ];
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string();
    shell.ok(&["import", &write(&shell, "pods.json", &list)]);
    let spec = json!({"require": {"classes": ["base"], "state": "Current"}});
    let file = write(&shell, "policy.json", &policy("current", &spec));
    let output = shell.run(&["policy", "test", "-f", &file]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.ends_with("1 allowed, 0 exempt, 1 unknown, 2 violating; 0 judged by no policy\n"), "{told}");
    for (workload, verdict) in [("moved", "violating"), ("old", "violating"), ("strange", "unknown")] {
        let key = format!("shop/Pod/{workload}");
        assert!(told.lines().any(|line| line.contains(&key) && line.contains(verdict)), "{key} in {told}");
    }
    let empty = shell.ok(&["policy", "test", "-f", &file, "--namespace", "other"]);
    assert_eq!(empty, "0 allowed, 0 exempt, 0 unknown, 0 violating; 0 judged by no policy\n");
    // None is declared, so none judges.
    let none = shell.ok(&["policy", "test"]);
    assert!(none.ends_with("4 judged by no policy\n"), "{none}");
}

#[test]
fn a_running_clade_decides_about_what_runs_and_tells_subscribers_metrics_and_the_audit_trail() {
    let shell = Shell::new();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "old", "namespace": "shop", "uid": "old"},
        "spec": {"containers": [{"name": "app", "image": "shop/app1:1"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "app", "image": "shop/app1:1", "imageID": format!("registry/x@{}", digest("app1")),
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }]},
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod]}).to_string();
    shell.ok(&["import", &write(&shell, "pods.json", &list)]);
    let spec = json!({"require": {"classes": ["base"], "state": "Current"}, "action": "Warn"});
    shell.ok(&["apply", "-f", &write(&shell, "policy.json", &policy("current", &spec))]);
    let audit = shell.path("audit");
    let running = shell.serve(&["--audit", "--audit-dir", &audit]);
    let url = std::fs::read_to_string(shell.path("data/api.url")).unwrap();
    let address = url.trim().strip_prefix("http://").unwrap();
    let metrics = || {
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        connection
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < deadline, "not within a minute: {what}");
            std::thread::park_timeout(Duration::from_millis(200));
        }
    };
    let subscribed = || shell.ok(&["subscribe", "decisions", "--namespace", "shop"]);
    until("the decision", &|| subscribed().contains("shop/Pod/old"));
    assert_eq!(shell.ok(&["subscribe", "decisions", "--namespace", "other"]), "");
    let metric = r#"clade_policy_workloads{policy="current",verdict="violating"} 1"#;
    until("the metric", &|| metrics().contains(metric));
    let entries = || shell.ok(&["audit", "show", "--audit-dir", &audit]);
    until("the entry", &|| entries().contains("workload.violating"));
    shell.ok(&["delete", "policy", "current"]);
    until("the policy's metric is gone", &|| !metrics().contains("clade_policy_workloads{"));
    until("the entry", &|| entries().contains("workload.cleared"));
    assert!(running.stop());
}
