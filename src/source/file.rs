//! Reads one file: plain or gzip, JSON lines or JSON objects.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::content::Content;
use super::{Sink, SourceError, history, kubernetes, text, unreadable};

/// Bytes of a line and of a document, at most. A longer one is no record of an image.
const MAX_LINE: u64 = 64 << 20;
const MAX_DOCUMENT: u64 = 2 << 30;
/// Bytes at the beginning of a file that show its content.
const SNIFFED: u64 = 64 << 10;

/// The kind of an image object, as `oc` and as compact JSON print it.
const IMAGE_KIND: [&str; 2] = ["\"kind\": \"Image\"", "\"kind\":\"Image\""];

/// Words that show the JSON of other tools.
const OTHERS: [(&str, &str); 8] = [
    (
        "\"RepoTags\"",
        "what `docker inspect` or `skopeo inspect` print, or the manifest of a `docker save` archive",
    ),
    ("\"RepoDigests\"", "what `docker inspect` prints"),
    ("\"schemaVersion\"", "a manifest without its config and its repository"),
    ("\"diff_ids\"", "the config of an image without its manifest and its repository"),
    ("\"spdxVersion\"", "a bill of materials (SPDX)"),
    ("\"bomFormat\"", "a bill of materials (CycloneDX)"),
    ("\"artifacts\"", "a bill of materials (syft)"),
    ("\"predicateType\"", "an attestation (in-toto)"),
];

/// The kind of a file.
pub(super) enum Found {
    Read(Content),
    /// Something that clade does not read, and its description if it is known.
    Other(Option<&'static str>),
}

/// Finds out the kind of a file by its beginning.
pub(super) fn sniff(path: &Path) -> Result<Found, SourceError> {
    let cannot = |error| SourceError::Unreadable { path: path.to_owned(), error };
    let mut beginning = Vec::new();
    // If the file is cut off right here, `read` reports that. Its beginning may be enough here.
    let read = open(path, Box::new(|_| {})).map(|file| file.take(SNIFFED).read_to_end(&mut beginning));
    if let Err(error) = read.and_then(|read| read)
        && beginning.is_empty()
    {
        return if is_gzip(path) { Ok(Found::Read(Content::Objects)) } else { Err(cannot(error)) };
    }
    let text = String::from_utf8_lossy(&beginning);
    let text = text.trim_start();
    let other = || {
        let is_json = text.starts_with(['{', '[']);
        Found::Other(OTHERS.iter().find(|(word, _)| is_json && text.contains(word)).map(|(_, what)| *what))
    };
    if !text.starts_with('{') {
        return Ok(other());
    }
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let content = match history::kind_of_line(first) {
        Some(content) => Some(content),
        // The first line may be broken, so another line of the beginning may show the content.
        None if IMAGE_KIND.iter().any(|kind| text.contains(kind)) => Some(Content::ImageObjects),
        None if text.contains("\"kind\"") => Some(Content::Objects),
        None => text.lines().find_map(history::kind_of_line),
    };
    // Or the line is longer than the beginning. A file with many lines, none of which is a record, is one document of
    // another kind.
    let is_one_line = beginning.len() as u64 == SNIFFED && text.lines().nth(1).is_none();
    let content = content.or_else(|| history::kind_of_beginning(text).filter(|_| is_one_line));
    Ok(content.map_or_else(other, Found::Read))
}

/// Reads the file. Bad lines and objects become dead letters.
pub(super) fn read(path: &Path, advance: &dyn Fn(u64), sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let cannot = |error| SourceError::Unreadable { path: path.to_owned(), error };
    let reader = open(path, Box::new(advance)).map_err(cannot)?;
    match sniff(path)? {
        Found::Read(Content::Objects | Content::ImageObjects) => objects(path, reader, sink),
        _ => lines(path, reader, sink),
    }
}

fn objects(path: &Path, reader: impl Read, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let mut document = Vec::new();
    if let Err(error) = reader.take(MAX_DOCUMENT).read_to_end(&mut document) {
        sink(unreadable(path, "1", cut_off(&error), Some(&document)))?;
        return Ok(());
    }
    kubernetes::read(path, &document, sink)?;
    Ok(())
}

fn lines(path: &Path, mut reader: impl BufRead, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let place = number.to_string();
        match read {
            Ok(0) => break,
            Ok(_) if line.len() as u64 == MAX_LINE => {
                let reason =
                    format!("the line is longer than {MAX_LINE} bytes; the rest of the file is left out");
                sink(unreadable(path, &place, reason, Some(&line)))?;
                break;
            }
            Ok(_) => {
                let text = line.trim_ascii();
                if text.is_empty() {
                    continue;
                }
                match history::read(text) {
                    Ok(observation) => sink(observation)?,
                    Err(problem) => sink(unreadable(path, &place, problem, Some(text)))?,
                }
            }
            Err(error) => {
                sink(unreadable(path, &place, cut_off(&error), Some(&line)))?;
                break;
            }
        }
    }
    Ok(())
}

fn cut_off(error: &std::io::Error) -> String {
    format!(
        "the file cannot be read on from here ({error}): it is cut off or damaged; get it again and import it again"
    )
}

fn is_gzip(path: &Path) -> bool {
    let mut magic = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == [0x1f, 0x8b]
}

fn open<'a>(path: &Path, advance: Box<dyn Fn(u64) + 'a>) -> std::io::Result<Box<dyn BufRead + 'a>> {
    let counted = Counted { file: File::open(path)?, advance };
    if is_gzip(path) {
        text::utf8(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(BufReader::new(counted))))
    } else {
        text::utf8(BufReader::with_capacity(1 << 16, counted))
    }
}

/// Reports how many bytes of a file on disk were read.
struct Counted<'a> {
    file: File,
    advance: Box<dyn Fn(u64) + 'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.advance)(read as u64);
        Ok(read)
    }
}
