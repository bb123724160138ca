//! Folders with an image: OCI image layouts, and folders that `skopeo copy … dir:` writes.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::layout::{self, Blobs, Place};
use super::manifest::MAX_DOCUMENT;
use super::{Sink, SourceError, written};
use crate::oci::Digest;
use crate::oci::document::REF_NAME;
use crate::oci::reference::is_tag;

/// Reads an image layout.
pub(super) fn read(dir: &Path, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let path = dir.join("index.json");
    let index = read_file(&path).map_err(|error| SourceError::Unreadable { path: path.clone(), error })?;
    let blobs = Folder(dir.join("blobs").join("sha256"));
    let place = Place { file: &path, name: &name_of(dir), since: written(&path) };
    layout::read(&place, &index, &blobs, sink)
}

/// Reads a folder of `skopeo copy … dir:`: it has one manifest or index, and its blobs by digest.
pub(super) fn read_dir(dir: &Path, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let path = dir.join("manifest.json");
    let manifest = read_file(&path).map_err(|error| SourceError::Unreadable { path: path.clone(), error })?;
    let blobs = Copied { dir, manifest: Digest::of(&manifest), content: manifest };
    // `skopeo sync` calls the folder REPOSITORY:TAG.
    let folder = file_name(dir);
    let named = folder.rsplit_once(':').filter(|(_, tag)| is_tag(tag));
    let name = named.map_or(&*folder, |(name, _)| name);
    let annotations = named.map_or_else(|| json!({}), |(_, tag)| json!({REF_NAME: tag}));
    let index = json!({"manifests": [{"digest": blobs.manifest, "annotations": annotations}]}).to_string();
    let place = Place { file: &path, name: &layout::repository(name), since: written(&path) };
    layout::read(&place, index.as_bytes(), &blobs, sink)
}

/// Blobs in a folder, each under its digest.
struct Folder(PathBuf);

impl Blobs for Folder {
    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        blob(&self.0.join(digest.hex()), digest)
    }
}

struct Copied<'a> {
    dir: &'a Path,
    manifest: Digest,
    content: Vec<u8>,
}

impl Blobs for Copied<'_> {
    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        if *digest == self.manifest {
            return Ok(self.content.clone());
        }
        let of_index = self.dir.join(format!("{}.manifest.json", digest.hex()));
        let path = if of_index.exists() { of_index } else { self.dir.join(digest.hex()) };
        blob(&path, digest)
    }
}

fn blob(path: &Path, digest: &Digest) -> Result<Vec<u8>, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot read the blob {}: {error}", path.display());
    // Anything but a file may never end.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(cannot(&"it is no file"));
    }
    let content = read_file(path).map_err(|error| cannot(&error))?;
    if content.len() as u64 > MAX_DOCUMENT {
        return Err(format!("the blob {digest} is larger than {MAX_DOCUMENT} bytes"));
    }
    Ok(content)
}

/// Reads a file, but not more of it than shows that it is too large.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MAX_DOCUMENT + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// Returns the repository of images without a full name: the name of the folder.
fn name_of(dir: &Path) -> String {
    layout::repository(&file_name(dir))
}

fn file_name(dir: &Path) -> String {
    let folder = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
