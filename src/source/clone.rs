//! A git clone whose files are a history: docker-library/repo-info or dotnet/versions. Each commit says where tags pointed
//! at its time.
//!
//! clade reads HEAD's line of first parents from the oldest commit on, and of each commit the files that differ from the
//! one before. It reads no configuration beyond the clone's own and starts no program.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use gix::{ObjectId, Repository};

use super::{Sink, SinkError, SourceError, image_info, repo_info, unreadable};
use crate::observe::Observation;
use crate::oci::{Digest, Reference};
use crate::record::Timestamp;

/// Bytes of a file, at most.
const MAX_FILE: u64 = 64 << 20;
/// Commits, at most.
const MOST_COMMITS: usize = 10_000_000;

/// Returns `true` if a folder is such a clone.
pub(super) fn is_history(dir: &Path) -> bool {
    let is_git = dir.join(".git").exists() || (dir.join("HEAD").is_file() && dir.join("objects").is_dir());
    is_git && open(dir).and_then(|clone| has_any_file(dir, &clone)).unwrap_or(false)
}

fn has_any_file(dir: &Path, clone: &Repository) -> gix::Result<bool> {
    let mut files = Vec::new();
    let mut history = History { dir, clone, known: HashMap::new(), told: Told::default() };
    history.walk(clone.head_tree_id()?.detach(), &mut files)?;
    Ok(!files.is_empty())
}

/// Returns the bytes of all packs, for progress.
pub(super) fn bytes(dir: &Path) -> u64 {
    let packs = [dir.join(".git/objects/pack"), dir.join("objects/pack")];
    let files = packs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Returns the file that changes with HEAD: `git pull` writes it even when it fetches into a pack.
pub(super) fn changing(dir: &Path) -> PathBuf {
    let git = if dir.join(".git").is_dir() { dir.join(".git") } else { dir.to_owned() };
    let log = git.join("logs").join("HEAD");
    if log.exists() { log } else { git.join("packed-refs") }
}

/// Reads the history. Bad files become dead letters. `advance` gets a share of [`bytes`] with each commit.
pub(super) fn read(dir: &Path, advance: &dyn Fn(u64), sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let cannot = |error: &dyn std::fmt::Display| SourceError::Unreadable {
        path: dir.to_owned(),
        error: std::io::Error::other(error.to_string()),
    };
    let clone = open(dir).map_err(|error| cannot(&error))?;
    let commits = commits(&clone).map_err(|error| cannot(&error))?;
    let share = bytes(dir) / commits.len().max(1) as u64;
    let mut history = History { dir, clone: &clone, known: HashMap::new(), told: Told::default() };
    // The oldest commit is the last one.
    for commit in commits.into_iter().rev() {
        history.commit(commit, sink)?;
        advance(share);
    }
    Ok(())
}

fn open(dir: &Path) -> gix::Result<Repository> {
    gix::open_opts(dir, gix::open::Options::isolated())
}

/// The commits from HEAD back, along first parents. A shallow clone ends where it was cut.
fn commits(clone: &Repository) -> gix::Result<Vec<ObjectId>> {
    let walk = clone.rev_walk([clone.head_id()?]).first_parent_only().all()?;
    walk.take(MOST_COMMITS).map(|commit| Ok(commit?.id)).collect()
}

/// The state of reading a history.
struct History<'a> {
    dir: &'a Path,
    clone: &'a Repository,
    /// The content of each path in the commit before.
    known: HashMap<String, ObjectId>,
    told: Told,
}

