//! Manifests and configs without a layout around them, as `skopeo inspect --raw`, `crane manifest` and `crane config` print
//! them. The digest of such a document is the digest of its text; a manifest and its config, in one file or in two of one
//! import, are one image.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::manifest::{self, Annotations};
use super::{Sink, SinkError, id, unreadable};
use crate::observe::{Listing, Observation};
use crate::oci::document::{Config, Manifest, not_an_image_config, not_an_image_manifest};
use crate::oci::{Digest, LayerIdentity, Platform};
use crate::record::{ImageRecord, Layer};
use crate::workload::{Object, Workloads};

/// Bytes of documents that wait for those of other files, at most: about 10,000 images. What comes later waits anew.
const MOST_WAITING: usize = 64 << 20;
/// Bytes that a document takes beside its text.
const BESIDE: usize = 256;

/// The documents of one file, or of several, until all are there.
#[derive(Default)]
pub(super) struct Loose<'d> {
    manifests: Vec<Document<'d>>,
    configs: Vec<Document<'d>>,
    bytes: usize,
    /// The workloads, by the pods of all files.
    running: Workloads,
}

struct Document<'d> {
    path: PathBuf,
    place: String,
    /// The digest of the document as it stands in the file.
    digest: Digest,
    json: Cow<'d, str>,
}

/// The kind of a document.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Manifest,
    Config,
}

impl<'d> Loose<'d> {
    /// Adds a document. `whole` is the content of the file if it has one document.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        path: &Path,
        place: String,
        raw: &'d RawValue,
        whole: Option<&[u8]>,
    ) {
        let digest = Digest::of(whole.unwrap_or(raw.get().as_bytes()));
        let document = Document { path: path.to_owned(), place, digest, json: Cow::Borrowed(raw.get()) };
        self.bytes += document.json.len() + BESIDE;
        match kind {
            Kind::Manifest => self.manifests.push(document),
            Kind::Config => self.configs.push(document),
        }
    }

    /// Tells all documents, and forgets them.
    pub(super) fn tell(&mut self, sink: &mut Sink<'_>) -> Result<(), SinkError> {
        let (manifests, configs) = (std::mem::take(&mut self.manifests), std::mem::take(&mut self.configs));
        self.bytes = 0;
        let names: Vec<[Digest; 4]> = configs.iter().map(Document::names).collect();
        let all = names.iter().zip(&configs);
        let by_name: BTreeMap<&Digest, &Document<'_>> =
            all.clone().flat_map(|(names, config)| names.iter().map(move |name| (name, config))).collect();
        let mut used: HashSet<Digest> = HashSet::new();
        for document in &manifests {
            let read = image(document.digest, &document.json, |config| {
                let found = by_name.get(config)?;
                used.insert(*config);
                Some(&*found.json)
            });
            document.tell(read, sink)?;
        }
        for (_, document) in all.filter(|(names, _)| !names.iter().any(|name| used.contains(name))) {
            // Builders write a config in one line. Other text is that of a tool, and its digest no image ID.
            let id = (!document.json.contains('\n')).then_some(document.digest);
            let read = id::image(document.digest, id, document.json.as_bytes());
            document.tell(read.map(|image| Observation::Image(Box::new(image))), sink)?;
        }
        Ok(())
    }
}

impl Loose<'static> {
    /// Takes what a file says of what runs.
    pub(super) fn take_running(&mut self, objects: Vec<Object>) {
        objects.into_iter().for_each(|object| self.running.put(object));
    }

    /// Tells what runs, once all files are read: the owner of a pod may stand in another file. The files have all pods of each
    /// namespace that occurs in them, so what was imported of it before and is not there is gone.
    pub(super) fn tell_running(&mut self, sink: &mut Sink<'_>) -> Result<(), SinkError> {
        let mut running = std::mem::take(&mut self.running);
        running.stop_waiting();
        let keys: HashSet<String> = running.keys().cloned().collect();
        if keys.is_empty() {
            return Ok(());
        }
        for workload in running.drain().into_iter().filter_map(|(_, workload)| workload) {
            sink(Observation::Workload(Box::new(workload)))?;
        }
        let namespaces = Some(running.namespaces());
        sink(Observation::Listed(String::new(), Listing::Workloads { keys, namespaces }))
    }

    /// Takes the documents of a file in, to wait for those of other files. If there are too many, some are told now.
    pub(super) fn take_in(&mut self, mut file: Loose<'_>, sink: &mut Sink<'_>) -> Result<(), SinkError> {
        if self.bytes + file.bytes > MOST_WAITING {
            self.tell(sink)?;
        }
        if file.bytes > MOST_WAITING {
            return file.tell(sink);
        }
        self.bytes += file.bytes;
        self.manifests.extend(file.manifests.into_iter().map(Document::into_owned));
        self.configs.extend(file.configs.into_iter().map(Document::into_owned));
        Ok(())
    }
}

