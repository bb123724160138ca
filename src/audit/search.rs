//! Finds the entries of an object, the newest first.

use std::fs::File;

use memchr::memmem::Finder;

use super::archive::{Archive as _, Directory, Names};
use super::backwards::Backwards;
use super::chain::{self, Line};
use super::{AuditError, Entry};
use crate::oci::{Digest, Timestamp};

/// Bytes of the trail that one search looks through. The next one goes on.
const MOST: u64 = 256 << 20;
/// Bytes of entries after which a search ends. One more entry has 1 MiB at most.
const MOST_BYTES: usize = 2 << 20;

/// A question about entries. They must meet all conditions.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// About this image.
    pub image: Option<Digest>,
    /// About this class.
    pub class: Option<String>,
    /// About this group.
    pub group: Option<String>,
    /// About this policy.
    pub policy: Option<String>,
    /// About this workload, by its key.
    pub workload: Option<String>,
    /// About this rebuild.
    pub rebuild: Option<String>,
    /// Of this kind, or with a `*` at the end of any that begins so.
    pub what: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// At this time or earlier.
    pub until: Option<Timestamp>,
    /// With a lower number than this.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// The entries that were found.
#[derive(Debug, Default)]
pub struct Found {
    /// The lines of the entries, the newest first.
    pub lines: Vec<String>,
    /// The number that the search goes on before; `None` if all was looked through.
    pub next: Option<u64>,
    /// The number of lines that may be about the object and do not have their hash. They are left out.
    pub damaged: u64,
}

impl Question {
    fn has(&self, entry: &Entry) -> bool {
        let is_one = |asked: &Option<String>, has: &Option<String>| {
            asked.is_none() || asked.as_deref() == has.as_deref()
        };
        let is_kind = |asked: &String| match asked.strip_suffix('*') {
            Some(beginning) => entry.what.starts_with(beginning),
            None => entry.what == *asked,
        };
        self.what.as_ref().is_none_or(is_kind)
            && self.image.is_none_or(|image| entry.image == Some(image))
            && is_one(&self.class, &entry.class)
            && is_one(&self.group, &entry.group)
            && is_one(&self.policy, &entry.policy)
            && is_one(&self.workload, &entry.workload)
            && is_one(&self.rebuild, &entry.rebuild)
            && self.since.is_none_or(|since| entry.time >= since)
            && self.until.is_none_or(|until| entry.time <= until)
    }

    /// The texts that stand in each line that meets the conditions: most others need not be decoded.
    fn texts(&self) -> Vec<Finder<'static>> {
        let image = self.image.map(|image| image.to_string());
        let names = [&image, &self.class, &self.group, &self.policy, &self.workload, &self.rebuild];
        let written = |name: &String| serde_json::to_string(name).ok();
        let kind = self.what.as_ref().map(|what| format!("\"what\":\"{}", what.trim_end_matches('*')));
        let texts = names.into_iter().flatten().filter_map(written).chain(kind);
        texts.map(|text| Finder::new(text.as_bytes()).into_owned()).collect()
    }
}

/// Looks through the trail from its end. Times need not follow numbers: a trail that is begun late has the topics one after the other.
pub fn search(dir: &Directory, question: &Question) -> Result<Found, AuditError> {
    let texts = question.texts();
    let mut found = Found::default();
    let (mut looked_through, mut bytes) = (0, 0);
    for name in Names::segments(&dir.names()?).iter().rev() {
        let first = Names::first(name).unwrap_or_default();
        if question.before.is_some_and(|before| first >= before) {
            continue;
        }
        let path = dir.path().join(name);
        let failed = |error: std::io::Error| AuditError::file("read", &path, &error);
        let mut lines = match File::open(&path) {
            Ok(file) => Backwards::new(file).map_err(failed)?,
            // The oldest segments are deleted when they are old enough.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(error) => return Err(failed(error)),
        };
        while let Some(line) = lines.next().map_err(failed)? {
            let number = number(&line);
            // An earlier page has looked at it.
            if number.zip(question.before).is_some_and(|(number, before)| number >= before) {
                continue;
            }
            if found.lines.len() == question.limit || bytes > MOST_BYTES || looked_through > MOST {
                return Ok(Found { next: found.next.or(Some(first)), ..found });
            }
            looked_through += line.len() as u64;
            if texts.iter().all(|text| text.find(&line).is_some()) {
                match read(line) {
                    Some((entry, text)) if question.has(&entry) => {
                        bytes += text.len();
                        found.lines.push(text);
                    }
                    Some(_) => {}
                    None if number.is_some() => found.damaged += 1,
                    None => {}
                }
            }
            found.next = number.or(found.next);
        }
    }
    Ok(Found { next: None, ..found })
}

/// The number of an entry, from the beginning of its line. The other lines of a segment have none.
fn number(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"seq\":")?.split(|byte| *byte == b',').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// An entry that is as it was written, and its line.
fn read(line: Vec<u8>) -> Option<(Box<Entry>, String)> {
    let sealed = chain::open(&line).ok().filter(|sealed| sealed.claimed == sealed.actual)?;
    let Line::Entry(entry) = sealed.line else { return None };
    Some((entry, String::from_utf8(line).ok()?))
}