impl History<'_> {
    /// Reads the files that a commit has changed.
    fn commit(&mut self, id: ObjectId, sink: &mut Sink<'_>) -> Result<(), SinkError> {
        match self.changed(id) {
            Ok((seen, files)) => {
                files.into_iter().try_for_each(|(path, file)| self.file(&path, file, id, seen, sink))
            }
            Err(error) => {
                let reason = format!("the commit cannot be read: {error}");
                sink(unreadable(self.dir, &id.to_string(), reason, None))
            }
        }
    }

    /// Returns the time of a commit, and the files of the history that it has changed.
    fn changed(&mut self, id: ObjectId) -> Result<(Timestamp, Vec<(String, ObjectId)>), String> {
        let text = |error: gix::Error| error.to_string();
        let commit = self.clone.find_commit(id).map_err(text)?;
        let seconds = commit.time().map_err(text)?.seconds;
        let seen = Timestamp::from_second(seconds).map_err(|error| error.to_string())?;
        let root = commit.tree_id().map_err(text)?.detach();
        let mut files = Vec::new();
        self.walk(root, &mut files).map_err(text)?;
        Ok((seen, files))
    }

    /// Adds the changed files of both kinds of history.
    fn walk(&mut self, root: ObjectId, files: &mut Vec<(String, ObjectId)>) -> gix::Result<()> {
        let root = Folder::read(self.clone, root)?;
        for (path, repos) in self.news("", root.folder("repos").map(|id| ("repos", id))) {
            let repos = Folder::read(self.clone, repos)?;
            for (path, repo) in self.news(&path, repos.folders()) {
                let repo = Folder::read(self.clone, repo)?;
                for (path, remote) in self.news(&path, repo.folder("remote").map(|id| ("remote", id))) {
                    let pages = Folder::read(self.clone, remote)?;
                    files.extend(self.news(&path, pages.files().filter(|(name, _)| name.ends_with(".md"))));
                }
            }
        }
        for (path, builds) in self.news("", root.folder("build-info").map(|id| ("build-info", id))) {
            let builds = Folder::read(self.clone, builds)?;
            for (path, docker) in self.news(&path, builds.folder("docker").map(|id| ("docker", id))) {
                let docker = Folder::read(self.clone, docker)?;
                let is_info = |name: &str| name.starts_with("image-info") && name.ends_with(".json");
                files.extend(self.news(&path, docker.files().filter(|(name, _)| is_info(name))));
            }
        }
        Ok(())
    }

    /// Those of the entries of a folder that differ from the commit before, by their paths.
    fn news<'n>(
        &mut self,
        folder: &str,
        entries: impl IntoIterator<Item = (&'n str, ObjectId)>,
    ) -> Vec<(String, ObjectId)> {
        let mut news = Vec::new();
        for (name, id) in entries {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            if self.known.insert(path.clone(), id) != Some(id) {
                news.push((path, id));
            }
        }
        news
    }

    fn file(
        &mut self,
        path: &str,
        file: ObjectId,
        commit: ObjectId,
        seen: Timestamp,
        sink: &mut Sink<'_>,
    ) -> Result<(), SinkError> {
        let place = format!("{commit}:{path}");
        let content = match self.content(file) {
            Ok(content) => content,
            Err(problem) => return sink(unreadable(self.dir, &place, problem, None)),
        };
        let observations = match path.ends_with(".md") {
            true => repo_info::read(&String::from_utf8_lossy(&content), seen),
            false => image_info::read(&content, seen),
        };
        for observation in observations {
            match observation {
                Ok(observation) if self.told.is_news(&observation) => sink(observation)?,
                Ok(_) => {}
                Err(problem) => sink(unreadable(self.dir, &place, problem, None))?,
            }
        }
        Ok(())
    }

    fn content(&self, id: ObjectId) -> Result<Vec<u8>, String> {
        let text = |error: gix::Error| error.to_string();
        let size = self.clone.find_header(id).map_err(text)?.size();
        if size > MAX_FILE {
            return Err(format!("the file has {size} bytes, more than {MAX_FILE}"));
        }
        Ok(self.clone.find_blob(id).map_err(text)?.take_data())
    }
}

/// The entries of a folder in a commit. clade needs no name that is not UTF-8.
struct Folder(Vec<(String, bool, ObjectId)>);

impl Folder {
    fn read(clone: &Repository, id: ObjectId) -> gix::Result<Self> {
        let tree = clone.find_tree(id)?;
        let mut entries = Vec::new();
        for entry in tree.iter() {
            let entry = entry?;
            let (mode, id) = (entry.mode(), entry.object_id());
            if let Ok(name) = std::str::from_utf8(entry.filename())
                && (mode.is_tree() || mode.is_blob())
            {
                entries.push((name.to_owned(), mode.is_tree(), id));
            }
        }
        Ok(Self(entries))
    }

    fn folders(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        self.0.iter().filter(|(_, is_folder, _)| *is_folder).map(|(name, _, id)| (name.as_str(), *id))
    }

    fn files(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        self.0.iter().filter(|(_, is_folder, _)| !is_folder).map(|(name, _, id)| (name.as_str(), *id))
    }

    fn folder(&self, name: &str) -> Option<ObjectId> {
        self.folders().find(|(of, _)| *of == name).map(|(_, id)| id)
    }
}

/// The images and tags that were observed. A file has many of which a commit changes few.
#[derive(Default)]
struct Told {
    images: HashSet<Digest>,
    tags: HashMap<String, Option<Digest>>,
}

impl Told {
    fn is_news(&mut self, seen: &Observation) -> bool {
        match seen {
            Observation::Image(image) => self.images.insert(image.digest),
            Observation::Tag(tag) => {
                let to = tag.items.last().and_then(|item| item.digest);
                self.tags.insert(Reference::tag_name(&tag.repository, &tag.tag), to) != Some(to)
            }
            _ => true,
        }
    }
}
