//! A real registry as a live source of the program itself. `make test` starts one: `CLADE_TEST_REGISTRY` names the folder of
//! `tests/registry/registry.sh`. It is filled once; tests that change their registry have a copy.

mod before;
mod misbehaving;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn script(name: &str) -> Command {
    Command::new(Path::new(ROOT).join("tests/registry").join(name))
}

fn ok(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until it is so.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// The registry of this run, filled.
fn filled() -> &'static (PathBuf, String) {
    static FILLED: OnceLock<(PathBuf, String)> = OnceLock::new();
    FILLED.get_or_init(|| {
        let folder = std::env::var_os("CLADE_TEST_REGISTRY").map(PathBuf::from).expect(
            "CLADE_TEST_REGISTRY names no folder: start a registry with `tests/registry/registry.sh start DIR` and set it to \
             DIR, or run `make test`",
        );
        let address = std::fs::read_to_string(folder.join("address")).unwrap().trim().to_owned();
        ok(script("fill.sh").arg(&address));
        (folder, address)
    })
}

/// A registry of a test's own, with the same content.
struct Registry {
    dir: tempfile::TempDir,
    address: String,
    /// Once it was started again.
    again: Option<Child>,
}

impl Registry {
    fn start(options: &[&str], notify: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        ok(Command::new("cp").arg("-r").arg(filled().0.join("data")).arg(dir.path()));
        Self::start_in(dir, options, notify)
    }

    fn start_in(dir: tempfile::TempDir, options: &[&str], notify: &str) -> Self {
        let mut command = script("registry.sh");
        command.arg("start").arg(dir.path()).args(options);
        if !notify.is_empty() {
            command.env("CLADE_REGISTRY_NOTIFY", notify);
        }
        let address = ok(&mut command).trim().to_owned();
        Self { dir, address, again: None }
    }

    fn stop(&self) {
        ok(script("registry.sh").arg("stop").arg(self.dir.path()));
    }

    /// At the same address.
    fn start_again(&mut self) {
        let config = self.dir.path().join("config.yml");
        let mut command = Command::new("docker-registry");
        let log = std::fs::File::options().append(true).open(self.dir.path().join("registry.log")).unwrap();
        let process = command.arg("serve").arg(config).stderr(log).stdout(Stdio::null()).spawn().unwrap();
        std::fs::write(self.dir.path().join("registry.pid"), process.id().to_string()).unwrap();
        self.again = Some(process);
        eventually("it listens", || std::net::TcpStream::connect(&self.address).is_ok());
    }

    fn skopeo(&self, command: &str, names: &[&str]) {
        let names = names.iter().map(|name| format!("docker://{}/{name}", self.address));
        let tls: &[&str] = match command {
            "copy" => &["--src-tls-verify=false", "--dest-tls-verify=false"],
            _ => &["--tls-verify=false"],
        };
        ok(Command::new("skopeo").args(["--insecure-policy", command]).args(tls).args(names));
    }

    /// What was asked for since the log had `from` bytes: methods and paths.
    fn requests(&self, from: usize) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.path().join("registry.log")).unwrap();
        let requests = log[from..].lines().filter(|line| line.contains("\"clade/"));
        requests.filter_map(|line| line.split('"').nth(1)).map(|line| line.replace(" HTTP/1.1", "")).collect()
    }

    fn log_bytes(&self) -> usize {
        usize::try_from(std::fs::metadata(self.dir.path().join("registry.log")).unwrap().len()).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        self.again.take().map(|mut process| process.wait());
    }
}

/// `clade run` that watches a registry.
struct Clade {
    dir: tempfile::TempDir,
    process: Option<Child>,
}

impl Clade {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), process: None }
    }

    fn watching(args: &[&str]) -> Self {
        let mut clade = Self::new();
        clade.watch(args);
        clade
    }

    fn watch(&mut self, args: &[&str]) {
        let file = |name: &str| std::fs::File::create(self.path(name)).unwrap();
        let process = self
            .command("run")
            .args(args)
            .stdout(file("url"))
            .stderr(file("stderr"))
            .env("DOCKER_CONFIG", self.dir.path().join("docker"))
            .env("PATH", format!("{}:{}", self.dir.path().display(), std::env::var("PATH").unwrap()))
            .spawn();
        self.process = Some(process.unwrap());
        eventually("it serves", || !std::fs::read_to_string(self.path("url")).unwrap().is_empty());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
        command.arg(name).env("CLADE_DATA_DIR", self.path("data")).env_remove("CLADE_LOG");
        command
    }

    fn ask(&self, args: &str) -> String {
        let (name, args) = args.split_once(' ').unwrap_or((args, ""));
        ok(self.command(name).args(args.split_whitespace()))
    }

    fn items(&self, args: &str) -> Vec<Value> {
        let list: Value = serde_json::from_str(&self.ask(&format!("{args} -o json"))).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The names of the tags that are listed, without the registry.
    fn tags(&self, filter: &str) -> Vec<String> {
        let name = |tag: &Value| tag["name"].as_str().unwrap().split_once('/').unwrap().1.to_owned();
        self.items(&format!("get tags {filter}")).iter().map(name).collect()
    }

    fn told(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap()
    }

    fn eventually_tells(&self, words: &str) {
        eventually(words, || self.told().contains(words));
    }

    fn declare_base(&self, registry: &str) {
        let class = format!(
            "apiVersion: clade.dev/v1alpha1\nkind: ImageClass\nmetadata: {{name: os}}\n\
             spec: {{from: {{kind: DockerImage, name: '{registry}/base/os:latest'}}}}\n"
        );
        self.ask(&format!("apply -f {}", self.write("class.yaml", &class)));
    }
}

