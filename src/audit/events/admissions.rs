//! Entries about pods that the admission webhook judged.

use serde::Serialize;

use super::{no_key, wrong};
use crate::audit::entry::{Entry, Facts};
use crate::log::Stored;
use crate::oci::Timestamp;
use crate::record::decision::{Decision, Finding, Verdict};
use crate::record::{AdmissionRecord, decode};

#[derive(Serialize)]
struct Judged {
    verdict: Verdict,
    decision: Decision,
}

#[derive(Serialize)]
struct Why<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u64>,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

pub(super) fn entry(time: Timestamp, stored: &Stored) -> Result<Entry, String> {
    let decoded = decode::<AdmissionRecord>(&stored.record).map_err(|error| wrong(&error))?;
    let of = decoded.ok_or_else(|| no_key(stored))?;
    let what = match of.decision {
        Decision::Deny => "pod.denied",
        Decision::Warn => "pod.warned",
        Decision::Audit | Decision::Allow => "pod.admitted",
    };
    Ok(Entry {
        workload: Some(stored.record.key.clone()),
        to: Facts::of(&Judged { verdict: of.verdict, decision: of.decision }),
        why: Facts::of(&Why {
            user: &of.user,
            times: (of.times > 1).then_some(of.times),
            findings: &of.findings,
            more: (of.more > 0).then_some(of.more),
        }),
        ..Entry::new(what, time)
    })
}
