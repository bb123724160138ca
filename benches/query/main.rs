//! Questions to `clade run` over HTTP, beside the same questions to PostgreSQL and to a graph that is built for each of them,
//! as `oc adm top images` does: `make bench-query`.
//!
//! The images are a generated history of `CLADE_BENCH_IMAGES` (1,000,000). clade is the program itself, in a process of its
//! own, on a data directory that `clade import` has made. Each question is asked on one connection that stays open; then the
//! same questions while the process reads new images as fast as it can. `CLADE_BENCH_IMAGES=50000` is a quick look.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that fails should stop"
)]
#![allow(clippy::disallowed_methods, reason = "it looks at another process now and then")]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures for people")]

mod graph;
mod history;
mod http;
mod postgres;
mod process;
mod questions;

use std::time::Instant;

use history::Data;
use process::Clade;

fn main() {
    let images = std::env::var("CLADE_BENCH_IMAGES").map_or(1_000_000, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    eprintln!("generating {images} images");
    let data = Data::generate(images, &dir.path().join("lines"));
    let store = dir.path().join("data");
    let begun = Instant::now();
    let memory = process::import(&dir.path().join("lines"), &store);
    let took = begun.elapsed().as_secs_f64();
    println!("{images} images, {} tags, {} moves of tags", data.tags.len(), data.moves);
    println!("clade import: {took:.1} s, {:.0} images/s, {memory} MiB at the peak", images as f64 / took);
    let log = std::fs::metadata(store.join("log.redb")).unwrap().len();
    println!("the log: {} MB on disk, {} bytes an image", log / 1_000_000, log / images as u64);
    process::declare(&store, &data);

    let fresh = dir.path().join("fresh");
    std::fs::create_dir(&fresh).unwrap();
    let mut clade = Clade::start(&store, &fresh);
    println!(
        "first answer after the start: {:.1} s, {} MiB",
        clade.first_answer.as_secs_f64(),
        clade.memory()
    );
    println!("\n| question to clade | first | p50 | p99 | a second |\n|---|---|---|---|---|");
    questions::ask_all(&clade, &data);
    println!("memory after them: {} MiB", clade.memory());
    questions::stream(&clade);
    println!("\n| question about the past | first | p50 | p99 | a second |\n|---|---|---|---|---|");
    questions::past(&clade);
    println!("memory with the past: {} MiB", clade.memory());

    // Before its first change, a source reads what is published already.
    process::feed(&clade, &fresh, "first", 1_000, || ());
    let before = process::feed(&clade, &fresh, "alone", images / 20, || ());
    println!("\n| while {} images come | first | p50 | p99 | a second |\n|---|---|---|---|---|", images / 20);
    let beside = process::feed(&clade, &fresh, "beside", images / 20, || questions::ask_all(&clade, &data));
    println!("new images: {before:.0} a second alone, {beside:.0} a second beside the questions");
    clade.end();
    let again = Clade::start(&store, &fresh);
    println!(
        "first answer after a restart: {:.1} s, {} MiB",
        again.first_answer.as_secs_f64(),
        again.memory()
    );
    drop(again);

    println!("\n| the same question | a graph for each | PostgreSQL |\n|---|---|---|");
    let graph = graph::times(&data);
    let postgres = postgres::times(&data, dir.path());
    for ((question, graph), postgres) in history::SAME.iter().zip(graph).zip(postgres) {
        println!("| {question} | {graph} | {postgres} |");
    }
}
