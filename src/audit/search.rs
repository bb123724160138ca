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
    /// The number of lines that are about the object and do not have their hash. They are left out.
    pub damaged: u64,
}

impl Question {
    fn has(&self, entry: &Entry) -> bool {
        let is_one = |asked: &Option<String>, has: &Option<String>| {
            asked.is_none() || asked.as_deref() == has.as_deref()
        };
        self.image.is_none_or(|image| entry.image == Some(image))
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
        let texts = names.into_iter().flatten().filter_map(written);
        texts.map(|text| Finder::new(text.as_bytes()).into_owned()).collect()
    }
}

/// Looks through the trail from its end.
pub fn search(dir: &Directory, question: &Question) -> Result<Found, AuditError> {
    let texts = question.texts();
    let mut found = Found::default();
    let mut looked_through = 0;
    let segments = match dir.names() {
        Ok(names) => Names::segments(&names),
        Err(error) => return Err(error),
    };
    for name in segments.iter().rev() {
        let first = Names::first(name).unwrap_or_default();
        if question.before.is_some_and(|before| first >= before) {
            continue;
        }
        if looked_through >= MOST {
            return Ok(found);
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
            looked_through += line.len() as u64;
            if !texts.iter().all(|text| text.find(&line).is_some()) {
                continue;
            }
            let entry = match chain::open(&line) {
                Ok(sealed) if sealed.claimed != sealed.actual => None,
                Ok(sealed) => match sealed.line {
                    Line::Entry(entry) => Some(entry),
                    Line::Header(_) | Line::Footer(_) => continue,
                },
                Err(_) => None,
            };
            let (Some(entry), Ok(text)) = (entry, String::from_utf8(line)) else {
                found.damaged += 1;
                continue;
            };
            if question.since.is_some_and(|since| entry.time < since) {
                return Ok(Found { next: None, ..found });
            }
            if question.before.is_some_and(|before| entry.seq >= before) || !question.has(&entry) {
                continue;
            }
            if found.lines.len() == question.limit {
                return Ok(found);
            }
            found.next = Some(entry.seq);
            found.lines.push(text);
        }
        // Further pages begin before this segment.
        found.next = Some(first);
    }
    Ok(Found { next: None, ..found })
}
