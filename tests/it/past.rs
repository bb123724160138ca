//! Questions about the past: the answer of each moment is the one that was given then, for as long as the log can tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, ETAG};
use axum::http::{HeaderMap, Request, StatusCode};
use clade::api::{Access, Router};
use clade::engine::{Engine, PastError};
use clade::log::embedded::{EmbeddedLog, Options};
use clade::log::{Log, SharedLog};
use clade::node::Node;
use clade::processor;
use clade::publisher::Publisher;
use clade::query::{Filter, Items as _, Page, Query};
use clade::record::Timestamp;
use clade::telemetry::Telemetry;
use clade::view::View;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::history::{publish, random_fact};
use crate::kafka;

const SEEDS: u64 = 6;
const MOMENTS: usize = 24;
const HOUR: i64 = 60 * 60 * 1_000;
/// How long the log keeps what was replaced: `min.compaction.lag.ms` in `topics/`.
const KEPT: i64 = 30 * 24 * HOUR;

/// The lists and counts of a moment.
fn answers(view: &Arc<View>) -> Value {
    let query = || Query::new(view.snapshot());
    let (filter, page) = (Filter::default(), Page::default());
    let classes = query().list_classes(None).unwrap();
    let usage: BTreeMap<&str, Value> = classes
        .iter()
        .map(|class| class.metadata.name.as_str())
        .map(|class| (class, json!(query().usage(class, true).unwrap())))
        .collect();
    json!({
        "images": query().list_images(&filter, &page).unwrap().items().collect::<Vec<_>>(),
        "tags": query().list_tags(&filter, &page).unwrap().items().collect::<Vec<_>>(),
        "classes": classes,
        "groups": query().list_groups(None).unwrap(),
        "usage": usage,
        "coverage": query().coverage(None),
    })
}

/// A clade on which something happens again and again, and the answers of each moment.
struct Observed {
    engine: Engine,
    publisher: Publisher,
    random: fastrand::Rng,
    second: i64,
    moments: Vec<(Timestamp, Value)>,
}

impl Observed {
    fn new(engine: Engine, seed: u64) -> Self {
        let log = SharedLog::clone(engine.log());
        let publisher = Publisher::restore(log, || Timestamp::UNIX_EPOCH).unwrap();
        engine.catch_up(|_| {}).unwrap();
        let random = fastrand::Rng::with_seed(seed);
        Self { engine, publisher, random, second: 0, moments: Vec::new() }
    }

    fn happen(&mut self, facts: usize) {
        for _ in 0..facts {
            publish(&mut self.publisher, &random_fact(&mut self.random, &mut self.second)).unwrap();
        }
        self.publisher.flush().unwrap();
        self.engine.catch_up(|_| {}).unwrap();
    }

    fn note(&mut self, now: Timestamp) {
        self.moments.push((now, answers(self.engine.view())));
    }

    /// The number of moments that have the answer they had, and of those that are too long ago.
    fn compare(&self, since: i64) -> (usize, usize) {
        let (mut same, mut too_old) = (0, 0);
        for (at, wanted) in &self.moments {
            match self.engine.past(*at) {
                Ok(view) => {
                    assert!(at.as_millisecond() >= since, "{at}");
                    assert_eq!(answers(&view), *wanted, "{at}");
                    same += 1;
                }
                Err(PastError::TooOld { .. }) => {
                    assert!(at.as_millisecond() < since, "{at}");
                    too_old += 1;
                }
                Err(error) => panic!("{at}: {error}"),
            }
        }
        (same, too_old)
    }
}

#[test]
fn each_moment_has_the_answers_it_had_until_compaction_has_removed_what_it_needs() {
    static NOW: AtomicI64 = AtomicI64::new(0);
    let (mut all_same, mut all_too_old) = (0, 0);
    for seed in 0..SEEDS {
        let dir = tempfile::tempdir().unwrap();
        NOW.store(1_600_000_000_000, Ordering::Relaxed);
        let options =
            Options { partitions: Some(3), clock: || NOW.load(Ordering::Relaxed), ..Options::default() };
        let log = Arc::new(EmbeddedLog::open(dir.path(), options.clone()).unwrap());
        let engine = Engine::process(Arc::clone(&log) as SharedLog, &processor::Options::default());
        let mut observed = Observed::new(engine.unwrap(), seed);
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..MOMENTS {
            let now = NOW.fetch_add(random.i64(1..80) * HOUR, Ordering::Relaxed);
            observed.happen(random.usize(1..12));
            if random.u8(0..3) == 0 {
                log.compact().unwrap();
            }
            assert!(log.complete_since().unwrap() <= (now - KEPT).max(0) + 80 * HOUR);
            observed.note(Timestamp::from_millisecond(NOW.load(Ordering::Relaxed)).unwrap());
            NOW.fetch_add(1, Ordering::Relaxed);
        }
        log.compact().unwrap();
        let (same, too_old) = observed.compare(log.complete_since().unwrap());
        assert!(same > 0, "seed {seed}");
        (all_same, all_too_old) = (all_same + same, all_too_old + too_old);
    }
    assert!(all_same > all_too_old && all_too_old > 0, "{all_same} {all_too_old}");
}

