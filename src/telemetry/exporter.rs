//! Sends spans to a collector, on a thread: OTLP over HTTP, in protobuf. Nothing waits for the collector: spans that it
//! does not accept are dropped and counted, and a failure is logged once.

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

/// Spans that may wait, at most; about 1 KiB each.
const QUEUE: usize = 8_192;
/// Spans of one request, at most.
const BATCH: usize = 512;
/// Time that a span waits for others to be sent with.
const EVERY: Duration = Duration::from_secs(1);

/// The collector, the share of traces, and the name of the process.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The address of the collector, with its path.
    pub url: String,
    /// The share of traces to export, from 0 to 1.
    pub ratio: f64,
    /// The service name of the process, unless the environment (`OTEL_SERVICE_NAME`) has another.
    pub service: String,
    /// The value of `messaging.system`: the backend of the log.
    pub system: &'static str,
    /// The prefix of the names of topics.
    pub prefix: String,
}

/// A reason why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The address is invalid, or a variable of the environment cannot be parsed.
    #[error("spans cannot be exported to {url}: {reason}")]
    Settings {
        /// The address.
        url: String,
        /// The problem.
        reason: String,
    },
    /// The thread cannot be started.
    #[error("spans cannot be exported: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running exporter.
pub struct Exporter {
    stop: oneshot::Sender<()>,
    /// Closed when the thread ends.
    ended: std::sync::mpsc::Receiver<()>,
}

impl Exporter {
    /// Starts to export. Spans without room are counted in `dropped`.
    pub fn start(to: Collector, dropped: &IntCounter) -> Result<(Self, Spans), ExporterError> {
        // Headers, time-out and compression come from the standard variables of the environment.
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

    /// Exports the spans that wait, for at most `patience`.
    pub fn close(self, patience: Duration) {
        // If the thread has ended already, there is nothing to stop.
        let _ = self.stop.send(());
        if self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the collector did not take the last spans within {} s", patience.as_secs());
        }
    }
}

/// The resource of the process: from the environment, or else the service name.
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
    /// Sends spans in batches, until it is asked to stop and no span waits any more.
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
                // The collector has just failed; the process need not wait for it to fail again.
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
