//! Finds the inputs in files and folders.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::sniff::{self, sniff};
use super::{SourceError, clone};

/// The mark that skopeo writes into a folder.
const COPIED: &[u8] = b"Directory Transport Version";

/// An input that clade can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An OCI image layout.
    Layout(PathBuf),
    /// A folder that `skopeo copy … dir:` has written.
    Copied(PathBuf),
    /// A git clone of a history of tags.
    History {
        /// The path.
        path: PathBuf,
        /// The size of its packs in bytes.
        bytes: u64,
    },
    /// A file of records, documents or images.
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
            Self::Layout(_) | Self::Copied(_) => 0,
            Self::History { bytes, .. } | Self::File { bytes, .. } => *bytes,
        }
    }

    /// Returns the path of the file or folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::Layout(path)
            | Self::Copied(path)
            | Self::History { path, .. }
            | Self::File { path, .. } => path,
        }
    }

    /// Returns the file that changes when the input changes.
    pub fn changing(&self) -> PathBuf {
        match self {
            Self::Layout(dir) => dir.join("index.json"),
            Self::Copied(dir) => dir.join("manifest.json"),
            Self::History { path, .. } => clone::changing(path),
            Self::File { path, .. } => path.clone(),
        }
    }
}

/// A file in a folder that clade does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The path.
    pub path: PathBuf,
    /// The reason: what the file is.
    pub reason: String,
}

/// The content of files and folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The inputs, in the best order to read them in.
    pub inputs: Vec<Input>,
    /// The other files. Their names do not begin with a dot.
    pub passed_over: Vec<PassedOver>,
}

/// Finds the inputs in these files and folders. Images come before the tags that point at them, since that saves work.
///
/// A file that was named must be readable and something that clade reads. In a folder, clade passes over other files, and
/// says so. It follows links, and reads their target once, however many lead there.
pub fn find(paths: &[PathBuf]) -> Result<Found, SourceError> {
    let mut walk = Walk::default();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
        let (before, mut other) = (walk.found.len(), None);
        if metadata.is_dir() {
            // A folder that is named twice is read twice: nobody asks for that by mistake.
            walk.walked.clear();
            let passed_over = walk.passed_over.len();
            walk.folder(path)?;
            other = match &walk.passed_over[passed_over..] {
                [] => None,
                [first, rest @ ..] => Some(format!(
                    "a folder with {} ({}) and {} other files",
                    first.path.display(),
                    first.reason,
                    rest.len()
                )),
            };
        } else {
            match sniff(path)? {
                sniff::Found::Read(content) => walk.file(content, path.clone(), metadata.len()),
                sniff::Found::Other(what) => other = Some(what),
            }
        }
        if walk.found.len() == before {
            return Err(SourceError::Nothing(path.clone(), other));
        }
    }
    walk.found.sort_by_key(|(content, _)| *content);
    let inputs = walk.found.into_iter().map(|(_, input)| input).collect();
    Ok(Found { inputs, passed_over: walk.passed_over })
}

#[derive(Default)]
struct Walk {
    walked: HashSet<PathBuf>,
    found: Vec<(Content, Input)>,
    passed_over: Vec<PassedOver>,
}

impl Walk {
    fn file(&mut self, content: Content, path: PathBuf, bytes: u64) {
        self.found.push((content, Input::File { path, bytes }));
    }

    fn pass_over(&mut self, path: PathBuf, reason: impl ToString) {
        self.passed_over.push(PassedOver { path, reason: reason.to_string() });
    }

    fn folder(&mut self, dir: &Path) -> Result<(), SourceError> {
        let real = dir.canonicalize().map_err(|error| unreadable(dir, error))?;
        if !self.walked.insert(real) {
            return Ok(());
        }
        let input = match as_one(dir) {
            Ok(input) => input,
            // Its files are not taken for the history that it may have.
            Err(problem) => {
                self.pass_over(dir.to_owned(), format!("it is a git clone that cannot be read: {problem}"));
                return Ok(());
            }
        };
        if let Some(input) = input {
            let content =
                if matches!(input, Input::History { .. }) { Content::Histories } else { Content::Objects };
            self.found.push((content, input));
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
            match std::fs::metadata(&path) {
                Err(error) => self.pass_over(path, error),
                Ok(metadata) if metadata.is_dir() => match self.folder(&path) {
                    Ok(()) => {}
                    Err(error) => self.pass_over(path, error),
                },
                // A pipe, a socket or a device may never end.
                Ok(metadata) if !metadata.is_file() => self.pass_over(path, "it is no file"),
                Ok(metadata) if path.canonicalize().is_ok_and(|real| self.walked.insert(real)) => {
                    match sniff(&path) {
                        Ok(sniff::Found::Read(content)) => self.file(content, path, metadata.len()),
                        Ok(sniff::Found::Other(what)) => self.pass_over(path, format!("it is {what}")),
                        Err(error) => self.pass_over(path, error),
                    }
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// Returns the input that a folder is as a whole. The error says why a git clone cannot be read.
fn as_one(dir: &Path) -> Result<Option<Input>, String> {
    let has = |name: &str| dir.join(name).is_file();
    if has("oci-layout") || (has("index.json") && dir.join("blobs").is_dir()) {
        return Ok(Some(Input::Layout(dir.to_owned())));
    }
    let mut mark = Vec::new();
    if has("manifest.json") && has("version") {
        let opened = File::open(dir.join("version"));
        // Without this mark, or if it cannot be read, the folder is any folder.
        let _ = opened.map(|file| file.take(COPIED.len() as u64).read_to_end(&mut mark));
    }
    if mark == COPIED {
        return Ok(Some(Input::Copied(dir.to_owned())));
    }
    let history = || Input::History { path: dir.to_owned(), bytes: clone::bytes(dir) };
    Ok(clone::is_history(dir)?.then(history))
}

fn unreadable(path: &Path, error: std::io::Error) -> SourceError {
    SourceError::Unreadable { path: path.to_owned(), error }
}