#[test]
fn what_has_not_been_yet_and_what_nobody_saw_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::open(dir.path(), Options::default()).unwrap());
    let engine = Engine::process(log, &processor::Options::default());
    let mut observed = Observed::new(engine.unwrap(), 1);
    let now = Timestamp::now();
    let past = |observed: &Observed, at| observed.engine.past(at).map(drop).unwrap_err().to_string();
    let before = now.checked_sub(Duration::from_secs(3_600)).unwrap();
    observed.happen(30);
    assert!(past(&observed, before).ends_with("nothing was on the log yet; ask for a later time"));
    let later = now.checked_add(Duration::from_secs(3_600)).unwrap();
    assert!(
        past(&observed, later).contains("is not over, or has just been: leave the time out for the present")
    );
}

#[test]
fn a_process_that_stops_reads_no_past() {
    static NOW: AtomicI64 = AtomicI64::new(1_600_000_000_000);
    let dir = tempfile::tempdir().unwrap();
    let options = Options { clock: || NOW.load(Ordering::Relaxed), ..Options::default() };
    let log = Arc::new(EmbeddedLog::open(dir.path(), options).unwrap());
    let engine = Engine::process(log, &processor::Options::default());
    let mut observed = Observed::new(engine.unwrap(), 1);
    observed.happen(30);
    observed.engine.stop_pasts();
    let then = Timestamp::from_millisecond(NOW.load(Ordering::Relaxed)).unwrap();
    let stopped = observed.engine.past(then).map(drop);
    assert!(matches!(stopped, Err(PastError::Processor(processor::ProcessorError::Stopped))), "{stopped:?}");
}

/// The answer of the API of a process with this engine.
async fn ask(router: &Router, path: &str, accept: &str) -> (StatusCode, HeaderMap, Value) {
    let request = Request::get(path).header(ACCEPT, accept).body(Body::empty()).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn the_api_answers_about_a_time_in_pages_and_says_what_it_cannot_answer() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::open(dir.path(), Options::default()).unwrap());
    let engine = Engine::process(log, &processor::Options::default()).unwrap();
    let mut observed = Observed::new(engine, 4);
    observed.happen(60);
    let then = Timestamp::now();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    observed.note(then);
    observed.happen(60);
    let wanted = observed.moments[0].1.clone();
    let engine = Arc::new(observed.engine);
    let node = Node::new(SharedLog::clone(engine.log()), &Telemetry::default()).with_engine(engine);
    let router = node.router(Access::default(), false);
    let json = "application/json";

    for list in ["images", "tags", "classes", "groups"] {
        let (status, headers, whole) = ask(&router, &format!("/v1/{list}?at={then}"), json).await;
        assert_eq!((status, &whole["items"]), (StatusCode::OK, &wanted[list]), "{list}");
        assert_eq!(whole["metadata"]["at"], json!(then));
        assert!(headers.get(ETAG).is_none());
        let (mut items, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/{list}?at={then}&limit=2{token}");
            let (_, _, page) = ask(&router, &path, json).await;
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["metadata"]["continue"].as_str() else { break };
            token = format!("&continue={next}");
        }
        assert_eq!(json!(items), wanted[list], "{list}");
    }
    for (path, accept, status, told) in [
        (format!("/v1/images?at={then}"), "application/x-ndjson", 400, "of the present"),
        (format!("/v1/images?at={then}&watch=true"), json, 400, "the past does not change"),
        ("/v1/images?at=2999-01-01T00:00:00Z".to_owned(), json, 400, "is not over"),
        ("/v1/images?at=1h&limit=1".to_owned(), json, 410, "nothing was on the log yet"),
        ("/v1/usage?class=x&at=900d".to_owned(), json, 410, "nothing was on the log yet"),
        ("/v1/explain?ref=x&at=then".to_owned(), json, 400, "write a time"),
        (format!("/v1/lineage?at={then}"), json, 400, "unknown field `at`"),
        (format!("/v1/rebuilds?at={then}"), json, 400, "unknown field `at`"),
    ] {
        let (found, _, problem) = ask(&router, &path, accept).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(found.as_u16() == status && detail.contains(told), "{path}: {found} {detail}");
        assert!(status == 400 || problem["code"] == "too-long-ago", "{path}");
    }
}

#[test]
#[ignore = "needs Apache Kafka: see kafka.rs"]
fn on_kafka_each_moment_has_the_answers_it_had() {
    let (log, ()) = kafka::fresh(2);
    let log: SharedLog = Arc::new(log);
    let engine = Engine::follow(SharedLog::clone(&log), &processor::Options::default());
    let mut observed = Observed::new(engine.unwrap(), 3);
    for _ in 0..5 {
        observed.happen(12);
        // Kafka's records have the time of the machine, in milliseconds.
        std::thread::park_timeout(Duration::from_millis(5));
        observed.note(Timestamp::now());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let last = observed.moments[4].0;
    let refused = observed.engine.past(last).map(drop);
    assert!(matches!(refused, Err(PastError::NotOver { .. })), "a transaction may still be open");
    std::thread::park_timeout(log.commits_within());
    assert_eq!(observed.compare(log.complete_since().unwrap()), (5, 0));
}
