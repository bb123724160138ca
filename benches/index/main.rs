//! The chain index beside the proposal's two maps and beside a tree of one node a layer: `make bench-index`.
//!
//! Each contender takes each data set in, in a process of its own, so that what it takes can be read off the system.
//! The rounds are interleaved, and the table shows the best of each: what a machine can do, not what else it did.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that fails should stop"
)]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod contenders;
mod data;
mod measure;
mod shard;

use std::process::Command;

use data::Data;
use measure::{Contender, Figures};

const ROUNDS: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["child", data, contender] => {
            let figures = measure::run(contender.parse().unwrap(), &Data::load(data.parse().unwrap()));
            println!("{}", serde_json::to_string(&figures).unwrap());
        }
        ["prepare", data] => Data::prepare(data.parse().unwrap()),
        ["shard", data] => shard::run(&Data::load(data.parse().unwrap())),
        _ => compare(),
    }
}

fn compare() {
    for set in data::Set::ALL {
        if !set.is_there() {
            println!("skipped: {set}: no ../shared/data here");
            continue;
        }
        eprintln!("{set}: preparing");
        Data::prepare(set);
        let mut best: Vec<Option<Figures>> = vec![None; Contender::ALL.len()];
        for round in 0..ROUNDS {
            for (contender, best) in Contender::ALL.iter().zip(&mut best) {
                // Minutes a round: one has to do.
                if *contender == Contender::Maps && round > 0 {
                    continue;
                }
                eprintln!("{set}: {contender}, round {}", round + 1);
                let figures: Figures =
                    serde_json::from_str(&child(&["child", set.name(), contender.name()])).unwrap();
                *best = Some(best.take().map_or(figures.clone(), |best| best.best_of(figures)));
            }
        }
        measure::print(&set.to_string(), &best);
    }
    println!("{}", child(&["shard", data::Set::Generated.name()]));
}

fn child(args: &[&str]) -> String {
    let output = Command::new(std::env::current_exe().unwrap()).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
