//! Tables as files for spreadsheets.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse as _;

use super::Answer;
use super::frame::Failed;

/// A table as a file of this name.
pub(super) fn file<const N: usize>(
    name: &str,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Answer {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(head).map_err(Failed::internal)?;
    for row in rows {
        table.write_record(row.map(harmless)).map_err(Failed::internal)?;
    }
    let body = table.into_inner().map_err(Failed::internal)?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, body).into_response())
}

/// A text that no spreadsheet takes for a formula.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}
