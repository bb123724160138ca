//! `clade run` on a registry of 5,000 repositories and 200,000 tags: `make bench-registry`.
//!
//! The registry is made up in this process (`tests/it/registry_size/made_up.rs`): it refuses one manifest in a hundred for
//! ever, and fails one request in a hundred. clade is the program itself in a process of its own. A bare client sends the
//! requests of a pass, and does nothing with the answers. `CLADE_BENCH_SCALE=0.05` has fewer repositories and tags, and
//! `CLADE_BENCH_SLICE=5` shows each limit for so many seconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that fails should stop"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../../tests/it/registry_size/made_up.rs"]
mod made_up;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use made_up::{Counts, MadeUp};

/// As many as clade has at its fastest.
const AT_ONCE: usize = 64;
/// A limit that nothing reaches here.
const NO_LIMIT: u32 = 1_000_000;

fn setting(name: &str, default: f64) -> f64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// `clade run`, which is killed when it is dropped.
struct Clade(Child);

impl Clade {
    fn start(registry: &MadeUp, dir: &Path, rate: u32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
        command.arg("--data-dir").arg(dir).arg("run");
        command.args(["--registry", &format!("http://{}", registry.address())]);
        command.args(["--registry-rate", &rate.to_string(), "--registry-poll", "1"]);
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    /// The most memory that it has used, in MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    }
}

impl Drop for Clade {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until this many passes have begun, which is when the one before has ended.
async fn passes(registry: &MadeUp, passes: u64) {
    let before = registry.counts().passes;
    until(|| registry.counts().passes >= before + passes).await;
}

fn tell(what: &str, of: Counts, took: Duration, memory: Option<u64>) {
    let Counts { requests, lists, heads, documents, refused, failed, .. } = of;
    let seconds = took.as_secs_f64();
    let memory = memory.map_or_else(|| "-".to_owned(), |memory| format!("{memory} MiB"));
    println!(
        "{what:<44} {requests:>8} requests ({lists} lists, {heads} tags, {documents} documents, {refused} refused, {failed} \
         failed) in {seconds:.1} s: {:.0}/s; {memory}",
        requests as f64 / seconds
    );
}

#[tokio::main]
async fn main() {
    let (scale, slice) = (setting("CLADE_BENCH_SCALE", 1.0), setting("CLADE_BENCH_SLICE", 30.0));
    let sized = |full: f64| (full * scale).round() as usize;
    let registry = MadeUp::start(sized(5_000.0), sized(200_000.0)).await;
    let (names, refused) = (registry.repositories(), registry.refused());
    let tags: usize = names.iter().map(|name| registry.tags(name).len()).sum();
    println!("{} repositories, {tags} tags, {refused} manifests refused", names.len());

    for rate in [50, 1_000] {
        let dir = tempfile::tempdir().unwrap();
        let before = registry.counts();
        let clade = Clade::start(&registry, dir.path(), rate);
        until(|| registry.counts().passes > before.passes).await;
        let (begun, before) = (Instant::now(), registry.counts());
        tokio::time::sleep(Duration::from_secs_f64(slice)).await;
        let what = format!("the beginning at --registry-rate {rate}");
        tell(&what, registry.counts() - before, begun.elapsed(), Some(clade.memory()));
    }
    registry.forget_deliveries();

    let dir = tempfile::tempdir().unwrap();
    let (begun, before) = (Instant::now(), registry.counts());
    let clade = Clade::start(&registry, dir.path(), NO_LIMIT);
    let half = before.documents + sized(130_000.0) as u64;
    until(|| registry.counts().documents > half).await;
    tell(
        "the first look until it is killed",
        registry.counts() - before,
        begun.elapsed(),
        Some(clade.memory()),
    );
    drop(clade);
    let (begun, before) = (Instant::now(), registry.counts());
    let clade = Clade::start(&registry, dir.path(), NO_LIMIT);
    passes(&registry, 2).await;
    tell("the rest of it after a restart", registry.counts() - before, begun.elapsed(), Some(clade.memory()));
    let again: u32 = registry.delivered_again().values().sum();
    println!(
        "{again} documents were read twice, since clade was killed while it looked at their repositories"
    );

    let (begun, before) = (Instant::now(), registry.counts());
    passes(&registry, 1).await;
    tell("the pass after it", registry.counts() - before, begun.elapsed(), Some(clade.memory()));
    drop(clade);

    let (begun, before) = (Instant::now(), registry.counts());
    let clade = Clade::start(&registry, dir.path(), NO_LIMIT);
    passes(&registry, 1).await;
    println!("it reads the log and begins {:.1} s after a restart", begun.elapsed().as_secs_f64());
    passes(&registry, 1).await;
    tell("a pass after a restart", registry.counts() - before, begun.elapsed(), Some(clade.memory()));

    for name in names.iter().step_by((names.len() / 100).max(1)) {
        registry.push(name, &registry.tags(name)[0], 100_000);
    }
    passes(&registry, 1).await;
    let (begun, before) = (Instant::now(), registry.counts());
    for name in names.iter().step_by((names.len() / 100).max(1)) {
        registry.push(name, &registry.tags(name)[0], 200_000);
    }
    passes(&registry, 1).await;
    tell(
        "a pass after 100 tags have moved",
        registry.counts() - before,
        begun.elapsed(),
        Some(clade.memory()),
    );
    drop(clade);

    let (begun, before) = (Instant::now(), registry.counts());
    bare(&registry, &names).await;
    tell("a bare client: the lists and tags of a pass", registry.counts() - before, begun.elapsed(), None);
}

/// Sends what a pass sends, and does nothing with the answers.
async fn bare(registry: &MadeUp, names: &[String]) {
    let (client, base) = (reqwest::Client::new(), format!("http://{}/v2", registry.address()));
    let mut requests = vec![client.get(format!("{base}/_catalog?n=1000"))];
    for name in names {
        requests.push(client.get(format!("{base}/{name}/tags/list?n=1000")));
        let head = |tag: &String| client.head(format!("{base}/{name}/manifests/{tag}"));
        requests.extend(registry.tags(name).iter().map(head));
    }
    let sent = requests.into_iter().map(|request| async {
        drop(request.send().await.unwrap().bytes().await.unwrap());
    });
    stream::iter(sent).buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
}
