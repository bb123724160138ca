//! Opens an existing trail and continues it.

use std::fs::File;

use super::AuditError;
use super::archive::{Archive as _, Names};
use super::chain::{Footer, Header, Line};
use super::check::Checker;
use super::events::{Known, RESET};
use super::head::Head;
use super::trail::{Open, Trail};
use super::verify::lines;
use super::{Entry, Facts, SourceOffset};
use crate::log::TopicPartition;
use crate::oci::Digest;

impl Trail {
    /// Continues where the last segment ends. It does not read older segments, since the last header has their
    /// progress.
    pub(super) fn recover(&mut self) -> Result<(), AuditError> {
        let names = self.dir.names()?;
        for part in names.iter().filter(|name| name.ends_with(".part")) {
            let path = self.dir.path().join(part);
            std::fs::remove_file(&path).map_err(|error| AuditError::file("delete", &path, &error))?;
        }
        let segments = Names::segments(&names);
        let newest_head = names.iter().filter_map(|name| Names::segment_of(name)).max();
        let Some(name) = segments.last() else {
            return match newest_head {
                Some(segment) => Err(self.damaged(&format!("{segment} has a head and is missing"))),
                None => Ok(()),
            };
        };
        if newest_head.is_some_and(|head| head > *name) {
            return Err(self.damaged(&format!("segments after {name} have heads and are missing")));
        }
        let before = segments.len().checked_sub(2).map(|at| &segments[at]);
        self.read_last(name, before)
    }

    fn read_last(&mut self, name: &str, before: Option<&String>) -> Result<(), AuditError> {
        let mut checker = Checker::default();
        checker.begin(name);
        let (mut whole, mut header, mut footer) = (0, None, None);
        let rest = lines(&mut *self.dir.open(name)?, |bytes| {
            whole += bytes.len() as u64 + 1;
            match checker.line(bytes) {
                Some((Line::Header(of), hash)) => header = Some(self.take_header(of, hash)),
                Some((Line::Entry(entry), hash)) => self.take_entry(&entry, hash),
                Some((Line::Footer(of), hash)) => footer = Some(self.take_footer(of, hash)),
                None => {}
            }
        })
        .map_err(|error| AuditError::file("read", &self.dir.path().join(name), &error))?;
        if let Some(finding) = checker.findings.first() {
            return Err(self.damaged(&finding.to_string()));
        }
        let Some(header) = header else {
            return Err(self.damaged(&format!("{name} does not begin with a whole header")));
        };
        if let Some(before) = before
            && let Some(head) = self.dir.head(before)?
            && head.head.head != header.prev
        {
            return Err(self.damaged(&format!("{name} does not follow {before}")));
        }
        if let Some(footer) = footer {
            if !rest.is_empty() {
                return Err(self.damaged(&format!("{name} goes on behind the line that closes it")));
            }
            return self.take_closed(name, &header, &footer);
        }
        let path = self.dir.path().join(name);
        let file = File::options().append(true).open(&path);
        let file = file.map_err(|error| AuditError::file("write", &path, &error))?;
        if !rest.is_empty() {
            let bytes = rest.len();
            tracing::warn!(
                segment = name,
                bytes,
                "cut off a line of the audit trail that was not written to its end"
            );
            let cut = || {
                file.set_len(whole)?;
                file.sync_all()
            };
            cut().map_err(|error| AuditError::file("write", &path, &error))?;
        }
        let entries = checker.entries;
        let name = name.to_owned();
        self.open = Some(Open {
            name,
            file,
            first: header.segment,
            opened: header.opened,
            bytes: whole,
            batch: Vec::new(),
            entries,
        });
        Ok(())
    }

    fn take_header(&mut self, header: Header, hash: Digest) -> Header {
        let offset = |of: &SourceOffset| {
            (TopicPartition { topic: of.topic, partition: of.partition }, (of.last, of.time))
        };
        self.offsets = header.offsets.iter().map(offset).collect();
        self.known = Known::new(header.known.clone());
        self.next = header.segment;
        self.head = hash;
        header
    }

    fn take_entry(&mut self, entry: &Entry, hash: Digest) {
        self.known.learn(entry);
        if let Some(source) = &entry.source {
            let of = TopicPartition { topic: source.topic, partition: source.partition };
            self.offsets.insert(of, (source.offset, entry.time));
        }
        if entry.what == RESET
            && let Some(of) = entry.from.as_ref().and_then(Facts::read::<SourceOffset>)
        {
            self.offsets.remove(&TopicPartition { topic: of.topic, partition: of.partition });
        }
        self.next = entry.seq + 1;
        self.head = hash;
    }

    fn take_footer(&mut self, footer: Footer, hash: Digest) -> Footer {
        self.head = hash;
        footer
    }

    /// Takes over a segment that was closed. Its head may be missing.
    fn take_closed(&mut self, name: &str, header: &Header, footer: &Footer) -> Result<(), AuditError> {
        let head = Head::new(name.to_owned(), header.segment, footer, self.head);
        match self.dir.head(name)? {
            Some(found) if found.head == head => Ok(()),
            Some(_) => Err(self.damaged(&format!("{} is not the head of {name}", Names::head(name)))),
            None => self.write_head(head),
        }
    }

    fn damaged(&self, problem: &str) -> AuditError {
        AuditError::Damaged(format!(
            "the audit trail in {} is not as it was written, and nothing is written to it: {problem}. `clade audit verify` \
             tells everything that is wrong; keep the directory as it is, and begin another with --audit-dir",
            self.dir.path().display()
        ))
    }
}
