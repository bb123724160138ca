//! JSON documents: one, several behind one another, arrays of them, and lists of Kubernetes. The fields of a document
//! show its kind.
//!
//! Entries of arrays and lists are read one by one as they come, so what a document takes is its text and little more.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::elements::elements;
use super::loose::{Kind, Loose};
use super::{Sink, SinkError, describe, inspect, unreadable};
use crate::observe::Observation;
use crate::oci::lenient;
use crate::openshift::observations;
use crate::record::Timestamp;
use crate::workload;

/// Levels of lists in one another, at most. More is a mistake or an attack, and each level takes some stack.
const MOST_LISTS: usize = 8;

/// Documents without an end behind which others are looked for, at most. Each costs a pass over the rest of the file.
const MOST_RETRIES: usize = 16;

/// The fields that distinguish documents.
#[derive(Deserialize, Default)]
struct Head {
    #[serde(rename = "apiVersion", default, deserialize_with = "lenient::field")]
    api_version: String,
    #[serde(default, deserialize_with = "lenient::field")]
    kind: String,
    #[serde(default, deserialize_with = "lenient::field")]
    metadata: Metadata,
    #[serde(rename = "Digest", default)]
    digest: Option<IgnoredAny>,
    #[serde(rename = "Layers", default)]
    skopeo_layers: Option<IgnoredAny>,
    #[serde(rename = "RootFS", default)]
    root_fs: Option<IgnoredAny>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    config: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
    #[serde(default)]
    rootfs: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default, deserialize_with = "lenient::field")]
    name: String,
}

/// Reads the documents in the text of a file. Bad ones become dead letters. `first` is the number of the first
/// line; documents are counted from there on. `is_as_written` says that the text is the content of the file, byte for byte.
/// Manifests and configs go into `waiting`.
pub(super) fn read(
    path: &Path,
    text: &[u8],
    first: usize,
    since: Timestamp,
    is_as_written: bool,
    waiting: &mut Loose<'static>,
    sink: &mut Sink<'_>,
) -> Result<(), SinkError> {
    let mut reader = Reader {
        path,
        since,
        sink,
        streams: Vec::new(),
        loose: Vec::new(),
        running: Vec::new(),
        first,
        counted: (0, first),
        retries: 0,
    };
    let (mut at, mut number) = (0, first - 1);
    while at < text.len() {
        let mut stream = serde_json::Deserializer::from_slice(&text[at..]).into_iter::<&RawValue>();
        let mut error = None;
        for raw in &mut stream {
            number += 1;
            match raw {
                Ok(raw) => reader.document(raw, number)?,
                Err(problem) => {
                    error = Some(problem);
                    break;
                }
            }
        }
        let Some(error) = error else { break };
        at = reader.skip(text, at, stream.byte_offset(), &error)?;
    }
    let whole = (is_as_written && number == first).then_some(text);
    reader.finish(whole, waiting)
}

