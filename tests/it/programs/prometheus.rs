//! A real Prometheus that watches a clade: the dashboard and the alerts find what they ask for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Demo, cluster, made};
use crate::documents::reference::Running;

/// The time after which the test gives up.
const PATIENCE: Duration = Duration::from_secs(180);

/// A Prometheus that scrapes one process each second.
struct Prometheus {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let fetched =
            Command::new(root("tests/prometheus/fetch.sh")).stderr(Stdio::inherit()).output().unwrap();
        assert!(fetched.status.success(), "there is no Prometheus");
        let programs = PathBuf::from(String::from_utf8(fetched.stdout).unwrap().trim());
        let dir = tempfile::tempdir().unwrap();
        let alerts = std::fs::read_to_string(root("deploy/components/monitoring/alerts.yaml")).unwrap();
        let alerts: Value = serde_saphyr::from_str(&alerts).unwrap();
        std::fs::write(dir.path().join("rules.json"), alerts["spec"].to_string()).unwrap();
        let settings = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.json"],
            "scrape_configs": [{"job_name": "clade", "static_configs": [{"targets": [target]}]}],
        });
        std::fs::write(dir.path().join("prometheus.json"), settings.to_string()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(programs.join("prometheus"))
            .current_dir(dir.path())
            .args(["--config.file=prometheus.json", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}"), _dir: dir }
    }

    /// The answer to a question, if it answers.
    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Option<Value> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--get", &format!("{}{path}", self.url)]);
        for (name, value) in query {
            curl.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        let answer: Value = serde_json::from_slice(&curl.output().unwrap().stdout).ok()?;
        (answer["status"] == "success").then(|| answer["data"].clone())
    }

    /// The values that an expression has now, with their labels.
    fn values(&self, expression: &str) -> Vec<(BTreeMap<String, String>, String)> {
        let answer = self.ask("/api/v1/query", &[("query", expression)]);
        let answer = answer.unwrap_or_else(|| panic!("Prometheus does not understand {expression}"));
        let value = |of: &Value| {
            let labels = serde_json::from_value(of["metric"].clone()).unwrap();
            (labels, of["value"][1].as_str().unwrap().to_owned())
        };
        answer["result"].as_array().unwrap().iter().map(value).collect()
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within three minutes: {what}");
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// The demo's images with workloads, policies and builds, and a registry that does not answer.
fn watched() -> Demo {
    let dir = made();
    cluster::import(dir.path());
    let nobody = ["--registry", "http://127.0.0.1:9", "--registry-poll", "1"];
    let audit = dir.path().join("audit");
    let audit = ["--audit", "--audit-dir", audit.to_str().unwrap()];
    let running = Running::start(dir.path(), &[&["--listen", "127.0.0.1:0"][..], &nobody, &audit].concat());
    Demo { dir, running }
}

#[test]
#[ignore = "needs Prometheus and curl: make test"]
fn every_panel_of_the_dashboard_has_something_to_show_and_every_alert_can_be_evaluated() {
    let demo = watched();
    let prometheus = Prometheus::start(demo.running.url.strip_prefix("http://").unwrap());
    eventually("it has looked", || {
        let looks = prometheus.ask("/api/v1/query", &[("query", "up")]);
        looks.is_some_and(|looks| looks["result"].as_array().is_some_and(|looks| !looks.is_empty()))
    });
    let dashboard = std::fs::read_to_string(root("deploy/grafana/dashboards/clade.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let mut values = Vec::new();
            // clade counts some things every half minute only, and a rate needs two looks.
            eventually(&format!("{} shows {expression}", panel["title"]), || {
                values = prometheus.values(expression);
                !values.is_empty()
            });
            // A legend that names a label which no series has is empty, too.
            for label in target["legendFormat"].as_str().unwrap().split("{{").skip(1) {
                let label = label.split("}}").next().unwrap();
                assert!(
                    values.iter().all(|(labels, _)| labels.contains_key(label)),
                    "{label} of {expression}"
                );
            }
            asked += 1;
        }
    }
    assert!(asked >= 25, "{asked}");

    let value = |expression: &str| {
        let values = prometheus.values(expression);
        values.iter().map(|(_, value)| value.parse::<f64>().unwrap()).sum::<f64>()
    };
    eventually("each image is counted by its coverage", || {
        let images = value("sum(clade_index_images)");
        images > 1_000.0 && value("sum(clade_coverage_images)") == images
    });
    eventually("workloads are counted", || value("sum(clade_workloads)") > 0.0);
    eventually("violations are counted", || value("sum(clade_policy_workloads{verdict='violating'})") > 0.0);

    let mut rules = Value::Null;
    eventually("it has evaluated the alerts", || {
        rules = prometheus.ask("/api/v1/rules", &[]).unwrap();
        let rules = rules["groups"][0]["rules"].as_array();
        rules.is_some_and(|rules| rules.iter().all(|rule| rule["health"] != "unknown"))
    });
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        assert_eq!(rule["health"], "ok", "{}: {}", rule["name"], rule["lastError"]);
    }
}
