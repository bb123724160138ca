//! OCI image layouts (image-spec, image-layout.md): `index.json` and `blobs/`, in a folder or an archive.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use super::manifest::{self, Annotations, MAX_DEPTH, MAX_DOCUMENT};
use super::{Sink, SourceError, provenance, unreadable};
use crate::observe::{Observation, ObservedTag};
use crate::oci::document::{
    Config, Descriptor, Manifest, REF_NAME, not_an_image, not_an_image_config, not_an_image_manifest,
};
use crate::oci::reference::{has_host, is_tag};
use crate::oci::{Digest, Reference};
use crate::record::{ImageRecord, TagImage, TagItem, Timestamp};

/// The blobs of a layout.
pub(super) trait Blobs {
    /// Returns the blob with this digest, or the reason why it cannot be read. The caller compares the content with the
    /// digest.
    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, String>;
}

/// The place of a layout.
pub(super) struct Place<'a> {
    /// The path of its index, for messages.
    pub(super) file: &'a Path,
    /// The repository of images without a full name.
    pub(super) name: &'a str,
    /// The time at which the layout was written.
    pub(super) since: Timestamp,
}

/// Reads a layout. Errors in it become dead letters.
pub(super) fn read(
    place: &Place<'_>,
    index: &[u8],
    blobs: &dyn Blobs,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let read = match index.len() as u64 > MAX_DOCUMENT {
        true => Err(format!("it is larger than {MAX_DOCUMENT} bytes")),
        false => serde_json::from_slice(manifest::without_mark(index))
            .map_err(|error| format!("it is not an image index: {error}")),
    };
    match read {
        Ok(index) => read_index(place, index, blobs, sink),
        Err(problem) => Ok(sink(unreadable(place.file, "1", problem, Some(index)))?),
    }
}

/// Reads the images of an index.
pub(super) fn read_index(
    place: &Place<'_>,
    index: Manifest,
    blobs: &dyn Blobs,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let mut layout = Layout { place, blobs, sink, read: HashMap::new() };
    let inherited = manifest::kept(&index.annotations);
    for (number, entry) in (1..).zip(index.manifests.unwrap_or_default().0) {
        match entry {
            Ok(descriptor) => {
                let images = layout.descriptor(&descriptor, &inherited, 1)?;
                layout.tag(&descriptor, &images)?;
            }
            Err(problem) => layout.bad(&format!("manifests[{number}]"), problem)?,
        }
    }
    Ok(())
}

struct Layout<'a, 'b> {
    place: &'a Place<'a>,
    blobs: &'a dyn Blobs,
    sink: &'a mut Sink<'b>,
    /// The images that each manifest and index leads to. It is read once, however many ways lead there.
    read: HashMap<Digest, Rc<[TagImage]>>,
}

impl Layout<'_, '_> {
    /// Observes the images that a descriptor leads to, and returns them.
    fn descriptor(
        &mut self,
        descriptor: &Descriptor,
        inherited: &Annotations,
        depth: usize,
    ) -> Result<Rc<[TagImage]>, SourceError> {
        if let Some(what) = not_an_image(descriptor) {
            (self.sink)(Observation::NotAnImage(what))?;
            self.attestation(descriptor)?;
            return Ok(Rc::default());
        }
        if let Some(known) = self.read.get(&descriptor.digest).cloned() {
            let mut annotations = inherited.clone();
            annotations.extend(manifest::kept(&descriptor.annotations));
            // The claim of this descriptor may be new.
            if let (Some(claim), [image]) = (manifest::claim(&annotations), &known[..])
                && image.digest == descriptor.digest
            {
                (self.sink)(Observation::Claim(image.digest, claim))?;
            }
            return Ok(known);
        }
        if depth > MAX_DEPTH {
            // Another way there may be shorter, so the result is not kept.
            let reason =
                format!("image indexes lie in one another more than {MAX_DEPTH} deep: is there a circle?");
            self.bad(&descriptor.digest.to_string(), reason)?;
            return Ok(Rc::default());
        }
        let images: Rc<[TagImage]> = match self.images(descriptor, inherited, depth)? {
            Ok(images) => images.into(),
            Err(problem) => {
                self.bad(&descriptor.digest.to_string(), problem)?;
                Rc::default()
            }
        };
        self.read.insert(descriptor.digest, Rc::clone(&images));
        Ok(images)
    }

