//! Checks line by line, without keeping lines, that a trail is intact and in order.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::chain::{self, Footer, GENESIS, Header, Line, SourceOffset};
use super::entry::{Entry, Facts, Source};
use super::events::{PRUNED, Pruned, RESET};
use crate::oci::{Digest, Timestamp};
use crate::record::Topic;

/// A difference from an intact trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the whole file.
    pub line: u64,
    /// The problem.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

/// Findings that are kept, at most. Further ones are counted, since one cause can have many.
const MOST_FINDINGS: usize = 1_000;
/// Places that the next line may follow after a line out of place, at most.
const MOST_PLACES: usize = 8;

/// A place where the next line may stand: the number of the next entry, and the hash that it follows; `None` accepts
/// any.
type Place = (u64, Option<Digest>);

/// Checks a trail. For each segment, in order, call [`Checker::begin`], then pass its lines, then call
/// [`Checker::end`].
#[derive(Debug, Default)]
pub struct Checker {
    /// The findings, in order.
    pub findings: Vec<Finding>,
    /// The number of findings that were not kept.
    pub more: u64,
    /// The number of entries.
    pub entries: u64,
    /// The number and time of the first entry.
    pub first: Option<(u64, Timestamp)>,
    /// The number, hash and time of the last entry.
    pub last: Option<(u64, Digest, Timestamp)>,
    /// The hash that the first line follows, if the beginning of the trail is gone.
    pub begins_after: Option<Digest>,
    /// The heads of segments that the trail records as deleted, with the number of the entry that says so.
    pub pruned: HashMap<Digest, (u64, String)>,
    file: String,
    line: u64,
    segment: Segment,
    places: Vec<Place>,
    offsets: BTreeMap<(Topic, u16), u64>,
}

/// The state of the segment that is being read.
#[derive(Debug, Default)]
struct Segment {
    /// `true` for the first segment of the trail.
    is_first: bool,
    has_header: bool,
    first: u64,
    entries: u64,
    footer: Option<(Footer, Digest)>,
}

/// The result of a segment that was read to its end.
#[derive(Debug)]
pub struct Ended {
    /// The number of the segment's first entry.
    pub first: u64,
    /// The number of lines.
    pub lines: u64,
    /// The last line and its hash, if the segment is closed.
    pub footer: Option<(Footer, Digest)>,
}

impl Checker {
    /// Begins a segment.
    pub fn begin(&mut self, file: &str) {
        let is_first = self.file.is_empty();
        if !is_first && self.segment.footer.is_none() {
            self.line += 1;
            self.found(format!("the segment is not closed, and {file} follows: lines are missing"));
        }
        file.clone_into(&mut self.file);
        self.line = 0;
        self.segment = Segment { is_first, ..Segment::default() };
    }

    /// Takes the next line, without its line feed. Returns its content if the line is intact.
    pub fn line(&mut self, bytes: &[u8]) -> Option<(Line, Digest)> {
        self.line += 1;
        let sealed = match chain::open(bytes) {
            Ok(sealed) => sealed,
            Err(problem) => {
                self.found(format!("this is no line of an audit trail: {problem}"));
                // The content is unknown, so the next line may be any.
                self.places.push((0, None));
                self.segment.has_header |= self.line == 1;
                return None;
            }
        };
        let (line, hash) = (sealed.line, sealed.actual);
        if sealed.claimed != sealed.actual {
            self.found(format!(
                "the line was changed: its hash is {}, and it says {}",
                sealed.actual, sealed.claimed
            ));
            let step = u64::from(matches!(line, Line::Entry(_)));
            let after = |of: Digest| move |place: &Place| (place.0 + step, Some(of));
            let mut places: Vec<Place> = self.places.iter().map(after(sealed.claimed)).collect();
            places.extend(self.places.iter().map(after(sealed.actual)));
            places.append(&mut self.places);
            places.truncate(MOST_PLACES);
            self.places = places;
            self.segment.has_header |= self.line == 1;
            self.segment.entries += step;
            return None;
        }
        match &line {
            Line::Header(header) => self.header(header, hash),
            Line::Entry(entry) => self.entry(entry, hash),
            Line::Footer(footer) => self.footer(footer, hash),
        }
        Some((line, hash))
    }

    /// Ends the segment. `rest` is the text after its last line feed.
    pub fn end(&mut self, rest: &[u8]) -> Ended {
        if self.line == 0 && rest.is_empty() {
            self.found("the file is empty".to_owned());
        }
        if !rest.is_empty() {
            self.line += 1;
            let bytes = rest.len();
            self.found(format!(
                "the last line is not complete: {bytes} bytes without a line feed. The auditor was killed while it wrote: it \
                 cuts them off when it starts"
            ));
            self.line -= 1;
        }
        Ended { first: self.segment.first, lines: self.line, footer: self.segment.footer.clone() }
    }

