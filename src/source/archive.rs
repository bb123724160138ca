//! Archives of images: those of `docker save` and `podman save`, and image layouts in a tar.
//!
//! An archive is read in one pass, since a compressed one has no other. Its manifest may stand behind everything, so the
//! pass keeps all small JSON documents by path and skips the layers.

use std::path::Path;

use super::kept::Documents;
use super::layout::{self, Blobs};
use super::tar::Tar;
use super::unpack::open_archive;
use super::{Sink, SourceError, docker, unreadable};
use crate::oci::Digest;

/// Reads an archive. Errors in it become dead letters.
pub(super) fn read(path: &Path, advance: &dyn Fn(u64), sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let cannot = |error| SourceError::Unreadable { path: path.to_owned(), error };
    let documents = Documents::collect(Tar::new(open_archive(path, advance).map_err(cannot)?));
    let since = super::written(path);
    if let Some(problem) = &documents.broken {
        sink(unreadable(path, "tar", problem.clone(), None))?;
    }
    let layouts = documents.layouts();
    for root in &layouts {
        let index = documents.get(&format!("{root}index.json")).unwrap_or_default();
        let place = path.join(format!("{root}index.json"));
        let blobs = Archived { documents: &documents, root };
        layout::read(
            &layout::Place { file: &place, name: &name_of(path, root), since },
            index,
            &blobs,
            sink,
        )?;
    }
    match documents.get("manifest.json") {
        // An archive of Docker 25 and later is both, and only the index names the manifests.
        Some(_) if layouts.contains("") => {}
        Some(manifest) => docker::read(path, since, manifest, &documents, sink)?,
        None if layouts.is_empty() && documents.broken.is_none() => {
            sink(unreadable(path, "tar", documents.other(), None))?;
        }
        None => {}
    }
    Ok(())
}

/// The blobs of an image layout in an archive.
struct Archived<'a> {
    documents: &'a Documents,
    root: &'a str,
}

impl Blobs for Archived<'_> {
    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        let path = format!("{}blobs/sha256/{}", self.root, digest.hex());
        self.documents.get(&path).map(<[u8]>::to_vec).ok_or_else(|| self.documents.absent(&path))
    }
}

/// Returns the repository of images without a full name: the name of the archive, or of the folder in it.
fn name_of(path: &Path, root: &str) -> String {
    let folder = root.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty());
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let endings = [".gz", ".tgz", ".xz", ".zst", ".zstd", ".tar", ".oci"];
    let stem = endings.iter().fold(file.as_str(), |name, ending| name.strip_suffix(ending).unwrap_or(name));
    layout::repository(folder.unwrap_or(stem))
}
