//! Finding what there is to read.

use std::path::{Path, PathBuf};

use super::SourceError;
use super::content::Content;
use super::file::sniff;

/// Something that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An OCI image layout.
    Layout(PathBuf),
    /// A file of records or objects.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
}

impl Input {
    /// How much there is to read, for progress. A layout is not measured.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Layout(_) => 0,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// The inputs in these files and folders, images before the tags that point at them, since that saves work.
///
/// A file that was named must be readable and something that clade reads; of a folder, what is not is passed over.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Input>, SourceError> {
    let mut found: Vec<(Content, Input)> = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
        let before = found.len();
        if metadata.is_dir() {
            walk(path, &mut found)?;
        } else if let Some(content) = sniff(path)? {
            found.push((content, Input::File { path: path.clone(), bytes: metadata.len() }));
        }
        if found.len() == before {
            return Err(SourceError::Nothing(path.clone()));
        }
    }
    found.sort_by_key(|(content, _)| *content);
    Ok(found.into_iter().map(|(_, input)| input).collect())
}

fn walk(dir: &Path, found: &mut Vec<(Content, Input)>) -> Result<(), SourceError> {
    if dir.join("oci-layout").is_file() || (dir.join("index.json").is_file() && dir.join("blobs").is_dir()) {
        found.push((Content::Objects, Input::Layout(dir.to_owned())));
        return Ok(());
    }
    let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // A link could lead back here: only real folders are entered.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if is_hidden {
            continue;
        }
        if metadata.is_dir() {
            walk(&path, found)?;
        } else if let Ok(Some(content)) = sniff(&path) {
            let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            found.push((content, Input::File { path, bytes }));
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> SourceError {
    SourceError::Unreadable { path: path.to_owned(), error }
}
