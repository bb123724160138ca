//! `clade run` with ten times its input, and with 3,300 clients that hold what they get, at once: `make bench-overload`.
//!
//! clade is the program itself in a process of its own. Input is JSON lines in a folder that `--from` names, 100 images a
//! second and then 1,000. Probes measure point questions, health checks and lists, first without strangers and then for
//! `CLADE_BENCH_SECONDS` (600) beside them (`strangers.rs`). In the end each image, membership and tag is compared with what
//! was put in. `CLADE_BENCH_SECONDS=30` is a quick look.

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

mod check;
mod input;
mod load;
mod probes;
mod process;
mod report;
mod strangers;

use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::time::Instant;

use check::Check;
use load::Load;
use report::Total;

/// Images a second, usually and under overload.
const USUAL: usize = 100;
const OVERLOAD: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seconds = std::env::var("CLADE_BENCH_SECONDS").map_or(600, |text| text.parse().unwrap());
    let (overload, calm) = (Duration::from_secs(seconds), Duration::from_secs((seconds / 10).max(10)));
    // The strangers alone have 3,300 connections.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let mut load = Load::start(dir.path()).await;
    let mut phases = vec![load.phase("usual input", USUAL, calm, false).await];
    phases.push(load.phase("10 x input", OVERLOAD, calm, false).await);
    phases.push(load.phase("10 x input and strangers", OVERLOAD, overload, true).await);
    let begun = Instant::now();
    load.taken_in().await;
    let took = begun.elapsed();
    report::phases(&phases);

    let after = load.clade.memory();
    let truth = Check::of(&load.input);
    let found = truth.until_right(&load.clade.address).await;
    load.restart().await;
    let again = truth.until_right(&load.clade.address).await;
    report::total(&Total { took, after, restarted: load.clade.memory(), found: [found, again] });
}