impl Drop for Clade {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The tags that the registry is filled with and that name images.
const ALL: [&str; 7] = [
    "base/multi:latest",
    "base/os:latest",
    "team/app:1",
    "team/app:zstd",
    "team/attested:1",
    "team/multi:1",
    "team/squashed:1",
];

#[test]
#[ignore = "needs a registry: make test"]
fn images_of_every_kind_are_answered_right() {
    let registry = Registry::start(&[], "");
    let at = &registry.address;
    let clade = Clade::watching(&["--registry", &format!("http://{at}")]);
    eventually("all tags", || clade.tags("") == ALL);
    let bases = |tag: &str| {
        let found = clade.items(&format!("ancestors {at}/{tag}"));
        let names = found.iter().flat_map(|image| image["tags"].as_array().unwrap().clone());
        let names = names.map(|name| name.as_str().unwrap().split_once('/').unwrap().1.to_owned());
        names.collect::<Vec<_>>()
    };
    // The recompressed one has none of the blobs of its base.
    for tag in ["team/app:1", "team/app:zstd", "team/attested:1"] {
        assert_eq!(bases(tag), ["base/os:latest"], "{tag}");
    }
    let multi = clade.items(&format!("get tags --repository {at}/team/multi"));
    assert_eq!(multi[0]["images"].as_array().unwrap().len(), 2);
    for image in multi[0]["images"].as_array().unwrap() {
        let base = clade.items(&format!("ancestors {}", image["digest"].as_str().unwrap()));
        assert_eq!((base.len(), &base[0]["platform"]), (1, &image["platform"]));
        assert_eq!(base[0]["tags"], serde_json::json!([format!("{at}/base/multi:latest")]));
    }
    // Layers prove nothing here; what is claimed is told as a claim.
    assert!(bases("team/squashed:1").is_empty());
    let explained = clade.ask(&format!("explain {at}/team/squashed:1"));
    assert!(explained.contains("unknown by layers; claimed: "), "{explained}");
    // Neither the attestation nor the signature is an image.
    assert_eq!(clade.items("get images").len(), 8);
    assert_eq!(clade.ask("subscribe dead-letters"), "");
}

#[test]
#[ignore = "needs a registry: make test"]
fn a_tag_that_moves_makes_images_outdated_and_one_that_is_deleted_is_gone() {
    let registry = Registry::start(&[], "");
    let clade =
        Clade::watching(&["--registry", &format!("http://{}", registry.address), "--registry-poll", "1"]);
    eventually("all tags", || clade.tags("").len() == ALL.len());
    clade.declare_base(&registry.address);
    assert!(clade.tags("--class os --state outdated").is_empty());
    ok(script("fill.sh").args([&registry.address, "move"]));
    eventually("outdated tags", || {
        clade.tags("--class os --state outdated") == ["team/app:1", "team/app:zstd", "team/attested:1"]
    });
    assert_eq!(clade.tags("--class os --state current"), ["base/os:latest"]);
    registry.skopeo("delete", &["team/app:zstd"]);
    eventually("a tag gone", || !clade.tags("").contains(&"team/app:zstd".to_owned()));
    eventually("its image gone", || clade.items("get images").len() == 7);
}

#[test]
#[ignore = "needs a registry: make test"]
fn while_a_registry_is_away_nothing_counts_as_deleted() {
    let mut registry = Registry::start(&[], "");
    let address = format!("http://{}", registry.address);
    let mut clade = Clade::watching(&["--registry", &address, "--registry-poll", "1"]);
    eventually("all tags", || clade.tags("") == ALL);
    registry.stop();
    clade.eventually_tells("cannot be reached");
    clade.eventually_tells("nothing counts as deleted");
    assert_eq!(clade.tags(""), ALL);
    // Neither does it for one that has just been started and knows nothing.
    let again = Clade { dir: std::mem::replace(&mut clade.dir, tempfile::tempdir().unwrap()), process: None };
    drop(clade);
    let mut clade = again;
    clade.watch(&["--registry", &address, "--registry-poll", "1"]);
    clade.eventually_tells("nothing counts as deleted");
    assert_eq!(clade.tags(""), ALL);
    registry.start_again();
    registry.skopeo("copy", &["team/app:1", "team/app:2"]);
    eventually("the new tag", || clade.tags("").contains(&"team/app:2".to_owned()));
    assert_eq!(clade.tags("").len(), ALL.len() + 1);
}

#[test]
#[ignore = "needs a registry: make test"]
fn a_password_that_is_missing_or_wrong_is_told_and_a_right_one_is_taken_at_once() {
    let registry = Registry::start(&["--auth"], "");
    let address = format!("http://{}", registry.address);
    let anonymous = Clade::watching(&["--registry", &address]);
    anonymous.eventually_tells("it wants a user and password: `docker login");
    let mut clade = Clade::new();
    let file = clade.write("login", "clade:wrong\n");
    clade.watch(&["--registry", &address, "--registry-credentials", &file]);
    clade.eventually_tells("user \"clade\" of ");
    assert!(!clade.told().contains("wrong"), "a password was printed: {}", clade.told());
    clade.write("login", "clade:secret\n");
    eventually("all tags", || clade.tags("") == ALL);
}

#[test]
#[ignore = "needs a registry: make test"]
fn a_credential_helper_of_docker_is_asked() {
    use std::os::unix::fs::PermissionsExt as _;
    let registry = Registry::start(&["--auth"], "");
    let mut clade = Clade::new();
    let config = serde_json::json!({"credHelpers": {&registry.address: "test"}}).to_string();
    clade.write("docker/config.json", &config);
    let helper = clade.write(
        "docker-credential-test",
        "#!/bin/sh\necho '{\"Username\":\"clade\",\"Secret\":\"secret\"}'\n",
    );
    std::fs::set_permissions(helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    clade.watch(&["--registry", &format!("http://{}", registry.address)]);
    eventually("all tags", || clade.tags("") == ALL);
}

#[test]
#[ignore = "needs a registry: make test"]
fn a_certificate_must_be_of_a_trusted_authority() {
    let registry = Registry::start(&["--tls", "--auth"], "");
    let distrusting = Clade::watching(&["--registry", &registry.address]);
    distrusting.eventually_tells("certificate verify failed");
    let mut clade = Clade::new();
    let file = clade.write("login", "clade:secret");
    let ca = registry.dir.path().join("ca.pem").display().to_string();
    clade.watch(&["--registry", &registry.address, "--registry-ca", &ca, "--registry-credentials", &file]);
    eventually("all tags", || clade.tags("") == ALL);
}

#[test]
#[ignore = "needs a registry: make test"]
fn a_notification_makes_a_push_visible_long_before_the_next_pass() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("127.0.0.1:{port}/v1/registries/notify");
    let registry = Registry::start(&[], &format!("http://registry:knock@{endpoint}"));
    let mut clade = Clade::new();
    let secret = clade.write("secret", "knock\n");
    let listen = format!("127.0.0.1:{port}");
    clade.watch(
        &[
            ["--registry", &format!("http://{}", registry.address), "--registry-poll", "3600"],
            ["--listen", &listen, "--registry-secret-file", &secret],
        ]
        .concat(),
    );
    eventually("all tags", || clade.tags("") == ALL);
    registry.skopeo("copy", &["team/app:1", "new/app:1"]);
    eventually("a new repository", || clade.tags("").contains(&"new/app:1".to_owned()));
    registry.skopeo("delete", &["team/squashed:1"]);
    eventually("a tag gone", || !clade.tags("").contains(&"team/squashed:1".to_owned()));
    let without_secret = status_without_secret(&listen, "{}");
    assert_eq!(without_secret, "HTTP/1.1 401 Unauthorized");
}

/// The status line of the answer to a notification from somebody who knows no secret.
fn status_without_secret(address: &str, body: &str) -> String {
    use std::io::{BufRead as _, Write as _};
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let head =
        format!("POST /v1/registries/notify HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut line = String::new();
    std::io::BufReader::new(connection).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
#[ignore = "needs a registry: make test"]
fn nothing_is_read_twice_and_a_tag_that_has_not_moved_costs_one_request() {
    let registry = Registry::start(&[], "");
    let clade =
        Clade::watching(&["--registry", &format!("http://{}", registry.address), "--registry-poll", "1"]);
    eventually("all tags", || clade.tags("") == ALL);
    let begun = registry.log_bytes();
    let catalogs = |from| registry.requests(from).iter().filter(|asked| asked.contains("_catalog")).count();
    eventually("three passes", || catalogs(begun) >= 3);
    let asked = registry.requests(0);
    let mut manifests: Vec<&String> = asked
        .iter()
        .filter(|asked| asked.starts_with("GET") && asked.contains("/manifests/sha256:"))
        .collect();
    let all = manifests.len();
    manifests.sort_unstable();
    manifests.dedup();
    assert_eq!(manifests.len(), all, "something was read twice: {asked:#?}");
    // One for each image in each repository, of which one is in two, and the statement of the attestation.
    assert_eq!(asked.iter().filter(|asked| asked.contains("/blobs/")).count(), 10, "{asked:#?}");
    // Six repositories, seven tags, and the list of repositories.
    let mut later = registry.requests(begun);
    let from = later.iter().position(|asked| asked.contains("_catalog")).unwrap();
    let to = later.iter().rposition(|asked| asked.contains("_catalog")).unwrap();
    later = later[from..to].to_vec();
    let passes = later.iter().filter(|asked| asked.contains("_catalog")).count();
    assert_eq!(later.len(), passes * (1 + 6 + 7), "{later:#?}");
}
