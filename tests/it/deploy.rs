//! What is delivered beside the program says what the program does.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use clade::access::{Need, Scope};
use clade::record::Topic;
use clade::topics::DEFAULT_PARTITIONS;
use serde_json::Value as Json;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A Strimzi `KafkaTopic` for each topic, of what the program itself would create.
fn strimzi() -> String {
    let mut text = "# For clusters that Strimzi runs. Made from topics/ by a test: CLADE_BLESS=1 cargo test --test it deploy\n"
        .to_owned();
    for topic in Topic::ALL {
        let partitions = if topic.is_partitioned() { DEFAULT_PARTITIONS } else { 1 };
        text += &format!(
            "---\napiVersion: kafka.strimzi.io/v1\nkind: KafkaTopic\nmetadata:\n  name: {topic}\n  labels:\n    \
             strimzi.io/cluster: kafka\nspec:\n  topicName: {topic}\n  partitions: {partitions}\n  replicas: 3\n  config:\n"
        );
        for (name, value) in topic.settings() {
            text += &format!("    {name}: {value}\n");
        }
    }
    text
}

#[test]
fn the_strimzi_topics_are_those_that_the_program_would_create() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/strimzi/topics.yaml");
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(&path, strimzi()).unwrap();
    }
    assert_eq!(read("deploy/strimzi/topics.yaml"), strimzi());
}

/// That the program takes a command line; only what comes before `--help` is looked at.
fn assert_exists(command: &[&str]) {
    let help = Command::new(env!("CARGO_BIN_EXE_clade")).args(command).arg("--help").output().unwrap();
    assert!(help.status.success(), "clade {command:?}: {}", String::from_utf8_lossy(&help.stderr));
}

/// The names of clade's metrics in an expression of Prometheus.
fn metrics_in(expression: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    expression.split(|c| !is_word(c)).filter(|word| word.starts_with("clade_")).collect()
}

/// All metrics that there are, in Prometheus's text format.
fn metrics() -> String {
    let metrics = clade::telemetry::Metrics::default();
    for gauge in [&metrics.lag, &metrics.progress, &metrics.restored, &metrics.images] {
        clade::telemetry::set(gauge, 0, 0);
    }
    metrics.coverage.with_label_values(&["0", "member"]);
    metrics.workloads.with_label_values(&["current"]);
    metrics.registries.of("registry.example.com");
    metrics.policies.set("vendor", clade::policy::Verdict::ALL.map(|verdict| (verdict, 0)));
    metrics.text()
}

/// Runs a script of the tests, which says what is wrong.
fn run(script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(&script).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", script.display());
}

/// The custom resources as the program defines them.
fn crds() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_clade")).arg("crd").output().unwrap();
    let head =
        "# Made by `clade crd`, and kept equal to it by a test: CLADE_BLESS=1 cargo test --test it deploy\n";
    head.to_owned() + &String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_custom_resources_are_those_that_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/base/crds.yaml");
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(&path, crds()).unwrap();
    }
    assert_eq!(read("deploy/base/crds.yaml"), crds());
}

