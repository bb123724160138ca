//! A shell in which clade is run.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::digest;

/// A data directory, and a folder with the domain's worked example as a registry's history.
pub(super) struct Shell {
    pub(super) dir: tempfile::TempDir,
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
    pub(super) fn new() -> Self {
        let shell = Self::empty();
        shell.ok(&["import", &shell.path("registry")]);
        shell.ok(&["apply", "-f", &shell.path("classes.yaml")]);
        shell
    }

    pub(super) fn empty() -> Self {
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

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
        command
            .args(args)
            .env("CLADE_DATA_DIR", self.path("data"))
            .env_remove("CLADE_LOG")
            .env_remove("COLUMNS");
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a command that succeeds.
    pub(super) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and message of a command that fails.
    pub(super) fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(output.stdout.is_empty(), "{args:?} prints to standard output and fails");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// `clade run`, as soon as it serves.
    pub(super) fn serve(&self, args: &[&str]) -> Running {
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

pub(super) struct Running(pub(super) Child);

impl Running {
    /// Asks it to stop, as Ctrl-C does; whether it ended well.
    pub(super) fn stop(mut self) -> bool {
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
