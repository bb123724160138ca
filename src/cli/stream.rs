//! `clade subscribe` and `clade export`.

use std::future::pending;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::args::{ExportArgs, Exported, SubscribeArgs};
use super::error::CliError;
use super::output::lines;
use crate::api::{Client, Problem};
use crate::audit::{SignatureLine, SigningKey};
use crate::log::kafka::{Config, KafkaLog};
use crate::node::StopSignals;
use crate::oci::digest::Hasher;
use crate::record::Timestamp;
use crate::subscribe::{Event, Filter, Form, Next, Start, SubscribeError, Subscription};

/// Interval at which a subscription checks the stop flag.
const LOOK: Duration = Duration::from_millis(200);

/// The query parameters of a subscription over HTTP.
#[derive(Serialize)]
struct Parameters<'a> {
    #[serde(flatten)]
    filter: Filter,
    from: &'a str,
    follow: bool,
    output: Form,
}

/// Subscribes through the API.
pub(super) fn subscribe(client: &Client, args: &SubscribeArgs) -> Result<(), CliError> {
    if args.consumer_group.is_some() {
        return Err(CliError::Usage(
            "a consumer group shares the partitions of a topic on Apache Kafka: name the cluster with --kafka, and no \
             --server"
                .to_owned(),
        ));
    }
    if args.follow && client.is_here() {
        return Err(CliError::Usage(
            "nothing would come: no clade runs on this data directory; start `clade run`, ask one with --server, or leave \
             --follow out"
                .to_owned(),
        ));
    }
    let parameters = Parameters {
        filter: args.filter(),
        from: &args.from,
        follow: args.follow,
        output: args.output.into(),
    };
    let path = format!("/v1/subscribe/{}", args.topic.topic());
    // Nothing is lost with this process, so a signal may just end it.
    if args.follow {
        pass_on(client, &path, &parameters, stopped(), |_| {})
    } else {
        pass_on(client, &path, &parameters, pending(), |_| {})
    }
}

/// Subscribes at the cluster itself, without an index.
pub(super) fn subscribe_on(cluster: Config, args: &SubscribeArgs) -> Result<(), CliError> {
    // Invalid arguments are reported before the command connects to anything.
    let start = Start::parse(&args.from, Timestamp::now())?;
    let subscription =
        Subscription::of(args.topic.topic()).filter(args.filter()).start(start).follow(args.follow);
    let stop = Arc::new(AtomicBool::new(false));
    if args.follow {
        set_when_stopped(&stop)?;
    }
    let form = args.output.into();
    match &args.consumer_group {
        Some(_) if !args.follow => Err(CliError::Usage(
            "a consumer group goes on where it has stopped, and on: say --follow with --consumer-group"
                .to_owned(),
        )),
        Some(group) => follow_in_group(&KafkaLog::open(cluster)?, subscription, group, form, &stop),
        None => follow(&KafkaLog::open(cluster)?, subscription, form, &stop),
    }
}

fn follow(log: &KafkaLog, of: Subscription, form: Form, stop: &AtomicBool) -> Result<(), CliError> {
    let mut events = of.open(log)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut wait = LOOK;
    while !stop.load(Ordering::Relaxed) {
        match events.next_within(wait)? {
            Next::Event(event) => {
                put(&mut out, &event, form)?;
                wait = Duration::ZERO;
            }
            Next::Quiet => {
                out.flush()?;
                wait = LOOK;
            }
            Next::End => break,
        }
    }
    Ok(out.flush()?)
}

fn follow_in_group(
    log: &KafkaLog,
    of: Subscription,
    group: &str,
    form: Form,
    stop: &AtomicBool,
) -> Result<(), CliError> {
    let mut events = of.open_group(log, group)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    while !stop.load(Ordering::Relaxed) {
        for event in events.next_within(LOOK)? {
            put(&mut out, &event, form)?;
        }
        // Only written records may be committed.
        out.flush()?;
        events.commit()?;
    }
    Ok(())
}

