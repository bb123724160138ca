//! What the program tells an OpenTelemetry collector is what stands on the log; and a collector that fails does no harm.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use clade::log::embedded::{EmbeddedLog, Options};
use clade::log::{Log as _, TopicPartition, for_each};
use clade::record::{Topic, TraceContext};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::collector::{Collector, attribute};

fn clade(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clade"));
    command.args(arguments).env("CLADE_DATA_DIR", data).env_remove("CLADE_LOG");
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SERVICE_NAME"] {
        command.env_remove(name);
    }
    command
}

fn ok(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// How many images the registry has at least.
const IMAGES: usize = 300;

/// A folder with a made-up registry's history.
fn registry() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let registry = dir.path().join("registry").display().to_string();
    ok(clade(dir.path(), &["generate", &registry, "--images", &IMAGES.to_string()]));
    (dir, registry)
}

/// Declares the registry's classes, so that there is something to conclude.
fn declare(data: &Path, with: &[&str]) {
    let classes = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo/classes.yaml");
    ok(clade(data, &[&["apply", "-f", &classes.display().to_string()], with].concat()));
}

/// The places in traces of all records of a topic.
fn traced(log: &EmbeddedLog, topic: Topic) -> Vec<(u16, String, TraceContext)> {
    let mut found = Vec::new();
    let partitions = if topic.is_partitioned() { log.partitions() } else { 1 };
    for partition in 0..partitions {
        for_each(log, TopicPartition { topic, partition }, |stored| {
            if let Some(trace) = stored.record.trace() {
                found.push((partition, stored.record.key.clone(), trace));
            }
        })
        .unwrap();
    }
    found
}

fn open(data: &Path) -> EmbeddedLog {
    EmbeddedLog::open(data, Options::default()).unwrap()
}

type ById = HashMap<(Vec<u8>, Vec<u8>), (String, Span)>;

fn by_id(collector: &Collector) -> ById {
    let spans = collector.spans();
    let count = spans.len();
    let spans: ById = spans
        .into_iter()
        .map(|(service, span)| ((span.trace_id.clone(), span.span_id.clone()), (service, span)))
        .collect();
    assert_eq!(spans.len(), count, "two spans have the same ID");
    spans
}

#[test]
fn each_record_has_the_span_that_its_traceparent_names_below_that_of_the_record_it_came_from() {
    let ((dir, registry), collector) = (registry(), Collector::start());
    let data = dir.path().join("data");
    let with = ["--otlp", &collector.url, "--otlp-ratio", "1"];
    declare(&data, &with);
    ok(clade(&data, &[&["import", &registry], &with[..]].concat()));
    let (spans, log) = (by_id(&collector), open(&data));
    let find = |trace: &[u8], span: &[u8]| &spans[&(trace.to_vec(), span.to_vec())];
    for topic in [Topic::Images, Topic::Catalog, Topic::Classifications, Topic::Outdated] {
        let records = traced(&log, topic);
        assert!(!records.is_empty(), "nothing stands on {topic}");
        for (partition, key, trace) in records {
            let (service, span) = find(&trace.trace(), &trace.span());
            assert!(["clade", "clade-import"].contains(&service.as_str()), "{service}");
            assert_eq!(span.name, format!("publish {topic}"));
            assert_eq!(span.kind(), SpanKind::Producer);
            assert!(span.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset));
            assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
            let of = |key| attribute(&span.attributes, key);
            assert_eq!(of("messaging.system"), "clade");
            assert_eq!(of("messaging.destination.name"), topic.name());
            if topic != Topic::Images {
                assert_eq!(of("messaging.destination.partition.id"), partition.to_string());
            }
            assert_eq!(of("messaging.kafka.message.key"), key);
            if matches!(topic, Topic::Images | Topic::Catalog) {
                assert!(span.parent_span_id.is_empty(), "{span:?}");
                continue;
            }
            let (_, classify) = find(&span.trace_id, &span.parent_span_id);
            assert!(["classify images", "classify catalog"].contains(&classify.name.as_str()));
            assert_eq!(classify.kind(), SpanKind::Consumer);
            let (_, cause) = find(&classify.trace_id, &classify.parent_span_id);
            assert_eq!(cause.name.replace("publish", "classify"), classify.name);
        }
    }
}

