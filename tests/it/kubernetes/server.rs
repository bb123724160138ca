//! The API server that `make test` starts: `CLADE_TEST_KUBERNETES` names the folder of `tests/kubernetes/cluster.sh`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clade::oci::Digest;
use serde_json::{Value as Json, json};

use crate::support::digest;

/// Images and classes belong to the whole cluster: one test at a time has it.
static TURN: Mutex<()> = Mutex::new(());

/// The turn to have the API server.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const KINDS: &str = "imageclasses,imageclassgroups,classpolicies,images.image.openshift.io,imagestreams.image.openshift.io,\
                     buildconfigs.build.openshift.io,builds.build.openshift.io,leases.coordination.k8s.io";

const WEBHOOKS: &str = "validatingwebhookconfigurations,mutatingwebhookconfigurations";

/// The server, emptied, for as long as the test has it.
pub(super) struct Server {
    pub(super) dir: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl Server {
    pub(super) fn begin() -> Self {
        let turn = turn();
        let dir = std::env::var_os("CLADE_TEST_KUBERNETES").map(PathBuf::from).expect(
            "CLADE_TEST_KUBERNETES names no folder: start an API server with `tests/kubernetes/cluster.sh start DIR` and \
             set it to DIR, or run `make test`",
        );
        let server = Self { dir, _turn: turn };
        let crds = clade(&["crd"]).output().unwrap();
        assert!(crds.status.success());
        server.kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &crds.stdout);
        server.kubectl(&["apply", "--server-side", "-f", &root("tests/kubernetes/openshift-crds.yaml")]);
        // A definition is usable a moment after it was taken; before, kubectl does not wait for what has no conditions.
        eventually("the kinds are established", || {
            server
                .try_kubectl(&["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"])
                .is_ok()
        });
        eventually("the kinds are served", || server.try_kubectl(&["get", KINDS]).is_ok());
        // Webhooks of a test that has failed would judge the next one's pods.
        server.kubectl(&["delete", WEBHOOKS, "--all", "--wait=true"]);
        server.kubectl(&["delete", "pods,deployments.apps", "--all", "--grace-period=0", "--force"]);
        for namespace in ["default", "clade"] {
            server.kubectl(&["delete", KINDS, "--all", "--namespace", namespace, "--wait=true"]);
        }
        server
    }

    pub(super) fn script(&self, command: &str) {
        let status = Command::new(root("tests/kubernetes/cluster.sh")).arg(command).arg(&self.dir).status();
        assert!(status.unwrap().success(), "cluster.sh {command}");
    }

