//! Rebuilds without a cluster: plans of what `oc get` printed, as people read them, and tags that a sink is told of.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use clade::http::signature::webhook_signature;
use clade::oci::Digest;
use serde_json::{Value as Json, json};

use crate::support::digest;

/// A cluster as `oc get images,imagestreams,buildconfigs -A -o json` prints it: one base that has moved, and what is built
/// on it.
fn cluster() -> Json {
    let image = |name: &str, layers: &[&str]| {
        let layers: Vec<Json> =
            layers.iter().map(|layer| json!({"name": digest(layer), "size": 1})).collect();
        json!({
            "apiVersion": "image.openshift.io/v1", "kind": "Image", "metadata": {
                "name": digest(name), "annotations": {"image.openshift.io/dockerLayersOrder": "ascending"}
            },
            "dockerImageMetadata": {"Architecture": "amd64", "Os": "linux"}, "dockerImageLayers": layers,
        })
    };
    let stream = |namespace: &str, name: &str, images: &[(&str, u32)]| {
        let items: Vec<Json> = images
            .iter()
            .rev()
            .map(|(image, day)| json!({"created": format!("2026-11-{day:02}T08:00:00Z"), "image": digest(image)}))
            .collect();
        json!({
            "apiVersion": "image.openshift.io/v1", "kind": "ImageStream",
            "metadata": {"namespace": namespace, "name": name}, "status": {"tags": [{"tag": "latest", "items": items}]},
        })
    };
    let config = |namespace: &str, name: &str, on: &str, source: Option<&str>, triggers: bool| {
        let tag = |name: &str| {
            let (namespace, name) = name.split_once('/').unwrap();
            json!({"kind": "ImageStreamTag", "namespace": namespace, "name": format!("{name}:latest")})
        };
        let images: Vec<Json> = source.iter().map(|source| json!({"from": tag(source)})).collect();
        let triggers = if triggers { json!([{"type": "ImageChange", "imageChange": {}}]) } else { json!([]) };
        json!({
            "apiVersion": "build.openshift.io/v1", "kind": "BuildConfig",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {
                "strategy": {"dockerStrategy": {"from": tag(on)}}, "source": {"images": images},
                "output": {"to": tag(&format!("{namespace}/{name}"))}, "triggers": triggers,
            },
        })
    };
    let on_base =
        |name: &str| vec!["A", "B"].into_iter().chain([name]).map(str::to_owned).collect::<Vec<_>>();
    let mut items = vec![
        image("ubi@1", &["A", "B"]),
        image("ubi@2", &["A", "C"]),
        stream("base", "ubi", &[("ubi@1", 1), ("ubi@2", 24)]),
        image("tools", &["T"]),
        stream("base", "tools", &[("tools", 1)]),
        config("base", "php", "base/ubi", None, false),
        config("shop", "web", "base/php", None, true),
        config("shop", "cart", "base/php", Some("base/tools"), false),
        config("shop", "site", "shop/web", Some("shop/cart"), false),
        config("pay", "egg", "pay/hen", None, false),
        config("pay", "hen", "pay/egg", Some("base/ubi"), false),
        config("pay", "omelette", "pay/egg", None, false),
        config("pay", "lost", "pay/nowhere", Some("base/ubi"), false),
    ];
    for (namespace, name) in [
        ("base", "php"),
        ("shop", "web"),
        ("shop", "cart"),
        ("shop", "site"),
        ("pay", "egg"),
        ("pay", "hen"),
        ("pay", "omelette"),
        ("pay", "lost"),
    ] {
        let layers = on_base(name);
        items.push(image(name, &layers.iter().map(String::as_str).collect::<Vec<_>>()));
        items.push(stream(namespace, name, &[(name, 2)]));
    }
    // Two that nobody here builds, one of them on the other.
    items.extend([image("lib", &["A", "B", "lib"]), stream("ext", "lib", &[("lib", 2)])]);
    items.extend([image("app", &["A", "B", "lib", "app"]), stream("ext", "app", &[("app", 2)])]);
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

const CLASS: &str = "{apiVersion: clade.dev/v1alpha1, kind: ImageClass, metadata: {name: vendor}, spec: {from: \
                     {kind: ImageStreamTag, namespace: base, name: 'ubi:latest'}}}";

struct Shell(tempfile::TempDir);

impl Shell {
    fn new() -> Self {
        let shell = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(shell.0.path().join("from")).unwrap();
        std::fs::write(shell.0.path().join("from/cluster.json"), cluster().to_string()).unwrap();
        std::fs::write(shell.0.path().join("class.yaml"), CLASS).unwrap();
        shell.ok(&["import", &shell.path("from")]);
        shell.ok(&["apply", "-f", &shell.path("class.yaml")]);
        shell
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
        command
            .args(arguments)
            .env("CLADE_DATA_DIR", self.path("data"))
            .env("USER", "alice")
            .env_remove("COLUMNS");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
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
fn a_plan_reads_as_it_did() {
    let shell = Shell::new();
    expect("rebuild-dry-run.txt", &shell.ok(&["rebuild", "--class", "vendor", "--dry-run"]));
    let only = ["rebuild", "--class", "vendor", "--dry-run", "--namespace", "ext", "--notify", "-o", "json"];
    expect("rebuild-dry-run.json", &shell.ok(&only));
    assert_eq!(
        shell.ok(&["rebuild", "--class", "vendor", "--dry-run", "-o", "name"]),
        "base/php\nshop/cart\nshop/web\nshop/site\n"
    );
}

#[test]
fn what_cannot_be_asked_for_is_told_with_what_to_do() {
    let shell = Shell::new();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["rebuild"], 2, "clade rebuild --class NAME"),
        (&["rebuild", "--class", "nobody", "--dry-run"], 3, "class \"nobody\" not found"),
        (&["rebuild", "--class", "vendor", "--group", "os", "--dry-run"], 3, "group \"os\" not found"),
        (&["rebuild", "--class", "vendor"], 2, "clade run with --kubernetes or --sink"),
        (&["rebuild", "--class", "vendor", "--window", "22:00"], 2, "HH:MM-HH:MM"),
        (&["rebuild", "--class", "vendor", "--window", "Sun/25:00-06:00"], 2, "window.start"),
        (&["rebuild", "--class", "vendor", "--max-concurrent", "0"], 2, "max-concurrent"),
        (&["rebuild", "show", "vendor-1"], 3, "there is no rebuild \"vendor-1\"; `clade rebuild list`"),
        (&["rebuild", "pause", "vendor-1"], 2, "ask one that does, with --server"),
    ];
    for (arguments, code, part) in cases {
        let (found, message) = shell.refused(arguments);
        assert!(found == code && message.contains(part), "{arguments:?}: {found} {message}");
    }
    assert_eq!(shell.ok(&["rebuild", "list", "-o", "name"]), "");
}

/// What a sink was told: headers and body.
type Told = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A sink that cannot take the first that it is told.
fn sink(told: &Told) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let told = Arc::clone(told);
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let mut told = told.lock().unwrap();
        told.push((headers, body));
        if told.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::ACCEPTED }
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(take));
    std::thread::spawn(move || runtime.block_on(async move { axum::serve(listener, router).await }));
    address
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within two minutes: {what}");
        #[allow(clippy::disallowed_methods, reason = "a condition is looked at again")]
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn tags_that_no_buildconfig_builds_are_told_to_the_sink_signed_and_waited_for() {
    let shell = Shell::new();
    std::fs::write(shell.path("secret"), "whsec_c2VzYW1l\n").unwrap();
    let told = Told::default();
    let url = sink(&told);
    let arguments =
        ["run", "--sink", &url, "--sink-secret-file", &shell.path("secret"), "--retry-after", "1"];
    let mut command = shell.command(&[&arguments[..], &["--from", &shell.path("from")]].concat());
    let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut url = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    eventually("it is ready to carry rebuilds out", || {
        shell.refused(&["rebuild", "--class", "vendor"]).1.contains("start it with --kubernetes")
    });
    let ask =
        ["rebuild", "--class", "vendor", "--namespace", "ext", "--notify", "--reason", "CVE-1", "-o", "name"];
    assert_eq!(shell.ok(&ask), "vendor-1\n");
    let item = || -> Json {
        serde_json::from_str(&shell.ok(&["rebuild", "show", "vendor-1", "-o", "json"])).unwrap()
    };
    eventually("it is told again and taken", || {
        item()["progress"]["running"] == 1 && told.lock().unwrap().len() == 2
    });

    let (headers, body) = told.lock().unwrap()[1].clone();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let seconds: i64 = header("webhook-timestamp").parse().unwrap();
    let signature = webhook_signature(b"sesame", &header("webhook-id"), seconds, &body);
    assert_eq!(header("webhook-signature"), signature);
    assert_eq!(header("content-type"), "application/cloudevents+json");
    let event: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["type"], "dev.clade.rebuild-requested.v1");
    assert_eq!(event["id"], header("webhook-id").as_str());
    assert_eq!((&event["data"]["class"], &event["data"]["rebuild"]), (&"vendor".into(), &"vendor-1".into()));
    assert!(event["data"]["reason"].as_str().unwrap().contains("CVE-1"));

    // Whoever was told pushes an image on the new base: then it is the turn of what is built on that.
    std::fs::write(shell.path("from/cluster.json"), rebuilt(&cluster(), &["lib"]).to_string()).unwrap();
    eventually("the next is told", || told.lock().unwrap().len() == 3);
    std::fs::write(shell.path("from/cluster.json"), rebuilt(&cluster(), &["lib", "app"]).to_string())
        .unwrap();
    eventually("all of it is done", || item()["state"] == "Finished");
    assert_eq!(item()["progress"]["succeeded"], 2);
    let ids: Vec<String> = told
        .lock()
        .unwrap()
        .iter()
        .map(|(headers, _)| headers["webhook-id"].to_str().unwrap().to_owned())
        .collect();
    // What was not taken is told once more under the same ID, as Standard Webhooks has it.
    let planned = item()["created"].as_str().unwrap().to_owned();
    assert_eq!(ids, ["lib", "lib", "app"].map(|name| format!("vendor-1@{planned}/tag/ext/{name}:latest#1")));
}

/// These tags of namespace `ext` on images of the new base.
fn rebuilt(cluster: &Json, names: &[&str]) -> Json {
    let mut cluster = cluster.clone();
    let items = cluster["items"].as_array_mut().unwrap();
    let mut images = Vec::new();
    for item in items.iter_mut().filter(|item| item["metadata"]["namespace"] == "ext") {
        let name = item["metadata"]["name"].as_str().unwrap();
        if !names.contains(&name) {
            continue;
        }
        let name = format!("{name}@2");
        let new: Digest = digest(&name);
        item["status"]["tags"][0]["items"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"created": "2026-11-25T08:00:00Z", "image": new}));
        images.push(json!({
            "apiVersion": "image.openshift.io/v1", "kind": "Image", "metadata": {
                "name": new, "annotations": {"image.openshift.io/dockerLayersOrder": "ascending"}
            },
            "dockerImageMetadata": {"Architecture": "amd64", "Os": "linux"},
            "dockerImageLayers": [{"name": digest("A")}, {"name": digest("C")}, {"name": new}],
        }));
    }
    items.extend(images);
    cluster
}
