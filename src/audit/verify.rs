//! Reads a trail from its first line to its last, and checks each.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::str::FromStr;

use super::archive::{Archive, Names};
use super::chain::Line;
use super::check::{Checker, Ended, Finding};
use super::entry::Entry;
use super::head::Head;
use super::key::PublicKey;
use super::{AuditError, SignedHead};
use crate::oci::{Digest, Timestamp};

/// Size of the longest line, with a margin: a record has at most 1 MiB, and a header the state of all classes and
/// rebuilds.
const MOST_LINE: u64 = 256 << 20;

/// An entry known from elsewhere, as `clade audit head` printed it: `SEQ:HASH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The number of the entry.
    pub seq: u64,
    /// The hash of the entry.
    pub hash: Digest,
}

impl FromStr for Anchor {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, hash.parse().ok()?)));
        let parts = parts.filter(|(seq, _)| *seq > 0);
        let (seq, hash) = parts.ok_or_else(|| {
            format!("{text:?} is no head: write SEQ:sha256:HASH, as `clade audit head` does")
        })?;
        Ok(Self { seq, hash })
    }
}

/// The expectations that a trail is checked against.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The keys of which one must have signed each head. If empty, any key is accepted.
    pub keys: Vec<PublicKey>,
    /// Entries that must be in the trail.
    pub anchors: Vec<Anchor>,
}

/// The result of a verification.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The number of segments.
    pub segments: u64,
    /// The number of closed segments with a checked signature.
    pub signed: u64,
    /// The keys of these signatures, in base64.
    pub signed_by: Vec<String>,
    /// The last entry that a signature covers, together with all before it. Anybody who can write the files may have
    /// written the entries after it.
    pub signed_to: Option<u64>,
    /// The number of entries.
    pub entries: u64,
    /// The number and time of the first entry.
    pub first: Option<(u64, Timestamp)>,
    /// The number, hash and time of the last entry.
    pub last: Option<(u64, Digest, Timestamp)>,
    /// The last deleted segment, and the number of the entry that records it, if the beginning of the trail was pruned.
    pub pruned: Option<(String, u64)>,
    /// Anchors of pruned entries, which cannot be checked.
    pub unchecked: Vec<u64>,
    /// `true` if an auditor was in the middle of a line.
    pub is_being_written: bool,
    /// The differences from an intact trail.
    pub findings: Vec<Finding>,
    /// The number of findings that were not kept.
    pub more: u64,
}

/// Checks a whole trail.
pub fn verify(archive: &dyn Archive, wanted: &Wanted) -> Result<Report, AuditError> {
    read(archive, wanted, |_, _| {})
}

/// Does the same as [`verify`], and passes each intact entry with its line to the caller.
pub fn read(
    archive: &dyn Archive,
    wanted: &Wanted,
    mut visit: impl FnMut(&Entry, &[u8]),
) -> Result<Report, AuditError> {
    let names = archive.names()?;
    let segments = Names::segments(&names);
    let anchors: BTreeMap<u64, Digest> = wanted.anchors.iter().map(|of| (of.seq, of.hash)).collect();
    let mut checker = Checker::default();
    let mut report = Report::default();
    let mut last_lines = 0;
    for (at, name) in segments.iter().enumerate() {
        checker.begin(name);
        report.segments += 1;
        let mut number = 0;
        let rest = lines(&mut *archive.open(name)?, |bytes| {
            number += 1;
            let Some((line, hash)) = checker.line(bytes) else { return };
            let Line::Entry(entry) = line else { return };
            if anchors.get(&entry.seq).is_some_and(|anchor| *anchor != hash) {
                let (seq, anchor) = (entry.seq, anchors[&entry.seq]);
                let problem = format!("entry {seq} is {hash}, and was {anchor} when its head was taken");
                checker.found_in(name, number, problem);
            }
            visit(&entry, bytes);
        })
        .map_err(|error| AuditError::file("read", name.as_ref(), &error))?;
        // The auditor is in the middle of a line.
        let is_live = at + 1 == segments.len() && !rest.is_empty() && archive.is_written();
        report.is_being_written |= is_live;
        let ended = checker.end(if is_live { &[] } else { &rest });
        last_lines = ended.lines;
        check_name(&mut checker, name, &ended);
        check_head(archive, name, &ended, wanted, &mut checker, &mut report)?;
    }
    let orphans = names.iter().filter_map(|name| Some((name, Names::segment_of(name)?)));
    for (head, segment) in orphans.filter(|(_, segment)| segments.binary_search(segment).is_err()) {
        let is_pruned = checker.pruned.values().any(|(_, pruned)| *pruned == segment);
        if !is_pruned {
            checker.found_in(head, 0, format!("the segment {segment} that this is the head of is missing"));
        }
    }
    conclude(archive, wanted, &segments, last_lines, checker, report)
}

