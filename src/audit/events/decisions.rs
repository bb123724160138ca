//! Entries about workloads that policies judge.

use serde::Serialize;

use super::wrong;
use crate::audit::entry::{Entry, Facts};
use crate::log::Stored;
use crate::oci::Timestamp;
use crate::record::decision::{Decision, DecisionRecord, Finding, Verdict};
use crate::record::decode;

#[derive(Serialize)]
struct Decided {
    verdict: Verdict,
    decision: Decision,
}

#[derive(Serialize)]
struct Why<'a> {
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
}

pub(super) fn entry(time: Timestamp, stored: &Stored) -> Result<Entry, String> {
    let decoded = decode::<DecisionRecord>(&stored.record).map_err(|error| wrong(&error))?;
    let workload = Some(stored.record.key.clone());
    Ok(match decoded {
        Some(of) => Entry {
            workload,
            to: Facts::of(&Decided { verdict: of.verdict, decision: of.decision }),
            why: Facts::of(&Why { findings: &of.findings, more: (of.more > 0).then_some(of.more) }),
            ..Entry::new(
                match of.verdict {
                    Verdict::Allowed => "workload.allowed",
                    Verdict::Exempt => "workload.exempt",
                    Verdict::Unknown => "workload.unknown",
                    Verdict::Violating => "workload.violating",
                },
                time,
            )
        },
        // Every policy allows it, none judges it, or it is gone.
        None => Entry { workload, ..Entry::new("workload.cleared", time) },
    })
}
