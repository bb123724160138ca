//! Answers only by who has read everything once.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::ApiState;
use super::error::ApiError;

/// Lets nothing through that would be answered from a part of the log: whoever is asked about a class that it has not come
/// to yet would say that there is none.
pub(super) async fn restored(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let partitions = state.engine().status();
    // Where a worker has failed, what it had committed is still shown.
    match partitions.iter().filter(|partition| partition.behind_seconds.is_none()).count() {
        0 => Ok(next.run(request).await),
        lacking => Err(ApiError::unavailable(format!(
            "this clade still reads what is on the log, {lacking} of {} partitions are not read to their ends: ask again \
             soon; /v1/status tells how far they are",
            partitions.len()
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use std::sync::{Arc, Mutex};

    use crate::api::{Client, ClientError};
    use crate::engine::{Engine, Options};
    use crate::log::memory::{Faults, MemoryLog};
    use crate::log::{Log, LogError, Offset, Reader, Stored, TopicPartition, Writer};
    use crate::query::answer::{ClassItem, List};
    use crate::record::Topic;

    /// A log that nobody comes to read as long as somebody holds the lock.
    struct Slow(MemoryLog, Arc<Mutex<()>>);

    impl Log for Slow {
        fn partitions(&self) -> u16 {
            self.0.partitions()
        }

        fn writer(&self, name: &str) -> Result<Box<dyn Writer>, LogError> {
            self.0.writer(name)
        }

        fn reader(&self, topic: Topic, from: &[(u16, Offset)]) -> Result<Box<dyn Reader>, LogError> {
            let _opened = self.1.lock();
            self.0.reader(topic, from)
        }

        fn get(&self, from: TopicPartition, offset: Offset) -> Result<Option<Stored>, LogError> {
            self.0.get(from, offset)
        }

        fn end(&self, of: TopicPartition) -> Result<Offset, LogError> {
            self.0.end(of)
        }

        fn offset_at(&self, of: TopicPartition, timestamp: i64) -> Result<Offset, LogError> {
            self.0.offset_at(of, timestamp)
        }
    }

    #[test]
    fn a_question_is_put_off_until_everything_was_read_once() {
        let gate = Arc::new(Mutex::new(()));
        let closed = gate.lock().unwrap();
        let log = Slow(MemoryLog::new(2, Faults::none()), Arc::clone(&gate));
        let engine = Arc::new(Engine::follow(Arc::new(log), &Options::default().processor).unwrap());
        let client = Client::of(&engine).unwrap();
        let ask = || client.get::<List<ClassItem>>("/v1/classes", &());
        match ask() {
            Err(ClientError::NotYet(told)) => assert!(told.contains("2 of 2 partitions"), "{told}"),
            other => panic!("{other:?}"),
        }
        assert!(client.get::<crate::api::Status>("/v1/status", &()).is_ok());
        drop(closed);
        engine.wait_until_restored().unwrap();
        assert!(ask().is_ok());
    }
}
