//! Hands observations on in portions.

use tokio::sync::mpsc::Sender;

use crate::observe::Observation;

/// Observations in a portion. The limit bounds the memory that a large repository takes.
const PORTION: usize = 256;

/// The receiver of observations is closed. The watcher ends, and this is no error.
#[derive(Debug)]
pub(super) struct Closed;

/// The sender of observations. They arrive in the order in which the watcher puts them in.
pub(super) struct Sink {
    out: Sender<Vec<Observation>>,
    portion: Vec<Observation>,
}

impl Sink {
    pub(super) fn new(out: Sender<Vec<Observation>>) -> Self {
        Self { out, portion: Vec::new() }
    }

    pub(super) async fn put(&mut self, observation: Observation) -> Result<(), Closed> {
        self.portion.push(observation);
        if self.portion.len() >= PORTION { self.hand_on().await } else { Ok(()) }
    }

    /// Hands on the collected observations. Waits while the channel is full.
    pub(super) async fn hand_on(&mut self) -> Result<(), Closed> {
        if self.portion.is_empty() {
            return Ok(());
        }
        self.out.send(std::mem::take(&mut self.portion)).await.map_err(|_| Closed)
    }
}
