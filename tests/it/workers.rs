//! Workers on the log of a data directory, and its publisher.

use std::path::Path;
use std::sync::Arc;

use clade::engine::Engine;
use clade::log::SharedLog;
use clade::log::embedded::{EmbeddedLog, Options};
use clade::processor;
use clade::publisher::Publisher;
use clade::record::Timestamp;

/// Workers on the log of a data directory.
pub(crate) fn start(dir: &Path, log: Options, processor: &processor::Options) -> Engine {
    Engine::process(Arc::new(EmbeddedLog::open(dir, log).unwrap()), processor).unwrap()
}

/// The publisher of an engine's log.
pub(crate) fn publisher(engine: &Engine) -> Publisher {
    Publisher::restore(SharedLog::clone(engine.log()), Timestamp::now).unwrap()
}
