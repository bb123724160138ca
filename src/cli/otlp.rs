//! The arguments that name the collector of spans: flags, else the standard variables of OpenTelemetry.
//!
//! Those variables are meant for every program on a machine. So a command that cannot parse them runs without spans. An
//! invalid flag, which is meant for clade, is an error.

use std::env::var;
use std::time::Duration;

use super::error::CliError;
use crate::log::kafka;
use crate::telemetry::{Collector, Exporter, Telemetry};

/// The default share of traces: a hundredth. At 100,000 records per second this is still thousands of spans.
const RATIO: f64 = 0.01;
/// Time limit for the last spans when a command ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// A collector.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "OpenTelemetry")]
pub(super) struct OtlpArgs {
    /// Export spans to this collector, by OTLP over HTTP, as http://localhost:4318 [env: OTEL_EXPORTER_OTLP_ENDPOINT or
    /// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT]
    #[arg(long, global = true, value_name = "URL")]
    otlp: Option<String>,
    /// Export this share of traces: 1 is all; use the same value for every process [env: OTEL_TRACES_SAMPLER_ARG]
    /// [default: 0.01]
    #[arg(long, global = true, value_name = "0…1", value_parser = ratio)]
    otlp_ratio: Option<f64>,
}

impl OtlpArgs {
    /// Starts to export the spans of `telemetry`, if a collector is named.
    pub(super) fn start(
        &self,
        service: &str,
        cluster: Option<&kafka::Config>,
        telemetry: &mut Telemetry,
    ) -> Result<Option<Exporting>, CliError> {
        let (address, is_flag) = match &self.otlp {
            Some(base) => (Ok(with_path(base)), true),
            None => match from_environment() {
                Some(address) => (address, false),
                None => return Ok(None),
            },
        };
        let started = address.and_then(|url| {
            let collector = Collector {
                url: is_http(url)?,
                ratio: self.otlp_ratio.unwrap_or_else(ratio_from_environment),
                service: service.to_owned(),
                system: if cluster.is_some() { "kafka" } else { "clade" },
                prefix: cluster.map_or_else(String::new, |cluster| cluster.prefix.clone()),
            };
            Exporter::start(collector, &telemetry.metrics.dropped_spans).map_err(|error| error.to_string())
        });
        match started {
            Ok((exporter, spans)) => {
                telemetry.spans = spans;
                Ok(Some(Exporting(exporter)))
            }
            Err(problem) if is_flag => Err(CliError::Usage(format!("--otlp: {problem}"))),
            Err(problem) => {
                tracing::warn!("no spans are exported: {problem}");
                Ok(None)
            }
        }
    }
}

/// Exports until it is closed.
pub(super) struct Exporting(Exporter);

impl Exporting {
    /// Exports the spans that wait, within a time limit.
    pub(super) fn close(self) {
        self.0.close(PATIENCE);
    }
}

fn set(name: &str) -> Option<String> {
    var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The address from the environment, unless the environment disables traces.
fn from_environment() -> Option<Result<String, String>> {
    let is = |name, value: &str| set(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    let url = set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .or_else(|| set("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| with_path(&base)))?;
    let protocol = set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| set("OTEL_EXPORTER_OTLP_PROTOCOL"));
    Some(match protocol.as_deref() {
        None | Some("http/protobuf") => Ok(url),
        Some(other) => Err(format!(
            "OTEL_EXPORTER_OTLP_PROTOCOL is {other}, and clade speaks http/protobuf; set it, or --otlp"
        )),
    })
}

/// The address of traces below that of a collector.
fn with_path(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") }
}

fn is_http(url: String) -> Result<String, String> {
    if url.starts_with("http://") {
        return Ok(url);
    }
    Err(format!(
        "{url} is no http:// address, and clade speaks no TLS to a collector: name one on this machine or in this cluster, \
         as http://localhost:4318, that passes on"
    ))
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("{text:?} is no number from 0 to 1"))
}

fn ratio_from_environment() -> f64 {
    let sampler = set("OTEL_TRACES_SAMPLER").unwrap_or_default();
    match sampler.strip_prefix("parentbased_").unwrap_or(&sampler) {
        "always_on" => return 1.0,
        "always_off" => return 0.0,
        _ => {}
    }
    let Some(text) = set("OTEL_TRACES_SAMPLER_ARG") else { return RATIO };
    ratio(&text).unwrap_or_else(|problem| {
        tracing::warn!("OTEL_TRACES_SAMPLER_ARG is left alone, {RATIO} taken: {problem}");
        RATIO
    })
}
