//! Pods that a real API server asks clade about: what it stores, and what kubectl says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clade::record::Timestamp;
use data_encoding::BASE64;
use serde_json::{Value as Json, json};

use super::process::Clade;
use super::server::{Server, becomes, clade, eventually, image, root, stream};
use super::{class, digest};
use crate::certificate::certify;

/// A server that asks a clade, which has the images of an example.
struct Asking {
    server: Server,
    _clade: Option<Clade>,
    dir: tempfile::TempDir,
    port: u16,
    /// Further arguments of clade.
    more: Vec<String>,
}

impl Asking {
    fn begin() -> Self {
        Self::begin_with(&[])
    }

    fn begin_with(more: &[&str]) -> Self {
        let (server, dir) = (Server::begin(), tempfile::tempdir().unwrap());
        certify(dir.path(), 1, "localhost", true);
        // The port of a listener that is gone again; the webhook must be registered under it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        server.apply(&[
            image("base1", &["A", "B"]),
            image("base2", &["A", "B", "C"]),
            image("app1", &["A", "B", "X"]),
            image("app2", &["A", "B", "C", "X"]),
            image("other", &["Z"]),
            stream("base", "latest", &["base1", "base2"]),
            stream("web", "old", &["app1"]),
            stream("shop", "new", &["app2"]),
            stream("foreign", "1", &["other"]),
            class("rhel7", "base:latest"),
        ]);
        let more = more.iter().copied().map(str::to_owned).collect();
        let mut asking = Self { server, _clade: None, dir, port, more };
        asking.allow();
        asking.start();
        asking
    }

    /// The rights that deploy/ gives, and no others.
    fn allow(&self) {
        self.server.service("openshift-single", "clade");
        let file = std::fs::read_to_string(root("deploy/components/admission/rights.yaml")).unwrap();
        let mut rights: Vec<Json> = serde_saphyr::from_multiple(&file).unwrap();
        rights[1]["subjects"] = json!([{"kind": "ServiceAccount", "name": "clade", "namespace": "clade"}]);
        self.server.apply(&rights);
    }

    fn start(&mut self) {
        let dir = self.dir.path().join("data");
        let [cert, key, audit] = ["tls.crt", "tls.key", "audit"].map(|name| self.path(name));
        let address = format!("127.0.0.1:{}", self.port);
        let more = [
            "--admission",
            &address,
            "--admission-cert-file",
            &cert,
            "--admission-key-file",
            &key,
            "--admission-exempt",
            "clade",
            "--audit",
            "--audit-dir",
            &audit,
        ];
        let more: Vec<&str> = more.into_iter().chain(self.more.iter().map(String::as_str)).collect();
        self._clade = Some(Clade::run_with(&self.server, &dir, &more));
        eventually("it judges", || std::net::TcpStream::connect(&address).is_ok());
        eventually("the class counts", || {
            let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
            self.server.kubectl(&["get", "imageclass", "rhel7", "-o", path]) == "True"
        });
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Registers the webhooks of deploy/ under clade's address on this machine.
    fn register(&self, failure_policy: &str) {
        let authority = BASE64.encode(&std::fs::read(self.path("tls.crt")).unwrap());
        let file = std::fs::read_to_string(root("deploy/components/admission/webhooks.yaml")).unwrap();
        let mut objects: Vec<Json> = serde_saphyr::from_multiple(&file).unwrap();
        for object in &mut objects {
            for webhook in object["webhooks"].as_array_mut().unwrap() {
                let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap().to_owned();
                let url = format!("https://127.0.0.1:{}{path}", self.port);
                webhook["clientConfig"] = json!({"url": url, "caBundle": authority});
                webhook["failurePolicy"] = failure_policy.into();
            }
        }
        self.server.apply(&objects);
    }

    fn policy(&self, spec: Json) {
        self.server.apply(&[json!({
            "apiVersion": "clade.dev/v1alpha1", "kind": "ClassPolicy", "metadata": {"name": "only-rhel7"}, "spec": spec,
        })]);
        // The catalog is written before the status.
        becomes(&json!("True"), || {
            let policy = self.server.kubectl(&["get", "classpolicy", "only-rhel7", "-o", "json"]);
            let policy: Json = serde_json::from_str(&policy).unwrap();
            let (status, generation) = (&policy["status"], &policy["metadata"]["generation"]);
            if status["observedGeneration"] != *generation {
                return json!("not yet");
            }
            status["conditions"][0]["status"].clone()
        });
    }

    /// Creates the object; standard output and errors.
    fn create(&self, object: &Json) -> (bool, String) {
        let output = self.server.run(&["create", "-f", "-"], object.to_string().as_bytes());
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    }
}

