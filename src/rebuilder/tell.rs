//! Notifies the sink that a tag is to be rebuilt, with a CloudEvent.

use serde::Serialize;
use serde_json::json;

use super::RebuildError;
use super::context::{Context, Known};
use super::desk::changed;
use super::outcome::{is_late, refused};
use super::sink::Told;
use crate::kubernetes::BuildError;
use crate::oci::{Digest, Timestamp};
use crate::record::rebuild::TargetState;
use crate::record::{Target, TargetRecord};

/// The type of the event. Its version is that of the data.
const TYPE: &str = "dev.clade.rebuild-requested.v1";

/// The data of a notification about one tag.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Requested<'a> {
    /// The full name of the tag.
    tag: &'a str,
    rebuild: &'a str,
    class: &'a str,
    wave: u32,
    /// The number of the notification. It is above 1 if an earlier build has failed or did not come.
    attempt: u32,
    /// The base version of its image.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Digest>,
    reason: &'a str,
}

/// Notifies the sink of a target whose state `Starting` was written. A crash in between may repeat the notification,
/// under the same ID.
pub(super) async fn tell(context: &Context, known: &Known) -> Result<(), RebuildError> {
    let target = &known.target;
    // If the notification fails, the same attempt is repeated later.
    let untold = |message: String| TargetRecord {
        attempts: target.attempts.saturating_sub(1),
        ..changed(target, TargetState::Waiting, message)
    };
    if !known.may_begin {
        return context.write(untold("the sink may have been notified".to_owned())).await;
    }
    let (Some(sink), Target::Tag(tag)) = (&context.sink, &target.target) else {
        let error = BuildError::Refused("this clade has no sink: start it with --sink".to_owned());
        return context.write(refused(target, error)).await;
    };
    // With the time of the plan: another data directory may give a rebuild the same name.
    let id = format!("{}@{}/{}#{}", target.rebuild, known.planned, target.target, target.attempts);
    let data = Requested {
        tag,
        rebuild: &target.rebuild,
        class: &known.class,
        wave: target.wave,
        attempt: target.attempts,
        version: target.reason.version,
        reason: &known.message,
    };
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/clade/rebuilds", "type": TYPE, "subject": tag,
        "time": target.started, "datacontenttype": "application/json", "data": data,
    });
    let next = match sink.post(&id, event.to_string().into_bytes()).await {
        Told::Taken => {
            context.metrics.builds_begun.inc();
            // The time of its build counts from now on, however long the notification took.
            let running = changed(target, TargetState::Running, "the sink was notified; waits for its image");
            TargetRecord { started: Some(Timestamp::now()), ..running }
        }
        Told::NotNow(problem) => match is_late(known) {
            true => changed(target, TargetState::Failed, problem).at_end(Timestamp::now()),
            false => untold(format!("{problem}; the sink is notified again soon")),
        },
        Told::Refused(problem) => refused(target, BuildError::Refused(problem)),
    };
    context.write(next).await
}
