//! Finds out the kind of a file by its beginning.

use std::io::{Cursor, Read};
use std::path::Path;

use super::content::Content;
use super::{SourceError, describe, history, image_info, repo_info, tar, text, unpack};

/// Bytes at the beginning of a file that show its content.
const SNIFFED: u64 = 64 << 10;

/// The kind of an image object, as `oc` and as compact JSON print it.
const IMAGE_KIND: [&str; 2] = ["\"kind\": \"Image\"", "\"kind\":\"Image\""];
/// The kinds that `clade apply` takes.
const DECLARATIONS: [&str; 2] = ["ImageClass", "ImageClassGroup"];
/// Fields of documents: of long lists, of `docker inspect`, of configs, of manifests and of `skopeo inspect`.
const FIELDS: [&str; 7] =
    ["apiVersion", "RootFS", "RepoTags", "diff_ids", "schemaVersion", "LayersData", "mediaType"];

/// The kind of a file.
pub(super) enum Found {
    /// clade reads it.
    Read(Content),
    /// clade does not read it; its description.
    Other(String),
}

/// Finds out the kind of a file by its beginning.
pub(super) fn sniff(path: &Path) -> Result<Found, SourceError> {
    let cannot = |error| SourceError::Unreadable { path: path.to_owned(), error };
    let mut beginning = Vec::new();
    // If the file is cut off right here, `read` reports that. Its beginning may be enough here.
    let read =
        unpack::open(path, unpack::TEXT, |_| {}).map(|file| file.take(SNIFFED).read_to_end(&mut beginning));
    if let Err(error) = read.and_then(|read| read)
        && beginning.is_empty()
    {
        let is_packed = unpack::packing_of(path).is_ok_and(|packing| packing.is_some());
        return if is_packed { Ok(Found::Read(Content::Objects)) } else { Err(cannot(error)) };
    }
    if tar::is_tar(&beginning) {
        return Ok(Found::Read(Content::Archive));
    }
    let is_whole = (beginning.len() as u64) < SNIFFED;
    let mut utf8 = Vec::new();
    text::utf8(Cursor::new(&beginning)).and_then(|mut text| text.read_to_end(&mut utf8)).map_err(cannot)?;
    if let Some(what) = describe::binary(&utf8) {
        return Ok(Found::Other(what.to_owned()));
    }
    let text = String::from_utf8_lossy(&utf8);
    Ok(kind(text.trim_start(), is_whole))
}

fn kind(text: &str, is_whole: bool) -> Found {
    let found = if repo_info::is_page(text) || image_info::is_file(text) {
        Some(Content::Histories)
    } else if text.starts_with('{') {
        object(text, is_whole)
    } else if text.starts_with('[') {
        document(text)
    } else {
        return yaml(text);
    };
    let other = || Found::Other(describe::beginning(text));
    match declared(text, "\"kind\"") {
        Some(kind) if found != Some(Content::ImageObjects) => Found::Other(declaration(kind)),
        _ => found.map_or_else(other, Found::Read),
    }
}

/// Returns the kind of a file that begins with a JSON object.
fn object(text: &str, is_whole: bool) -> Option<Content> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    history::kind_of_line(first)
        // The first line may be broken, so another line of the beginning may show the content.
        .or_else(|| document(text))
        .or_else(|| text.lines().find_map(history::kind_of_line))
        // Or the line is longer than the beginning. A file with many lines, none of which is a record, is one document of
        // another kind.
        .or_else(|| {
            let is_one_line = !is_whole && text.lines().nth(1).is_none();
            history::kind_of_beginning(text).filter(|_| is_one_line)
        })
}

/// Returns the kind of JSON documents by words in their beginning.
fn document(text: &str) -> Option<Content> {
    let has = |name: &str| text.contains(&format!("\"{name}\""));
    let is_document = || describe::known(text).is_none() && FIELDS.iter().any(|name| has(name));
    if IMAGE_KIND.iter().any(|kind| text.contains(kind)) {
        Some(Content::ImageObjects)
    } else {
        (has("kind") || is_document()).then_some(Content::Objects)
    }
}

/// Returns the kind of a text that is no JSON.
fn yaml(text: &str) -> Found {
    let field = |line: &str, name: &str| {
        let line = line.trim_start_matches(['-', ' ']);
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
    };
    let has = |name: &str| text.lines().any(|line| field(line, name));
    let is_template = text.contains("{{");
    if let Some(kind) = declared(text, "kind:") {
        Found::Other(declaration(kind))
    } else if has("kind") && !is_template {
        let is_image = text.lines().any(|line| field(line, "kind") && line.trim_end().ends_with(": Image"));
        Found::Read(if is_image { Content::ImageObjects } else { Content::Objects })
    } else if FIELDS.iter().any(|name| has(name)) && !describe::is_chart(text) && !is_template {
        Found::Read(Content::Objects)
    } else {
        Found::Other(describe::text(text).to_owned())
    }
}

/// Returns the kind of the first object that states one, if it is a declaration. Lists state theirs at their end.
fn declared(text: &str, field: &str) -> Option<&'static str> {
    let (_, rest) = text.split_once(field)?;
    let kind: String =
        rest.chars().skip_while(|c| !c.is_alphanumeric()).take_while(|c| c.is_alphanumeric()).collect();
    DECLARATIONS.into_iter().find(|declared| *declared == kind)
}

fn declaration(kind: &str) -> String {
    format!("a declaration of an {kind}: use `clade apply -f`")
}
