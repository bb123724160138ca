//! `clade policy test`.

use super::args::{Format, PolicyTestArgs};
use super::check::in_manifests;
use super::error::CliError;
use super::moment::moment;
use super::output::{lines, structured, table};
use crate::api::Client;
use crate::oci::Timestamp;
use crate::policy::Verdict;
use crate::query::{WorkloadVerdict, WorkloadVerdicts, WorkloadsRequest};

pub(super) fn test(client: &Client, args: &PolicyTestArgs) -> Result<(), CliError> {
    let policies = args.filename.as_deref().map(in_manifests).transpose()?;
    let since = args.since.as_deref().map(|text| moment("--since", text, Timestamp::now())).transpose()?;
    let request = WorkloadsRequest { policies, namespace: args.namespace.clone(), began_since: since };
    let verdicts: WorkloadVerdicts = client.post("/v1/workloads/verdicts", &request)?;
    if !structured(&args.output, &verdicts)? {
        match args.output {
            Format::Name => lines(verdicts.items.iter().map(|of| of.key.clone()))?,
            _ => tell(&verdicts, since)?,
        }
    }
    match verdicts.counts.violating {
        0 => Ok(()),
        1 => Err(CliError::Violating("1 workload violates a policy".to_owned())),
        count => Err(CliError::Violating(format!("{count} workloads violate a policy"))),
    }
}

fn tell(verdicts: &WorkloadVerdicts, since: Option<Timestamp>) -> Result<(), CliError> {
    let rows: Vec<Vec<String>> = verdicts.items.iter().flat_map(|of| rows_of(of, since.is_some())).collect();
    if !rows.is_empty() {
        let mut head = vec!["WORKLOAD", "PODS"];
        head.extend(since.map(|_| "BEGAN"));
        head.extend(["CONTAINER", "VERDICT", "POLICY", "WHY"]);
        table(&head, rows, &[1], "workloads")?;
    }
    let of = &verdicts.counts;
    let mut told = vec![format!(
        "{} allowed, {} exempt, {} unknown, {} violating; {} judged by no policy",
        of.allowed, of.exempt, of.unknown, of.violating, verdicts.unjudged
    )];
    if let Some(since) = since {
        told.push(format!(
            "these run now and began since {since}, and are judged as of then; of what does not run any more nothing is known"
        ));
    }
    if verdicts.unknown_begin > 0 {
        told.push(format!(
            "of {} workloads nobody knows when an image began: these images are not judged here",
            verdicts.unknown_begin
        ));
    }
    if verdicts.more > 0 {
        told.push(format!("{} more workloads are not allowed: choose a --namespace", verdicts.more));
    }
    lines(told)
}

/// A row for each judgement that does not allow an image, if wanted with the time at which it began.
fn rows_of(of: &WorkloadVerdict, with_began: bool) -> impl Iterator<Item = Vec<String>> {
    let containers = of.verdict.containers.iter();
    let judged = containers.flat_map(|container| container.judgements.iter().map(move |by| (container, by)));
    judged.filter(|(_, by)| by.verdict != Verdict::Allowed).map(move |(container, by)| {
        let began = with_began.then(|| of.began.map(|began| began.to_string()).unwrap_or_default());
        let mut row = vec![of.key.clone(), of.pods.to_string()];
        row.extend(began);
        row.extend([
            container.container.name.clone(),
            by.verdict.as_str().to_owned(),
            by.policy.clone(),
            by.message.clone(),
        ]);
        row
    })
}
