//! Manifests of classes and groups, in the form of the custom resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{API_VERSION, ClassFields, ClassSpec, GroupSpec, Invalid};
use crate::record::catalog::Selector;

/// What can be declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// A class.
    Class(ClassSpec),
    /// A group.
    Group(GroupSpec),
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It has another version.
    #[error("apiVersion is {0:?}; this version of clade takes {API_VERSION:?}")]
    Version(String),
    /// It has another kind.
    #[error("kind is {0:?}; ImageClass and ImageClassGroup can be declared")]
    Kind(String),
    /// Its fields are not those of its kind.
    #[error("{kind} {name:?}: {problem}")]
    Fields {
        /// The kind.
        kind: String,
        /// Its name, where it has one.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: serde_json::Value,
    #[serde(default)]
    items: Vec<serde_json::Value>,
}

#[derive(Serialize, Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectorSpec {
    selector: serde_json::Value,
}

impl Manifest {
    /// Checks what the manifest declares.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Class(class) => class.check(),
            Self::Group(group) => group.check(),
        }
    }

    /// The manifests in an object: itself, or the items of a `List`.
    pub fn read(value: serde_json::Value) -> Result<Vec<Self>, ManifestError> {
        let object: Object = serde_json::from_value(value).map_err(|error| ManifestError::Fields {
            kind: "object".to_owned(),
            name: String::new(),
            problem: error.to_string(),
        })?;
        if object.kind == "List" {
            return object
                .items
                .into_iter()
                .map(Self::read)
                .collect::<Result<Vec<_>, _>>()
                .map(|all| all.concat());
        }
        if object.api_version != API_VERSION {
            return Err(ManifestError::Version(object.api_version));
        }
        let name = object.metadata.name;
        let fields = |error: serde_json::Error| ManifestError::Fields {
            kind: object.kind.clone(),
            name: name.clone(),
            problem: format!("spec: {error}"),
        };
        match object.kind.as_str() {
            "ImageClass" => {
                let ClassFields { from, rebuild } = serde_json::from_value(object.spec).map_err(fields)?;
                Ok(vec![Self::Class(ClassSpec { name, labels: object.metadata.labels, from, rebuild })])
            }
            "ImageClassGroup" => {
                let SelectorSpec { selector } = serde_json::from_value(object.spec).map_err(fields)?;
                let selector = read_selector(selector).map_err(fields)?;
                Ok(vec![Self::Group(GroupSpec { name, selector })])
            }
            _ => Err(ManifestError::Kind(object.kind)),
        }
    }
}

/// A selector is a LabelSelector, or plainly a map of labels as the proposal has it.
fn read_selector(value: serde_json::Value) -> Result<Selector, serde_json::Error> {
    let is_label_selector = value.as_object().is_some_and(|map| {
        map.is_empty() || map.contains_key("matchLabels") || map.contains_key("matchExpressions")
    });
    if is_label_selector {
        serde_json::from_value(value)
    } else {
        Ok(Selector { match_labels: serde_json::from_value(value)?, match_expressions: Vec::new() })
    }
}
