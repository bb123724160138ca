//! Reads one file: an archive, JSON lines, or documents in JSON or YAML.

use std::borrow::Cow;
use std::io::{BufRead, Read};
use std::path::Path;

use super::content::Content;
use super::loose::Loose;
use super::sniff::{Found, sniff};
use super::unpack::{self, cut_off, open_text};
use super::{
    Sink, SinkError, SourceError, archive, history, image_info, json, repo_info, unreadable, written,
};
use crate::yaml;

/// Bytes of a line and of the documents of a file, at most. A longer line is no record of an image.
const MAX_LINE: u64 = 64 << 20;
const MAX_DOCUMENT: u64 = 2 << 30;

/// Reads the file. Bad lines and objects become dead letters. Manifests and configs go into `waiting`.
pub(super) fn read(
    path: &Path,
    advance: &dyn Fn(u64),
    waiting: &mut Loose<'static>,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    let cannot = |error| SourceError::Unreadable { path: path.to_owned(), error };
    match sniff(path)? {
        Found::Read(Content::Archive) => archive::read(path, advance, sink),
        Found::Read(Content::Histories) => {
            history_page(path, open_text(path, advance).map_err(cannot)?, sink)
        }
        Found::Read(Content::Objects | Content::ImageObjects) => {
            let packing = unpack::packing_of(path).map_err(cannot)?;
            match open_text(path, advance) {
                Ok(reader) => objects(path, reader, waiting, sink),
                // A compressed file may be broken from the first byte on.
                Err(error) if packing.is_some() => Ok(sink(unreadable(path, "1", cut_off(&error), None))?),
                Err(error) => Err(cannot(error)),
            }
        }
        _ => {
            // Tags come after all images, and versions of classes after all else.
            waiting.tell(sink)?;
            lines(path, open_text(path, advance).map_err(cannot)?, sink)
        }
    }
}

fn objects(
    path: &Path,
    reader: impl Read,
    waiting: &mut Loose<'static>,
    sink: &mut Sink<'_>,
) -> Result<(), SourceError> {
    match whole(reader) {
        Err((problem, document)) => sink(unreadable(path, "1", problem, Some(&document)))?,
        Ok(document) => documents(path, &document, waiting, sink)?,
    }
    Ok(())
}

/// Reads a page of a history that stands alone. Its tags pointed there when the file was written.
fn history_page(path: &Path, reader: impl Read, sink: &mut Sink<'_>) -> Result<(), SourceError> {
    let text = match whole(reader) {
        Err((problem, text)) => return Ok(sink(unreadable(path, "1", problem, Some(&text)))?),
        Ok(text) => text,
    };
    let page = String::from_utf8_lossy(&text);
    let seen = written(path);
    let found = if repo_info::is_page(page.trim_start()) {
        repo_info::read(&page, seen)
    } else {
        image_info::read(&text, seen)
    };
    for observation in found {
        match observation {
            Ok(observation) => sink(observation)?,
            Err(problem) => sink(unreadable(path, "1", problem, None))?,
        }
    }
    Ok(())
}

/// Reads a document as a whole. The error has what was read.
fn whole(reader: impl Read) -> Result<Vec<u8>, (String, Vec<u8>)> {
    let mut document = Vec::new();
    match reader.take(MAX_DOCUMENT + 1).read_to_end(&mut document) {
        Err(error) => Err((cut_off(&error), document)),
        Ok(_) if document.len() as u64 > MAX_DOCUMENT => {
            Err((format!("the file has more than {MAX_DOCUMENT} bytes of documents: split it"), document))
        }
        Ok(_) => Ok(document),
    }
}

/// Reads documents in JSON or YAML, which lines with `---` may separate in both.
pub(super) fn documents(
    path: &Path,
    text: &[u8],
    waiting: &mut Loose<'static>,
    sink: &mut Sink<'_>,
) -> Result<(), SinkError> {
    let since = written(path);
    // A document that is the whole file, byte for byte, has the digest of the file.
    let mut is_as_written = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == text.len() as u64);
    let text = String::from_utf8_lossy(text);
    is_as_written &= matches!(text, Cow::Borrowed(_));
    for (line, document) in yaml::documents(&text) {
        let unmarked = document.strip_prefix("---").unwrap_or(document);
        if unmarked.trim_start().starts_with(['{', '[']) {
            is_as_written &= document.len() == text.len();
            json::read(path, unmarked.as_bytes(), line, since, is_as_written, &mut *waiting, &mut *sink)?;
            continue;
        }
        match yaml::json(document) {
            Ok(json) if json == "null" => {}
            Ok(json) => json::read(path, json.as_bytes(), line, since, false, &mut *waiting, &mut *sink)?,
            Err(problem) => {
                let reason = format!("the document that begins here is not YAML: {problem}");
                sink(unreadable(path, &line.to_string(), reason, Some(document.as_bytes())))?;
            }
        }
    }
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
