//! Printing answers.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::Format;
use super::error::CliError;
use super::plain::plain_answer;
use crate::api::Client;
use crate::yaml;

/// Prints `answer` as JSON or YAML, or what a template or columns make of it. Returns `false` if the format is none of them.
pub(super) fn structured(format: &Format, answer: &impl Serialize) -> Result<bool, CliError> {
    let text = match format {
        Format::Json => serde_json::to_string_pretty(answer).map_err(CliError::failed)? + "\n",
        Format::Yaml => yaml::to_string(answer).map_err(CliError::failed)?,
        Format::JsonPath(template) => {
            template.of(&serde_json::to_value(answer).map_err(CliError::failed)?) + "\n"
        }
        Format::CustomColumns(columns) => {
            let answer = serde_json::to_value(answer).map_err(CliError::failed)?;
            let items = answer["items"].as_array().map_or(std::slice::from_ref(&answer), Vec::as_slice);
            table(&columns.headers(), items.iter().map(|item| columns.row(item)).collect(), &[], "objects")?;
            return Ok(true);
        }
        Format::Table | Format::Wide | Format::Name => return Ok(false),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(true)
}

/// Asks for something to be printed in this format. What people read is made harmless; what programs read stays as it is.
pub(super) fn answer<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    parameters: &impl Serialize,
    format: &Format,
) -> Result<T, CliError> {
    match format {
        Format::Json | Format::Yaml => Ok(client.get(path, parameters)?),
        _ => plain_answer(client.get(path, parameters)?),
    }
}

/// Prints documents as YAML.
pub(super) fn documents(documents: &[impl Serialize]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for document in documents {
        let text = yaml::to_string(document).map_err(CliError::failed)?;
        writeln!(out, "---\n{}", text.trim_end())?;
    }
    Ok(())
}

/// Prints lines.
pub(super) fn lines(lines: impl IntoIterator<Item = String>) -> Result<(), CliError> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(())
}

/// Prints columns as kubectl does. If there is no row, it says so on stderr.
pub(super) fn table(
    header: &[&str],
    rows: Vec<Vec<String>>,
    numbers: &[usize],
    what: &str,
) -> Result<(), CliError> {
    if rows.is_empty() {
        eprintln!("no {what} found");
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.to_vec()).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    for number in numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    lines(table.lines().map(|line| line.trim_end().to_owned()))
}

/// The state in red or green on a terminal.
pub(super) fn state(state: crate::record::State) -> String {
    let colour = match state {
        crate::record::State::Current => "32",
        crate::record::State::Outdated => "31",
    };
    if is_coloured() { format!("\x1b[{colour}m{state}\x1b[0m") } else { state.to_string() }
}

/// Bold on a terminal.
pub(super) fn bold(text: &str) -> String {
    if is_coloured() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

fn is_coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Some of the items, and the number of the rest.
pub(super) fn some(items: &[String], most: usize) -> String {
    match items.len() {
        0 => "-".to_owned(),
        len if len <= most => items.join(","),
        len => format!("{} +{}", items[..most].join(","), len - most),
    }
}
