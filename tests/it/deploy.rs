//! What is delivered beside the program says what the program does.

use std::collections::BTreeSet;
use std::path::Path;

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

#[test]
fn compose_starts_services_and_commands_that_exist_and_prometheus_asks_all_of_them() {
    let compose: Json = serde_saphyr::from_str(&read("docker-compose.yml")).unwrap();
    let services = compose["services"].as_object().unwrap();
    let ours = |service: &&Json| service["image"] == "clade:local";
    let (mut listening, mut volumes) = (BTreeSet::new(), BTreeSet::new());
    for (name, service) in services.iter().filter(|(_, service)| ours(service)) {
        let command: Vec<&str> =
            service["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let help = std::process::Command::new(env!("CARGO_BIN_EXE_clade"))
            .args(&command)
            .arg("--help")
            .output()
            .unwrap();
        assert!(
            help.status.success(),
            "{name}: clade {command:?}: {}",
            String::from_utf8_lossy(&help.stderr)
        );
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
    let metrics = clade::telemetry::Metrics::default();
    for gauge in [&metrics.lag, &metrics.progress, &metrics.restored, &metrics.images] {
        clade::telemetry::set(gauge, 0, 0);
    }
    let text = metrics.text();
    let dashboard: Json = serde_json::from_str(&read("deploy/grafana/dashboards/clade.json")).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let begin = expression.find("clade_").unwrap();
            let name: String =
                expression[begin..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(text.contains(&name), "{name} in {:?}", panel["title"]);
            asked += 1;
        }
    }
    assert!(asked >= 8);
}
