//! The API server, what is created there, and the clade that runs beside it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clade::kubernetes::Cluster;
use clade::oci::Digest;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kubernetes/cluster.sh");
const OPENSHIFT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kubernetes/openshift-crds.yaml");
/// An Image object of a cluster has about 10 KB.
const PADDING: usize = 7_500;

/// A server of this benchmark's own.
pub(crate) struct Server {
    dir: tempfile::TempDir,
}

impl Server {
    pub(crate) fn begin() -> Self {
        let server = Self { dir: tempfile::tempdir().unwrap() };
        server.script(&["start"]);
        let crds = Command::new(env!("CARGO_BIN_EXE_clade")).arg("crd").output().unwrap().stdout;
        server.kubectl(&["apply", "--server-side", "-f", "-"], &crds);
        server.kubectl(&["apply", "--server-side", "-f", OPENSHIFT], b"");
        server.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"], b"");
        server
    }

    fn script(&self, command: &[&str]) {
        let status = Command::new(SCRIPT)
            .arg(command[0])
            .arg(self.dir.path())
            .args(&command[1..])
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "cluster.sh {command:?}");
    }

    pub(crate) fn kubectl(&self, arguments: &[&str], input: &[u8]) {
        let mut child = Command::new(SCRIPT)
            .arg("kubectl")
            .arg(self.dir.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        assert!(child.wait().unwrap().success(), "kubectl {arguments:?}");
    }

    /// The API server is away for a moment: every watch ends, and what is asked for anew is too old.
    pub(crate) fn restart(&self) {
        self.script(&["stop-apiserver"]);
        self.script(&["start-apiserver"]);
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// A connection as the administrator.
    pub(crate) async fn cluster(&self) -> Cluster {
        Cluster::of_kubeconfig(&self.kubeconfig()).await.unwrap()
    }

    pub(crate) fn declare(&self, class: &str, tag: &str) {
        let object = json!({
            "apiVersion": "clade.dev/v1alpha1", "kind": "ImageClass", "metadata": {"name": class},
            "spec": {"from": {"kind": "ImageStreamTag", "namespace": "default", "name": tag}},
        });
        self.kubectl(&["apply", "--server-side", "-f", "-"], object.to_string().as_bytes());
    }

    pub(crate) fn undeclare(&self, class: &str) {
        self.kubectl(&["delete", "imageclass", class], b"");
    }

    /// Creates images that are all built on the first, and a stream whose tag points at that.
    pub(crate) async fn create_images(&self, cluster: &Cluster, images: usize) {
        let kind = GroupVersionKind::gvk("image.openshift.io", "v1", "Image");
        let api: Api<DynamicObject> =
            Api::all_with(cluster.client(), &ApiResource::from_gvk_with_plural(&kind, "images"));
        let mut writes = JoinSet::new();
        for number in 0..images {
            if writes.len() >= 32 {
                writes.join_next().await.unwrap().unwrap();
            }
            let (api, object) =
                (api.clone(), serde_json::from_value::<DynamicObject>(image(number)).unwrap());
            writes.spawn(async move {
                api.create(&PostParams::default(), &object).await.unwrap();
            });
        }
        while let Some(written) = writes.join_next().await {
            written.unwrap();
        }
        let stream = json!({
            "apiVersion": "image.openshift.io/v1", "kind": "ImageStream",
            "metadata": {"namespace": "default", "name": "base"},
            "status": {"tags": [{"tag": "latest", "items": [{
                "created": "2024-01-01T00:00:00Z", "image": digest("image 0"), "generation": 1,
                "dockerImageReference": format!("registry.example/default/base@{}", digest("image 0")),
            }]}]},
        });
        self.kubectl(&["apply", "--server-side", "-f", "-"], stream.to_string().as_bytes());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.script(&["stop"]);
    }
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// An image with three layers of the base and six of its own.
pub(crate) fn image(number: usize) -> Json {
    let own = (0..if number == 0 { 0 } else { 6 }).map(|layer| digest(&format!("layer {layer} of {number}")));
    let layers: Vec<Json> = ["A", "B", "C"]
        .into_iter()
        .map(digest)
        .chain(own)
        .map(|layer| {
            json!({"name": layer, "size": 1000, "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"})
        })
        .collect();
    let name = digest(&format!("image {number}"));
    json!({
        "apiVersion": "image.openshift.io/v1",
        "kind": "Image",
        "metadata": {"name": name, "annotations": {"image.openshift.io/dockerLayersOrder": "ascending"}},
        "dockerImageReference": format!("registry.example/team/app{}@{name}", number % 1000),
        "dockerImageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "dockerImageMetadata": {
            "Id": digest(&format!("config of {number}")), "Created": "2024-01-01T00:00:00Z",
            "Architecture": "amd64", "Os": "linux", "Config": {"Env": ["x".repeat(PADDING)]},
        },
        "dockerImageLayers": layers,
    })
}

/// `clade run --kubernetes` as users build it.
pub(crate) struct Clade {
    child: Child,
    log: PathBuf,
    dir: PathBuf,
}

impl Clade {
    pub(crate) fn run(server: &Server, dir: &Path) -> Self {
        let log = dir.join("run.log");
        let child = Command::new(env!("CARGO_BIN_EXE_clade"))
            .args(["run", "--kubernetes", "--data-dir"])
            .arg(dir)
            .env("KUBECONFIG", server.kubeconfig())
            .env("CLADE_LOG", "clade=info,warn")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log, dir: dir.to_owned() }
    }

    /// Waits until it has listed all images so often.
    pub(crate) fn wait_for_list(&self, times: usize) {
        let said = || std::fs::read_to_string(&self.log).unwrap().matches("listed kind=\"Image\"").count();
        wait("it has listed all images", || said() >= times);
    }

    /// Waits until so many images are in its index.
    pub(crate) fn wait_for_images(&self, images: usize) {
        self.wait_for_list(1);
        wait("all images are in its index", || {
            let output = Command::new(env!("CARGO_BIN_EXE_clade"))
                .args(["get", "images", "-o", "name", "--data-dir"])
                .arg(&self.dir)
                .output()
                .unwrap();
            output.stdout.iter().filter(|byte| **byte == b'\n').count() >= images
        });
    }

    /// Waits until it has written so many objects, by its own count.
    pub(crate) async fn wait_for_labels(&self, images: usize) {
        let url = std::fs::read_to_string(self.dir.join("api.url")).unwrap_or_default();
        loop {
            let text = metrics(&url);
            let written = text.lines().find_map(|line| line.strip_prefix("clade_labelled_total "));
            if written.is_some_and(|written| written.parse::<usize>().unwrap() >= images) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn tell_memory(&self, when: &str) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let megabytes = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
        };
        println!(
            "  {when:<22} {:>5} MiB, at the most so far {:>5} MiB",
            megabytes("VmRSS"),
            megabytes("VmHWM")
        );
    }
}

impl Drop for Clade {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a clade tells Prometheus.
pub(crate) fn metrics(url: &str) -> String {
    let asked = || {
        let mut stream = TcpStream::connect(url.strip_prefix("http://")?).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok().map(|_| text)
    };
    asked().unwrap_or_default()
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(900);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within a quarter of an hour: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
