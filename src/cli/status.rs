//! `clade status`.

use super::args::{Format, StatusArgs, TimeArgs};
use super::coverage;
use super::error::CliError;
use super::output::{lines, structured, table};
use crate::api::{Client, Status};
use crate::query::answer::PartitionStatus;

pub(super) fn status(client: &Client, args: &StatusArgs) -> Result<(), CliError> {
    let status: Status = client.get("/v1/status", &())?;
    if let Some(failure) = &status.failure {
        eprintln!("warning: {failure}");
    }
    if structured(&args.output, &status)? {
        return Ok(());
    }
    if matches!(args.output, Format::Name) {
        return lines(status.partitions.iter().map(|of| of.partition.to_string()));
    }
    let row = |of: &PartitionStatus| {
        vec![
            of.partition.to_string(),
            if of.restored { "True" } else { "False" }.to_owned(),
            of.images.to_string(),
            of.behind_records.to_string(),
            of.behind_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds}s")),
        ]
    };
    coverage::tell(&coverage::ask(client, None, TimeArgs::default(), &args.output)?.total);
    let header = ["PARTITION", "RESTORED", "IMAGES", "RECORDS BEHIND", "BEHIND FOR"];
    table(&header, status.partitions.iter().map(row).collect(), &[0, 2, 3, 4], "partitions")
}