    pub(super) fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(root("tests/kubernetes/cluster.sh"))
            .args(["kubectl", &self.dir.display().to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    pub(super) fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self.run(arguments, b"");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// kubectl with the plugins of a folder.
    pub(super) fn plugin(&self, plugins: &Path, arguments: &[&str]) -> String {
        let path = format!("{}:{}", plugins.display(), std::env::var("PATH").unwrap());
        let output = Command::new(root("tests/kubernetes/cluster.sh"))
            .args(["kubectl", &self.dir.display().to_string()])
            .args(arguments)
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    pub(super) fn kubectl_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.run(arguments, input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What kubectl says against an object that the server refuses.
    pub(super) fn refused(&self, object: &Json) -> String {
        let output = self.run(&["apply", "--server-side", "-f", "-"], object.to_string().as_bytes());
        assert!(!output.status.success(), "{object} was taken");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Creates or changes objects as somebody else than clade.
    pub(super) fn apply(&self, objects: &[Json]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.kubectl_with(
            &["apply", "--server-side", "--force-conflicts", "-f", "-"],
            list.to_string().as_bytes(),
        );
    }

    pub(super) fn delete(&self, kind: &str, name: &str) {
        self.kubectl(&["delete", kind, name, "--wait=true"]);
    }

    /// The labels of every Image object that clade has written, by the image's short name among `names`.
    pub(super) fn labels(&self, names: &[&str]) -> BTreeMap<String, BTreeMap<String, String>> {
        let list: Json =
            serde_json::from_str(&self.kubectl(&["get", "images.image.openshift.io", "-o", "json"])).unwrap();
        let mut found = BTreeMap::new();
        for image in list["items"].as_array().unwrap() {
            let of: Digest = image["metadata"]["name"].as_str().unwrap().parse().unwrap();
            let Some(name) = names.iter().find(|name| digest(name) == of) else { continue };
            let labels = image["metadata"]["labels"].as_object().cloned().unwrap_or_default();
            let labels = labels.into_iter().map(|(key, value)| (key, value.as_str().unwrap().to_owned()));
            found.insert((*name).to_owned(), labels.collect());
        }
        found
    }

    /// The state of each image in a class, by its label.
    pub(super) fn states(&self, class: &str, names: &[&str]) -> Vec<(String, String)> {
        let key = format!("class.clade.dev/{class}");
        let states = self
            .labels(names)
            .into_iter()
            .filter_map(|(name, labels)| Some((name, labels.get(&key)?.clone())));
        states.collect()
    }

    pub(super) fn status_of(&self, class: &str) -> Json {
        let object: Json =
            serde_json::from_str(&self.kubectl(&["get", "imageclass", class, "-o", "json"])).unwrap();
        object["status"].clone()
    }

    /// A condition of a class, as `status reason`.
    pub(super) fn condition(&self, class: &str, type_: &str) -> String {
        let status = self.status_of(class);
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found =
            conditions.iter().find(|condition| condition["type"] == type_).cloned().unwrap_or_default();
        format!(
            "{} {}",
            found["status"].as_str().unwrap_or_default(),
            found["reason"].as_str().unwrap_or_default()
        )
    }

    /// How a service reaches it: with a token of its ServiceAccount, which has the roles that an overlay of `deploy/` gives
    /// it and no others.
    pub(super) fn service(&self, overlay: &str, account: &str) -> PathBuf {
        let path = root(&format!("deploy/overlays/{overlay}"));
        let all: Vec<Json> = serde_saphyr::from_multiple(&self.kubectl(&["kustomize", &path])).unwrap();
        let is_right = |object: &Json| {
            let kind = object["kind"].as_str().unwrap();
            ["Namespace", "ServiceAccount"].contains(&kind) || kind.contains("Role")
        };
        self.apply(&all.into_iter().filter(is_right).collect::<Vec<_>>());
        let written = Command::new(root("tests/kubernetes/cluster.sh"))
            .args(["kubeconfig", &self.dir.display().to_string(), "clade", account])
            .output()
            .unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        String::from_utf8(written.stdout).unwrap().trim().into()
    }
}

pub(super) fn root(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

pub(super) fn clade(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
    command.args(arguments);
    command
}

/// So long is waited for what comes: clade asks a server that was away again within half a minute, and machines are slow.
const MOST_WAIT: Duration = Duration::from_secs(120);

/// Waits until it is so; panics with what it should have been.
pub(super) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + MOST_WAIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within two minutes: {what}");
        #[allow(clippy::disallowed_methods, reason = "a condition is looked at again")]
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until `found` gives what is expected, and shows the difference if it never does.
pub(super) fn becomes<T: PartialEq + std::fmt::Debug>(expected: &T, mut found: impl FnMut() -> T) {
    let deadline = Instant::now() + MOST_WAIT;
    loop {
        let now = found();
        if now == *expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not within two minutes:\nexpected {expected:?}\nfound    {now:?}"
        );
        #[allow(clippy::disallowed_methods, reason = "a condition is looked at again")]
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// An Image of these layers, base first.
pub(super) fn image(name: &str, layers: &[&str]) -> Json {
    let layers: Vec<Json> = layers
        .iter()
        .map(|layer| json!({"name": digest(layer), "size": 100, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}))
        .collect();
    json!({
        "apiVersion": "image.openshift.io/v1",
        "kind": "Image",
        "metadata": {
            "name": digest(name), "annotations": {"image.openshift.io/dockerLayersOrder": "ascending"}
        },
        "dockerImageReference": format!("registry.example/team/{name}@{}", digest(name)),
        "dockerImageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "dockerImageMetadata": {
            "Id": digest(&format!("config of {name}")), "Created": "2024-01-01T00:00:00Z", "Architecture": "amd64",
            "Os": "linux"
        },
        "dockerImageLayers": layers,
    })
}

/// An image stream with one tag that has pointed at these images, oldest first.
pub(super) fn stream(name: &str, tag: &str, images: &[&str]) -> Json {
    let items: Vec<Json> = images
        .iter()
        .enumerate()
        .rev()
        .map(|(number, image)| {
            json!({
                "created": format!("2024-01-01T00:{:02}:00Z", number), "image": digest(image), "generation": number,
                "dockerImageReference": format!("registry.example/default/{name}@{}", digest(image)),
            })
        })
        .collect();
    json!({
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"namespace": "default", "name": name},
        "status": {"tags": [{"tag": tag, "items": items}]},
    })
}

/// A class that follows a tag of an image stream.
pub(super) fn class(name: &str, tag: &str) -> Json {
    json!({
        "apiVersion": "clade.dev/v1alpha1",
        "kind": "ImageClass",
        "metadata": {"name": name, "labels": {"os": name}},
        "spec": {"from": {"kind": "ImageStreamTag", "namespace": "default", "name": tag}},
    })
}

/// A group of the classes that have this label.
pub(super) fn group(name: &str, label: &str) -> Json {
    json!({
        "apiVersion": "clade.dev/v1alpha1",
        "kind": "ImageClassGroup",
        "metadata": {"name": name},
        "spec": {"selector": {"matchExpressions": [{"key": label, "operator": "Exists"}]}},
    })
}
