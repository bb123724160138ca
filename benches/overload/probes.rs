//! Clients that use clade as people and orchestrators do, and measure it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::input::{class, digest};

/// Time after which a probe gives a request up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The questions of a kind: how long those took that were answered, and what became of the others.
#[derive(Clone, Default)]
pub(crate) struct Asked {
    times: Vec<Duration>,
    /// By status, or by the error.
    pub(crate) others: BTreeMap<String, u64>,
}

impl Asked {
    pub(crate) fn answered(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn all(&self) -> u64 {
        self.times.len() as u64 + self.others.values().sum::<u64>()
    }

    /// The median, the 99th percentile and the longest.
    pub(crate) fn times(&self) -> [Duration; 3] {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let at =
            |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)));
        [50, 99, 100].map(|percent| at(percent).copied().unwrap_or_default())
    }
}

/// The results of all probes.
#[derive(Clone, Default)]
pub(crate) struct Results {
    pub(crate) points: Asked,
    pub(crate) healthy: Asked,
    pub(crate) ready: Asked,
    pub(crate) lists: Asked,
}

/// The probes, until it is dropped.
pub(crate) struct Probes {
    runtime: Option<Runtime>,
    results: Arc<Mutex<Results>>,
}

#[derive(Clone)]
struct Probe {
    url: String,
    client: Client,
    results: Arc<Mutex<Results>>,
    of: fn(&mut Results) -> &mut Asked,
}

impl Probes {
    /// Asks about the first `known` images, on connections that stay open. The health check opens one each time.
    pub(crate) fn start(server: &str, known: &Arc<AtomicU64>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let results = Arc::new(Mutex::new(Results::default()));
        let probe = |connections: usize, of| {
            let client =
                Client::builder().timeout(PATIENCE).pool_max_idle_per_host(connections).build().unwrap();
            Probe { url: format!("http://{server}"), client, results: Arc::clone(&results), of }
        };
        for _ in 0..4 {
            let known = Arc::clone(known);
            let point = probe(1, |results| &mut results.points);
            runtime.spawn(point.again(100, move || {
                let number = fastrand::u64(0..known.load(Ordering::Relaxed).max(1));
                format!("/v1/explain?ref={}", digest(number))
            }));
        }
        let list = probe(1, |results| &mut results.lists);
        runtime.spawn(
            list.again(1_000, || format!("/v1/images?limit=1000&class={}", class(fastrand::usize(0..20)))),
        );
        for (path, of) in [
            ("/healthz", (|results| &mut results.healthy) as fn(&mut Results) -> &mut Asked),
            ("/readyz", |results| &mut results.ready),
        ] {
            // As a kubelet does, each in time, also if the one before has no answer yet.
            let health = probe(0, of);
            runtime.spawn(async move {
                let mut ticks = interval(Duration::from_millis(200));
                loop {
                    ticks.tick().await;
                    tokio::spawn({
                        let health = health.clone();
                        async move { health.ask(path).await }
                    });
                }
            });
        }
        Self { runtime: Some(runtime), results }
    }

    /// Ends the probes.
    pub(crate) fn end(mut self) -> Results {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.results.lock().unwrap().clone()
    }
}

impl Probe {
    /// Asks one question after another, each so many milliseconds after the one before at the earliest.
    async fn again(self, pause: u64, path: impl Fn() -> String) {
        let mut ticks = interval(Duration::from_millis(pause));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.ask(&path()).await;
        }
    }

    async fn ask(&self, path: &str) {
        let begun = Instant::now();
        let answer = async {
            let answer = self.client.get(format!("{}{path}", self.url)).send().await?;
            let status = answer.status();
            answer.bytes().await.map(|_| status)
        };
        let outcome = answer.await;
        let mut results = self.results.lock().unwrap();
        let asked = (self.of)(&mut results);
        match outcome {
            Ok(StatusCode::OK) => asked.times.push(begun.elapsed()),
            Ok(status) => *asked.others.entry(status.as_u16().to_string()).or_default() += 1,
            Err(error) if error.is_timeout() => *asked.others.entry("no answer".to_owned()).or_default() += 1,
            Err(_) => *asked.others.entry("closed".to_owned()).or_default() += 1,
        }
    }
}

/// The number of images in the index.
pub(crate) async fn status(client: &Client, server: &str) -> Option<u64> {
    let answer = client.get(format!("http://{server}/v1/status")).send().await.ok()?;
    let status: Value = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
    let partitions = status["partitions"].as_array()?;
    Some(partitions.iter().filter_map(|of| of["images"].as_u64()).sum())
}
