//! A log for tests of workers: it is in memory, and does what a test wants when a worker asks it for something.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::log::memory::{Faults, MemoryLog};
use crate::log::{Log, LogError, Offset, Reader, SharedLog, Stored, TopicPartition, Writer};
use crate::record::{ImageRecord, Topic, encode};

/// For so long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The fate of a worker that asks for a writer, as each worker does that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It gets one.
    None,
    /// It fails.
    Fail,
    /// It panics.
    Panic,
    /// It waits until there is another trouble, or none.
    Hold,
}

#[derive(Clone)]
pub(super) struct TroubledLog {
    memory: MemoryLog,
    shared: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    trouble: Trouble,
    /// The number of requests for a writer.
    asked: u32,
}

impl TroubledLog {
    pub(super) fn new(partitions: u16) -> Self {
        let state = State { trouble: Trouble::None, asked: 0 };
        let memory = MemoryLog::new(partitions, Faults::none());
        Self { memory, shared: Arc::new((Mutex::new(state), Condvar::new())) }
    }

    pub(super) fn shared(&self) -> SharedLog {
        Arc::new(self.clone())
    }

    pub(super) fn set(&self, trouble: Trouble) {
        self.shared.0.lock().unwrap().trouble = trouble;
        self.shared.1.notify_all();
    }

    /// The number of workers that have begun to restore.
    pub(super) fn asked(&self) -> u32 {
        self.shared.0.lock().unwrap().asked
    }

    /// Another process takes the partition over.
    pub(super) fn take_over(&self, partition: u16) {
        self.memory.writer(&format!("processor-{partition}")).unwrap();
    }

    /// An image comes in the partition.
    pub(super) fn publish(&self, partition: u16, name: &str) {
        let digest: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("sha256:{digest:0>64}");
        let image: ImageRecord = serde_json::from_value(serde_json::json!({
            "digest": digest, "sequence": 1, "platform": {"os": "linux", "architecture": "amd64"},
            "repositories": ["test"], "layerIdentity": "blob", "layers": [{"digest": digest}],
        }))
        .unwrap();
        let record = encode(digest, &image).unwrap();
        let to = TopicPartition { topic: Topic::Images, partition };
        self.memory.writer("test").unwrap().append(vec![(to, record)]).unwrap();
    }
}

impl Log for TroubledLog {
    fn partitions(&self) -> u16 {
        self.memory.partitions()
    }

    fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
        let (state, changed) = &*self.shared;
        let mut state = state.lock().unwrap();
        state.asked += 1;
        let state = changed.wait_while(state, |state| state.trouble == Trouble::Hold).unwrap();
        let trouble = state.trouble;
        drop(state);
        match trouble {
            Trouble::Fail => Err(LogError::Unreachable("as the test wants it".to_owned())),
            Trouble::Panic => panic!("as the test wants it"),
            Trouble::None | Trouble::Hold => self.memory.writer(name),
        }
    }

    fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
        self.memory.reader(topic, from)
    }

    fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError> {
        self.memory.get(from, offset)
    }

    fn end(&self, of: TopicPartition) -> Result<Offset, LogError> {
        self.memory.end(of)
    }

    fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError> {
        self.memory.offset_at(of, timestamp)
    }

    fn complete_since(&self) -> Result<i64, LogError> {
        self.memory.complete_since()
    }
}

/// Waits until `is_so`.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it never comes that {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}
