//! `clade audit replay`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::{archive, entries};
use crate::audit::{Facts, Moment, Replay};
use crate::cli::args::{ReplayArgs, ReportFormat};
use crate::cli::error::CliError;
use crate::cli::moment::moment;
use crate::cli::output::{lines, table};
use crate::oci::Timestamp;
use crate::record::State;

/// The JSON output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    /// `true` if the trail begins with entry 1 and is intact.
    complete: bool,
    #[serde(flatten)]
    state: &'a Replay,
}

pub(super) fn replay(dir: &Path, args: &ReplayArgs) -> Result<(), CliError> {
    let at = match args.at.parse() {
        Ok(seq) => Moment::Seq(seq),
        Err(_) => Moment::Time(moment("--at", &args.at, Timestamp::now())?),
    };
    let archive = archive(dir, &args.trail)?;
    let mut state = Replay::default();
    let report = entries(&*archive, |entry, _| {
        if at.includes(entry) {
            state.take(entry);
        }
    })?;
    if let Some((segment, seq)) = &report.pruned {
        eprintln!(
            "warning: segments up to {segment} were pruned, as entry {seq} says: what has not changed since is not there; a \
             store keeps them, if one was given"
        );
    }
    let complete = report.pruned.is_none() && report.findings.is_empty();
    match args.output {
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&Answer { complete, state: &state })
                .map_err(CliError::failed)?;
            writeln!(std::io::stdout().lock(), "{text}")?;
            Ok(())
        }
        ReportFormat::Table => summary(&state),
    }
}

fn summary(state: &Replay) -> Result<(), CliError> {
    let time = state.time.map_or_else(|| "nothing had happened".to_owned(), |time| format!("{time:.3}"));
    lines([
        format!("as of entry {}, {time}:", state.seq),
        format!("{} images in {} classes", state.images.len(), state.classes.len()),
        String::new(),
    ])?;
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (class, standing) in state.images.values().flat_map(|image| image.standings()) {
        let (members, outdated) = counts.entry(class).or_default();
        *members += 1;
        *outdated += u64::from(standing == State::Outdated);
    }
    let row = |(name, of): (&String, &crate::audit::ClassState)| {
        let (members, outdated) = counts.get(name.as_str()).copied().unwrap_or_default();
        let number = of.class.as_ref().and_then(|class| class.member("current"));
        let current = number.and_then(|number| of.versions.get(&number.parse().ok()?)?.member("digest"));
        let current =
            current.and_then(|digest| digest.parse().ok()).map(|digest: crate::oci::Digest| digest.short());
        vec![
            name.clone(),
            of.class.as_ref().and_then(follows).unwrap_or_default(),
            current.unwrap_or_default(),
            of.versions.len().to_string(),
            members.to_string(),
            outdated.to_string(),
        ]
    };
    let rows = state.classes.iter().map(row).collect();
    table(&["CLASS", "FOLLOWS", "CURRENT", "VERSIONS", "MEMBERS", "OUTDATED"], rows, &[3, 4, 5], "classes")?;
    if state.rebuilds.is_empty() {
        return Ok(());
    }
    lines([String::new()])?;
    let row = |(id, of): (&String, &crate::audit::RebuildsState)| {
        let standing = of.rebuild.as_ref().and_then(|rebuild| rebuild.member("state"));
        vec![id.clone(), standing.unwrap_or_default(), of.targets.len().to_string()]
    };
    let rows = state.rebuilds.iter().map(row).collect();
    table(&["REBUILD", "STATE", "TARGETS"], rows, &[2], "rebuilds")
}

fn follows(class: &Facts) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Class {
        follows: crate::record::ObjectReference,
    }
    let of = class.read::<Class>()?.follows;
    Some(of.namespace.map_or_else(|| of.name.clone(), |namespace| format!("{namespace}/{}", of.name)))
}