    /// Adds a finding about a file at a line, or at 0 for the whole file.
    pub fn found_in(&mut self, file: &str, line: u64, problem: String) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding { file: file.to_owned(), line, problem });
        } else {
            self.more += 1;
        }
    }

    fn found(&mut self, problem: String) {
        let (file, line) = (self.file.clone(), self.line);
        self.found_in(&file, line, problem);
    }

    fn header(&mut self, header: &Header, hash: Digest) {
        if self.line != 1 {
            self.found("a segment begins within another: lines were put in or moved".to_owned());
            self.goes_on(header.segment, hash, false);
            return;
        }
        self.segment.has_header = true;
        self.segment.first = header.segment;
        if self.segment.is_first {
            if header.prev == GENESIS && header.segment != 1 {
                let first = header.segment;
                self.found(format!(
                    "the first segment of all begins with entry 1, and this one with {first}"
                ));
            } else if header.prev != GENESIS {
                self.begins_after = Some(header.prev);
                self.offsets = header.offsets.iter().map(|of| ((of.topic, of.partition), of.last)).collect();
            }
            self.places = vec![(header.segment, Some(hash))];
            return;
        }
        let is_next = self.follows(header.prev) && self.is_at(header.segment);
        if !is_next {
            let expected = self.expected();
            self.found(format!(
                "the segment begins with entry {} and does not follow the one before it, after which {expected} comes: a \
                 segment is missing, or is another",
                header.segment
            ));
        }
        self.goes_on(header.segment, hash, is_next);
    }

    fn entry(&mut self, entry: &Entry, hash: Digest) {
        self.within_segment();
        self.segment.entries += 1;
        self.entries += 1;
        let (follows, is_at) = (self.follows(entry.prev), self.is_at(entry.seq));
        if !follows || !is_at {
            let (seq, expected) = (entry.seq, self.expected());
            self.found(match seq.cmp(&expected) {
                std::cmp::Ordering::Greater => {
                    let missing = seq - expected;
                    format!("entry {seq} stands where {expected} has to: {missing} before it are missing")
                }
                std::cmp::Ordering::Less => {
                    format!("entry {seq} stands where {expected} has to: it was put in, or moved here")
                }
                std::cmp::Ordering::Equal => {
                    format!("entry {seq} does not follow the line before it: one of them is another")
                }
            });
        } else if let Some(source) = &entry.source {
            self.source(entry, source);
        }
        match entry.what.as_ref() {
            PRUNED => self.prune(entry),
            RESET => self.reset(entry),
            _ => {}
        }
        self.first.get_or_insert((entry.seq, entry.time));
        self.last = Some((entry.seq, hash, entry.time));
        self.goes_on(entry.seq + 1, hash, follows && is_at);
    }

    fn source(&mut self, entry: &Entry, source: &Source) {
        let of = (source.topic, source.partition);
        if let Some(last) = self.offsets.get(&of)
            && *last >= source.offset
        {
            let (seq, last) = (entry.seq, *last);
            self.found(format!(
                "entry {seq} is of {source}, and the trail had come to {last} there: it is there twice"
            ));
        }
        self.offsets.insert(of, source.offset);
    }

    /// Takes note of an entry about deleted segments.
    fn prune(&mut self, entry: &Entry) {
        let Some(pruned) = entry.from.as_ref().and_then(Facts::read::<Pruned>) else {
            return;
        };
        for segment in pruned.segments {
            self.pruned.insert(segment.head, (entry.seq, segment.segment));
        }
    }

    /// Takes note of a topic that was created again: its offsets begin again.
    fn reset(&mut self, entry: &Entry) {
        if let Some(of) = entry.from.as_ref().and_then(Facts::read::<SourceOffset>) {
            self.offsets.remove(&(of.topic, of.partition));
        }
    }

    fn footer(&mut self, footer: &Footer, hash: Digest) {
        self.within_segment();
        let is_next = self.follows(footer.prev) && self.is_at(footer.last + 1);
        if !is_next {
            self.found(
                "the closing line does not follow the line before it: lines are missing or moved".to_owned(),
            );
        } else if footer.entries != self.segment.entries {
            let (told, found) = (footer.entries, self.segment.entries);
            self.found(format!("the segment says that it has {told} entries, and has {found}"));
        }
        self.segment.footer = Some((footer.clone(), hash));
        self.goes_on(footer.last + 1, hash, is_next);
    }

    fn within_segment(&mut self) {
        if !self.segment.has_header {
            self.segment.has_header = true;
            self.found("the segment does not begin with its header: lines are missing or moved".to_owned());
            self.places.push((0, None));
        }
        if self.segment.footer.is_some() {
            self.found("the segment was closed before this line: it was put in".to_owned());
        }
    }

    fn follows(&self, prev: Digest) -> bool {
        self.places.iter().any(|(_, of)| of.is_none_or(|of| of == prev))
    }

    fn is_at(&self, seq: u64) -> bool {
        self.places.iter().any(|(at, of)| of.is_none() || *at == seq)
    }

    fn expected(&self) -> u64 {
        self.places.iter().find(|(_, of)| of.is_some()).map_or(1, |(at, _)| *at)
    }

    /// After a line in its place only the next one may follow; after another line, also the one that was expected
    /// there.
    fn goes_on(&mut self, seq: u64, hash: Digest, is_in_place: bool) {
        if is_in_place {
            self.places.clear();
        }
        self.places.insert(0, (seq, Some(hash)));
        self.places.retain(|(_, of)| of.is_some());
        self.places.truncate(MOST_PLACES);
    }
}