#[test]
fn compose_starts_services_and_commands_that_exist_and_prometheus_asks_all_of_them() {
    let compose: Json = serde_saphyr::from_str(&read("docker-compose.yml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    let ours = |service: &&Json| service["image"] == "clade:local";
    let (mut listening, mut volumes) = (BTreeSet::new(), BTreeSet::new());
    for (name, service) in services.iter().filter(|(_, service)| ours(service)) {
        let command: Vec<&str> =
            service["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_exists(&command);
        if let Some(at) = command.iter().position(|word| *word == "--listen") {
            listening.insert(format!("{name}:{}", command[at + 1].rsplit_once(':').unwrap().1));
        }
        // The rest of the file system is read-only, and snapshots are of one process.
        if let Some(at) = command.iter().position(|word| *word == "--snapshots") {
            let (volume, mounted) = service["volumes"][0].as_str().unwrap().split_once(':').unwrap();
            assert!(command[at + 1].starts_with(mounted), "{name}: snapshots are not kept in {mounted}");
            assert!(compose["volumes"].as_object().unwrap().contains_key(volume), "{volume}");
            assert!(volumes.insert(volume.to_owned()), "{name}: {volume} is another process's");
        }
    }
    let prometheus: Json = serde_saphyr::from_str(&read("deploy/prometheus/prometheus.yml")).unwrap();
    let targets = prometheus["scrape_configs"][0]["static_configs"][0]["targets"].as_array().unwrap();
    assert_eq!(
        targets.iter().map(|target| target.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(),
        listening
    );
    assert_eq!(volumes.len(), 3);
    for service in ["kafka", "prometheus", "grafana"] {
        let image = services[service]["image"].as_str().unwrap();
        assert!(!image.ends_with(":latest") && image.contains(':'), "{image} is pinned");
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let text = metrics();
    let dashboard: Json = serde_json::from_str(&read("deploy/grafana/dashboards/clade.json")).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        // A row has none.
        for target in panel["targets"].as_array().into_iter().flatten() {
            for name in metrics_in(target["expr"].as_str().unwrap()) {
                assert!(text.contains(name), "{name} in {:?}", panel["title"]);
                asked += 1;
            }
        }
    }
    assert!(asked >= 25);
}

#[test]
fn the_alerts_ask_for_metrics_that_exist() {
    let text = metrics();
    let rules: Json = serde_saphyr::from_str(&read("deploy/components/monitoring/alerts.yaml")).unwrap();
    let rules = rules["spec"]["groups"][0]["rules"].as_array().unwrap();
    let asked: Vec<&str> = rules.iter().flat_map(|rule| metrics_in(rule["expr"].as_str().unwrap())).collect();
    assert!(asked.len() >= 6, "{asked:?}");
    for name in asked {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn kubernetes_starts_commands_that_exist_where_its_probes_look() {
    let mut services = BTreeSet::new();
    for file in [
        "services/watch",
        "services/process",
        "services/serve",
        "services/label",
        "services/auditor",
        "services/rebuilder",
        "overlays/single/run",
    ] {
        let text = read(&format!("deploy/{file}.yaml"));
        let objects: Vec<Json> = serde_saphyr::from_multiple(&text).unwrap();
        let of = |kind: &str| objects.iter().find(move |object| object["kind"] == kind);
        let pod = &of("Deployment").or_else(|| of("StatefulSet")).unwrap()["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let args: Vec<&str> =
            container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let at = args.iter().position(|word| *word == "--listen").unwrap();
        let port = container["ports"][0]["containerPort"].as_u64().unwrap();
        assert_eq!(args[at + 1], format!("0.0.0.0:{port}"), "{file}");
        services.insert(args[0].to_owned());
        assert_exists(&args);
    }
    assert_eq!(
        services,
        ["watch", "process", "serve", "label", "auditor", "rebuilder", "run"].map(str::to_owned).into()
    );
}

/// That a role gives a verb on a resource of clade's group.
fn gives(role: &Json, verb: &str, resource: &str) -> bool {
    let has = |list: &Json, name: &str| list.as_array().unwrap().iter().any(|of| of == name);
    let rules = role["rules"].as_array().unwrap().iter();
    let mut ours = rules.filter(|rule| has(&rule["apiGroups"], "clade.dev"));
    ours.any(|rule| has(&rule["verbs"], verb) && has(&rule["resources"], resource))
}

#[test]
fn the_roles_of_users_give_what_the_routes_need_and_the_guide_has_every_scope() {
    let roles: Vec<Json> = serde_saphyr::from_multiple(&read("deploy/base/users.yaml")).unwrap();
    let role = |name: &str| roles.iter().find(|role| role["metadata"]["name"] == name).unwrap();
    let (reader, commander) = (role("clade-reader"), role("clade-commander"));
    for Need { scope, verb, resource } in clade::api::needs() {
        assert_eq!(gives(reader, verb, resource), scope == Scope::Read, "{verb} {resource}");
        assert_eq!(gives(commander, verb, resource), scope != Scope::Declare, "{verb} {resource}");
        let guide = read("docs/guides/access.md");
        let row = guide.lines().find(|line| line.starts_with(&format!("| `{scope}` |"))).unwrap();
        assert!(
            row.contains(&format!("`{verb}`")) && row.contains(&format!("`{resource}`")),
            "{verb} {resource}"
        );
    }
}

#[test]
fn the_services_that_answer_are_told_of_tls_and_of_who_asks_by_variables_that_they_read() {
    let patch: Json = serde_saphyr::from_str(&read("deploy/components/encrypted/pod.yaml")).unwrap();
    let pod = &patch["spec"]["template"]["spec"]["containers"][0];
    for service in ["serve", "rebuilder", "run"] {
        let help = Command::new(env!("CARGO_BIN_EXE_clade")).args([service, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for variable in pod["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            assert!(help.contains(&format!("[env: {name}=]")), "clade {service} reads no {name}");
        }
    }
}

#[test]
#[ignore = "needs a Kubernetes API server: make test"]
fn an_api_server_takes_every_manifest_and_each_service_may_do_what_it_must_and_no_more() {
    let _turn = crate::kubernetes::turn();
    run("tests/kubernetes/check-manifests.sh", &[]);
}

#[test]
#[ignore = "needs Apache Kafka: make test"]
fn with_the_rights_of_their_users_on_kafka_the_services_work_and_can_do_nothing_else() {
    run("tests/kafka/check-users.sh", &[env!("CARGO_BIN_EXE_clade")]);
}
