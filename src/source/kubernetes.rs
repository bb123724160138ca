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
            Ok(raw) => expand(raw, &format!("{number}"), &mut objects),
            Err(error) => {
                let reason = format!("the document is not JSON: {error}; is the file complete?");
                sink(unreadable(path, &error.line().to_string(), reason, Some(document)))?;
                break;
            }
        }
    }
    // Image streams come last: their tags may point at manifest lists that stand behind them.
    objects.sort_by_key(|object| object.kind == "ImageStream");
    for object in objects {
        let seen = if object.lists > MOST_LISTS && object.kind.ends_with("List") {
            Err(format!("lists lie in one another more than {MOST_LISTS} deep"))
        } else {
            observations(&object.kind, object.raw.get())
        };
        match seen {
            Ok(observations) => observations.into_iter().try_for_each(&mut *sink)?,
            Err(problem) => {
                let reason = format!("{} {}: {problem}", object.kind, object.name);
                sink(unreadable(path, &object.place, reason, Some(object.raw.get().as_bytes())))?;
            }
        }
    }
    Ok(())
}

/// Levels of lists in one another, at most. More is a mistake or an attack.
const MOST_LISTS: usize = 8;

struct Object<'a> {
    kind: String,
    name: String,
    place: String,
    raw: &'a RawValue,
    /// The number of lists that the object is in.
    lists: usize,
}

/// Collects the object itself, or the items of a list, which may be lists as well. Items of a typed list may leave
/// their kind out.
fn expand<'a>(raw: &'a RawValue, place: &str, objects: &mut Vec<Object<'a>>) {
    // The objects to expand, the next one last. Each has the kind that its list states.
    let mut rest =
        vec![Object { kind: String::new(), name: String::new(), place: place.to_owned(), raw, lists: 0 }];
    while let Some(object) = rest.pop() {
        let raw = object.raw;
        let Header { kind, metadata } = serde_json::from_str(raw.get())
            .unwrap_or(Header { kind: String::new(), metadata: Metadata::default() });
        let object = Object { kind: if kind.is_empty() { object.kind } else { kind }, ..object };
        let of = object.kind.strip_suffix("List").filter(|_| object.lists <= MOST_LISTS);
        match (of, serde_json::from_str::<List<'_>>(raw.get())) {
            (Some(of), Ok(list)) => {
                let item = |(number, raw): (usize, &'a RawValue)| Object {
                    kind: of.to_owned(),
                    name: String::new(),
                    place: format!("{}.items[{}]", object.place, number + 1),
                    raw,
                    lists: object.lists + 1,
                };
                rest.extend(list.items.into_iter().enumerate().map(item).rev());
            }
            _ => objects.push(Object { name: metadata.name, ..object }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the places of dead letters, and their reasons.
    fn letters(document: &str) -> Vec<(String, String)> {
        let mut letters = Vec::new();
        read(Path::new("x.json"), document.as_bytes(), &mut |seen| {
            if let crate::observe::Observation::Unreadable(letter) = seen {
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
}
