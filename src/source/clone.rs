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
/// Bytes of a commit or of a list of files in one, at most.
const MAX_TREE: u64 = 16 << 20;
/// Commits, at most.
const MOST_COMMITS: usize = 10_000_000;

/// Returns `true` if a folder is such a clone. The error says why a clone that may be one cannot be read.
pub(super) fn is_history(dir: &Path) -> Result<bool, String> {
    let Some(git) = git_dir(dir) else { return Ok(false) };
    let may_be = git == dir || dir.join("repos").is_dir() || dir.join("build-info/docker").is_dir();
    if may_be { has_any_file(dir) } else { Ok(false) }
}

fn has_any_file(dir: &Path) -> Result<bool, String> {
    let clone = open(dir)?;
    let head = clone.head_tree_id().map_err(|error| error.to_string())?.detach();
    let mut history = History { dir, clone: &clone, known: HashMap::new(), told: Told::default() };
    // One file is enough.
    history.walk(head, 1).map(|files| !files.is_empty())
}

/// The folder with git's own files: of a clone with its files beside it, or of a bare one. A link or a file that leads to
/// another folder is none: clade reads what it was given. Whatever is no ordinary file may never end.
fn git_dir(dir: &Path) -> Option<PathBuf> {
    let is = |path: &Path, is_kind: fn(&std::fs::Metadata) -> bool| {
        std::fs::symlink_metadata(path).is_ok_and(|metadata| is_kind(&metadata))
    };
    [dir.join(".git"), dir.to_owned()].into_iter().find(|git| {
        is(git, std::fs::Metadata::is_dir)
            && is(&git.join("HEAD"), std::fs::Metadata::is_file)
            && is(&git.join("objects"), std::fs::Metadata::is_dir)
    })
}

/// Returns the bytes of all packs, for progress.
pub(super) fn bytes(dir: &Path) -> u64 {
    let packs = [dir.join(".git/objects/pack"), dir.join("objects/pack")];
    let files = packs.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Returns the file that changes when HEAD leads to another commit.
pub(super) fn changing(dir: &Path) -> PathBuf {
    let git = git_dir(dir).unwrap_or_else(|| dir.to_owned());
    let head = git.join("HEAD");
    let text = std::fs::read_to_string(&head).unwrap_or_default();
    let Some(branch) = text.trim().strip_prefix("ref: ") else { return head };
    let branch = git.join(branch);
    // A clone that was just made, or cleaned up, has its branches in one file.
    if branch.is_file() { branch } else { git.join("packed-refs") }
}

/// Reads the history. Bad files become dead letters. `advance` gets a share of [`bytes`] with each commit.
pub(super) fn read(dir: &Path, advance: &dyn Fn(u64), sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let cannot = |problem: String| SourceError::Unreadable {
        path: dir.to_owned(),
        error: std::io::Error::other(problem),
    };
    let clone = open(dir).map_err(cannot)?;
    let commits = commits(&clone).map_err(|error| cannot(error.to_string()))?;
    let share = bytes(dir) / commits.len().max(1) as u64;
    let mut history = History { dir, clone: &clone, known: HashMap::new(), told: Told::default() };
    // The oldest commit is the last one.
    for commit in commits.into_iter().rev() {
        history.commit(commit, sink)?;
        advance(share);
    }
    Ok(())
}

fn open(dir: &Path) -> Result<Repository, String> {
    let git = git_dir(dir).ok_or_else(|| "it is no git clone".to_owned())?;
    let options = gix::open::Options::isolated().open_path_as_is(true);
    gix::open_opts(git, options).map_err(|error| error.to_string())
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
        self.check_size(id, MAX_TREE)?;
        let commit = self.clone.find_commit(id).map_err(text)?;
        let seconds = commit.time().map_err(text)?.seconds;
        let seen = Timestamp::from_second(seconds).map_err(|error| error.to_string())?;
        let root = commit.tree_id().map_err(text)?.detach();
        match self.walk(root, usize::MAX) {
            Ok(files) => Ok((seen, files)),
            Err(error) => {
                // Of a commit that cannot be read, the next one has all files once more.
                self.known.clear();
                Err(error)
            }
        }
    }

    /// Returns the changed files of both kinds of history, or the first `most` of them.
    fn walk(&mut self, root: ObjectId, most: usize) -> Result<Vec<(String, ObjectId)>, String> {
        let mut files = Vec::new();
        let root = self.folder(root)?;
        for (path, repos) in self.news("", root.folder("repos").map(|id| ("repos", id))) {
            let repos = self.folder(repos)?;
            for (path, repo) in self.news(&path, repos.folders()) {
                let repo = self.folder(repo)?;
                for (path, remote) in self.news(&path, repo.folder("remote").map(|id| ("remote", id))) {
                    let pages = self.folder(remote)?;
                    files.extend(self.news(&path, pages.files().filter(|(name, _)| name.ends_with(".md"))));
                }
                if files.len() >= most {
                    return Ok(files);
                }
            }
        }
        for (path, builds) in self.news("", root.folder("build-info").map(|id| ("build-info", id))) {
            let builds = self.folder(builds)?;
            for (path, docker) in self.news(&path, builds.folder("docker").map(|id| ("docker", id))) {
                let docker = self.folder(docker)?;
                let is_info = |name: &str| name.starts_with("image-info") && name.ends_with(".json");
                files.extend(self.news(&path, docker.files().filter(|(name, _)| is_info(name))));
            }
        }
        Ok(files)
    }

    fn folder(&self, id: ObjectId) -> Result<Folder, String> {
        self.check_size(id, MAX_TREE)?;
        Folder::read(self.clone, id).map_err(|error| error.to_string())
    }

    /// An object may become a thousand times as large as it is stored.
    fn check_size(&self, id: ObjectId, most: u64) -> Result<(), String> {
        let size = self.clone.find_header(id).map_err(|error| error.to_string())?.size();
        if size > most { Err(format!("{id} has {size} bytes, more than {most}")) } else { Ok(()) }
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
        self.check_size(id, MAX_FILE)?;
        Ok(self.clone.find_blob(id).map_err(|error| error.to_string())?.take_data())
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
    images: HashSet<(Digest, Vec<String>)>,
    tags: HashMap<String, Option<Digest>>,
}

impl Told {
    fn is_news(&mut self, seen: &Observation) -> bool {
        match seen {
            Observation::Image(image) => self.images.insert((image.digest, image.repositories.clone())),
            Observation::Tag(tag) => {
                let to = tag.items.last().and_then(|item| item.digest);
                self.tags.insert(Reference::tag_name(&tag.repository, &tag.tag), to) != Some(to)
            }
            _ => true,
        }
    }
}
