//! `clade coverage`, and the line about it beside other answers.

use serde::Serialize;

use super::args::{CoverageArgs, Format, PartArg, TimeArgs};
use super::error::CliError;
use super::output::{answer, lines, structured, table};
use crate::api::Client;
use crate::oci::Timestamp;
use crate::query::CoverageBy;
use crate::query::answer::{CoverageItem, CoverageReport};

pub(super) fn coverage(client: &Client, args: &CoverageArgs) -> Result<(), CliError> {
    let by = args.by.map(|part| match part {
        PartArg::Repository => CoverageBy::Repository,
        PartArg::Namespace => CoverageBy::Namespace,
    });
    args.time.tell();
    let report = ask(client, by, args.time, &args.output)?;
    if structured(&args.output, &report)? {
        return Ok(());
    }
    if matches!(args.output, Format::Name) {
        return lines(report.parts.into_iter().map(|part| part.name));
    }
    let what = match by {
        Some(CoverageBy::Repository) => "REPOSITORY",
        Some(CoverageBy::Namespace) => "NAMESPACE",
        None => "",
    };
    let row = |name: &str, of: &CoverageItem| {
        let numbers = [of.images, of.member, of.known_base, of.claimed, of.unknown];
        std::iter::once(name.to_owned()).chain(numbers.map(|number| number.to_string())).collect()
    };
    let parts = report.parts.iter().map(|of| row(if of.name.is_empty() { "(none)" } else { &of.name }, of));
    let rows = parts.chain([row("(all)", &report.total)]).collect();
    let header = [what, "IMAGES", "MEMBER", "KNOWN BASE", "CLAIMED", "UNKNOWN"];
    table(&header, rows, &[1, 2, 3, 4, 5], "images")
}

/// Asks for the coverage.
pub(super) fn ask(
    client: &Client,
    by: Option<CoverageBy>,
    TimeArgs { at }: TimeArgs,
    format: &Format,
) -> Result<CoverageReport, CliError> {
    #[derive(Serialize)]
    struct Parameters {
        by: Option<CoverageBy>,
        at: Option<Timestamp>,
    }
    answer(client, "/v1/coverage", &Parameters { by, at }, format)
}

/// Says on stderr what is known of the images, so that a small number of outdated ones misleads nobody.
pub(super) fn tell(of: &CoverageItem) {
    let share = |part: u64| format!("{part} ({} %)", (part * 100).checked_div(of.images).unwrap_or(0));
    eprintln!(
        "of {} images {} are in a class, {} on a known image that no class follows, {} have claims alone, {} are unknown",
        of.images,
        share(of.member),
        share(of.known_base),
        share(of.claimed),
        share(of.unknown)
    );
}
