//! `clade audit show`.

use std::collections::HashSet;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::{archive, entries};
use crate::audit::{Archive, Entry};
use crate::cli::args::{AuditShowArgs, ReportFormat};
use crate::cli::error::CliError;
use crate::cli::moment::moment;
use crate::cli::plain::plain;
use crate::oci::{Digest, Timestamp};

pub(super) fn show(dir: &Path, args: &AuditShowArgs) -> Result<(), CliError> {
    let archive = archive(dir, &args.trail)?;
    let now = Timestamp::now();
    let bound =
        |option, text: &Option<String>| text.as_deref().map(|text| moment(option, text, now)).transpose();
    let filter = Filter {
        images: args.image.as_deref().map(|text| images(&*archive, text)).transpose()?,
        class: args.class.as_deref(),
        rebuild: args.rebuild.as_deref(),
        since: bound("--since", &args.since)?,
        until: bound("--until", &args.until)?,
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut shown, mut failed) = (0_usize, None);
    entries(&*archive, |entry, line| {
        if failed.is_some() || args.limit.is_some_and(|limit| shown >= limit) || !filter.has(entry) {
            return;
        }
        let written = match args.output {
            ReportFormat::Json => out.write_all(line).and_then(|()| out.write_all(b"\n")),
            ReportFormat::Table => {
                let head = if shown == 0 {
                    writeln!(out, "{}", row("TIME", "SEQ", "WHAT", "OF", "CHANGE"))
                } else {
                    Ok(())
                };
                let (seq, time) = (entry.seq.to_string(), format!("{:.3}", entry.time));
                head.and_then(|()| {
                    writeln!(
                        out,
                        "{}",
                        row(&time, &seq, &entry.what, &plain(&entry.subject()), &plain(&entry.change()))
                    )
                })
            }
        };
        shown += 1;
        failed = written.err();
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    out.flush()?;
    if shown == 0 {
        eprintln!("no entries found");
    }
    Ok(())
}

/// The filter from the arguments.
struct Filter<'a> {
    images: Option<HashSet<Digest>>,
    class: Option<&'a str>,
    rebuild: Option<&'a str>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Filter<'_> {
    fn has(&self, entry: &Entry) -> bool {
        let is_one = |asked: Option<&str>, has: &Option<String>| {
            asked.is_none_or(|asked| has.as_deref() == Some(asked))
        };
        self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time <= until)
            && is_one(self.class, &entry.class)
            && is_one(self.rebuild, &entry.rebuild)
            && self
                .images
                .as_ref()
                .is_none_or(|images| entry.image.is_some_and(|image| images.contains(&image)))
    }
}

/// The images that a digest, the beginning of one, or a tag stands for. A tag may have pointed at several images over
/// time.
fn images(archive: &dyn Archive, text: &str) -> Result<HashSet<Digest>, CliError> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = !hex.is_empty() && hex.chars().all(|c| c.is_ascii_hexdigit());
    let mut found = HashSet::new();
    entries(archive, |entry, _| {
        let Some(image) = entry.image else { return };
        let by_digest = is_hex && image.hex().starts_with(hex);
        let has_tag = || entry.tags().iter().any(|tag| tag == text || tag.ends_with(&format!("/{text}")));
        if by_digest || has_tag() {
            found.insert(image);
        }
    })?;
    if found.is_empty() {
        return Err(CliError::NotFound(format!(
            "no image in the trail has a digest that begins with {text:?}, or had this tag in a transition"
        )));
    }
    Ok(found)
}

/// Formats a line of the table. Columns have fixed widths, so that a trail of any length is printed as it is read.
fn row(time: &str, seq: &str, what: &str, of: &str, change: &str) -> String {
    format!("{time:<24}  {seq:>9}  {what:<24}  {of:<36}  {change}").trim_end().to_owned()
}
