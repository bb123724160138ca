//! The program, as its users run it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clade::oci::Digest;

use crate::history::{CLASSES, Data};
use crate::http::Connection;

/// `clade run`, which is killed when it is dropped.
pub(crate) struct Clade {
    child: Child,
    /// As `127.0.0.1:PORT`.
    pub(crate) address: String,
    /// The time until it answers.
    pub(crate) first_answer: Duration,
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
    command.arg("--data-dir").arg(data).env_remove("CLADE_LOG").env_remove("CLADE_SERVER");
    command
}

/// Runs `clade import` and returns its largest memory, in MiB.
pub(crate) fn import(lines: &Path, data: &Path) -> u64 {
    let mut command = command(data);
    let mut child =
        command.arg("import").arg(lines).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(memory(child.id(), "VmHWM:"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(child.wait().unwrap().success());
    most
}

/// Declares the classes.
pub(crate) fn declare(data: &Path, of: &Data) {
    let manifest = |(name, tag): &(&str, &str)| {
        serde_json::json!({
            "apiVersion": "clade.dev/v1alpha1", "kind": "ImageClass", "metadata": { "name": name },
            "spec": { "from": { "kind": "DockerImage", "name": tag } },
        })
    };
    let followed = CLASSES.iter().filter(|(_, tag)| of.tags.contains_key(*tag));
    let manifests: Vec<_> = followed.map(manifest).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), serde_json::to_vec(&manifests).unwrap()).unwrap();
    let status = command(data)
        .args(["apply", "-f"])
        .arg(file.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

impl Clade {
    pub(crate) fn start(data: &Path, from: &Path) -> Self {
        let begun = Instant::now();
        let mut command = command(data);
        command.args(["run", "--listen", "127.0.0.1:0", "--from"]).arg(from);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let address = url.trim().trim_start_matches("http://").to_owned();
        while !is_ready(&address) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address, first_answer: begun.elapsed() }
    }

    /// The memory that it uses now, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        memory(self.child.id(), "VmRSS:")
    }

    /// Ends it as an orchestrator does, so that it can write its snapshots.
    pub(crate) fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Clade {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(address: &str) -> bool {
    let head = format!("GET /v1/classes HTTP/1.0\r\nhost: {address}\r\n\r\n");
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let mut status = String::new();
    stream.write_all(head.as_bytes()).is_ok()
        && BufReader::new(stream).read_line(&mut status).is_ok()
        && status.contains(" 200 ")
}

fn memory(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

/// Has the process read so many new images while `meanwhile` runs. Returns how many it takes in a second: until the last of
/// them is in answers.
pub(crate) fn feed(clade: &Clade, folder: &Path, name: &str, images: u64, meanwhile: impl FnOnce()) -> f64 {
    let digest = |number: u64| Digest::of(format!("{name} {number}").as_bytes());
    let waiting = folder.join(format!("{name}.part"));
    let mut file = BufWriter::new(File::create(&waiting).unwrap());
    for number in 0..images {
        let layers = [format!("base {}", number % 50), format!("{name} {number}")];
        let layers = layers.map(|layer| serde_json::json!({ "digest": Digest::of(layer.as_bytes()) }));
        let line = serde_json::json!({
            "repository": format!("new/{name}-{}", number % 1_000), "digest": digest(number), "layers": layers,
            "platform": { "os": "linux", "architecture": "amd64" },
        });
        serde_json::to_writer(&mut file, &line).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
    let begun = Instant::now();
    std::fs::rename(&waiting, folder.join(format!("{name}.jsonl"))).unwrap();
    std::thread::scope(|scope| {
        let last = scope.spawn(move || {
            let path = format!("/v1/images/{}", digest(images - 1));
            while !answers(&clade.address, &path) {
                std::thread::sleep(Duration::from_millis(20));
            }
            images as f64 / begun.elapsed().as_secs_f64()
        });
        meanwhile();
        last.join().unwrap()
    })
}

fn answers(address: &str, path: &str) -> bool {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status).unwrap();
    status.contains(" 200 ")
}

impl Clade {
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }
}
