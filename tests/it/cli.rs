//! The program itself, as a person or a script runs it: output, exit codes, and the JSON that scripts rely on.
//!
//! `CLADE_BLESS=1 cargo test --test it cli` writes the expected output anew; `git diff` then shows what changed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::digest;

mod errors;
mod subscribe;

/// A data directory, and a folder with the domain's worked example as a registry's history.
struct Shell {
    dir: tempfile::TempDir,
}

const CLASSES: &str = "
apiVersion: clade.dev/v1alpha1
kind: ImageClass
metadata: {name: base, labels: {os: rhel7}}
spec: {from: {kind: ImageStreamTag, namespace: openshift, name: 'base:latest'}}
---
apiVersion: clade.dev/v1alpha1
kind: ImageClassGroup
metadata: {name: os}
spec: {selector: {matchExpressions: [{key: os, operator: Exists}]}}
";

impl Shell {
    /// With the history imported and the class declared.
    fn new() -> Self {
        let shell = Self::empty();
        shell.ok(&["import", &shell.path("registry")]);
        shell.ok(&["apply", "-f", &shell.path("classes.yaml")]);
        shell
    }

    fn empty() -> Self {
        let shell = Self { dir: tempfile::tempdir().unwrap() };
        let image = |repository: &str, name: &str, layers: &[&str]| {
            let layers: Vec<Value> = layers.iter().map(|layer| json!({"digest": digest(layer)})).collect();
            json!({"repository": repository, "digest": digest(name), "layers": layers}).to_string() + "\n"
        };
        let tag = |second: u32, repository: &str, tag: &str, name: &str| {
            let manifests =
                json!([{"platform": {"os": "linux", "architecture": "amd64"}, "digest": digest(name)}]);
            let seen = format!("2020-01-01T00:00:{second:02}Z");
            json!({"seen": seen, "repository": repository, "tag": tag, "event": "set", "manifests": manifests})
                .to_string()
                + "\n"
        };
        let images = [
            image("openshift/base", "base@v1", &["A", "B", "C"]),
            image("openshift/base", "base@v2", &["A", "B", "C", "D"]),
            image("openshift/base", "base@v3", &["A", "X"]),
            image("shop/app1", "app1", &["A", "B", "C", "E"]),
            image("shop/app2", "app2", &["A", "B", "C", "D", "E"]),
            image("shop/app3", "app3", &["A", "X", "Y"]),
            image("shop/other", "other", &["A", "Z"]),
            image("shop/app1", "app1conf", &["A", "B", "C", "E"]),
        ];
        let tags = [
            tag(1, "openshift/base", "latest", "base@v1"),
            tag(2, "openshift/base", "latest", "base@v2"),
            tag(3, "openshift/base", "latest", "base@v3"),
            tag(4, "shop/app1", "1", "app1"),
            tag(5, "shop/app1", "latest", "app1conf"),
            tag(6, "shop/app2", "latest", "app2"),
            tag(7, "shop/app3", "latest", "app3"),
            tag(8, "shop/other", "latest", "other"),
        ];
        let claim = json!({"digest": digest("other"), "declared_base": "openshift/base:latest"});
        std::fs::create_dir(shell.dir.path().join("registry")).unwrap();
        for (name, content) in [
            ("registry/images.jsonl", images.concat()),
            ("registry/tags.jsonl", tags.concat()),
            ("registry/bases.jsonl", claim.to_string()),
            ("classes.yaml", CLASSES.to_owned()),
        ] {
            std::fs::write(shell.dir.path().join(name), content).unwrap();
        }
        shell
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
        command
            .args(args)
            .env("CLADE_DATA_DIR", self.path("data"))
            .env_remove("CLADE_LOG")
            .env_remove("COLUMNS");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and message of a command that fails.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(output.stdout.is_empty(), "{args:?} prints to standard output and fails");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// `clade run`, as soon as it serves.
    fn serve(&self, args: &[&str]) -> Running {
        let mut child = self
            .command(&[&["run"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url:?}");
        Running(child)
    }
}

struct Running(Child);

impl Running {
    /// Asks it to stop, as Ctrl-C does; whether it ended well.
    fn stop(mut self) -> bool {
        Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        self.0.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Compares with `tests/fixtures/cli/NAME`.
fn expect(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cli").join(name);
    if std::env::var_os("CLADE_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{} is\n{expected}\nand is now\n{found}", path.display());
}

#[test]
fn answers_for_people_look_as_they_did() {
    let shell = Shell::new();
    for (name, args) in [
        ("get-images.txt", "get images"),
        ("get-images-wide.txt", "get images --class base --state outdated -o wide"),
        ("get-images-name.txt", "get images --group os=base -o name"),
        ("get-tags.txt", "get tags"),
        ("get-tags-outdated.txt", "get tags --class base --state outdated"),
        ("get-classes.txt", "get classes"),
        ("get-classes-wide.txt", "get classes -o wide"),
        ("get-classes.yaml", "get classes base -o yaml"),
        ("get-groups.txt", "get groups"),
        ("ancestors.txt", "ancestors shop/app2"),
        (
            "descendants.txt",
            "descendants sha256:559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd",
        ),
        ("explain.txt", "explain shop/app1:1"),
        ("explain-wide.txt", "explain shop/other -o wide"),
        ("usage.txt", "usage --class base"),
        ("status.txt", "status"),
    ] {
        expect(name, &shell.ok(&args.split(' ').collect::<Vec<_>>()));
    }
}

#[test]
fn the_help_of_every_command_looks_as_it_did() {
    let shell = Shell::empty();
    let mut all = shell.ok(&["--help"]);
    for command in [
        "import",
        "run",
        "watch",
        "process",
        "serve",
        "topics",
        "apply",
        "delete",
        "get",
        "ancestors",
        "descendants",
        "explain",
        "usage",
        "status",
        "subscribe",
        "export",
        "demo",
        "generate",
    ] {
        all += &format!("\n=== clade {command} --help\n\n{}", shell.ok(&[command, "--help"]));
    }
    let all: String = all.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    expect("help.txt", &all.replace(&shell.path("data"), "DIR"));
    assert!(shell.ok(&["completion", "bash"]).contains("clade"));
}

/// The contract of the README, word for word.
#[test]
fn images_and_tags_as_json_have_the_fields_that_scripts_rely_on() {
    let shell = Shell::new();
    let list = shell.json(&["get", "images", "--class", "base", "-o", "json"]);
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("clade.dev/v1alpha1"), &json!("List")));
    let items = list["items"].as_array().unwrap();
    let app2 = items.iter().find(|item| item["digest"] == json!(digest("app2"))).unwrap();
    assert_eq!(
        app2,
        &json!({
            "digest": digest("app2"),
            "platform": {"os": "linux", "architecture": "amd64"},
            "repositories": ["shop/app2"],
            "tags": ["shop/app2:latest"],
            "layers": 5,
            "classes": [{
                "name": "base", "state": "outdated", "version": digest("base@v2"), "current": digest("base@v3"),
                "depth": 4, "nearest": true,
            }],
            "groups": {"os": ["base"]},
        })
    );
    let tags = shell.json(&["get", "tags", "--class", "base", "-o", "json"]);
    let tag = tags["items"].as_array().unwrap().iter().find(|tag| tag["name"] == "shop/app2:latest").unwrap();
    assert_eq!(tag["images"], json!([app2]));
    assert_eq!(tag["digest"], json!(digest("app2")));
}

#[test]
fn a_line_of_lineage_has_the_fields_that_scripts_rely_on() {
    let shell = Shell::new();
    let lines: Vec<Value> =
        shell.ok(&["export", "lineage"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 8);
    let of = |name: &str| lines.iter().find(|line| line["digest"] == json!(digest(name))).unwrap();
    assert_eq!(
        of("app2"),
        &json!({
            "digest": digest("app2"),
            "platform": {"os": "linux", "architecture": "amd64"},
            "bases": [
                {"digest": digest("base@v2"), "depth": 4, "tags": []},
                {"digest": digest("base@v1"), "depth": 3, "tags": []},
            ],
            "equivalents": [],
            "classes": [{
                "name": "base", "state": "outdated", "version": digest("base@v2"), "current": digest("base@v3"),
                "depth": 4, "nearest": true,
            }],
            "claims": [],
        })
    );
    assert_eq!(of("app1")["equivalents"], json!([digest("app1conf")]));
    assert_eq!(of("app3")["bases"][0]["tags"], json!(["openshift/base:latest"]));
    assert_eq!(of("other")["claims"], json!([{"evidence": "dockerfile", "name": "openshift/base:latest"}]));
}

#[test]
fn an_image_is_found_by_tag_digest_beginning_of_a_digest_and_chain() {
    let shell = Shell::new();
    let full = digest("app3").to_string();
    for reference in ["shop/app3:latest", "shop/app3", &full, &full[..20], &full[7..20]] {
        assert_eq!(shell.ok(&["explain", reference, "-o", "name"]), full.clone() + "\n", "{reference}");
    }
    let chain = digest(&format!("{} {}", digest("A"), digest("X"))).to_string();
    let mut below: Vec<String> =
        shell.ok(&["descendants", &chain, "-o", "name"]).lines().map(str::to_owned).collect();
    below.sort();
    let mut expected = [digest("base@v3").to_string(), full];
    expected.sort();
    assert_eq!(below, expected);
}

#[test]
fn what_is_declared_deleted_and_declared_again_is_told_as_kubectl_does() {
    let shell = Shell::new();
    let classes = shell.path("classes.yaml");
    assert_eq!(
        shell.ok(&["apply", "-f", &classes]),
        "imageclass.clade.dev/base unchanged\nimageclassgroup.clade.dev/os unchanged\n"
    );
    assert_eq!(shell.ok(&["delete", "class", "base"]), "imageclass.clade.dev/base deleted\n");
    assert_eq!(shell.json(&["get", "images", "--state", "outdated", "-o", "json"])["items"], json!([]));
    assert_eq!(shell.ok(&["delete", "group", "os"]), "imageclassgroup.clade.dev/os deleted\n");
    assert!(shell.ok(&["apply", "-f", &classes]).starts_with("imageclass.clade.dev/base created\n"));
}

#[test]
fn transitions_are_subscribed_to_as_one_json_object_a_line() {
    let shell = Shell::new();
    let events: Vec<Value> = shell
        .ok(&["subscribe", "outdated"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let app1 = events.iter().find(|event| event["data"]["digest"] == json!(digest("app1"))).unwrap();
    assert_eq!(app1["type"], "dev.clade.outdated.v1");
    assert_eq!(app1["data"]["to"], json!({"state": "outdated", "version": digest("base@v1")}));
    assert_eq!(app1["data"]["tags"], json!(["shop/app1:1"]));
    assert_eq!(shell.ok(&["subscribe", "outdated", "--from", "end"]), "");
}

#[test]
fn while_clade_runs_other_commands_ask_it_and_nobody_else_opens_its_data() {
    let shell = Shell::new();
    let alone = shell.ok(&["get", "images", "-o", "json"]);
    let running = shell.serve(&[]);
    assert_eq!(shell.ok(&["get", "images", "-o", "json"]), alone);
    assert_eq!(shell.ok(&["delete", "class", "base"]), "imageclass.clade.dev/base deleted\n");
    assert_eq!(shell.json(&["get", "classes", "-o", "json"])["items"], json!([]));
    let (code, message) = shell.fails(&["import", &shell.path("registry")]);
    assert_eq!(code, 4, "{message}");
    assert!(message.contains(&format!("process {} (clade run)", running.0.id())), "{message}");
    assert!(running.stop());
    assert_eq!(shell.json(&["get", "classes", "-o", "json"])["items"], json!([]));
}

#[test]
fn while_clade_runs_it_takes_in_what_is_added_to_its_sources() {
    let shell = Shell::empty();
    let _running = shell.serve(&["--from", &shell.path("registry")]);
    let images = || shell.ok(&["get", "images", "-o", "name"]).lines().count();
    let until = |expected: usize| {
        let deadline = Instant::now() + Duration::from_secs(120);
        while images() != expected {
            assert!(Instant::now() < deadline, "{} images instead of {expected}", images());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    };
    until(8);
    let more =
        json!({"repository": "shop/more", "digest": digest("more"), "layers": [{"digest": digest("A")}]});
    std::fs::write(shell.path("registry/more.jsonl"), more.to_string()).unwrap();
    until(9);
}

#[test]
fn a_run_that_was_killed_is_no_obstacle_to_the_next() {
    let shell = Shell::new();
    drop(shell.serve(&[]));
    assert!(shell.dir.path().join("data/api.url").exists(), "it had no time to tidy up");
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    assert!(shell.serve(&[]).stop());
}

#[test]
fn a_run_that_listens_everywhere_takes_commands_from_its_own_machine() {
    let shell = Shell::new();
    let running = shell.serve(&["--listen", "0.0.0.0:0"]);
    assert_eq!(shell.ok(&["get", "classes", "-o", "name"]), "base\n");
    assert!(shell.ok(&["delete", "class", "base"]).contains("deleted"));
    assert!(running.stop());
}

#[test]
fn the_demo_tells_what_it_did_and_starts_over_only_in_its_own_directory() {
    let shell = Shell::empty();
    let told = shell.ok(&["demo", "--images", "1500"]);
    for expected in [
        "$ clade get classes",
        "openjdk8:outdated",
        "unknown by layers; claimed: base/rhel7:latest",
        "It is yours now:",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(shell.ok(&["get", "classes"]).contains("rhel7"));
    // How many transitions there were on the way depends on how much was processed at once; what they lead to does not.
    let answers = |told: &str| told.split_once("Which base images").unwrap().1.to_owned();
    let again = shell.run(&["demo", "--images", "1500"]);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(!said.contains("WARN"), "nothing of the first demo is in the way: {said}");
    assert_eq!(
        answers(&String::from_utf8(again.stdout).unwrap()),
        answers(&told),
        "the same seed tells the same"
    );
    let other = Shell::new();
    let (code, message) = other.fails(&["demo"]);
    assert_eq!(code, 2);
    assert!(message.contains("has data that no demo wrote"), "{message}");
}

/// What the README shows is what the demo prints.
#[test]
fn the_output_in_the_readme_is_the_demos_own() {
    let shell = Shell::empty();
    let told = shell.ok(&["demo"]);
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 4, "the README shows what clade prints");
    for block in blocks {
        assert!(told.contains(block), "this is not what the demo prints:\n{block}");
    }
}

#[cfg(unix)]
#[test]
fn only_variables_of_their_own_prefix_are_properties_of_kafka() {
    let shell = Shell::empty();
    let no_text = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(vec![b'x', 0xff]);
    let output = shell
        .command(&["topics", "plan", "--kafka", "127.0.0.1:1"])
        // As Kubernetes tells every pod of a Service named clade-kafka, and as people have them.
        .env("CLADE_KAFKA_SERVICE_HOST", "10.0.0.1")
        .env("OTHER", no_text)
        .env("CLADE_KAFKA_PROPERTY_SASL_PASWORD", "hidden-word")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the Kafka property sasl.pasword") && !error.contains("hidden-word"), "{error}");
}
