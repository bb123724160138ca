//! `clade import`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::ImportArgs;
use super::client::open_log;
use super::error::CliError;
use super::{demo, progress, signed};
use crate::engine::Engine;
use crate::log::SharedLog;
use crate::log::kafka::{Config, KafkaLog};
use crate::node::{self, Taken, local};
use crate::publisher::{Counts, Publishing, Settings};
use crate::record::Timestamp;
use crate::source;
use crate::telemetry::Telemetry;

pub(super) fn import(dir: &Path, args: &ImportArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let begun = Instant::now();
    check(args)?;
    let engine = local::start(open_log(dir, args.partitions, "import")?, dir, telemetry)?;
    demo::keep(dir)?;
    let publishing = publishing(SharedLog::clone(engine.log()), telemetry)?;
    let taken = take_in(&publishing, &args.paths)?;
    let read = begun.elapsed();
    catch_up(&engine)?;
    report(&taken);
    eprintln!(
        "done in {:.1} s: {:.1} s to read and publish, {:.1} s more to classify; data in {}",
        begun.elapsed().as_secs_f64(),
        read.as_secs_f64(),
        (begun.elapsed() - read).as_secs_f64(),
        dir.display()
    );
    Ok(())
}

fn check(args: &ImportArgs) -> Result<(), CliError> {
    args.verify_key.as_deref().map_or(Ok(()), |key| signed::check(&args.paths, key))
}

fn publishing(log: SharedLog, telemetry: &Telemetry) -> Result<Publishing, CliError> {
    let (spans, metrics) = (telemetry.spans.clone(), telemetry.metrics.clone());
    let settings = Settings { clock: Timestamp::now, delay: Duration::ZERO, spans, metrics };
    Ok(Publishing::start(log, settings)?)
}

/// Publishes to a cluster, whose processors do the rest.
pub(super) fn publish(cluster: Config, args: &ImportArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let begun = Instant::now();
    if args.partitions.is_some() {
        return Err(CliError::Usage(
            "--partitions is for a new data directory; a cluster has its own: clade topics".to_owned(),
        ));
    }
    check(args)?;
    let publishing = publishing(Arc::new(KafkaLog::open(cluster)?), telemetry)?;
    let waiting = progress::spinner("reading what is published");
    publishing.observe(Arc::default())?;
    waiting.finish();
    report(&take_in(&publishing, &args.paths)?);
    eprintln!("published in {:.1} s; `clade process` classifies", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Reads all inputs and publishes their images, tags and BuildConfigs, with a progress bar.
fn take_in(publishing: &Publishing, paths: &[PathBuf]) -> Result<Taken, CliError> {
    let source::Found { inputs, passed_over } = source::find(paths)?;
    node::tell(&passed_over);
    let bar = progress::bytes(inputs.iter().map(source::Input::bytes).sum(), "reading");
    let taken = node::take_in(publishing, &inputs, |bytes| bar.add(bytes))?;
    bar.finish();
    Ok(taken)
}

/// Waits until all published records are processed.
pub(super) fn catch_up(engine: &Engine) -> Result<(), CliError> {
    let bar = progress::count(0, "classifying");
    engine.catch_up(|lag| {
        bar.set(lag.processed, lag.published);
    })?;
    bar.finish();
    Ok(())
}

fn report(taken: &Taken) {
    let Taken { images, tags, build_configs, workloads, versions, written } = *taken;
    let Counts { dead_letters, not_images, unknown_claims, .. } = written;
    eprintln!("read {images} images, {tags} tags, {build_configs} build configs");
    if versions > 0 {
        eprintln!("read {versions} versions of classes");
    }
    if workloads > 0 {
        eprintln!("read {workloads} workloads, of which {} are new or changed", written.workloads);
    }
    let (images, tags, build_configs) = (written.images, written.tags, written.build_configs);
    eprintln!(
        "wrote what is new: {images} records of images, {tags} of tags, {build_configs} of build configs"
    );
    if not_images > 0 {
        eprintln!("{not_images} left out: attestations, artifacts and objects of other kinds are not images");
    }
    if unknown_claims > 0 {
        eprintln!(
            "{unknown_claims} images have a declared base and were never seen: those declarations are left out"
        );
    }
    if dead_letters > 0 {
        eprintln!(
            "warning: {dead_letters} could not be read: `clade subscribe dead-letters` lists them with the reasons"
        );
    }
}
