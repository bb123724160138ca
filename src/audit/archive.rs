//! Where a trail is read from, and what its files are called.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::{AuditError, head};

/// A place that has segments and heads.
pub trait Archive {
    /// What it is, for messages.
    fn name(&self) -> String;
    /// The names of its files, in any order.
    fn names(&self) -> Result<Vec<String>, AuditError>;
    /// Reads one of them.
    fn open(&self, name: &str) -> Result<Box<dyn BufRead>, AuditError>;
    /// Whether an auditor may be writing there now.
    fn is_written(&self) -> bool {
        false
    }

    /// Reads a whole file that is small; `None` if it is not there.
    fn small(&self, name: &str) -> Result<Option<Vec<u8>>, AuditError>;
}

/// How files are called.
#[derive(Debug, Clone, Copy)]
pub struct Names;

const PREFIX: &str = "audit-";
const SEGMENT: &str = ".jsonl";
const HEAD: &str = ".head.json";

impl Names {
    /// Of the segment that begins with this entry. Names sort as segments do.
    pub fn segment(first: u64) -> String {
        format!("{PREFIX}{first:020}{SEGMENT}")
    }

    /// Of the head of a segment.
    pub fn head(segment: &str) -> String {
        format!("{}{HEAD}", segment.strip_suffix(SEGMENT).unwrap_or(segment))
    }

    /// The number of a segment's first entry; `None` if the name is none of a segment.
    pub fn first(segment: &str) -> Option<u64> {
        let digits = segment.strip_prefix(PREFIX)?.strip_suffix(SEGMENT)?;
        (digits.len() == 20).then_some(())?;
        digits.parse().ok()
    }

    /// The segment that a head is of; `None` if the name is none of a head.
    pub fn segment_of(head: &str) -> Option<String> {
        let segment = format!("{}{SEGMENT}", head.strip_suffix(HEAD)?);
        Self::first(&segment).map(|_| segment)
    }

    /// The segments among these names, oldest first.
    pub fn segments(names: &[String]) -> Vec<String> {
        let mut segments: Vec<String> =
            names.iter().filter(|name| Self::first(name).is_some()).cloned().collect();
        segments.sort_unstable();
        segments
    }
}

/// A directory of this machine.
#[derive(Debug, Clone)]
pub struct Directory(pub PathBuf);

impl Directory {
    /// The head of a segment; `None` if there is none.
    pub(super) fn head(&self, segment: &str) -> Result<Option<head::SignedHead>, AuditError> {
        let name = Names::head(segment);
        let Some(bytes) = self.small(&name)? else { return Ok(None) };
        let wrong = |problem| AuditError::Damaged(format!("{}: {problem}", self.0.join(&name).display()));
        head::SignedHead::parse(&bytes).map(Some).map_err(wrong)
    }

    /// Makes renamed and deleted files durable.
    pub(super) fn sync(&self) -> Result<(), AuditError> {
        let sync = || File::open(&self.0)?.sync_all();
        sync().map_err(|error| AuditError::file("write", &self.0, &error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Archive for Directory {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn names(&self) -> Result<Vec<String>, AuditError> {
        let failed = |error: std::io::Error| AuditError::file("read", &self.0, &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn BufRead>, AuditError> {
        let path = self.0.join(name);
        let file = File::open(&path).map_err(|error| AuditError::file("read", &path, &error))?;
        Ok(Box::new(BufReader::with_capacity(1 << 18, file)))
    }

    fn is_written(&self) -> bool {
        Lock::is_held(&self.0)
    }

    fn small(&self, name: &str) -> Result<Option<Vec<u8>>, AuditError> {
        let path = self.0.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AuditError::file("read", &path, &error)),
        }
    }
}
