//! Lists of OpenShift objects as `oc get … -o json` prints them, whole or one object a file.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Sink, SinkError, unreadable};
use crate::openshift::observations;

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    name: String,
}

/// Reads a document: one object, or a list of objects. Bad objects become dead letters.
pub(super) fn read(path: &Path, document: &[u8], sink: &mut Sink<'_>) -> Result<(), SinkError> {
    let mut objects = Vec::new();
    let mut stream = serde_json::Deserializer::from_slice(document).into_iter::<&RawValue>();
    // Several documents may follow one another.
    for (number, raw) in (1..).zip(&mut stream) {
        match raw {
            Ok(raw) => expand(raw, "", &format!("{number}"), &mut objects),
            Err(error) => {
                let reason = format!("the document is not JSON: {error}; is the file complete?");
                sink(unreadable(path, &error.line().to_string(), reason, Some(document)))?;
                break;
            }
        }
    }
    // Image streams last: their tags may point at manifest lists that stand behind them.
    objects.sort_by_key(|object| object.kind == "ImageStream");
    for object in objects {
        match observations(&object.kind, object.raw.get()) {
            Ok(observations) => observations.into_iter().try_for_each(&mut *sink)?,
            Err(problem) => {
                let reason = format!("{} {}: {problem}", object.kind, object.name);
                sink(unreadable(path, &object.place, reason, Some(object.raw.get().as_bytes())))?;
            }
        }
    }
    Ok(())
}

struct Object<'a> {
    kind: String,
    name: String,
    place: String,
    raw: &'a RawValue,
}

/// The object itself, or the items of a list. Items of a typed list may leave their kind out.
fn expand<'a>(raw: &'a RawValue, list_kind: &str, place: &str, objects: &mut Vec<Object<'a>>) {
    let Header { kind, metadata } = serde_json::from_str(raw.get())
        .unwrap_or(Header { kind: String::new(), metadata: Metadata::default() });
    let kind = if kind.is_empty() { list_kind.to_owned() } else { kind };
    match (kind.strip_suffix("List"), serde_json::from_str::<List<'_>>(raw.get())) {
        (Some(of), Ok(list)) => {
            for (number, item) in (1..).zip(list.items) {
                expand(item, of, &format!("{place}.items[{number}]"), objects);
            }
        }
        _ => objects.push(Object { kind, name: metadata.name, place: place.to_owned(), raw }),
    }
}
