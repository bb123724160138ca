//! The answer to an API server.

use serde_json::{Value, json};

use super::review::{API_VERSION, Asked};
use crate::policy::{ContainerVerdict, Decision, Judgement, PodVerdict, Verdict};
use crate::record::policy::Action;

/// The length of a warning, at most: longer ones are cut by some clients (Kubernetes, "Warnings in admission responses").
const WARNING: usize = 256;
/// The length of the name of an image in a warning or denial, at most.
const IMAGE: usize = 120;
/// Warnings of one answer, at most: the API server drops all of them beyond 4,096 bytes.
const WARNINGS: usize = 12;
/// The length of the reason of a denial, at most.
const MESSAGE: usize = 4_096;

/// The answer that admits the object without a word.
pub fn allow(uid: &str) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "AdmissionReview",
        "response": { "uid": uid, "allowed": true },
    })
}

/// The answer that refuses the object.
pub fn refuse(uid: &str, message: String) -> Value {
    let mut answer = allow(uid);
    answer["response"]["allowed"] = false.into();
    // Without a code, the API server says 400.
    answer["response"]["status"] =
        json!({ "code": 403, "reason": "Forbidden", "message": cut(message, MESSAGE) });
    answer
}

/// The answer to a question with this verdict. A webhook that mutates writes the digests of tags into the object; the other
/// one denies and warns.
pub fn answer(uid: &str, asked: &Asked, verdict: &PodVerdict, mutates: bool) -> Value {
    if mutates {
        return pinned(uid, asked, verdict);
    }
    let denies = asked.is_pod && verdict.decision == Decision::Deny;
    let mut answer = if denies { refuse(uid, denial(verdict)) } else { allow(uid) };
    answer["response"]["auditAnnotations"] = json!({
        "verdict": verdict.verdict.as_str(),
        "decision": verdict.decision,
    });
    if verdict.stale {
        answer["response"]["auditAnnotations"]["stale"] = "true".into();
    }
    let mut warnings = told(verdict, |judgement| {
        judgement.decision == Decision::Warn || !denies && judgement.decision == Decision::Deny
    });
    warnings.extend(
        verdict
            .not_ready
            .iter()
            .filter(|of| of.action != Action::Audit)
            .map(|of| format!("policy {} is not ready: {}", of.policy, of.message)),
    );
    let warnings =
        warnings.into_iter().take(WARNINGS).map(|warning| cut(format!("clade: {warning}"), WARNING));
    with_warnings(answer, warnings.collect())
}

fn with_warnings(mut answer: Value, warnings: Vec<String>) -> Value {
    if !warnings.is_empty() {
        answer["response"]["warnings"] = warnings.into();
    }
    answer
}

fn denial(verdict: &PodVerdict) -> String {
    let denying = told(verdict, |judgement| judgement.decision == Decision::Deny);
    format!("clade denies this pod.\n{}", denying.join("\n"))
}

/// A sentence for each judgement that counts.
fn told(verdict: &PodVerdict, counts: impl Fn(&Judgement) -> bool) -> Vec<String> {
    let of_container = |of: &ContainerVerdict, judgement: &Judgement| {
        let found = match judgement.verdict {
            Verdict::Unknown => "cannot be judged by",
            _ => "violates",
        };
        format!(
            "{} {:?}, image {}, {found} policy {}: {}",
            of.container.role.as_words(),
            of.container.name,
            cut(of.container.image.replace('\n', "\u{fffd}"), IMAGE),
            judgement.policy,
            judgement.message
        )
    };
    let judgements =
        verdict.containers.iter().flat_map(|of| of.judgements.iter().map(move |judgement| (of, judgement)));
    judgements
        .filter(|(_, judgement)| counts(judgement))
        .map(|(of, judgement)| of_container(of, judgement))
        .collect()
}

/// The answer that replaces tags by the digests that they point at.
fn pinned(uid: &str, asked: &Asked, verdict: &PodVerdict) -> Value {
    let patches = verdict.containers.iter().zip(&asked.places).filter(|(of, _)| of.pin && !verdict.stale);
    let patches = patches.filter_map(|(of, place)| {
        let digest = of.digest?;
        let image = &of.container.image;
        let repository = image.parse::<crate::oci::Reference>().ok()?.repository;
        Some(json!({ "op": "replace", "path": place, "value": format!("{repository}@{digest}") }))
    });
    let patches: Vec<Value> = patches.collect();
    let mut answer = allow(uid);
    if asked.is_pod && !patches.is_empty() {
        answer["response"]["patchType"] = "JSONPatch".into();
        answer["response"]["patch"] = base64(Value::from(patches).to_string().as_bytes()).into();
    }
    answer
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

/// The text, cut to so many bytes, without characters that do something in a terminal.
fn cut(text: String, most: usize) -> String {
    let mut text: String =
        text.chars().map(|of| if of.is_control() && of != '\n' { '\u{fffd}' } else { of }).collect();
    if text.len() > most {
        let end = (0..=most - '…'.len_utf8()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
