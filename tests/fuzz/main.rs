//! Tests decoders of foreign bytes on inputs that are made from seeds by chance: `make test` runs some of them, `make
//! soak` runs many, and LLVM's fuzzer beside them (`guided.rs`).
//!
//! `CLADE_FUZZ_ROUNDS=2000 cargo test --test fuzz` runs more rounds. `CLADE_FUZZ=openshift:17 cargo test --test fuzz`
//! repeats one: that round of that target. An input that failed once stays in the corpus, as a file whose name says
//! why.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test states what it expects")]

mod corpus;
mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use corpus::Corpus;
use targets::{TARGETS, Target};

/// Rounds of a target. Each has a thread of its own, which is named after it: an aborted process leaves nothing but
/// that name.
const ROUNDS: u64 = 20;
const INPUTS: usize = 200;
/// Bytes of a stack, as of the threads that read foreign bytes in the program (Rust's and tokio's default).
const STACK: usize = 2 << 20;
/// The time that an input may take, on whatever machine.
const SLOWEST: Duration = Duration::from_secs(20);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Returns the rounds to run of a target.
fn rounds(target: &Target) -> std::ops::Range<u64> {
    match std::env::var("CLADE_FUZZ") {
        Ok(only) => match only.split_once(':') {
            Some((name, round)) if name == target.name => {
                let round: u64 = round.parse().unwrap();
                round..round + 1
            }
            None if only == target.name => 0..number("CLADE_FUZZ_ROUNDS").unwrap_or(ROUNDS),
            _ => 0..0,
        },
        Err(_) => 0..number("CLADE_FUZZ_ROUNDS").unwrap_or(ROUNDS),
    }
}

/// Runs the target on one input. Keeps a failing input and reports it.
fn try_one(target: &Target, name: &str, input: &[u8]) {
    let begun = Instant::now();
    let is_fine = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok();
    if is_fine && begun.elapsed() < SLOWEST {
        return;
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
    std::fs::write(&path, input).unwrap();
    let shown = String::from_utf8_lossy(&input[..input.len().min(2_000)]);
    panic!(
        "{name} fails after {:?} on what is kept in {}:\n{shown}\nagain: CLADE_FUZZ={name} cargo test --test fuzz",
        begun.elapsed(),
        path.display()
    );
}

/// Returns `true` if `run` has ended without a panic.
fn in_thread(name: &str, run: impl FnOnce() + Send) -> bool {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, run).unwrap().join().is_ok()
    })
}

/// Tests all targets in one test, since their names come from the table. Each round has its number as seed, so that it
/// can be run alone.
#[test]
fn no_decoder_of_foreign_bytes_panics_aborts_or_blows_its_input_up() {
    let begun = Instant::now();
    let (mut inputs, mut failed) = (0, Vec::new());
    for target in TARGETS {
        let rounds = rounds(target);
        if rounds.is_empty() {
            continue;
        }
        let corpus = Corpus::of(target.name);
        assert!(!corpus.seeds.is_empty(), "{} has no seeds", target.name);
        let seeds = || corpus.seeds.iter().for_each(|seed| try_one(target, target.name, seed));
        let mut is_fine = in_thread(target.name, seeds);
        for round in rounds {
            let name = format!("{}:{round}", target.name);
            let run = || {
                let mut random = fastrand::Rng::with_seed(round);
                for _ in 0..INPUTS {
                    try_one(target, &name, &mutate::input(&mut random, &corpus));
                }
            };
            is_fine = is_fine && in_thread(&name, run);
            inputs += INPUTS;
        }
        if !is_fine {
            failed.push(target.name);
        }
    }
    println!("{inputs} inputs of {} targets in {:?}", TARGETS.len(), begun.elapsed());
    assert!(failed.is_empty(), "see above: {failed:?}");
}

/// A target that refuses all inputs tests nothing.
#[test]
fn every_target_has_seeds_that_it_reads_whole() {
    for target in TARGETS {
        let corpus = Corpus::of(target.name);
        assert!(!corpus.seeds.is_empty(), "{} has no seeds", target.name);
        let read = corpus.seeds.iter().filter(|seed| (target.run)(seed)).count();
        assert!(read > 0, "{} refuses all of its {} seeds", target.name, corpus.seeds.len());
    }
}
