//! BuildConfigs on the API server of the tests, and what was built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value as Json, json};

use super::server::{Server, becomes, clade, image, stream};

/// The tests' own builds, served for as long as this lives.
pub(super) struct Builds<'a> {
    server: &'a Server,
    before: usize,
}

/// A line of the journal of builds.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) event: String,
    pub(super) time: String,
    pub(super) build: String,
    pub(super) config: String,
    pub(super) by: String,
}

impl<'a> Builds<'a> {
    pub(super) fn serve(server: &'a Server) -> Self {
        server.script("start-builds");
        let mut builds = Self { server, before: 0 };
        builds.before = builds.all().len();
        builds
    }

    fn all(&self) -> Vec<Event> {
        let text = std::fs::read_to_string(self.server.dir.join("builds.jsonl")).unwrap_or_default();
        let event = |line: &str| {
            let json: Json = serde_json::from_str(line).unwrap();
            let text = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
            Event {
                event: text("event"),
                time: text("time"),
                build: text("build"),
                config: text("buildConfig"),
                by: text("by"),
            }
        };
        text.lines().map(event).collect()
    }

    /// What was built since they are served.
    pub(super) fn journal(&self) -> Vec<Event> {
        self.all().split_off(self.before)
    }

    /// How many builds were begun of each BuildConfig.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in self.journal().iter().filter(|event| event.event == "instantiated") {
            *counts.entry(event.config.clone()).or_default() += 1;
        }
        counts
    }

    /// How many ran at once at the most.
    pub(super) fn most_at_once(&self) -> usize {
        let (mut running, mut most) = (BTreeSet::new(), 0);
        let mut journal = self.journal();
        journal.sort_by(|a, b| a.time.cmp(&b.time));
        for event in journal {
            match event.event.as_str() {
                "instantiated" => drop(running.insert(event.build)),
                "ended" => drop(running.remove(&event.build)),
                _ => {}
            }
            most = most.max(running.len());
        }
        most
    }

    /// Asserts that no build began before those of its bases had ended.
    pub(super) fn assert_order(&self, bases: &[(&str, &[&str])]) {
        let journal = self.journal();
        let time = |event: &str, config: &str| {
            let mut found = journal.iter().filter(|of| of.event == event && of.config == config);
            found.next_back().unwrap_or_else(|| panic!("{config} has not {event}: {journal:#?}")).time.clone()
        };
        for (config, bases) in bases {
            for base in *bases {
                assert!(
                    time("ended", base) <= time("instantiated", config),
                    "{base} before {config}: {journal:#?}"
                );
            }
        }
    }
}

impl Drop for Builds<'_> {
    fn drop(&mut self) {
        self.server.script("stop-builds");
    }
}

/// A BuildConfig that builds the tag of its own name on another, and takes files from others.
pub(super) fn config(name: &str, on: &str, sources: &[&str]) -> Json {
    let tag = |name: &str| json!({"kind": "ImageStreamTag", "name": format!("{name}:latest")});
    let images: Vec<Json> = sources.iter().map(|source| json!({"from": tag(source), "paths": []})).collect();
    json!({
        "apiVersion": "build.openshift.io/v1",
        "kind": "BuildConfig",
        "metadata": {"namespace": "default", "name": name, "annotations": {}},
        "spec": {
            "source": {"images": images},
            "strategy": {"type": "Docker", "dockerStrategy": {"from": tag(on)}},
            "output": {"to": tag(name)},
        },
    })
}

/// The same with an ImageChange trigger on what it is built on.
pub(super) fn triggered(mut config: Json) -> Json {
    config["spec"]["triggers"] = json!([{"type": "ImageChange", "imageChange": {}}]);
    config
}

/// The same, with an annotation of the tests' builds.
pub(super) fn with(mut config: Json, annotation: &str, value: &str) -> Json {
    config["metadata"]["annotations"][annotation] = json!(value);
    config
}

/// A base that has moved from one image to another, and for each of these names a tag whose image is on the earlier one.
pub(super) fn outdated(names: &[&str]) -> Vec<Json> {
    let mut objects = vec![image("base1", &["A", "B"]), image("base2", &["A", "C"])];
    objects.push(stream("base", "latest", &["base1", "base2"]));
    for name in names {
        objects.push(image(name, &["A", "B", name]));
        objects.push(stream(name, "latest", &[name]));
    }
    objects
}

/// What a command that asks the clade of a data directory prints.
pub(super) fn ask(dir: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = clade(arguments).arg("--data-dir").arg(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// A rebuild, as the API has it.
pub(super) fn rebuild(dir: &Path, id: &str) -> Json {
    serde_json::from_str(&ask(dir, &["rebuild", "show", id, "-o", "json"]).unwrap()).unwrap()
}

/// The state of each target of a rebuild, by name, with what it says.
pub(super) fn states(rebuild: &Json) -> BTreeMap<String, (String, String)> {
    let state = |target: &Json| {
        let name = target["target"]["buildConfig"]["name"].as_str().unwrap().to_owned();
        let text = |field: &str| target[field].as_str().unwrap_or_default().to_owned();
        (name, (text("state"), text("message")))
    };
    rebuild["items"].as_array().unwrap().iter().map(state).collect()
}

/// Waits until the plan of a class has so many builds.
pub(super) fn planned(dir: &Path, builds: u64) -> Json {
    let plan = || -> Result<Json, String> {
        let told = ask(dir, &["rebuild", "--class", "vendor", "--dry-run", "-o", "json"])?;
        serde_json::from_str(&told).map_err(|error| format!("{error}: {told}"))
    };
    becomes(&Ok(builds), || {
        let count = |plan: Json, of: &str| plan["cost"][of].as_u64().ok_or_else(|| plan.to_string());
        plan().and_then(|plan| Ok(count(plan.clone(), "builds")? + count(plan, "triggered")?))
    });
    plan().unwrap()
}
