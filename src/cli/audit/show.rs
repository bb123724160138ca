//! `clade audit show`.

use std::collections::HashSet;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::Deserialize;

use super::{archive, entries, time::moment};
use crate::audit::{Archive, Entry, Facts};
use crate::cli::args::{AuditShowArgs, ReportFormat};
use crate::cli::error::CliError;
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
                        row(&time, &seq, &entry.what, &plain(&subject(entry)), &plain(&change(entry)))
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

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Vec<String>,
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
        let has_tag = || {
            let tags = entry.why.as_ref().and_then(Facts::read::<Tags>);
            tags.is_some_and(|of| of.tags.iter().any(|tag| tag == text || tag.ends_with(&format!("/{text}"))))
        };
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

fn subject(entry: &Entry) -> String {
    let image = entry.image.map(|image| image.short());
    let parts = [&image, &entry.rebuild, &entry.target, &entry.class, &entry.group];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    match &entry.source {
        Some(source) if parts.is_empty() => source.to_string(),
        _ => parts.join(" "),
    }
}

/// The change and its reason, cut to fit into a line.
fn change(entry: &Entry) -> String {
    let (from, to) = (entry.from.as_ref().map(short), entry.to.as_ref().map(short));
    let mut told = match (from, to) {
        (None, None) => String::new(),
        (Some(from), Some(to)) if from == to => to,
        (from, to) => {
            let or_nothing = |of: Option<String>| of.unwrap_or_else(|| "-".to_owned());
            format!("{} -> {}", or_nothing(from), or_nothing(to))
        }
    };
    let why = entry.why.as_ref();
    for member in ["reason", "message", "problem"] {
        if let Some(text) = why.and_then(|why| why.member(member)).filter(|text| !text.is_empty()) {
            told += &format!("; {text}");
        }
    }
    if let Some(tags) = why.and_then(Facts::read::<Tags>).filter(|of| !of.tags.is_empty()) {
        told += &format!("; {}", crate::cli::output::some(&tags.tags, 2));
    }
    if let Some(who) = &entry.on_behalf_of {
        told += &format!("; for {who}");
    }
    told.trim_start_matches("; ").to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    state: Option<String>,
    version: Option<Digest>,
    digest: Option<Digest>,
    number: Option<u64>,
    classes: Option<Vec<Class>>,
    versions: Option<u64>,
    current: Option<u64>,
    segments: Option<Vec<serde_json::Value>>,
    selector: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Class {
    name: String,
    state: String,
}

/// Formats facts of any kind in a few words.
fn short(facts: &Facts) -> String {
    let Some(of) = facts.read::<Known>() else { return facts.json().to_owned() };
    let mut words = Vec::new();
    words.extend(of.state);
    words.extend(of.version.map(|version| format!("on {}", version.short())));
    words.extend(of.number.map(|number| format!("version {number}")));
    words.extend(of.digest.map(|digest| digest.short()));
    if let Some(classes) = of.classes {
        let classes: Vec<String> = classes.iter().map(|of| format!("{}:{}", of.name, of.state)).collect();
        words.push(if classes.is_empty() { "in no class".to_owned() } else { classes.join(",") });
    }
    if let Some(versions) = of.versions {
        let current = of.current.map_or_else(|| "none".to_owned(), |current| current.to_string());
        words.push(format!("{versions} versions, current {current}"));
    }
    words.extend(of.segments.map(|segments| format!("{} segments", segments.len())));
    words.extend(of.selector.map(|selector| selector.to_string()));
    if words.is_empty() { facts.json().to_owned() } else { words.join(" ") }
}
