//! From a decision to a Report of OpenReports (`openreports.io/v1alpha1`). Pure.

use serde_json::{Value, json};

use crate::oci::Digest;
use crate::record::DecisionRecord;
use crate::record::decision::{Finding, Verdict};

/// The length of the readable part of a name, at most: names have at most 253 characters.
const NAME: usize = 200;

/// A report to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    /// Its namespace and name.
    pub(super) at: (String, String),
    /// Identifies the decision.
    pub(super) decided: String,
    pub(super) body: Value,
}

/// The report of the decision with this key, kept by this instance.
pub(super) fn report(instance: &str, key: &str, decision: &DecisionRecord) -> Report {
    let DecisionRecord { namespace, kind, name: workload, .. } = decision;
    let name = name(instance, key, decision);
    let decided = decision.decided.to_string();
    let mut scope = json!({"kind": kind, "namespace": namespace, "name": workload});
    if let Some(version) = api_version(kind) {
        scope["apiVersion"] = version.into();
    }
    let mut results: Vec<Value> = decision.findings.iter().map(|finding| result(finding, decision)).collect();
    if decision.more > 0 {
        results.push(omitted(decision));
    }
    let count =
        |of: Verdict| decision.findings.iter().filter(|finding| finding.judgement.verdict == of).count();
    let body = json!({
        "source": "clade",
        "scope": scope,
        "summary": {
            "pass": 0,
            "fail": count(Verdict::Violating),
            "warn": 0,
            "error": count(Verdict::Unknown),
            "skip": count(Verdict::Exempt),
        },
        "results": results,
    });
    Report { at: (namespace.clone(), name), decided, body }
}

/// A name that people can read, and that no other workload's report and no other instance's has.
fn name(instance: &str, key: &str, decision: &DecisionRecord) -> String {
    let readable = format!("{}-{}", decision.kind, decision.name).to_lowercase();
    let allowed = |of: char| if of.is_ascii_alphanumeric() || of == '-' { of } else { '-' };
    let readable: String = readable.chars().take(NAME).map(allowed).collect();
    format!("clade-{readable}-{}", &Digest::of(format!("{instance} {key}").as_bytes()).hex()[..10])
}

/// The API of the kinds that clade knows by their names. The record does not have that of others.
fn api_version(kind: &str) -> Option<&'static str> {
    match kind {
        "Pod" | "ReplicationController" => Some("v1"),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => Some("apps/v1"),
        "Job" | "CronJob" => Some("batch/v1"),
        "DeploymentConfig" => Some("apps.openshift.io/v1"),
        _ => None,
    }
}

/// The result for judgements that the decision does not name. The worst are named.
fn omitted(decision: &DecisionRecord) -> Value {
    json!({
        "policy": "clade",
        "rule": "omitted",
        "result": "skip",
        "scored": false,
        "message": format!("{} more judgements that do not allow an image are left out", decision.more),
        "timestamp": {"seconds": decision.decided.as_second(), "nanos": 0},
    })
}

fn result(finding: &Finding, decision: &DecisionRecord) -> Value {
    let judgement = &finding.judgement;
    let mut properties = json!({
        "image": finding.image,
        "role": finding.role,
        "reason": judgement.reason,
        "decision": judgement.decision,
    });
    let more = [
        ("digest", finding.digest.map(|digest| digest.to_string())),
        ("class", judgement.class.clone()),
        ("until", judgement.until.map(|until| until.to_string())),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            properties[name] = value.into();
        }
    }
    json!({
        "policy": judgement.policy,
        "rule": finding.container,
        "result": match judgement.verdict {
            Verdict::Allowed => "pass",
            Verdict::Exempt => "skip",
            Verdict::Unknown => "error",
            Verdict::Violating => "fail",
        },
        "scored": judgement.verdict == Verdict::Violating,
        "message": judgement.message,
        "timestamp": {"seconds": decision.decided.as_second(), "nanos": 0},
        "properties": properties,
    })
}
