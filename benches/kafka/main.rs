//! Clade on a real Apache Kafka beside bare clients that do as much as the broker asks and nothing more:
//! `make bench-kafka`, or one section of it with `ONLY=throughput`.
//!
//! ```text
//!   parent  makes topics, starts one contender after another, watches what they commit, reads their CPU from /proc
//!   child   one contender in a process of its own: `bare` (librdkafka alone) or `clade` (what `clade process` runs)
//! ```
//!
//! Everything is compared with a baseline of the same run, the rounds are interleaved, and each table shows the best of
//! each: what a machine can do, not what else it did. A goal that is not met is told and fails nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that fails should stop"
)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures for people")]

mod bare;
mod child;
mod class;
mod cluster;
mod copy;
mod generator;
mod history;
mod latency;
mod pipe;
mod process;
mod replay;
mod report;
mod restart;
mod settings;
mod throughput;
mod watch;

use settings::Settings;

/// The program's own; the baselines have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECTIONS: [&str; 4] = ["throughput", "latency", "restart", "class"];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [first, task] = &args[..]
        && first == "child"
    {
        return child::run(&serde_json::from_str(task).unwrap());
    }
    if let Some(unknown) = args.iter().find(|arg| !SECTIONS.contains(&arg.as_str())) {
        panic!("there is no section {unknown}: {}", SECTIONS.join(", "));
    }
    let settings = Settings::from_env();
    let is_wanted = |section: &str| args.is_empty() || args.iter().any(|arg| arg == section);
    println!("{}", settings.told());
    if is_wanted("throughput") || is_wanted("latency") {
        let source = throughput::Source::prepare(&settings);
        let rate = is_wanted("throughput").then(|| throughput::run(&settings, &source));
        if is_wanted("latency") {
            let most = rate.unwrap_or_else(|| throughput::rate(&source));
            latency::run(&settings, &source, most);
        }
    }
    if is_wanted("restart") || is_wanted("class") {
        let big = restart::Big::prepare(&settings);
        if is_wanted("restart") {
            restart::run(&settings, &big);
        }
        if is_wanted("class") {
            class::run(&settings, &big);
        }
    }
}
