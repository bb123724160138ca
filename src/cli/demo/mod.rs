//! `clade demo`: sends a generated registry's history through the real pipeline, then asks typical questions.

mod events;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use etcetera::BaseStrategy;

use super::args::{Args, Command, DemoArgs};
use super::client::{here, open_log};
use super::error::CliError;
use super::output::bold;
use super::{ask, manifests, progress};
use crate::api::{Applied, Client};
use crate::engine::Engine;
use crate::log::SharedLog;
use crate::log::embedded::EmbeddedLog;
use crate::node::local;
use crate::publisher::Publisher;
use crate::record::Timestamp;
use crate::source::generated::{History, Shape};
use crate::source::line::Line;
use crate::telemetry::Telemetry;

const CLASSES: &str = include_str!("classes.yaml");
const DAYS: u32 = 365;
/// Days of the registry's time that are published together, as a watcher would.
const DAYS_AT_ONCE: i64 = 7;
/// Marks the demo's own data directory. The demo deletes only a directory that contains this file.
const MARKER: &str = "clade-demo";

/// The questions at the end of the demo, with the reason for each.
const QUESTIONS: [(&str, &str); 7] = [
    ("Which base images are followed, and how many images are built on them?", "get classes"),
    (
        "Which tags sit on an openjdk8 that is out of date?",
        "get tags --class openjdk8 --state outdated --limit 5",
    ),
    ("Why is one of them what it is?", "explain {outdated}"),
    ("Who uses openjdk8, which is licensed?", "usage --class openjdk8 --limit 5"),
    (
        "Which images for arm64 are python on rhel7?",
        "get images --group lang=python3.6 --platform linux/arm64 --limit 3",
    ),
    ("An image that was squashed into one layer:", "explain legacy/billing:latest"),
    ("An image that changes nothing but the config of its base:", "explain lang/python-debug:3.6"),
];

pub(super) fn demo(data_dir: Option<PathBuf>, args: &DemoArgs) -> Result<(), CliError> {
    let dir = match data_dir {
        Some(dir) => dir,
        None => default_dir()?,
    };
    let log = start_over(&dir)?;
    let begun = Instant::now();
    eprintln!(
        "{} images of a made-up registry over {DAYS} days (seed {}), in {}",
        args.images,
        args.seed,
        dir.display()
    );
    let engine = Arc::new(local::start(log, &dir, &Telemetry::default())?);
    let client = here(Arc::clone(&engine), &Telemetry::default())?;
    let applied: Vec<Applied> =
        client.post("/v1/apply", &manifests::parse(CLASSES, Path::new("classes.yaml"))?)?;
    eprintln!("{} classes and groups declared; now the registry lives a year", applied.len());
    replay(&engine, args)?;
    eprintln!("done in {:.1} s", begun.elapsed().as_secs_f64());
    events::tell(&client)?;
    let outdated = an_outdated_tag(&client)?;
    for (why, question) in QUESTIONS {
        let question = question.replace("{outdated}", &outdated);
        println!("\n{}\n$ clade {question}", bold(why));
        let words = std::iter::once("clade").chain(question.split(' '));
        let Command::Ask(asked) = Args::try_parse_from(words).map_err(CliError::failed)?.command else {
            continue;
        };
        ask(&client, &asked)?;
    }
    println!("\n{}", bold("It is yours now:"));
    println!("export CLADE_DATA_DIR={}", dir.display());
    for command in [
        "clade get tags --group os=rhel7 --state outdated",
        "clade descendants base/rhel7:latest --limit 10",
        "clade ancestors payments/api:latest",
        "clade delete class openjdk8 && clade get images --class rhel7 --limit 3",
        "clade subscribe outdated | head -3",
        "clade export lineage | head -1",
        "clade run   # and look at http://127.0.0.1:7878",
    ] {
        println!("{command}");
    }
    Ok(())
}

fn default_dir() -> Result<PathBuf, CliError> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        CliError::Failed(format!("there is no home directory to keep data in ({error}): say --data-dir DIR"))
    })?;
    Ok(strategy.data_dir().join("clade-demo"))
}

/// Creates the directory, or empties the one that an earlier demo created. Other data stays. The log is locked before
/// anything is checked.
fn start_over(dir: &Path) -> Result<EmbeddedLog, CliError> {
    let marker = dir.join(MARKER);
    let log = open_log(dir, None, "demo")?;
    if !log.is_empty() {
        if !marker.exists() {
            return Err(CliError::Usage(format!(
                "{} has data that no demo wrote: name an empty directory with --data-dir",
                dir.display()
            )));
        }
        // The snapshots belong to the log that is removed next.
        match std::fs::remove_dir_all(local::snapshots_of(dir)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        log.clear()?;
    }
    std::fs::write(&marker, "made by `clade demo`, which starts over here\n")
        .map_err(|error| CliError::Failed(format!("cannot write {}: {error}", marker.display())))?;
    Ok(log)
}

/// Removes the marker, since somebody imports their own images into the directory: no later demo may empty it. The
/// caller holds the log.
pub(super) fn keep(dir: &Path) -> Result<(), CliError> {
    match std::fs::remove_file(dir.join(MARKER)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Publishes the history week by week, and waits for the processors each time, so that transitions happen as they would
/// have.
fn replay(engine: &Engine, args: &DemoArgs) -> Result<(), CliError> {
    let mut publisher = Publisher::restore(SharedLog::clone(engine.log()), Timestamp::now)?;
    let bar = progress::count(args.images, "replaying");
    let mut week = None;
    for line in History::new(Shape { seed: args.seed, images: args.images, days: DAYS }) {
        match &line {
            Line::Tag(tag) => {
                let now = tag.seen.as_second() / (DAYS_AT_ONCE * 86_400);
                if week.replace(now).is_some_and(|before| before != now) {
                    publisher.flush()?;
                    engine.catch_up(|_| {})?;
                }
            }
            Line::Image(_) => bar.add(1),
            Line::Claim(_) | Line::Version(_) => {}
        }
        publisher.observe(crate::source::observe(line).map_err(CliError::failed)?)?;
    }
    publisher.flush()?;
    engine.catch_up(|_| {})?;
    bar.finish();
    Ok(())
}

/// The last of the tags on an outdated openjdk8, which is a tag of an application.
fn an_outdated_tag(client: &Client) -> Result<String, CliError> {
    let parameters = [("class", "openjdk8"), ("state", "outdated")];
    let tags: crate::query::answer::List<crate::query::answer::TagItem> =
        client.get("/v1/tags", &parameters)?;
    Ok(tags.items.last().map_or_else(|| "payments/api:latest".to_owned(), |tag| tag.name.clone()))
}
