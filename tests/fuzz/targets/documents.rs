//! Documents of registries, and bodies that people and registries send to the API.

use clade::declare::Manifest as Declared;
use clade::oci::Digest;
use clade::oci::document::{Config, Manifest, not_an_image, not_an_image_manifest};
use clade::registry::notice;
use clade::source::manifest::{Annotations, annotations, image};

use super::{in_proportion, parts};

/// Reads an image index or manifest.
pub(crate) fn manifest(input: &[u8]) -> bool {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(input) else { return false };
    let _ = not_an_image_manifest(&manifest);
    for descriptor in manifest.manifests.iter().flat_map(clade::oci::lenient::Entries::good) {
        let _ = not_an_image(descriptor);
    }
    let held = annotations(&Annotations::new(), &manifest.annotations, &manifest);
    in_proportion(input, held.iter().map(|(name, value)| name.len() + value.len()).sum(), 1);
    true
}

/// Reads a manifest in one line and its config behind it.
pub(crate) fn config(input: &[u8]) -> bool {
    let Some([manifest, config]) = parts(input) else { return false };
    let Ok(config) = serde_json::from_slice::<Config>(config) else { return false };
    let _ = config.platform().to_string();
    let Ok(manifest) = serde_json::from_slice::<Manifest>(manifest) else { return false };
    let found = image(Digest::of(input), None, &manifest, &config, &manifest.annotations);
    let Ok(record) = found else { return false };
    let _ = record.chain().last();
    in_proportion(input, serde_json::to_vec(&record).unwrap().len(), 6);
    true
}

/// Reads the input as `clade apply` and the API do.
pub(crate) fn apply(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(objects) = clade::cli::objects(text) else { return false };
    in_proportion(input, objects.iter().map(|object| object.to_string().len()).sum(), 64);
    let read: Vec<_> = objects.into_iter().map(Declared::read).collect();
    !read.is_empty() && read.iter().all(Result::is_ok)
}

/// Reads the webhook of a registry.
pub(crate) fn notice(input: &[u8]) -> bool {
    let Ok(notices) = notice::read(input) else { return false };
    let size = |notice: &notice::Notice| notice.repository.len() + notice.tag.as_ref().map_or(0, String::len);
    // Each notice repeats the name of the repository; its tag takes a byte and quotes.
    assert!(notices.len() <= input.len() / 4);
    assert!(notices.iter().all(|notice| size(notice) <= input.len()));
    !notices.is_empty()
}