/// Checks the trail as a whole.
fn conclude(
    archive: &dyn Archive,
    wanted: &Wanted,
    segments: &[String],
    last_lines: u64,
    mut checker: Checker,
    mut report: Report,
) -> Result<Report, AuditError> {
    let nothing = archive.name();
    let (first, last) = (segments.first().unwrap_or(&nothing), segments.last().unwrap_or(&nothing));
    if let Some(head) = checker.begins_after {
        match checker.pruned.get(&head).cloned() {
            // In a signed trail, only an entry that a signed head covers counts.
            Some((seq, segment)) if !wanted.keys.is_empty() && report.signed_to.is_none_or(|to| seq > to) => {
                checker.found_in(
                    first,
                    1,
                    format!(
                        "entry {seq} says that {segment} and what came before it were pruned, and no signed head covers that entry: \
                         whoever can write here could have written it"
                    ),
                );
            }
            Some((seq, segment)) => report.pruned = Some((segment, seq)),
            None => checker.found_in(
                first,
                1,
                "segments before this one are missing, and no entry says that they were pruned".to_owned(),
            ),
        }
    }
    for anchor in &wanted.anchors {
        match (checker.first, checker.last) {
            (Some((first, _)), _) if anchor.seq < first => report.unchecked.push(anchor.seq),
            (_, Some((last, ..))) if anchor.seq <= last => {}
            (_, end) => {
                let end = end.map_or(0, |(seq, ..)| seq);
                let problem = format!("the trail ends with entry {end}, and had entry {} once", anchor.seq);
                checker.found_in(last, last_lines + 1, problem);
            }
        }
    }
    if !wanted.keys.is_empty() && report.signed == 0 {
        let problem = "no closed segment with a signature of these keys is here, so that anybody may have written all of this; \
                       the first is made when the first segment is closed"
            .to_owned();
        checker.found_in(first, 0, problem);
    }
    report.entries = checker.entries;
    report.first = checker.first;
    report.last = checker.last;
    report.findings = checker.findings;
    report.more = checker.more;
    Ok(report)
}

fn check_name(checker: &mut Checker, name: &str, ended: &Ended) {
    if ended.first != 0 && Names::first(name) != Some(ended.first) {
        let problem = format!("the segment begins with entry {}: it has another name", ended.first);
        checker.found_in(name, 1, problem);
    }
}

fn check_head(
    archive: &dyn Archive,
    segment: &str,
    ended: &Ended,
    wanted: &Wanted,
    checker: &mut Checker,
    report: &mut Report,
) -> Result<(), AuditError> {
    let file = Names::head(segment);
    let found = archive.small(&file)?;
    let (footer, hash) = match (&ended.footer, &found) {
        (Some((footer, hash)), _) => (footer, *hash),
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            let problem = format!("the segment has the head {file}, and the line that closes it is missing");
            checker.found_in(segment, ended.lines + 1, problem);
            return Ok(());
        }
    };
    let Some(bytes) = found else {
        // The auditor may just be between the two steps.
        if !archive.is_written() {
            let problem = format!("the segment is closed, and its head {file} is missing");
            checker.found_in(segment, 0, problem);
        }
        return Ok(());
    };
    let head = match SignedHead::parse(&bytes) {
        Ok(head) => head,
        Err(problem) => {
            checker.found_in(&file, 1, format!("this is no head: {problem}"));
            return Ok(());
        }
    };
    if head.head != Head::new(segment.to_owned(), ended.first, footer, hash) {
        checker.found_in(&file, 1, format!("the head is not that of {segment}: one of them is another"));
    }
    match head.check(&wanted.keys) {
        Ok(None) => {}
        Ok(Some(key)) => {
            report.signed += 1;
            report.signed_to = report.signed_to.max(Some(footer.last));
            let key = key.to_string();
            if !report.signed_by.contains(&key) {
                report.signed_by.push(key);
            }
        }
        Err(problem) => checker.found_in(&file, 1, format!("the head of {segment}: {problem}")),
    }
    Ok(())
}

/// Calls `visit` with each complete line, without its line feed. Returns the text after the last one.
pub(super) fn lines(from: &mut dyn BufRead, mut visit: impl FnMut(&[u8])) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(4_096);
    loop {
        line.clear();
        // A longer text is no line, and must not fill the memory.
        let read = std::io::Read::take(&mut *from, MOST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(line);
        }
        visit(&line[..line.len() - 1]);
    }
}