    /// Returns the images that a descriptor leads to, or the reason why it cannot be read.
    fn images(
        &mut self,
        descriptor: &Descriptor,
        inherited: &Annotations,
        depth: usize,
    ) -> Result<Result<Vec<TagImage>, String>, SourceError> {
        let read = self.blobs.blob(&descriptor.digest);
        let manifest = match read.and_then(|content| manifest::manifest(&descriptor.digest, &content)) {
            Ok(manifest) => manifest,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(what) = not_an_image_manifest(&manifest) {
            (self.sink)(Observation::NotAnImage(what))?;
            return Ok(Ok(Vec::new()));
        }
        let annotations = manifest::annotations(inherited, &descriptor.annotations, &manifest);
        if let Some(manifests) = &manifest.manifests {
            let (mut images, mut seen) = (Vec::new(), HashSet::new());
            for (number, entry) in (1..).zip(&manifests.0) {
                match entry {
                    Ok(entry) if seen.insert(entry.digest) => {
                        let inside = self.descriptor(entry, &annotations, depth + 1)?;
                        // An index in this one may lead to the same images as its neighbour.
                        let mut is_new =
                            |image: &TagImage| image.digest == entry.digest || seen.insert(image.digest);
                        images.extend(inside.iter().filter(|image| is_new(image)).cloned());
                    }
                    Ok(_) => {}
                    Err(problem) => {
                        let place = format!("{}.manifests[{number}]", descriptor.digest);
                        self.bad(&place, problem.clone())?;
                    }
                }
            }
            return Ok(Ok(images));
        }
        let config = match self.config(&manifest) {
            Ok(config) => config,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(what) = not_an_image_config(&manifest, &config) {
            (self.sink)(Observation::NotAnImage(what))?;
            return Ok(Ok(Vec::new()));
        }
        match self.image(descriptor, &manifest, &config, &annotations) {
            Ok(image) => {
                let tagged = TagImage { digest: image.digest, platform: Some(image.platform.clone()) };
                (self.sink)(Observation::Image(Box::new(image)))?;
                Ok(Ok(vec![tagged]))
            }
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// Observes the bases that an attestation claims. One that cannot be read claims none: no image needs it.
    fn attestation(&mut self, descriptor: &Descriptor) -> Result<(), SourceError> {
        let Some(image) = provenance::subject(descriptor) else { return Ok(()) };
        let read = self.blobs.blob(&descriptor.digest);
        let Ok(manifest) = read.and_then(|content| manifest::manifest(&descriptor.digest, &content)) else {
            return Ok(());
        };
        for statement in provenance::statements(&manifest) {
            let content = self.blobs.blob(&statement.digest).unwrap_or_default();
            if Digest::of(&content) == statement.digest {
                for claim in provenance::claims(&content) {
                    (self.sink)(Observation::Claim(image, claim))?;
                }
            }
        }
        Ok(())
    }

    fn config(&self, manifest: &Manifest) -> Result<Config, String> {
        let digest = manifest::config(manifest)?.digest;
        manifest::read(&digest, &self.blobs.blob(&digest)?)
    }

    fn image(
        &self,
        descriptor: &Descriptor,
        manifest: &Manifest,
        config: &Config,
        annotations: &Annotations,
    ) -> Result<ImageRecord, String> {
        let media_type = Some(descriptor.media_type.clone());
        let image = manifest::image(descriptor.digest, media_type, manifest, config, annotations)?;
        Ok(ImageRecord { repositories: vec![name_of(descriptor, self.place.name).0], ..image })
    }

    fn tag(&mut self, descriptor: &Descriptor, images: &[TagImage]) -> Result<(), SourceError> {
        let (repository, tag) = name_of(descriptor, self.place.name);
        let tag = match tag {
            Ok(Some(tag)) => tag,
            Ok(None) => return Ok(()),
            Err(problem) => return self.bad(&descriptor.digest.to_string(), problem),
        };
        if images.is_empty() {
            return Ok(());
        }
        let item =
            TagItem { since: self.place.since, digest: Some(descriptor.digest), images: images.to_vec() };
        (self.sink)(Observation::Tag(ObservedTag {
            source: None,
            repository,
            tag,
            items: vec![item],
            complete: false,
        }))?;
        Ok(())
    }

    fn bad(&mut self, place: &str, reason: String) -> Result<(), SourceError> {
        (self.sink)(unreadable(self.place.file, place, reason, None))?;
        Ok(())
    }
}

/// Returns the repository and the tag that a descriptor names: the name may be a tag alone or a whole reference. The
/// tag is an error if the name is neither.
fn name_of(descriptor: &Descriptor, default: &str) -> (String, Result<Option<String>, String>) {
    let full = descriptor.annotations.get("io.containerd.image.name");
    let name = descriptor.annotations.get(REF_NAME);
    for name in full.into_iter().chain(name) {
        if let Ok(Reference { repository, tag: Some(tag), .. }) = name.parse::<Reference>() {
            return (repository, Ok(Some(tag)));
        }
    }
    let Some(name) = name.or(full).filter(|name| !name.is_empty()) else {
        return (default.to_owned(), Ok(None));
    };
    if is_tag(name) {
        return (default.to_owned(), Ok(Some(name.clone())));
    }
    match name.parse::<Reference>() {
        // A digest is no tag, and the image needs none.
        Ok(Reference { repository, digest: Some(_), .. }) => (repository, Ok(None)),
        Ok(Reference { repository, .. }) if has_host(&repository) => {
            (repository, Ok(Some("latest".to_owned())))
        }
        _ => {
            let problem = format!(
                "its name {name:?} is neither a tag nor REPOSITORY:TAG, so that its image is known by digest alone"
            );
            (default.to_owned(), Err(problem))
        }
    }
}

/// Returns a name as that of a repository.
pub(super) fn repository(name: &str) -> String {
    let lower = name.to_lowercase();
    let name: String =
        lower.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let name = name.trim_matches(['.', '_', '-']);
    if name.is_empty() { "layout".to_owned() } else { name.to_owned() }
}
