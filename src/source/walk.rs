//! Finds the inputs in files and folders.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::SourceError;
use super::content::Content;
use super::file::{Found, sniff};

/// An input that clade can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An OCI image layout.
    Layout(PathBuf),
    /// A file of records or objects.
    File {
        /// The path.
        path: PathBuf,
        /// The size in bytes.
        bytes: u64,
    },
}

impl Input {
    /// Returns the size of the input in bytes, for progress. A layout is not measured and counts as 0.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Layout(_) => 0,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// Finds the inputs in these files and folders. Images come before the tags that point at them, since that saves work.
///
/// A file that was named must be readable and something that clade reads. In a folder, clade passes over other files.
/// It follows links, and reads their target once, however many lead there.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Input>, SourceError> {
    let mut found: Vec<(Content, Input)> = Vec::new();
    let mut walked = HashSet::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
        let (before, mut other) = (found.len(), None);
        if metadata.is_dir() {
            // A folder that is named twice is read twice: nobody asks for that by mistake.
            walked.clear();
            walk(path, &mut walked, &mut found)?;
        } else {
            match sniff(path)? {
                Found::Read(content) => {
                    found.push((content, Input::File { path: path.clone(), bytes: metadata.len() }));
                }
                Found::Other(what) => other = what,
            }
        }
        if found.len() == before {
            return Err(SourceError::Nothing(path.clone(), other));
        }
    }
    found.sort_by_key(|(content, _)| *content);
    Ok(found.into_iter().map(|(_, input)| input).collect())
}

fn walk(
    dir: &Path,
    walked: &mut HashSet<PathBuf>,
    found: &mut Vec<(Content, Input)>,
) -> Result<(), SourceError> {
    let real = dir.canonicalize().map_err(|error| unreadable(dir, error))?;
    if !walked.insert(real) {
        return Ok(());
    }
    if dir.join("oci-layout").is_file() || (dir.join("index.json").is_file() && dir.join("blobs").is_dir()) {
        found.push((Content::Objects, Input::Layout(dir.to_owned())));
        return Ok(());
    }
    let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden {
            continue;
        }
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::warn!("{} is passed over: {error}", path.display());
                continue;
            }
        };
        if metadata.is_dir() {
            walk(&path, walked, found)?;
        } else if !metadata.is_file() {
            // A pipe, a socket or a device may never end.
            tracing::warn!("{} is passed over: it is no file", path.display());
        } else if path.canonicalize().is_ok_and(|real| walked.insert(real)) {
            match sniff(&path) {
                Ok(Found::Read(content)) => {
                    found.push((content, Input::File { path, bytes: metadata.len() }));
                }
                Ok(Found::Other(Some(what))) => {
                    tracing::warn!("{} is passed over: it is {what}", path.display());
                }
                Ok(Found::Other(None)) => {}
                Err(error) => tracing::warn!("{} is passed over: {error}", path.display()),
            }
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> SourceError {
    SourceError::Unreadable { path: path.to_owned(), error }
}
