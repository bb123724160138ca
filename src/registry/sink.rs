//! Handing on what was seen.

use tokio::sync::mpsc::Sender;

use crate::observe::Observation;

/// Observations are handed on in such portions: bounds what a large repository takes of memory.
const PORTION: usize = 256;

/// Nobody takes observations any more: the end of watching, and no error.
#[derive(Debug)]
pub(super) struct Closed;

/// Where observations go. They arrive in the order in which they were put in.
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

    /// Hands on what there is. Waits while whoever takes it has enough.
    pub(super) async fn hand_on(&mut self) -> Result<(), Closed> {
        if self.portion.is_empty() {
            return Ok(());
        }
        self.out.send(std::mem::take(&mut self.portion)).await.map_err(|_| Closed)
    }
}
