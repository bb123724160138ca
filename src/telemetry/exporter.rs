//! The thread that sends spans to a collector: OTLP over HTTP, in protobuf. Whatever becomes of the collector, nobody waits
//! for it: what it does not take is dropped, counted, and told once.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SpanData, SpanExporter as _};
use prometheus::IntCounter;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::spans::{Sampling, Spans};

/// Spans that may wait; about 1 KiB each.
const QUEUE: usize = 8_192;
/// Spans of one request.
const BATCH: usize = 512;
/// How long a span waits for others to be sent with.
const EVERY: Duration = Duration::from_secs(1);

/// Where spans go to, which, and under what name.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The address that takes them, with its path.
    pub url: String,
    /// Of how many traces they are sent, from 0 to 1.
    pub ratio: f64,
    /// What the process is called, if the environment (`OTEL_SERVICE_NAME`) has no other name.
    pub service: String,
    /// What the records are on, as `messaging.system` says it.
    pub system: &'static str,
    /// What the names of the topics begin with.
    pub prefix: String,
}

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The address is none, or a variable of the environment is not understood.
    #[error("spans cannot be exported to {url}: {reason}")]
    Settings {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no thread to do it.
    #[error("spans cannot be exported: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running exporter.
pub struct Exporter {
    stop: oneshot::Sender<()>,
    /// Ends with the thread.
    ended: std::sync::mpsc::Receiver<()>,
}

impl Exporter {
    /// Starts to export; what there is no room for is counted in `dropped`.
    pub fn start(to: Collector, dropped: &IntCounter) -> Result<(Self, Spans), ExporterError> {
        // Headers, time-out and compression are what the standard variables of the environment say.
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&to.url)
            .build()
            .map_err(|error| ExporterError::Settings { url: to.url.clone(), reason: error.to_string() })?;
        exporter.set_resource(&resource(to.service));
        let (sender, queue) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let (alive, ended) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let worker = Worker { exporter, url: to.url, dropped: dropped.clone(), is_failing: false };
        std::thread::Builder::new().name("spans".to_owned()).spawn(move || {
            runtime.block_on(worker.run(queue, stopped));
            drop(alive);
        })?;
        let spans = Spans::new(Sampling {
            sampler: Sampler::TraceIdRatioBased(to.ratio),
            system: to.system,
            prefix: to.prefix,
            queue: sender,
            dropped: dropped.clone(),
        });
        Ok((Self { stop, ended }, spans))
    }

    /// Exports what waits, for so long at the most.
    pub fn close(self, patience: Duration) {
        // If the thread has ended already there is nothing to stop.
        let _ = self.stop.send(());
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the collector did not take the last spans within {} s", patience.as_secs());
        }
    }
}

/// What the process is: what the environment says, else its name here.
fn resource(service: String) -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name(service)
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => resource.with_service_name(name),
        _ => resource,
    }
    .build()
}

struct Worker {
    exporter: SpanExporter,
    url: String,
    dropped: IntCounter,
    is_failing: bool,
}

impl Worker {
    /// Sends what comes, in batches, until it is told to stop and nothing waits any more.
    async fn run(mut self, mut queue: mpsc::Receiver<SpanData>, mut stopped: oneshot::Receiver<()>) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_open = true;
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                tokio::select! {
                    came = queue.recv_many(&mut batch, room) => if came == 0 { break },
                    _ = tick.tick(), if is_open => if !batch.is_empty() { break },
                    _ = &mut stopped, if is_open => {
                        is_open = false;
                        queue.close();
                    }
                }
            }
            if batch.is_empty() {
                return;
            }
            if !is_open && self.is_failing {
                // It has failed a moment ago; the process need not wait for it to fail again.
                self.dropped.inc_by(batch.len() as u64);
                continue;
            }
            self.send(batch).await;
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len();
        let Err(error) = self.exporter.export(batch).await else {
            if std::mem::take(&mut self.is_failing) {
                tracing::warn!("spans are exported to {} again", self.url);
            }
            return;
        };
        self.dropped.inc_by(spans as u64);
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                "spans cannot be exported to {} and are dropped until they can: {error}; clade speaks OTLP over HTTP, \
                 for which a collector listens on port 4318",
                self.url
            );
        }
    }
}
