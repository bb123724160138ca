//! A real API server with OpenShift's kinds: what is declared there, watched there and written back.

mod admission;
mod asked;
mod builds;
mod failures;
mod owners;
mod process;
mod rebuild;
mod reports;
mod server;
mod workloads;

use serde_json::{Value as Json, json};

use process::Clade;
pub(crate) use server::turn;
use server::{Server, becomes, clade, class, eventually, group, image, root, stream};

use crate::support::digest;

const ALL: &[&str] = &["base1", "base2", "app1", "app2", "other"];

/// Two versions of a base, an application on each, and something else.
fn example() -> Vec<Json> {
    vec![
        image("base1", &["A", "B", "C"]),
        image("base2", &["A", "B", "C", "D"]),
        image("app1", &["A", "B", "C", "E"]),
        image("app2", &["A", "B", "C", "D", "E"]),
        image("other", &["A", "Z"]),
        stream("base", "latest", &["base1", "base2"]),
        class("rhel7", "base:latest"),
        group("os", "os"),
    ]
}

fn states(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

fn both_versions() -> Vec<(String, String)> {
    states(&[("app1", "outdated"), ("app2", "current"), ("base1", "outdated"), ("base2", "current")])
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn images_are_labelled_as_the_followed_tag_moves_and_lose_their_labels_with_the_class() {
    let server = Server::begin();
    let mut objects = example();
    objects[2]["metadata"]["labels"] = json!({"team": "payments", "class.example.com/rhel7": "ours"});
    server.apply(&objects);
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    becomes(&both_versions(), || server.states("rhel7", ALL));
    let labels = server.labels(ALL);
    assert_eq!(labels["app1"]["group.clade.dev/os"], "rhel7");
    assert_eq!(labels["other"].len(), 0);
    becomes(&(json!(4), json!(2)), || {
        let status = server.status_of("rhel7");
        (status["members"].clone(), status["outdated"].clone())
    });
    let status = server.status_of("rhel7");
    assert_eq!(status["current"]["digest"], json!(digest("base2")));
    assert_eq!(status["history"][0]["digest"], json!(digest("base1")));
    assert_eq!(status["observedGeneration"], 1);

    // What somebody else writes in clade's place stays theirs, and is not fought over.
    let name = digest("other").to_string();
    server.kubectl(&["label", "images.image.openshift.io", &name, "class.clade.dev/theirs=x"]);
    eventually("it says whose label it is", || {
        running.said().contains("somebody else has written class.clade.dev/theirs")
    });
    assert!(running.said().matches("cannot label").count() < 5, "{}", running.said());

    // Back to the first version: an image on the longer one is then outdated.
    server.apply(&[stream("base", "latest", &["base1", "base2", "base1"])]);
    let back = [("app1", "current"), ("app2", "outdated"), ("base1", "current"), ("base2", "outdated")];
    becomes(&states(&back), || server.states("rhel7", ALL));

    // A new image is labelled as it comes.
    server.apply(&[image("app3", &["A", "B", "C", "F"])]);
    becomes(&states(&[("app3", "current")]), || server.states("rhel7", &["app3"]));

    server.delete("imageclass", "rhel7");
    becomes(&Vec::new(), || server.states("rhel7", ALL));
    let labels = server.labels(ALL);
    assert!(!labels["app1"].keys().any(|key| key.contains("clade.dev")), "{labels:?}");
    assert_eq!(labels["app1"]["team"], "payments", "what others have written stays");
    assert_eq!(labels["app1"]["class.example.com/rhel7"], "ours");
    running.stop();
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn what_was_deleted_and_moved_while_nobody_watched_is_noticed_at_the_next_start() {
    let server = Server::begin();
    server.apply(&example());
    server.apply(&[class("gone", "base:latest")]);
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    becomes(&both_versions(), || server.states("rhel7", ALL));
    becomes(&both_versions(), || server.states("gone", ALL));
    running.kill();

    server.delete("images.image.openshift.io", &digest("app1").to_string());
    server.delete("imageclass", "gone");
    server.apply(&[stream("base", "latest", &["base1", "base2", "base1"])]);
    let running = Clade::run(&server, dir.path());
    let now = [("app2", "outdated"), ("base1", "current"), ("base2", "outdated")];
    becomes(&states(&now), || server.states("rhel7", ALL));
    becomes(&Vec::new(), || server.states("gone", ALL));
    running.stop();

    let output =
        clade(&["get", "images", "-o", "name", "--data-dir", dir.path().to_str().unwrap()]).output().unwrap();
    let mut names: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    names.sort_unstable();
    let mut expected: Vec<String> =
        ["base1", "base2", "app2", "other"].iter().map(|name| digest(name).to_string()).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_clade_that_has_lost_its_log_takes_earlier_versions_from_the_status_of_the_class() {
    let server = Server::begin();
    server.apply(&example());
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    becomes(&both_versions(), || server.states("rhel7", ALL));
    let origins = || {
        let status = server.status_of("rhel7");
        (
            status["current"]["origin"].clone(),
            status["history"][0]["origin"].clone(),
            status["versions"].clone(),
        )
    };
    becomes(&(json!("observed"), json!("observed"), json!(2)), origins);
    running.kill();

    // The old base is pruned, and its stream has forgotten it; nothing but the status has its layers.
    server.delete("images.image.openshift.io", &digest("base1").to_string());
    server.delete("imagestreams.image.openshift.io", "base");
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    eventually("the class waits for its tag", || {
        server.status_of("rhel7")["conditions"].to_string().contains("NotFound")
    });
    let status = server.status_of("rhel7");
    assert_eq!(status["history"][0]["digest"], json!(digest("base2")), "what it knew stays: {status}");
    assert_eq!(status["history"][1]["digest"], json!(digest("base1")), "{status}");

    server.apply(&[stream("base", "latest", &["base2"])]);
    becomes(&(json!("observed"), json!("history"), json!(2)), origins);
    let now = [("app1", "outdated"), ("app2", "current"), ("base2", "current")];
    becomes(&states(&now), || server.states("rhel7", ALL));
    running.stop();
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn bad_objects_have_a_condition_or_a_dead_letter_and_all_else_goes_on() {
    let server = Server::begin();
    let mut objects = example();
    let mut broken = image("broken", &["A", "B"]);
    broken["dockerImageLayers"][0]["name"] = json!("no digest");
    let mut unordered = image("unordered", &["B", "A"]);
    unordered["metadata"]["annotations"]["image.openshift.io/dockerLayersOrder"] = json!("sideways");
    objects.extend([
        broken,
        unordered,
        stream("nowhere", "latest", &["no such image"]),
        class("nowhere", "nowhere:latest"),
        class("missing", "missing:latest"),
    ]);
    server.apply(&objects);
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    becomes(&both_versions(), || server.states("rhel7", ALL));
    becomes(&"False ImageUnknown".to_owned(), || server.condition("nowhere", "Following"));
    becomes(&"False NotFound".to_owned(), || server.condition("missing", "Ready"));
    becomes(&"True Classifying".to_owned(), || server.condition("rhel7", "Ready"));
    server.delete("imagestreams.image.openshift.io", "base");
    becomes(&"False TagGone".to_owned(), || server.condition("rhel7", "Following"));
    becomes(&"True Classifying".to_owned(), || server.condition("rhel7", "Ready"));
    running.stop();

    let subscribed =
        clade(&["subscribe", "dead-letters", "--data-dir", dir.path().to_str().unwrap()]).output().unwrap();
    let letters = String::from_utf8(subscribed.stdout).unwrap();
    assert!(letters.contains("no digest"), "{letters}");
    assert!(letters.contains("sideways"), "{letters}");
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_permission_that_is_lost_is_told_of_and_all_else_goes_on() {
    let server = Server::begin();
    server.apply(&example());
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    becomes(&both_versions(), || server.states("rhel7", ALL));
    // From now on labels cannot be written; tags are still followed, and answers are right.
    server.kubectl(&["delete", "clusterrolebinding", "clade-openshift-label"]);
    server.apply(&[stream("base", "latest", &["base1", "base2", "base1"])]);
    becomes(&json!(digest("base1")), || server.status_of("rhel7")["current"]["digest"].clone());
    eventually("it says what it lacks", || running.said().contains("lacks this permission, see deploy/"));
    assert_eq!(server.states("rhel7", ALL), both_versions());
    // Given back, what is left is done.
    server.service("openshift-single", "clade");
    let back = [("app1", "current"), ("app2", "outdated"), ("base1", "current"), ("base2", "outdated")];
    becomes(&states(&back), || server.states("rhel7", ALL));
    running.stop();
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn the_server_refuses_declarations_that_cannot_be_followed() {
    let server = Server::begin();
    let long = "x".repeat(64);
    assert!(server.refused(&class(&long, "base:latest")).contains("63 characters at the most"));
    assert!(server.refused(&class("untagged", "base")).contains("must be STREAM:TAG, as php:7.1"));
    let mut homeless = class("homeless", "base:latest");
    homeless["spec"]["from"].as_object_mut().unwrap().remove("namespace");
    assert!(server.refused(&homeless).contains("namespace is missing"));
    let mut unknown = class("unknown", "base:latest");
    unknown["spec"]["from"]["kind"] = json!("ImageStreamBranch");
    assert!(server.refused(&unknown).contains("Unsupported value: \"ImageStreamBranch\""));
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn an_api_server_that_is_away_for_a_while_is_found_again() {
    let server = Server::begin();
    server.apply(&example());
    let dir = tempfile::tempdir().unwrap();
    let mut running = Clade::run(&server, dir.path());
    becomes(&both_versions(), || server.states("rhel7", ALL));
    server.script("stop-apiserver");
    eventually("it says what it misses", || running.said().contains("cannot watch"));
    assert!(!running.has_ended());
    server.script("start-apiserver");
    server.apply(&[
        stream("base", "latest", &["base1", "base2", "base1"]),
        image("app3", &["A", "B", "C", "F"]),
    ]);
    let now = [
        ("app1", "current"),
        ("app2", "outdated"),
        ("app3", "current"),
        ("base1", "current"),
        ("base2", "outdated"),
    ];
    let all = [ALL, &["app3"]].concat();
    becomes(&states(&now), || server.states("rhel7", &all));
    running.stop();
}

#[test]
#[ignore = "needs a Kubernetes API server and Apache Kafka: make test"]
fn of_two_watchers_one_works_and_the_other_takes_over_when_it_is_killed() {
    let server = Server::begin();
    server.apply(&example());
    let config = crate::kafka::fresh_config(2);
    let dir = tempfile::tempdir().unwrap();
    let start = |name: &str, command: &str, lease: &str| {
        let prefix = ["--kafka", &config.bootstrap, "--kafka-prefix", &config.prefix];
        let arguments = [&[command][..], &prefix, &["--kubernetes", "--lease", lease]].concat();
        let kubeconfig = server.service("openshift", &format!("clade-{command}"));
        Clade::start(&dir.path().join(name), &arguments, &kubeconfig)
    };
    let process = clade(&["process", "--kafka", &config.bootstrap, "--kafka-prefix", &config.prefix]).spawn();
    let mut process = process.unwrap();
    let label = start("label.log", "label", "clade/clade-label");
    let works = |of: &Clade| of.said().contains("this instance works now");
    let first = start("first.log", "watch", "clade/clade-watch");
    eventually("the first works", || works(&first));
    let mut second = start("second.log", "watch", "clade/clade-watch");
    becomes(&both_versions(), || server.states("rhel7", ALL));
    becomes(&(json!(4), json!(2)), || {
        let status = server.status_of("rhel7");
        (status["members"].clone(), status["outdated"].clone())
    });
    assert!(!works(&second));
    first.kill();
    eventually("the second works", || works(&second));
    server.apply(&[stream("base", "latest", &["base1", "base2", "base1"])]);
    let back = [("app1", "current"), ("app2", "outdated"), ("base1", "current"), ("base2", "outdated")];
    becomes(&states(&back), || server.states("rhel7", ALL));
    assert!(!second.has_ended());
    // Asked to stop, it gives the lease back, and the next need not wait until it runs out.
    second.stop();
    let third = start("third.log", "watch", "clade/clade-watch");
    eventually("the third works", || works(&third));
    drop((label, third));
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn a_registry_beside_a_cluster_with_image_objects_is_refused() {
    let server = Server::begin();
    let dir = tempfile::tempdir().unwrap();
    let refused = clade(&["run", "--kubernetes", "--registry", "http://127.0.0.1:1", "--data-dir"])
        .arg(dir.path())
        .env("KUBECONFIG", server.service("openshift-single", "clade"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("blob digests") && said.contains("run one clade for each"), "{said}");
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn kubectl_has_clade_as_a_plugin() {
    let server = Server::begin();
    server.apply(&example());
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    becomes(&json!(4), || server.status_of("rhel7")["members"].clone());
    let plugins = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_clade"), plugins.path().join("kubectl-clade")).unwrap();
    let data = dir.path().to_str().unwrap();
    let found = server.plugin(
        plugins.path(),
        &["clade", "get", "images", "--class", "rhel7", "-o", "name", "--data-dir", data],
    );
    assert_eq!(found.lines().count(), 4);
    let help = server.plugin(plugins.path(), &["clade", "get", "--help"]);
    assert!(help.contains("Usage: kubectl clade get"), "{help}");
    running.stop();
}

/// What kubectl shows, as the documentation has it.
#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn kubectl_shows_classes_as_the_documentation_says() {
    let server = Server::begin();
    server.apply(&example());
    let dir = tempfile::tempdir().unwrap();
    let running = Clade::run(&server, dir.path());
    becomes(&json!(4), || server.status_of("rhel7")["members"].clone());
    let ago = without_moments(&server.kubectl(&["get", "imageclasses"]));
    server.apply(&[class("rhel8", "base8:latest")]);
    let groups = || server.kubectl(&["get", "imageclassgroups"]);
    becomes(&json!("rhel7,rhel8"), || groups().split_whitespace().last().into());
    let groups = groups();
    let labelled = server.kubectl(&[
        "get",
        "images.image.openshift.io",
        "-l",
        "class.clade.dev/rhel7=outdated",
        "-o",
        "name",
    ]);
    let explained = server.kubectl(&["explain", "imageclass.spec.from"]);
    let described = without_moments(&server.kubectl(&["describe", "imageclass", "rhel7"]));
    running.stop();
    let text = format!(
        "$ kubectl get imageclasses\n{ago}\n$ kubectl get imageclassgroups\n{groups}\n$ oc \
         get images -l class.clade.dev/rhel7=outdated -o name\n{labelled}\n\
         $ kubectl explain imageclass.spec.from\n{explained}\n$ kubectl describe imageclass rhel7\n{described}"
    );
    let path = root("deploy/kubectl.txt");
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

/// Moments and identifiers of this very run, replaced.
fn without_moments(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let is_moving =
            ["Creation Timestamp", "Last Transition Time", "Resource Version", "UID"].contains(&name.trim());
        let line = if is_moving {
            let width = value.len() - value.trim_start().len();
            format!("{name}:{}…", &value[..width])
        } else {
            line.to_owned()
        };
        // The age is the last column.
        let line = match line.rsplit_once("   ") {
            Some((rest, age)) if line.starts_with("rhel7") && age.contains('d') => format!("{rest}   2y"),
            _ => line,
        };
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n") + "\n"
}
