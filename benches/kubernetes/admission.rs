//! Measures the time that the admission webhook adds to the creation of a pod.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clade::kubernetes::Cluster;
use data_encoding::BASE64;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use super::certificate::certify;
use super::cluster::Server;

const POLICIES: usize = 50;
/// Pods a second.
const RATE: u64 = 200;
const SECONDS: u64 = 10;
const WEBHOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/components/admission/webhooks.yaml");

/// Pods that are created with the webhook and without it, turn by turn.
pub(crate) async fn admission(images: usize) {
    let server = Server::begin();
    let cluster = server.cluster().await;
    let dir = tempfile::tempdir().unwrap();
    let tags = import(dir.path(), images);
    certify(dir.path(), 1, "localhost", true);
    let webhook = Webhook::start(&server, dir.path()).await;
    println!("creations of {} pods, {RATE} a second; {images} images, {POLICIES} policies", RATE * SECONDS);
    for round in 0..3 {
        for with in [false, true] {
            if with {
                webhook.register(&server, dir.path());
                // The API server takes a registration over within about a second.
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            let mut times = create(&cluster, &tags, &format!("p{round}-{with}")).await;
            times.sort_unstable();
            let at = |percent: usize| {
                times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1_000.0
            };
            let name = if with { "with the webhook" } else { "without" };
            println!("  {name:<18} p50 {:>6.2} ms   p99 {:>6.2} ms", at(50), at(99));
            server.kubectl(&["delete", "validatingwebhookconfigurations", "--all"], b"");
            delete(&cluster).await;
        }
    }
    println!("  {}", webhook.told());
}

/// Imports a generated registry, declares a class and policies, and returns tags.
fn import(dir: &Path, images: usize) -> Vec<String> {
    let data = dir.join("data");
    let clade = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_clade"))
            .args(arguments)
            .env("CLADE_DATA_DIR", &data)
            .stderr(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "clade {arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let made = dir.join("made");
    clade(&["generate", made.to_str().unwrap(), "--images", &images.to_string()]);
    clade(&["import", made.to_str().unwrap()]);
    let tags: Vec<String> =
        clade(&["get", "tags", "--limit", "500", "-o", "name"]).lines().map(str::to_owned).collect();
    let class = json!({
        "apiVersion": "clade.dev/v1alpha1", "kind": "ImageClass", "metadata": {"name": "base"},
        "spec": {"from": {"kind": "DockerImage", "name": tags[0]}},
    });
    let policy = |number: usize| {
        json!({
            "apiVersion": "clade.dev/v1alpha1", "kind": "ClassPolicy", "metadata": {"name": format!("p{number}")},
            "spec": {"require": {"classes": ["base"], "state": "Current"}, "action": "Audit"},
        })
    };
    let objects: Vec<Json> = std::iter::once(class).chain((0..POLICIES).map(policy)).collect();
    let file = dir.join("objects.json");
    std::fs::write(&file, Json::from(objects).to_string()).unwrap();
    clade(&["apply", "-f", file.to_str().unwrap()]);
    tags
}

struct Webhook {
    child: Child,
    port: u16,
    url: String,
}

impl Webhook {
    async fn start(server: &Server, dir: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(env!("CARGO_BIN_EXE_clade"))
            .args(["run", "--admission", &format!("127.0.0.1:{port}"), "--admission-cert-file"])
            .arg(dir.join("tls.crt"))
            .arg("--admission-key-file")
            .arg(dir.join("tls.key"))
            .env("CLADE_DATA_DIR", dir.join("data"))
            .env("KUBECONFIG", server.kubeconfig())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(600), "it does not listen");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let url = loop {
            match std::fs::read_to_string(dir.join("data/api.url")) {
                Ok(url) => break url,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        Self { child, port, url }
    }

    fn register(&self, server: &Server, dir: &Path) {
        let authority = BASE64.encode(&std::fs::read(dir.join("tls.crt")).unwrap());
        let file = std::fs::read_to_string(WEBHOOKS).unwrap();
        let mut object: Json = serde_saphyr::from_multiple(&file).unwrap().swap_remove(0);
        for webhook in object["webhooks"].as_array_mut().unwrap() {
            let url = format!("https://127.0.0.1:{}/validate", self.port);
            webhook["clientConfig"] = json!({"url": url, "caBundle": authority});
            webhook["failurePolicy"] = "Fail".into();
        }
        server.kubectl(&["apply", "--server-side", "-f", "-"], object.to_string().as_bytes());
    }

    /// The verdicts so far, and the mean time of one inside the process.
    fn told(&self) -> String {
        let text = super::cluster::metrics(&self.url);
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or_default()
        };
        let (seconds, count) = (value("clade_admission_seconds_sum"), value("clade_admission_seconds_count"));
        format!("{count} verdicts, {:.0} us each inside the process", seconds / count * 1e6)
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pods(cluster: &Cluster) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("", "v1", "Pod");
    Api::namespaced_with(cluster.client(), "default", &ApiResource::from_gvk_with_plural(&kind, "pods"))
}

/// Creates pods at a steady rate; the time of each from when it was due.
async fn create(cluster: &Cluster, tags: &[String], name: &str) -> Vec<Duration> {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for number in 0..RATE * SECONDS {
        let due = begun + Duration::from_micros(number * 1_000_000 / RATE);
        tokio::time::sleep_until(due.into()).await;
        let image = &tags[usize::try_from(number).unwrap() % tags.len()];
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("{name}-{number}"), "namespace": "default"},
            "spec": {"containers": [{"name": "app", "image": image}]},
        });
        let (api, pod) = (pods(cluster), serde_json::from_value::<DynamicObject>(pod).unwrap());
        running.spawn(async move {
            api.create(&PostParams::default(), &pod).await.unwrap();
            due.elapsed()
        });
    }
    running.join_all().await
}

async fn delete(cluster: &Cluster) {
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    pods(cluster).delete_collection(&at_once, &ListParams::default()).await.unwrap();
}
