//! `clade subscribe` and `clade export`.

use std::io::Write as _;

use super::args::{ExportArgs, Exported, StartArg, SubscribeArgs, Subscribed};
use super::error::CliError;
use crate::api::Client;

pub(super) fn subscribe(client: &Client, args: &SubscribeArgs) -> Result<(), CliError> {
    let topic = match args.topic {
        Subscribed::Classifications => "classifications",
        Subscribed::Outdated => "outdated",
        Subscribed::DeadLetters => "dead-letters",
    };
    let from = match args.from {
        StartArg::Beginning => "beginning",
        StartArg::End => "end",
    };
    let follow = if args.follow { "true" } else { "false" };
    pass_on(client, &format!("/v1/subscribe/{topic}"), &[("from", from), ("follow", follow)])
}

pub(super) fn export(client: &Client, args: &ExportArgs) -> Result<(), CliError> {
    match args.what {
        Exported::Lineage => pass_on(client, "/v1/lineage", &[("", ""); 0]),
    }
}

/// Passes an answer on as it comes; what was received is shown at once.
fn pass_on(client: &Client, path: &str, parameters: &[(&str, &str)]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    Ok(client.stream(path, &parameters, |piece| {
        out.write_all(piece)?;
        out.flush()
    })?)
}