fn pod(name: &str, image: &str) -> Json {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "app", "image": image}]},
    })
}

const REGISTRY: &str = "image-registry.openshift-image-registry.svc:5000/default";

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_pod_that_violates_a_policy_is_denied_warned_of_or_admitted_as_the_policy_says() {
    let asking = Asking::begin();
    asking.register("Fail");
    let require = json!({"classes": ["rhel7"], "state": "Current"});
    asking.policy(json!({"require": require, "action": "Deny"}));

    let (current, old) = (format!("{REGISTRY}/shop:new"), format!("{REGISTRY}/web:old"));
    eventually("the policy counts", || !asking.create(&pod("early", &old)).0);
    let (taken, told) = asking.create(&pod("current", &current));
    assert!(taken && !told.contains("Warning"), "{told}");
    let (taken, told) = asking.create(&pod("old", &old));
    assert!(!taken, "{told}");
    for part in [
        "admission webhook \"pods.clade.dev\" denied the request: clade denies this pod.",
        "container \"app\", image image-registry.openshift-image-registry.svc:5000/default/web:old, violates policy only-rhel7",
        "built on an outdated version of class rhel7",
        "rebuild it on the current one",
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    // By digest, and in an init container.
    let (taken, told) =
        asking.create(&pod("digest", &format!("registry.example/team/x@{}", digest("other"))));
    assert!(!taken && told.contains("it is built on no class"), "{told}");
    let mut init = pod("init", &current);
    init["spec"]["initContainers"] = json!([{"name": "setup", "image": old}]);
    let (taken, told) = asking.create(&init);
    assert!(!taken && told.contains("init container \"setup\""), "{told}");
    // Unknown: a warning, by default.
    let (taken, told) = asking.create(&pod("unknown", "registry.example/never:1"));
    assert!(
        taken && told.contains("Warning: clade:") && told.contains("cannot be judged by policy only-rhel7"),
        "{told}"
    );
    // A Deployment is warned of, and stored.
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": old}]}
        }},
    });
    let (taken, told) = asking.create(&deployment);
    assert!(taken && told.contains("Warning: clade: container \"app\""), "{told}");
    // Objects that are no pods, and pods that are there already, stay as free as they were.
    deployment["metadata"]["labels"] = json!({"more": "x"});
    asking.server.apply(&[deployment]);
    asking.server.kubectl(&["label", "pod", "unknown", "more=x"]);

    asking.policy(json!({"require": require, "action": "Warn"}));
    eventually("the warning counts", || asking.create(&pod("warned", &old)).0);
    let (_, told) = asking.create(&pod("warned-again", &old));
    assert!(told.contains("Warning: clade:") && told.contains("violates policy only-rhel7"), "{told}");
    asking.policy(json!({"require": require, "action": "Audit"}));
    eventually("nothing is said", || {
        let (taken, told) =
            asking.create(&pod(&format!("audited-{}", Timestamp::now().as_nanosecond()), &old));
        taken && !told.contains("Warning")
    });
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn what_was_denied_stands_on_a_topic_and_in_the_audit_trail_and_a_dry_run_does_not() {
    let asking = Asking::begin();
    asking.register("Fail");
    asking.policy(json!({"require": {"classes": ["rhel7"], "state": "Current"}, "action": "Deny"}));
    let old = format!("{REGISTRY}/web:old");
    eventually("the policy counts", || {
        let dry_run = ["create", "--dry-run=server", "-f", "-"];
        !asking.server.run(&dry_run, pod("tried", &old).to_string().as_bytes()).status.success()
    });
    assert!(!asking.create(&pod("denied", &old)).0);
    let ask = |arguments: &[&str]| {
        let output = clade(arguments).args(["--data-dir", &asking.path("data")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let subscribed = || ask(&["subscribe", "admissions", "--namespace", "default"]);
    eventually("it stands on the topic", || subscribed().contains("default/Pod/denied"));
    let told: Json = serde_json::from_str(subscribed().trim()).expect("one record, none of a dry run");
    let denied = &told["data"];
    assert_eq!(denied["decision"], "deny");
    assert!(!denied["user"].as_str().unwrap().is_empty(), "{denied}");
    assert_eq!(denied["findings"][0]["reason"], "Outdated");
    let audit = asking.path("audit");
    let entries = || ask(&["audit", "show", "--audit-dir", &audit]);
    eventually("the audit trail has it", || entries().contains("pod.denied"));
    assert!(!entries().contains("Pod/tried"));
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn exemptions_and_graces_end_namespaces_are_labelled_later_and_classes_go() {
    let asking = Asking::begin();
    asking.register("Fail");
    let old = format!("{REGISTRY}/web:old");
    let name = |of: &str| format!("{of}-{}", Timestamp::now().as_nanosecond());
    let is_taken = || asking.create(&pod(&name("x"), &old)).0;
    let until = Timestamp::now().checked_add(Duration::from_secs(12)).unwrap();
    let require = json!({"classes": ["rhel7"], "state": "Current"});
    let exempt = json!([{"reason": "moving", "until": until.to_string(), "repositories": [format!("{REGISTRY}/web")]}]);
    asking.policy(json!({"require": require, "action": "Deny", "exempt": exempt}));
    assert!(is_taken(), "it is exempt");
    eventually("the exemption ends by itself", || !is_taken());
    assert!(Timestamp::now() >= until);

    // A namespace that the policy selects only once it is labelled.
    asking.policy(json!({
        "require": require, "action": "Deny", "namespaceSelector": {"matchLabels": {"policy": "strict"}},
    }));
    eventually("the namespace is not selected", is_taken);
    asking.server.kubectl(&["label", "namespace", "default", "policy=strict"]);
    eventually("the namespace is selected", || !is_taken());
    asking.server.kubectl(&["label", "namespace", "default", "policy-"]);

    // A class that is deleted under a policy: the policy is not ready, and says so.
    asking.policy(json!({"require": require, "action": "Deny"}));
    eventually("it counts", || !is_taken());
    asking.server.delete("imageclass", "rhel7");
    eventually("a policy without a class denies nothing", is_taken);
    let (_, told) = asking.create(&pod(&name("x"), &old));
    assert!(told.contains("Warning: clade: policy only-rhel7 is not ready"), "{told}");
    becomes(&"False NoClass".to_owned(), || {
        let path = "jsonpath={.status.conditions[0].status} {.status.conditions[0].reason}";
        asking.server.kubectl(&["get", "classpolicy", "only-rhel7", "-o", path])
    });
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_policy_that_pins_writes_the_digest_that_it_judged() {
    let asking = Asking::begin();
    asking.register("Fail");
    let require = json!({"classes": ["rhel7"]});
    asking.policy(json!({"require": require, "action": "Deny", "pin": true}));
    let image_of = |name: &str| {
        asking.server.kubectl(&["get", "pod", name, "-o", "jsonpath={.spec.containers[0].image}"])
    };
    let mut pinned = String::new();
    eventually("the policy counts", || {
        let name = format!("pinned-{}", Timestamp::now().as_nanosecond());
        let (taken, told) = asking.create(&pod(&name, &format!("{REGISTRY}/shop:new")));
        assert!(taken, "{told}");
        pinned = image_of(&name);
        pinned.contains('@')
    });
    assert_eq!(pinned, format!("{REGISTRY}/shop@{}", digest("app2")));
    let by_digest = format!("{REGISTRY}/shop@{}", digest("app2"));
    assert!(asking.create(&pod("by-digest", &by_digest)).0);
    assert_eq!(image_of("by-digest"), by_digest);
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn without_clade_pods_are_admitted_or_refused_as_the_registration_says_and_can_be_deleted() {
    let mut asking = Asking::begin();
    asking.register("Ignore");
    let old = format!("{REGISTRY}/web:old");
    asking.policy(json!({"require": {"classes": ["rhel7"], "state": "Current"}, "action": "Deny"}));
    eventually("the policy counts", || !asking.create(&pod("early", &old)).0);
    drop(asking._clade.take());
    let (taken, told) = asking.create(&pod("ignored", &old));
    assert!(taken, "{told}");
    asking.register("Fail");
    eventually("the registration counts", || !asking.create(&pod("failed", &old)).0);
    let (_, told) = asking.create(&pod("failed", &old));
    assert!(told.contains("failed calling webhook"), "{told}");
    asking.server.kubectl(&["delete", "pod", "ignored", "--grace-period=0", "--force"]);
    asking.start();
    eventually("it judges again", || {
        let (taken, told) = asking.create(&pod("back", &old));
        !taken && told.contains("clade denies this pod")
    });
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn an_api_server_that_shows_its_certificate_is_answered_and_one_of_another_name_is_not() {
    let authority = format!("{}/ca.pem", std::env::var("CLADE_TEST_KUBERNETES").unwrap());
    let known = ["--admission-client-ca-file", &authority, "--admission-client"];
    let mut asking = Asking::begin_with(&[&known[..], &["kube-apiserver"]].concat());
    asking.register("Fail");
    asking.policy(json!({"require": {"classes": ["rhel7"], "state": "Current"}, "action": "Deny"}));
    let (old, current) = (format!("{REGISTRY}/web:old"), format!("{REGISTRY}/shop:new"));
    eventually("the policy counts", || {
        let (taken, told) = asking.create(&pod("old", &old));
        !taken && told.contains("clade denies this pod")
    });
    assert!(asking.create(&pod("current", &current)).0);

    drop(asking._clade.take());
    asking.more = [&known[..], &["somebody-else"]].concat().into_iter().map(str::to_owned).collect();
    asking.start();
    let (taken, told) = asking.create(&pod("unasked", &current));
    assert!(!taken && told.contains("failed calling webhook"), "{told}");
    assert!(told.contains("that of \"kube-apiserver\", who may not ask here"), "{told}");
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn the_api_server_refuses_a_policy_that_it_can_see_is_wrong_and_clade_tells_the_rest() {
    let asking = Asking::begin();
    let policy = |spec: Json| json!({"apiVersion": "clade.dev/v1alpha1", "kind": "ClassPolicy", "metadata": {"name": "wrong"}, "spec": spec});
    let told = asking.server.refused(&policy(json!({"require": {"classes": ["x"]}, "action": "Destroy"})));
    assert!(told.contains("spec.action"), "{told}");
    asking.server.apply(&[policy(json!({"require": {}}))]);
    becomes(&"False Invalid".to_owned(), || {
        let path = "jsonpath={.status.conditions[0].status} {.status.conditions[0].reason}";
        asking.server.kubectl(&["get", "classpolicy", "wrong", "-o", path])
    });
    let told = asking.server.kubectl(&[
        "get",
        "classpolicy",
        "wrong",
        "-o",
        "jsonpath={.status.conditions[0].message}",
    ]);
    assert!(told.contains("spec.require names no class"), "{told}");
}

/// The program is there, and takes the arguments that deploy/ gives it.
#[test]
fn the_component_starts_what_there_is() {
    let file = std::fs::read_to_string(root("deploy/components/admission/admit.yaml")).unwrap();
    let objects: Vec<Json> = serde_saphyr::from_multiple(&file).unwrap();
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().unwrap().iter().map(|of| of.as_str().unwrap().to_owned());
    let arguments: Vec<String> = arguments.collect();
    let mut command: Command = clade(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let output = command.arg("--help").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(Path::new(&root("deploy/components/admission/kustomization.yaml")).exists());
}
