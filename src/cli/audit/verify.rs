//! `clade audit verify`.

use std::path::Path;

use super::archive;
use crate::audit::{self, PublicKey, Report, Wanted};
use crate::cli::args::VerifyArgs;
use crate::cli::error::CliError;
use crate::cli::output::lines;

pub(super) fn verify(dir: &Path, args: &VerifyArgs) -> Result<(), CliError> {
    let keys = args.public_keys.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>()?;
    let archive = archive(dir, &args.trail)?;
    let report = audit::verify(&*archive, &Wanted { keys, anchors: args.heads.clone() })?;
    lines(told(&report, args))?;
    let many = report.findings.len() as u64 + report.more;
    if many == 0 {
        return Ok(());
    }
    lines(report.findings.iter().map(ToString::to_string))?;
    if report.more > 0 {
        lines([format!("and {} more", report.more)])?;
    }
    let name = archive.name();
    Err(CliError::Failed(format!("the audit trail in {name} is not as it was written: {many} findings")))
}

fn told(report: &Report, args: &VerifyArgs) -> Vec<String> {
    let mut told = Vec::new();
    match (report.first, report.last) {
        (Some((first, since)), Some((last, hash, until))) => {
            told.push(format!("entries:    {first} to {last}, {} of them", report.entries));
            told.push(format!("segments:   {}", report.segments));
            told.push(format!("times:      {since:.3} to {until:.3}"));
            told.push(format!("head:       {last}:{hash}"));
        }
        _ => told.push("entries:    none".to_owned()),
    }
    told.push(match &report.pruned {
        Some((segment, seq)) => {
            format!("beginning:  segments up to {segment} were pruned, as entry {seq} says; what is left is complete")
        }
        None if report.first.is_none_or(|(first, _)| first == 1) => {
            "beginning:  the first entry of all".to_owned()
        }
        None => "beginning:  missing".to_owned(),
    });
    told.push(match (report.signed, args.public_keys.is_empty()) {
        (0, _) => "signatures: none".to_owned(),
        (many, is_unasked) => {
            let keys = report.signed_by.join(", ");
            let whose = if is_unasked { "; use --public-key to check that it is the right key" } else { "" };
            format!("signatures: {many} by {keys}{whose}")
        }
    });
    if let (Some(signed), Some((last, ..))) = (report.signed_to, report.last)
        && signed < last
    {
        told.push(format!(
            "            up to entry {signed}; the entries {} to {last} are signed by nobody yet",
            signed + 1
        ));
    }
    let checked = args.heads.len() - report.unchecked.len();
    told.push(match args.heads.len() {
        0 => "end:        not checked: lines missing at the end show only with --head".to_owned(),
        _ => format!("end:        compared with {checked} heads"),
    });
    for seq in &report.unchecked {
        told.push(format!("            entry {seq} was pruned: its head says nothing any more"));
    }
    if report.is_being_written {
        told.push("            an auditor is writing: its line at the end is not complete yet".to_owned());
    }
    if report.findings.is_empty() {
        told.push("verified: everything is as it was written".to_owned());
    }
    told
}
