//! `clade apply` and `clade delete`.

use std::io::Read as _;
use std::path::Path;

use super::args::{ApplyArgs, Declared, DeleteArgs};
use super::error::CliError;
use crate::api::{Applied, Client};

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
fn read(path: &Path) -> Result<Vec<serde_json::Value>, CliError> {
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
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<serde_json::Value>, CliError> {
    objects(text).map_err(|problem| CliError::Usage(format!("{} {problem}", path.display())))
}

/// The objects in a text, or what is wrong with it.
pub fn objects(text: &str) -> Result<Vec<serde_json::Value>, String> {
    let documents: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(text).map_err(|error| format!("is not YAML: {error}"))?;
    let documents: Vec<_> = documents.into_iter().filter(|document| !document.is_null()).collect();
    if documents.is_empty() {
        return Err("has no object in it".to_owned());
    }
    Ok(documents)
}