impl Document<'_> {
    /// Returns the digests by which a manifest may name this config: tools end it with a line feed, or leave that out, or
    /// format it anew.
    fn names(&self) -> [Digest; 4] {
        let text = self.json.as_bytes();
        let compact = Digest::of(&without_spaces(text));
        [self.digest, Digest::of(text), Digest::of_parts([text, b"\n"]), compact]
    }

    fn into_owned(self) -> Document<'static> {
        Document {
            path: self.path,
            place: self.place,
            digest: self.digest,
            json: Cow::Owned(self.json.into_owned()),
        }
    }

    fn tell(&self, read: Result<Observation, String>, sink: &mut Sink<'_>) -> Result<(), SinkError> {
        sink(read.unwrap_or_else(|problem| {
            unreadable(&self.path, &self.place, problem, Some(self.json.as_bytes()))
        }))
    }
}

/// Returns JSON as builders write it: without spaces and line feeds between its tokens.
fn without_spaces(json: &[u8]) -> Vec<u8> {
    let (mut is_text, mut is_escaped) = (false, false);
    let is_kept = |byte: &u8| {
        let is_kept = is_text || !byte.is_ascii_whitespace();
        is_text ^= *byte == b'"' && !is_escaped;
        is_escaped = is_text && *byte == b'\\' && !is_escaped;
        is_kept
    };
    json.iter().copied().filter(is_kept).collect()
}

/// Returns the image of a manifest, by diff IDs if its config is there, else by the digests of its blobs.
fn image<'c>(
    digest: Digest,
    json: &str,
    find: impl FnOnce(&Digest) -> Option<&'c str>,
) -> Result<Observation, String> {
    let manifest: Manifest =
        serde_json::from_str(json).map_err(|error| format!("it is not an image manifest: {error}"))?;
    if let Some(what) = not_an_image_manifest(&manifest) {
        return Ok(Observation::NotAnImage(what));
    }
    let descriptor = manifest::config(&manifest)?.digest;
    let annotations = manifest::kept(&manifest.annotations);
    let image = match find(&descriptor) {
        Some(config) => {
            let config: Config = serde_json::from_str(config)
                .map_err(|error| format!("the config {descriptor} is malformed: {error}"))?;
            if let Some(what) = not_an_image_config(&manifest, &config) {
                return Ok(Observation::NotAnImage(what));
            }
            manifest::image(digest, None, &manifest, &config, &annotations)?
        }
        None => by_blobs(digest, descriptor, &manifest, &annotations)?,
    };
    Ok(Observation::Image(Box::new(image)))
}

/// Returns an image without its config, which would name its platform.
fn by_blobs(
    digest: Digest,
    config: Digest,
    manifest: &Manifest,
    annotations: &Annotations,
) -> Result<ImageRecord, String> {
    let (layers, problem) = manifest.layers.clone().split();
    if let Some(problem) = problem {
        return Err(format!("layers: {problem}"));
    }
    let layer = |layer: crate::oci::document::Descriptor| Layer {
        digest: layer.digest,
        diff_id: None,
        size: Some(layer.size),
    };
    Ok(ImageRecord {
        platform: Platform::new("unknown", "unknown"),
        media_type: manifest.media_type.clone(),
        config_digest: Some(config),
        layer_identity: LayerIdentity::Blob,
        layers: layers.into_iter().map(layer).collect(),
        claims: manifest::claim(annotations).into_iter().collect(),
        ..id::empty(digest)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_left_out_between_tokens_and_not_in_texts() {
        let json = "{\n  \"a \\\" b\\\\\" : [ 1,\t\"\\\\ \" ]\r\n}";
        assert_eq!(without_spaces(json.as_bytes()), br#"{"a \" b\\":[1,"\\ "]}"#);
    }

    #[test]
    fn documents_that_take_too_much_room_are_told_before_others_wait() {
        let config = format!("{{\"rootfs\":{{\"diff_ids\":[]}},\"x\":\"{}\"}}", "x".repeat(MOST_WAITING / 3));
        let raw: &RawValue = serde_json::from_str(&config).unwrap();
        let mut told = 0;
        let mut sink = |_| {
            told += 1;
            Ok(())
        };
        let mut waiting = Loose::default();
        let file = |documents: usize| {
            let mut file = Loose::default();
            (0..documents).for_each(|_| file.add(Kind::Config, Path::new("x"), "1".to_owned(), raw, None));
            file
        };
        waiting.take_in(file(1), &mut sink).unwrap();
        waiting.take_in(file(1), &mut sink).unwrap();
        waiting.take_in(file(1), &mut sink).unwrap();
        waiting.take_in(file(4), &mut sink).unwrap();
        waiting.take_in(file(1), &mut sink).unwrap();
        assert_eq!((waiting.configs.len(), waiting.bytes / config.len()), (1, 1));
        assert_eq!(told, 7);
    }
}