struct Reader<'s, 'b, 'd> {
    path: &'s Path,
    since: Timestamp,
    sink: &'s mut Sink<'b>,
    /// Image streams, each with its place. They come last: their tags may point at manifest lists that stand behind them.
    streams: Vec<(String, &'d RawValue)>,
    /// Manifests and configs, each with its place.
    loose: Vec<(Kind, String, &'d RawValue)>,
    /// Pods, and what says whose they are and where they run.
    running: Vec<workload::Object>,
    /// The number of the first line.
    first: usize,
    /// An offset, and the number of its line.
    counted: (usize, usize),
    /// The number of documents that were read to the end of the file in vain.
    retries: usize,
}

impl<'d> Reader<'_, '_, 'd> {
    /// Tells an error of the parser, and returns the place to go on from: the next line that begins a document.
    fn skip(
        &mut self,
        text: &[u8],
        from: usize,
        begun: usize,
        error: &serde_json::Error,
    ) -> Result<usize, SinkError> {
        let rest = &text[from..];
        let document = &rest[begun.min(rest.len())..];
        if self.retries > 0
            && let Some(b',' | b']' | b'}') = document.trim_ascii_start().first()
        {
            // It stands between the entries of what was broken.
            return Ok(text.len() - document.trim_ascii_start().len() + 1);
        }
        let wrong = place_of(rest, error);
        let place = from + wrong;
        // Behind a document without an end, the reading has gone back.
        let (to, before) = if self.counted.0 <= place { self.counted } else { (0, self.first) };
        let line = before + text[to..place].iter().filter(|byte| **byte == b'\n').count();
        self.counted = (place, line);
        let reason = format!("the document is not JSON: {error}; is the file complete?");
        (self.sink)(unreadable(self.path, &line.to_string(), reason, Some(document)))?;
        // An object that does not end has swallowed what stands behind it.
        let is_open = error.is_eof() && self.retries < MOST_RETRIES;
        self.retries += usize::from(is_open);
        let wrong = if is_open { begun + 1 } else { wrong.max(begun + 1) };
        let next = from + wrong.min(rest.len());
        let begins = |pair: &[u8]| matches!(pair, [b'\n', b'{' | b'[']);
        // The wrong byte may be the first of the next document.
        let before = next.saturating_sub(2).max(from + begun);
        let found = text[before..].windows(2).position(begins).map(|at| before + at + 1);
        Ok(found.unwrap_or(text.len()))
    }

    fn document(&mut self, raw: &'d RawValue, number: usize) -> Result<(), SinkError> {
        let place = number.to_string();
        if !raw.get().starts_with('[') {
            return self.value(raw, &place, "", 0);
        }
        let read =
            elements(raw, None, &mut |number, raw| self.value(raw, &format!("{place}[{number}]"), "", 1))?;
        read.or_else(|problem| self.bad(&place, problem, raw))
    }

    /// Reads an object, or the items of a list, which may be lists as well: up to [`MOST_LISTS`] levels. Items of a
    /// typed list may leave their kind out.
    fn value(&mut self, raw: &'d RawValue, place: &str, of: &str, lists: usize) -> Result<(), SinkError> {
        let head: Head = match serde_json::from_str(raw.get()) {
            Ok(head) => head,
            Err(error) => return self.bad(place, format!("it is not a document of an image: {error}"), raw),
        };
        let kind = if head.kind.is_empty() { of } else { &head.kind };
        match kind.strip_suffix("List") {
            Some(_) if lists > MOST_LISTS => {
                let problem = format!("{kind} : lists lie in one another more than {MOST_LISTS} deep");
                self.bad(place, problem, raw)
            }
            Some(of) => {
                let read = elements(raw, Some("items"), &mut |number, raw| {
                    self.value(raw, &format!("{place}.items[{number}]"), of, lists + 1)
                })?;
                read.or_else(|problem| self.bad(place, problem, raw))
            }
            None if kind == "ImageStream" => {
                self.streams.push((place.to_owned(), raw));
                Ok(())
            }
            None if !kind.is_empty() => match of_workloads(&head.api_version, kind) {
                Some(of) => self.running(of, &head.metadata.name, place, raw),
                None => self.object(kind, &head.metadata.name, place, raw),
            },
            None => self.other(&head, place, raw),
        }
    }

    fn running(
        &mut self,
        kind: workload::Kind,
        name: &str,
        place: &str,
        raw: &RawValue,
    ) -> Result<(), SinkError> {
        match workload::read(kind, raw.get()) {
            Ok(object) => self.running.push(object),
            Err(problem) => self.bad(place, format!("{} {name}: {problem}", kind.name()), raw)?,
        }
        Ok(())
    }

    fn object(&mut self, kind: &str, name: &str, place: &str, raw: &RawValue) -> Result<(), SinkError> {
        match observations(kind, raw.get()) {
            Ok(observations) => observations.into_iter().try_for_each(&mut *self.sink),
            Err(problem) => self.bad(place, format!("{kind} {name}: {problem}"), raw),
        }
    }

    /// Reads a document that is no object of Kubernetes.
    fn other(&mut self, head: &Head, place: &str, raw: &'d RawValue) -> Result<(), SinkError> {
        let is_index = head.manifests.is_some();
        let is_manifest = head.config.is_some() && head.layers.is_some();
        let read = if head.root_fs.is_some() {
            inspect::engine(raw.get(), self.since)
        } else if head.digest.is_some() && head.skopeo_layers.is_some() {
            inspect::skopeo(raw.get())
        } else if head.rootfs.is_some() && !is_index && !is_manifest {
            self.loose.push((Kind::Config, place.to_owned(), raw));
            return Ok(());
        } else if is_manifest && !is_index {
            self.loose.push((Kind::Manifest, place.to_owned(), raw));
            return Ok(());
        } else {
            Err(describe::document(raw.get()))
        };
        match read {
            Ok(observations) => observations.into_iter().try_for_each(&mut *self.sink),
            Err(problem) => self.bad(place, problem, raw),
        }
    }

    /// Reads what needs the other documents of the file.
    fn finish(mut self, whole: Option<&[u8]>, waiting: &mut Loose<'static>) -> Result<(), SinkError> {
        for (place, raw) in std::mem::take(&mut self.streams) {
            let head: Head = serde_json::from_str(raw.get()).unwrap_or_default();
            self.object("ImageStream", &head.metadata.name, &place, raw)?;
        }
        let mut file = Loose::default();
        for (kind, place, raw) in self.loose {
            file.add(kind, self.path, place, raw, whole);
        }
        waiting.take_running(self.running);
        waiting.take_in(file, self.sink)
    }

    fn bad(&mut self, place: &str, reason: String, raw: &RawValue) -> Result<(), SinkError> {
        let seen: Observation = unreadable(self.path, place, reason, Some(raw.get().as_bytes()));
        (self.sink)(seen)
    }
}

/// Returns the kind of an object that says what runs. Items of a typed list may leave their version out.
fn of_workloads(api_version: &str, kind: &str) -> Option<workload::Kind> {
    if api_version.is_empty() {
        return workload::Kind::ALL.into_iter().find(|known| known.name() == kind);
    }
    workload::Kind::of(api_version.rsplit_once('/').map_or("", |(group, _)| group), kind)
}

/// Returns the offset of an error in a text. The parser states its line and column.
fn place_of(text: &[u8], error: &serde_json::Error) -> usize {
    let line = match error.line() {
        0 | 1 => 0,
        line => text
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(line - 2)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    (line + error.column()).min(text.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    /// Returns the places of dead letters, and their reasons.
    fn letters(document: &str) -> Vec<(String, String)> {
        let mut letters = Vec::new();
        let (path, mut waiting) = (Path::new("x.json"), Loose::default());
        read(path, document.as_bytes(), 1, Timestamp::UNIX_EPOCH, true, &mut waiting, &mut |seen| {
            if let Observation::Unreadable(letter) = seen {
                letters.push((letter.origin, letter.reason));
            }
            Ok(())
        })
        .unwrap();
        letters
    }

    /// clade once read them by recursion, which ended the process.
    #[test]
    fn lists_too_deep_in_one_another_are_a_dead_letter_with_its_place() {
        for times in [10, 50_000] {
            let document = [r#"{"kind":"List","items":["#.repeat(times), "]}".repeat(times)].concat();
            let letters = letters(&document);
            assert_eq!(letters.len(), 1);
            let (place, reason) = &letters[0];
            assert!(place.ends_with(&".items[1]".repeat(MOST_LISTS + 1)), "{place}");
            assert!(reason.contains("more than 8 deep"), "{reason}");
        }
    }

    #[test]
    fn lists_in_lists_are_read() {
        let inner = r#"{"kind":"ImageList","items":[{"metadata":{"name":"no digest"}}]}"#;
        let letters = letters(&format!(r#"{{"kind":"List","items":[{inner},{{"kind":""}}]}}"#));
        assert_eq!(letters[0].0, "x.json:1.items[1].items[1]");
        assert!(letters[0].1.starts_with("Image no digest: metadata.name"), "{}", letters[0].1);
        assert_eq!(letters[1].0, "x.json:1.items[2]");
    }

    #[test]
    fn a_document_that_is_no_json_costs_no_other() {
        let bad = |name: &str| format!(r#"{{"kind":"Image","metadata":{{"name":"{name}"}}}}"#);
        let cases = [
            format!("{}\n{{\"kind\": \n{}\n", bad("a"), bad("b")),
            format!("{}\n{{\"kind\": [1, 2\n{}\n", bad("a"), bad("b")),
            format!("{}\n{{\"kind\": \"un\n{}\n", bad("a"), bad("b")),
            format!("{}\n}}\n{}\n", bad("a"), bad("b")),
        ];
        for text in cases {
            let letters = letters(&text);
            let reasons: String = letters.iter().map(|(_, reason)| reason.clone() + "\n").collect();
            assert_eq!(letters.len(), 3, "{text}: {reasons}");
            assert!(reasons.contains("Image a") && reasons.contains("Image b"), "{text}: {reasons}");
            assert!(reasons.contains("not JSON"), "{text}: {reasons}");
        }
        // An array that is cut off is its entries, and one error.
        let cut = format!("[\n{},\n{},\n", bad("a"), bad("b"));
        assert_eq!(letters(&cut).len(), 3, "{:?}", letters(&cut));
        assert_eq!(letters(&"{\"a\":\n".repeat(10_000)).len(), MOST_RETRIES + 1);
    }
}
