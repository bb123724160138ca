//! Tests that the reference has the metrics, errors and variables of the program.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::help::clade;
use super::markdown::files;
use super::{document, expect, root};

/// A process of `clade run` on a data directory.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
}

impl Running {
    pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut command = clade(&["run", "--data-dir", dir.to_str().unwrap()]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Self { child, url: url.trim().to_owned() }
    }

    fn get(&self, path: &str) -> String {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls `look` until it returns a value, for a minute at most.
pub(super) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        #[allow(clippy::disallowed_methods, reason = "a condition is looked at again")]
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Returns the words of the source that `is_meant` accepts, without those of comments and tests.
fn literals(folder: &str, is_meant: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = Vec::new();
    files(&root().join(folder), &mut found);
    let mut words = BTreeSet::new();
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        words.extend(code.split(|c| !is_word(c)).filter(|word| is_meant(word)).map(str::to_owned));
    }
    words
}

#[test]
fn the_reference_of_metrics_is_what_a_process_serves() {
    let dir = tempfile::tempdir().unwrap();
    // A policy of a class that does not exist: its metrics exist all the same.
    let policy = dir.path().join("policy.json");
    let object = r#"{"apiVersion": "clade.dev/v1alpha1", "kind": "ClassPolicy", "metadata": {"name": "one"},
        "spec": {"require": {"classes": ["none"]}}}"#;
    std::fs::write(&policy, object).unwrap();
    let applied = clade(&["apply", "--data-dir", dir.path().to_str().unwrap(), "-f"]).arg(&policy).status();
    assert!(applied.unwrap().success());
    // Nobody listens there; the metrics of a registry exist all the same.
    let running = Running::start(dir.path(), &["--registry", "http://127.0.0.1:9"]);
    let text = eventually("the metrics of partitions are there", || {
        let text = running.get("/metrics");
        let late = [
            "clade_lag_records",
            "clade_index_images",
            "clade_coverage_images",
            "clade_registry_waiting",
            "clade_workloads{",
            "clade_policy_workloads",
        ];
        late.iter().all(|name| text.contains(name)).then_some(text)
    });
    let mut page = "# Metrics\n\n<!-- Generated from the program: CLADE_BLESS=1 cargo test --test it documents -->\n\n\
                    Every process serves these at `/metrics`, in Prometheus's text format; those of other services stay 0. Metrics of \
                    partitions have\nthe label `partition`, those of registries `registry`. `deploy/components/monitoring/alerts.yaml` has alerts, \
                    `deploy/grafana/dashboards/clade.json` a dashboard.\n\n| metric | type | meaning |\n|---|---|---|\n"
        .to_owned();
    let mut help = ("", "");
    for line in text.lines() {
        if let Some((name, told)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            help = (name, told);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            let told = if help.0 == name { help.1 } else { "" };
            page += &format!("| `{name}` | {kind} | {told} |\n");
        }
    }
    expect("docs/reference/metrics.md", &page);
    let is_metric =
        |word: &str| word.starts_with("clade_") && !word.ends_with('_') && word.matches('_').count() > 1;
    for name in literals("src/telemetry", is_metric) {
        assert!(page.contains(&format!("| `{name}` |")), "the source has {name}, which no process serves");
    }
}

/// Returns the codes of the API's errors. `CODES` in the source has them; before there is one, this list is the
/// agreement.
fn codes() -> Vec<String> {
    let source = std::fs::read_to_string(root().join("src/api/error.rs")).unwrap();
    let Some((_, rest)) = source.split_once("CODES") else {
        let agreed = [
            "not-found",
            "ambiguous",
            "invalid",
            "forbidden",
            "not-ready",
            "no-such-path",
            "method-not-allowed",
            "internal",
        ];
        return agreed.map(str::to_owned).into();
    };
    let list = rest.split("];").next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_error_of_the_api_is_documented() {
    let page = document("docs/reference/errors.md");
    let codes = codes();
    assert!(codes.len() >= 8, "{codes:?}");
    for code in codes {
        assert!(page.text.contains(&format!("| `{code}` | ")), "docs/reference/errors.md lacks {code}");
    }
}

#[test]
fn every_path_of_the_api_is_documented() {
    let page = document("docs/reference/api.md");
    let mut found = Vec::new();
    files(&root().join("src/api"), &mut found);
    let mut paths = BTreeSet::new();
    for path in found.iter().filter(|path| !path.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        let is_path =
            |word: &&str| word.starts_with("/v1/") || ["/healthz", "/readyz", "/metrics"].contains(word);
        paths.extend(code.split('"').skip(1).step_by(2).filter(is_path).map(str::to_owned));
    }
    assert!(paths.len() > 15, "{paths:?}");
    for path in paths {
        let of_topic = path.starts_with("/v1/subscribe/").then(|| "/v1/subscribe/{topic}".to_owned());
        let path = of_topic.unwrap_or(path);
        // The page writes the changes of a rebuild in short.
        let short = path.rsplit_once('/').map(|(_, last)| format!("…/{last}")).unwrap_or_default();
        let is_there = page.text.contains(&path) || page.text.contains(&short) || path.ends_with("{change}");
        assert!(is_there, "docs/reference/api.md lacks {path}");
    }
}

#[test]
fn every_variable_of_the_environment_is_documented() {
    let page = document("docs/reference/configuration.md");
    let is_variable = |word: &str| {
        let is_ours = word.starts_with("CLADE_") && !word.ends_with('_');
        is_ours || word.starts_with("OTEL_") || (word.starts_with("AWS_") && word.len() > 4)
    };
    let variables = literals("src", is_variable);
    assert!(variables.contains("CLADE_DATA_DIR"), "{variables:?}");
    for variable in variables {
        // A variable can be the beginning of another.
        let is_there = page.text.contains(&format!("`{variable}`"));
        assert!(is_there, "docs/reference/configuration.md lacks {variable}");
    }
}
