//! The places that a trail can be read from, and the names of its files.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::{AuditError, head};

/// A place that has segments and heads.
pub trait Archive {
    /// The name of the place, for messages.
    fn name(&self) -> String;
    /// Lists the names of the files, in any order.
    fn names(&self) -> Result<Vec<String>, AuditError>;
    /// Opens one of the files.
    fn open(&self, name: &str) -> Result<Box<dyn BufRead>, AuditError>;
    /// Returns `true` if an auditor may be writing there now.
    fn is_written(&self) -> bool {
        false
    }

    /// Reads a small file as a whole. Returns `None` if it does not exist.
    fn small(&self, name: &str) -> Result<Option<Vec<u8>>, AuditError>;
}

/// The names of files.
#[derive(Debug, Clone, Copy)]
pub struct Names;

const PREFIX: &str = "audit-";
const SEGMENT: &str = ".jsonl";
const HEAD: &str = ".head.json";

impl Names {
    /// The name of the segment that begins with this entry. The order of names is the order of segments.
    pub fn segment(first: u64) -> String {
        format!("{PREFIX}{first:020}{SEGMENT}")
    }

    /// The name of the head of a segment.
    pub fn head(segment: &str) -> String {
        format!("{}{HEAD}", segment.strip_suffix(SEGMENT).unwrap_or(segment))
    }

    /// The number of a segment's first entry. Returns `None` if the name is not that of a segment.
    pub fn first(segment: &str) -> Option<u64> {
        let digits = segment.strip_prefix(PREFIX)?.strip_suffix(SEGMENT)?;
        (digits.len() == 20).then_some(())?;
        digits.parse().ok()
    }

    /// The segment of a head. Returns `None` if the name is not that of a head.
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
    /// Reads the head of a segment. Returns `None` if there is none.
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
