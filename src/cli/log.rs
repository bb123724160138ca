//! `clade log`.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::args::{CheckArgs, LogArgs, LogCommand, RepairArgs, ReportFormat};
use super::client::{nothing_in, while_in_use};
use super::copying::Copying;
use super::error::CliError;
use super::{output, progress};
use crate::log::embedded::{self, Checked, Restored, Salvage};
use crate::node::local;

pub(super) fn log(dir: &Path, args: &LogArgs) -> Result<(), CliError> {
    if !local::exists(dir) {
        return Err(nothing_in(dir));
    }
    match &args.command {
        LogCommand::Check(args) => check(dir, args),
        LogCommand::Repair(args) => repair(dir, args),
    }
}

fn check(dir: &Path, args: &CheckArgs) -> Result<(), CliError> {
    let checked = while_in_use(dir, || {
        // redb reads on one thread at a time, and tells from within.
        let bar = Mutex::new(progress::bytes(0, "checking"));
        embedded::check(dir, "clade log check", move |done, of| {
            bar.lock().unwrap_or_else(PoisonError::into_inner).set(done, of);
        })
    })?;
    match args.output {
        ReportFormat::Table => show(&checked)?,
        ReportFormat::Json => print(&as_json(&checked))?,
    }
    match checked.many() {
        0 => Ok(()),
        many => Err(CliError::Failed(format!(
            "the log in {} is damaged: {many} damages; put a backup of log.redb in its place, or save what can be read with \
             `clade log repair`",
            dir.display()
        ))),
    }
}

fn repair(dir: &Path, args: &RepairArgs) -> Result<(), CliError> {
    let (found, restored) = while_in_use(dir, || {
        let mut copying = Copying::begin(&args.dir)?;
        let bar = Mutex::new(progress::bytes(0, "reading"));
        let found =
            embedded::salvage(dir, "clade log repair", &mut |piece| copying.take(piece), move |done, of| {
                bar.lock().unwrap_or_else(PoisonError::into_inner).set(done, of);
            })?;
        Ok((found, copying.finish()?))
    })?;
    if found.unreadable_pages > 0 {
        let pages = found.unreadable_pages;
        eprintln!(
            "the disk does not give back {pages} pages of log.redb: copy the file to another disk with a tool that tries again, and \
             repair the copy as well"
        );
    }
    match args.output {
        ReportFormat::Table => show_repaired(&found, &restored)?,
        ReportFormat::Json => print(&repaired_as_json(&found, &restored))?,
    }
    Ok(())
}

fn print(report: &Value) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(report).map_err(CliError::failed)?;
    writeln!(std::io::stdout().lock(), "{text}")?;
    Ok(())
}

fn show_repaired(found: &Salvage, restored: &Restored) -> Result<(), CliError> {
    let rows = found.partitions.iter().map(|found| {
        let lost = found.lost.map_or_else(|| "unknown".to_owned(), |lost| lost.to_string());
        vec![found.of.to_string(), found.records.to_string(), lost]
    });
    output::table(&["PARTITION", "RECORDS", "LOST"], rows.collect(), &[1, 2], "record")?;
    let Restored { file, bytes, records } = restored;
    output::lines([format!("{}: {records} records, {bytes} bytes, checked", file.display())])?;
    Ok(())
}

fn repaired_as_json(found: &Salvage, restored: &Restored) -> Value {
    let partitions: Vec<Value> = found
        .partitions
        .iter()
        .map(|found| {
            json!({
                "topic": found.of.topic.to_string(), "partition": found.of.partition, "records": found.records,
                "lost": found.lost,
            })
        })
        .collect();
    let Restored { file, bytes, records } = restored;
    json!({
        "file": file.display().to_string(), "bytes": bytes, "records": records, "partitions": partitions,
        "unreadablePages": found.unreadable_pages,
    })
}

fn show(checked: &Checked) -> Result<(), CliError> {
    let rows = checked.partitions.iter().map(|found| {
        let numbers = [found.records, found.without_checksum, found.end, found.damages];
        let mut row = vec![found.of.to_string()];
        row.extend(numbers.map(|number| number.to_string()));
        row
    });
    let header = ["PARTITION", "RECORDS", "WITHOUT CHECKSUM", "END", "DAMAGES"];
    output::table(&header, rows.collect(), &[1, 2, 3, 4], "record")?;
    output::lines(checked.damages.iter().map(|damage| format!("damaged: {damage}")))?;
    if checked.more > 0 {
        output::lines([format!("and {} more", checked.more)])?;
    }
    if checked.many() == 0 {
        output::lines([format!("whole: {} bytes", checked.bytes)])?;
    }
    Ok(())
}

fn as_json(checked: &Checked) -> Value {
    let partitions: Vec<Value> = checked
        .partitions
        .iter()
        .map(|found| {
            json!({
                "topic": found.of.topic.to_string(), "partition": found.of.partition, "records": found.records,
                "withoutChecksum": found.without_checksum, "end": found.end, "damages": found.damages,
            })
        })
        .collect();
    let damages: Vec<Value> = checked
        .damages
        .iter()
        .map(|damage| {
            json!({
                "topic": damage.partition.map(|of| of.topic.to_string()),
                "partition": damage.partition.map(|of| of.partition),
                "offset": damage.offset,
                "problem": damage.problem,
            })
        })
        .collect();
    json!({
        "bytes": checked.bytes, "whole": checked.many() == 0, "partitions": partitions, "damages": damages,
        "moreDamages": checked.more,
    })
}
