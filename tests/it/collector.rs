//! An OpenTelemetry collector for tests: takes OTLP over HTTP and keeps what came.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// What came: each span with the name of the service that sent it.
pub(crate) type Spans = Vec<(String, Span)>;

pub(crate) struct Collector {
    pub(crate) url: String,
    spans: Arc<Mutex<Spans>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&spans);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(connection.unwrap(), &shared));
            }
        });
        Self { url, spans }
    }

    /// What has come so far.
    pub(crate) fn spans(&self) -> Spans {
        self.spans.lock().unwrap().clone()
    }
}

/// Answers the requests of one connection, one after another.
fn serve(connection: TcpStream, spans: &Mutex<Spans>) {
    let mut connection = BufReader::new(connection);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_lowercase());
        }
        let header = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        assert_eq!(head[0], "post /v1/traces http/1.1");
        assert_eq!(header("content-type:"), "application/x-protobuf");
        let mut body = vec![0; header("content-length:").parse().unwrap()];
        connection.read_exact(&mut body).unwrap();
        for resource in ExportTraceServiceRequest::decode(&body[..]).unwrap().resource_spans {
            let service = attribute(&resource.resource.unwrap().attributes, "service.name");
            let of_scopes = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.lock().unwrap().extend(of_scopes.map(|span| (service.clone(), span)));
        }
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length:";
        let head = format!("{head} {}\r\n\r\n", answer.len());
        connection.get_mut().write_all(&[head.as_bytes(), &answer].concat()).unwrap();
    }
}

/// A text attribute; empty if there is none.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()).and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        _ => String::new(),
    }
}
