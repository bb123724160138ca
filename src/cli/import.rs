//! `clade import`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::args::ImportArgs;
use super::client::start;
use super::error::CliError;
use super::{demo, progress};
use crate::engine::Engine;
use crate::log::SharedLog;
use crate::log::kafka::{Config, KafkaLog};
use crate::processor::Options;
use crate::publisher::{Counts, Publisher};
use crate::record::Timestamp;
use crate::source::{self, SourceError};

pub(super) fn import(dir: &Path, args: &ImportArgs, options: &Options) -> Result<(), CliError> {
    let begun = Instant::now();
    let engine = start(dir, args.partitions, options)?;
    demo::keep(dir)?;
    let mut publisher = engine.publisher()?;
    let counts = take_in(&mut publisher, &args.paths)?;
    let read = begun.elapsed();
    catch_up(&engine)?;
    let unknown = publisher.claims_of_unknown_images();
    report(&counts, unknown);
    eprintln!(
        "done in {:.1} s: {:.1} s to read and publish, {:.1} s more to classify; data in {}",
        begun.elapsed().as_secs_f64(),
        read.as_secs_f64(),
        (begun.elapsed() - read).as_secs_f64(),
        dir.display()
    );
    Ok(())
}

/// Publishes to a cluster, whose processors do the rest.
pub(super) fn publish(cluster: Config, args: &ImportArgs, options: &Options) -> Result<(), CliError> {
    let begun = Instant::now();
    if args.partitions.is_some() {
        return Err(CliError::Usage(
            "--partitions is for a new data directory; a cluster has its own: clade topics".to_owned(),
        ));
    }
    let waiting = progress::spinner("reading what is published");
    let log: SharedLog = Arc::new(KafkaLog::open(cluster)?);
    let mut publisher = Publisher::restore(log, Timestamp::now)?.traced(options.spans.clone());
    waiting.finish();
    let counts = take_in(&mut publisher, &args.paths)?;
    report(&counts, publisher.claims_of_unknown_images());
    eprintln!("published in {:.1} s; `clade process` classifies", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Reads all inputs into the publisher and writes what they come to.
pub(super) fn take_in(publisher: &mut Publisher, paths: &[PathBuf]) -> Result<Counts, CliError> {
    let before = publisher.counts();
    let inputs = source::find(paths).map_err(source_error)?;
    let bar = progress::bytes(inputs.iter().map(source::Input::bytes).sum(), "reading");
    for input in &inputs {
        let read =
            source::read(input, &|bytes| bar.add(bytes), &mut |observation| publisher.observe(observation));
        read.map_err(source_error)?;
    }
    bar.finish();
    let writing = progress::spinner("publishing");
    publisher.flush()?;
    writing.finish();
    let after = publisher.counts();
    Ok(Counts {
        images: after.images - before.images,
        unchanged_images: after.unchanged_images - before.unchanged_images,
        tags: after.tags - before.tags,
        build_configs: after.build_configs - before.build_configs,
        dead_letters: after.dead_letters - before.dead_letters,
        not_images: after.not_images - before.not_images,
    })
}

/// Waits until everything published is processed.
pub(super) fn catch_up(engine: &Engine) -> Result<(), CliError> {
    let bar = progress::count(0, "classifying");
    engine.catch_up(|lag| {
        bar.set(lag.processed, lag.published);
    })?;
    bar.finish();
    Ok(())
}

fn report(counts: &Counts, claims_of_unknown: usize) {
    let Counts { images, unchanged_images, tags, build_configs, dead_letters, not_images } = *counts;
    eprintln!(
        "{images} images written ({unchanged_images} were known), {tags} tags, {build_configs} build configs"
    );
    if not_images > 0 {
        eprintln!("{not_images} left out: attestations, artifacts and objects of other kinds are not images");
    }
    if claims_of_unknown > 0 {
        eprintln!(
            "{claims_of_unknown} images have a declared base and were never seen: those declarations are left out"
        );
    }
    if dead_letters > 0 {
        eprintln!(
            "warning: {dead_letters} could not be read: `clade subscribe dead-letters` tells which and why"
        );
    }
}

fn source_error(error: SourceError) -> CliError {
    CliError::failed(error)
}