#[test]
fn a_sample_has_whole_traces_and_the_records_say_which() {
    let ((dir, registry), collector) = (registry(), Collector::start());
    let data = dir.path().join("data");
    // Nobody records these: no trace of them is sampled.
    declare(&data, &[]);
    let mut import = clade(&data, &["import", &registry]);
    import
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("OTEL_TRACES_SAMPLER_ARG", "0.2")
        .env("OTEL_SERVICE_NAME", "inventory");
    ok(import);
    let (spans, log) = (by_id(&collector), open(&data));
    assert!(spans.values().all(|(service, _)| service == "inventory"));
    let mut images = 0;
    for topic in [Topic::Images, Topic::Catalog, Topic::Tags, Topic::Classifications, Topic::Outdated] {
        let records = traced(&log, topic);
        assert!(!records.is_empty(), "nothing stands on {topic}");
        for (_, _, trace) in records {
            let is_exported = spans.contains_key(&(trace.trace().to_vec(), trace.span().to_vec()));
            assert_eq!(is_exported, trace.is_sampled(), "{topic} {trace}");
            images += usize::from(is_exported && topic == Topic::Images);
        }
    }
    assert!(images > IMAGES / 10 && images < IMAGES / 3, "{images} of {IMAGES}");
}

/// Of one that is asked over HTTP.
fn metrics(url: &str) -> String {
    let mut connection = TcpStream::connect(url.trim().trim_start_matches("http://")).unwrap();
    connection.write_all(b"GET /metrics HTTP/1.1\r\nhost: clade\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_collector_that_is_away_is_told_once_and_what_it_misses_is_counted() {
    let (dir, registry) = registry();
    let data = dir.path().join("data");
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut run =
        clade(&data, &["run", "--from", &registry, "--otlp", &format!("http://{away}"), "--otlp-ratio", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut url = String::new();
    BufReader::new(run.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let dropped = || {
        let text = metrics(&url);
        let line = text.lines().find(|line| line.starts_with("clade_spans_dropped_total ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    // Several requests' worth: it goes on trying, and says it once.
    crate::cluster::eventually(&true, || dropped() > 512.0);
    let images = ok(clade(&data, &["get", "images", "-o", "name"])).stdout;
    assert!(String::from_utf8(images).unwrap().lines().count() >= IMAGES);
    Command::new("kill").arg(run.id().to_string()).status().unwrap();
    let output = run.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(told.matches("spans cannot be exported").count(), 1, "{told}");
    assert!(told.contains(&away.to_string()), "{told}");
}

#[test]
fn a_collector_that_does_not_answer_holds_nobody_up_for_long() {
    let (dir, registry) = registry();
    // Connections are taken by the kernel, and nobody reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let begun = Instant::now();
    let output =
        ok(clade(&dir.path().join("data"), &["import", &registry, "--otlp", &url, "--otlp-ratio", "1"]));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("did not take the last spans within 5 s"), "{told}");
}

#[test]
fn what_cannot_be_a_collector_is_refused_as_a_flag_and_told_of_in_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = clade(dir.path(), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let import = ["import", "nothing"];
    assert!(
        refused(&[&import[..], &["--otlp", "https://example.com"]].concat()).contains("no http:// address")
    );
    assert!(refused(&[&import[..], &["--otlp", "http://exa mple:1"]].concat()).contains("exa mple"));
    assert!(refused(&[&import[..], &["--otlp-ratio", "2"]].concat()).contains("from 0 to 1"));
    let registry = dir.path().join("registry").display().to_string();
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://example.com"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "no address"),
    ] {
        let mut generate = clade(dir.path(), &["generate", &registry, "--images", "20"]);
        generate.env(name, value);
        let told = String::from_utf8(ok(generate).stderr).unwrap();
        assert!(told.contains("no spans are exported") && told.contains(value), "{told}");
    }
}
