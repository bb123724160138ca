//! OCI image layouts (image-spec, image-layout.md): a folder with `index.json` and `blobs/`.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::manifest::{self, Annotations, MAX_DEPTH, MAX_DOCUMENT};
use super::{Sink, SourceError, unreadable};
use crate::observe::{Observation, ObservedTag};
use crate::oci::document::{Config, Descriptor, Manifest, REF_NAME, not_an_image, not_an_image_manifest};
use crate::oci::{Digest, Reference};
use crate::record::{ImageRecord, TagImage, TagItem, Timestamp};

/// Reads a layout. What is wrong in it becomes dead letters.
pub(super) fn read(dir: &Path, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let path = dir.join("index.json");
    let document =
        std::fs::read(&path).map_err(|error| SourceError::Unreadable { path: path.clone(), error })?;
    let index: Manifest = match serde_json::from_slice(&document) {
        Ok(index) => index,
        Err(error) => {
            sink(unreadable(&path, "1", format!("it is not an image index: {error}"), Some(&document)))?;
            return Ok(());
        }
    };
    let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    let since = written.and_then(|time| Timestamp::try_from(time).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut layout = Layout { dir, since, sink, repository: repository_of(dir), seen: HashSet::new() };
    for descriptor in index.manifests.unwrap_or_default() {
        layout.seen.clear();
        let images = layout.descriptor(&descriptor, &index.annotations, 1)?;
        layout.tag(&descriptor, images)?;
    }
    Ok(())
}

struct Layout<'a, 'b> {
    dir: &'a Path,
    since: Timestamp,
    sink: &'a mut Sink<'b>,
    repository: String,
    /// What a tag leads to: an index that names another ten times would make it ten times as much, each time.
    seen: HashSet<Digest>,
}

impl Layout<'_, '_> {
    /// Observes the images that a descriptor leads to, and returns them.
    fn descriptor(
        &mut self,
        descriptor: &Descriptor,
        inherited: &Annotations,
        depth: usize,
    ) -> Result<Vec<TagImage>, SourceError> {
        if let Some(what) = not_an_image(descriptor) {
            (self.sink)(Observation::NotAnImage(what))?;
            return Ok(Vec::new());
        }
        if depth > MAX_DEPTH {
            let reason =
                format!("image indexes lie in one another more than {MAX_DEPTH} deep: is there a circle?");
            return self.bad(&descriptor.digest, reason);
        }
        if !self.seen.insert(descriptor.digest) {
            return Ok(Vec::new());
        }
        let manifest: Manifest = match self.blob(&descriptor.digest) {
            Ok(manifest) => manifest,
            Err(problem) => return self.bad(&descriptor.digest, problem),
        };
        let annotations = manifest::annotations(inherited, &descriptor.annotations, &manifest);
        if let Some(manifests) = &manifest.manifests {
            let mut images = Vec::new();
            for descriptor in manifests {
                images.extend(self.descriptor(descriptor, &annotations, depth + 1)?);
            }
            return Ok(images);
        }
        if let Some(what) = not_an_image_manifest(&manifest) {
            (self.sink)(Observation::NotAnImage(what))?;
            return Ok(Vec::new());
        }
        match self.image(descriptor, &manifest, &annotations) {
            Ok(image) => {
                let tagged = TagImage { digest: image.digest, platform: Some(image.platform.clone()) };
                (self.sink)(Observation::Image(Box::new(image)))?;
                Ok(vec![tagged])
            }
            Err(problem) => self.bad(&descriptor.digest, problem),
        }
    }

    fn image(
        &self,
        descriptor: &Descriptor,
        manifest: &Manifest,
        annotations: &Annotations,
    ) -> Result<ImageRecord, String> {
        let config: Config = self.blob(&manifest::config(manifest)?.digest)?;
        let media_type = Some(descriptor.media_type.clone());
        let image = manifest::image(descriptor.digest, media_type, manifest, &config, annotations)?;
        Ok(ImageRecord { repositories: vec![name_of(descriptor, &self.repository).0], ..image })
    }

    fn tag(&mut self, descriptor: &Descriptor, images: Vec<TagImage>) -> Result<(), SourceError> {
        let (repository, Some(tag)) = name_of(descriptor, &self.repository) else { return Ok(()) };
        if images.is_empty() {
            return Ok(());
        }
        let item = TagItem { since: self.since, digest: Some(descriptor.digest), images };
        (self.sink)(Observation::Tag(ObservedTag { source: None, repository, tag, items: vec![item] }))?;
        Ok(())
    }

    /// The blob with this digest, checked against it and read as JSON.
    fn blob<T: serde::de::DeserializeOwned>(&self, digest: &Digest) -> Result<T, String> {
        let path = self.path(digest);
        let mut content = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_DOCUMENT + 1).read_to_end(&mut content))
            .map_err(|error| format!("cannot read the blob {}: {error}", path.display()))?;
        if content.len() as u64 > MAX_DOCUMENT {
            return Err(format!("the blob {digest} is larger than {MAX_DOCUMENT} bytes"));
        }
        manifest::read(digest, &content)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs").join("sha256").join(digest.hex())
    }

    fn bad(&mut self, digest: &Digest, reason: String) -> Result<Vec<TagImage>, SourceError> {
        (self.sink)(unreadable(&self.dir.join("index.json"), &digest.to_string(), reason, None))?;
        Ok(Vec::new())
    }
}

/// The repository and tag that a descriptor is called by: its name may be a tag alone or a whole reference.
fn name_of(descriptor: &Descriptor, default: &str) -> (String, Option<String>) {
    let full = descriptor.annotations.get("io.containerd.image.name");
    let name = descriptor.annotations.get(REF_NAME);
    for name in full.into_iter().chain(name) {
        if let Ok(Reference { repository, tag: Some(tag), .. }) = name.parse::<Reference>() {
            return (repository, Some(tag));
        }
    }
    let tag = name.filter(|name| crate::oci::reference::is_tag(name)).cloned();
    (default.to_owned(), tag)
}

/// The repository that images without a full name are in: the folder's name.
fn repository_of(dir: &Path) -> String {
    let folder = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let name = name.trim_matches(['.', '_', '-']);
    if name.is_empty() { "layout".to_owned() } else { name.to_owned() }
}