fn put(out: &mut impl std::io::Write, event: &Event, form: Form) -> Result<(), CliError> {
    let line = event.line(form).map_err(CliError::failed)?;
    Ok(out.write_all(&line)?)
}

/// Sets `stop` once the process receives a signal to stop, instead of ending at once.
fn set_when_stopped(stop: &Arc<AtomicBool>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { StopSignals::listen() })?;
    let stop = Arc::clone(stop);
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(signals.received());
        stop.store(true, Ordering::Relaxed);
    })?;
    Ok(())
}

/// Returns once the process receives a signal to stop.
async fn stopped() {
    match StopSignals::listen() {
        Ok(mut signals) => signals.received().await,
        // Without a handler the system's default ends the process.
        Err(error) => {
            tracing::warn!("cannot listen for signals: {error}");
            pending::<()>().await;
        }
    }
}

impl From<SubscribeError> for CliError {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Usage(problem) => Self::Usage(problem),
            SubscribeError::Log(error) => error.into(),
        }
    }
}

pub(super) fn export(client: &Client, args: &ExportArgs) -> Result<(), CliError> {
    match args.what {
        Exported::Lineage if args.class.is_some() || args.signing_key.is_some() => Err(CliError::Usage(
            "--class and --signing-key are for `clade export versions`; lineage is of all images".to_owned(),
        )),
        Exported::Lineage => pass_on(client, "/v1/lineage", &[("", ""); 0], pending(), |_| {}),
        Exported::Versions => {
            let key = args.signing_key.as_deref().map(SigningKey::read).transpose()?;
            let parameters: Vec<(&str, &str)> = args.class.iter().map(|class| ("class", &**class)).collect();
            let mut told = Hasher::default();
            pass_on(client, "/v1/versions", &parameters, pending(), |bytes| told.update(bytes))?;
            if let Some(key) = key {
                let line = SignatureLine::new(told.finish(), &key).map_err(CliError::failed)?;
                lines([serde_json::to_string(&line).map_err(CliError::failed)?])?;
            }
            Ok(())
        }
    }
}

/// Passes the lines of an answer that does not end on, until the command is stopped.
pub(super) fn until_stopped(
    client: &Client,
    path: &str,
    parameters: &impl Serialize,
) -> Result<(), CliError> {
    // The end of what has come, from the beginning of its last line.
    let mut last: Vec<u8> = Vec::new();
    pass_on(client, path, parameters, stopped(), |bytes| {
        last.extend_from_slice(bytes);
        let whole = last.trim_ascii_end().len();
        if let Some(before) = last[..whole].iter().rposition(|byte| *byte == b'\n') {
            last.drain(..=before);
        }
    })?;
    match serde_json::from_slice(&last) {
        Ok(Ended { kind, object }) if kind == "ERROR" => Err(CliError::Failed(object.detail)),
        _ => Ok(()),
    }
}

/// The last line of a watch that the server has ended.
#[derive(Deserialize)]
struct Ended {
    #[serde(rename = "type")]
    kind: String,
    object: Problem,
}

/// Passes an answer on in whole lines, each as soon as it was received, and calls `passed` with what it passes on.
fn pass_on(
    client: &Client,
    path: &str,
    parameters: &impl Serialize,
    stopped: impl Future<Output = ()>,
    mut passed: impl FnMut(&[u8]),
) -> Result<(), CliError> {
    let mut begun: Vec<u8> = Vec::new();
    client.stream(path, parameters, stopped, |piece| {
        let Some(last) = piece.iter().rposition(|byte| *byte == b'\n') else {
            begun.extend_from_slice(piece);
            return Ok(());
        };
        let (whole, rest) = piece.split_at(last + 1);
        let mut out = std::io::stdout().lock();
        out.write_all(&begun)?;
        out.write_all(whole)?;
        passed(&begun);
        passed(whole);
        begun = rest.to_vec();
        out.flush()
    })?;
    let mut out = std::io::stdout().lock();
    out.write_all(&begun)?;
    passed(&begun);
    Ok(out.flush()?)
}
