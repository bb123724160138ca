//! `clade apply` and `clade delete`.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::args::{ApplyArgs, Declared, DeleteArgs};
use super::error::CliError;
use crate::api::{Applied, Client};
use crate::yaml;

pub(super) fn apply(client: &Client, args: &ApplyArgs) -> Result<(), CliError> {
    let mut objects = Vec::new();
    for path in &args.filenames {
        objects.extend(read(path)?);
    }
    let applied: Vec<Applied> = client.post("/v1/apply", &objects)?;
    applied.iter().for_each(tell);
    Ok(())
}

pub(super) fn delete(client: &Client, args: &DeleteArgs) -> Result<(), CliError> {
    let kind = match args.kind {
        Declared::Class => "classes",
        Declared::Group => "groups",
        Declared::Policy => "policies",
    };
    for name in &args.names {
        let deleted: Applied = client.delete(&format!("/v1/{kind}"), &[("name", name)])?;
        tell(&deleted);
    }
    Ok(())
}

fn tell(applied: &Applied) {
    println!("{}.clade.dev/{} {}", applied.kind, applied.name, applied.outcome);
}

/// The documents of a YAML file. JSON is a part of YAML.
pub(super) fn read(path: &Path) -> Result<Vec<Value>, CliError> {
    let cannot = |error: std::io::Error| CliError::Failed(format!("cannot read {}: {error}", path.display()));
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(cannot)?;
        text
    } else {
        std::fs::read_to_string(path).map_err(cannot)?
    };
    parse(&text, path)
}

/// Parses the objects in a text. `path` is for messages.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Value>, CliError> {
    objects(text).map_err(|problem| CliError::Usage(format!("{} {problem}", path.display())))
}

/// Returns the objects in a text, or the error in it: the documents of YAML, and the entries of an array and of a list.
pub fn objects(text: &str) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for (line, document) in yaml::documents(text) {
        let json = yaml::json(document)
            .map_err(|error| format!("is not YAML: the document that begins in line {line}: {error}"))?;
        let value =
            serde_json::from_str(&json).map_err(|error| format!("is not YAML: line {line}: {error}"))?;
        match value {
            Value::Null => {}
            Value::Array(entries) => objects.extend(entries),
            Value::Object(mut list) if is_list(&list) => match list.remove("items") {
                Some(Value::Array(items)) => objects.extend(items),
                _ => return Err(format!("has a list without items in line {line}")),
            },
            other => objects.push(other),
        }
    }
    if objects.is_empty() {
        return Err("has no object in it".to_owned());
    }
    Ok(objects)
}

/// Returns `true` for a list as `kubectl get -o yaml` prints it.
fn is_list(object: &Map<String, Value>) -> bool {
    object.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn documents_arrays_and_lists_are_their_objects() {
        for (text, expected) in [
            ("a: 1\n---\n# nothing\n---\nb: 2\n", 2),
            (r#"[{"a": 1}, {"b": 2}, {"c": 3}]"#, 3),
            ("kind: List\nitems:\n- a: 1\n- b: 2\n", 2),
            (r#"{"a": 1}"#, 1),
        ] {
            assert_eq!(objects(text).unwrap().len(), expected, "{text}");
        }
        assert_eq!(objects("---\n").unwrap_err(), "has no object in it");
        assert_eq!(objects("kind: List\n").unwrap_err(), "has a list without items in line 1");
        assert!(objects("a: 1\n---\na: [\n").unwrap_err().contains("the document that begins in line 2"));
    }

    #[test]
    fn documents_may_be_thousands() {
        assert_eq!(objects(&"---\na: 1\n".repeat(5_000)).unwrap().len(), 5_000);
    }
}
