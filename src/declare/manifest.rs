//! Manifests of classes, groups and policies, in the form of the custom resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{API_VERSION, ClassFields, ClassSpec, GroupSpec, Invalid, PolicySpec};
use crate::record::catalog::Selector;
use crate::record::strict;

/// A declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// A class.
    Class(ClassSpec),
    /// A group.
    Group(GroupSpec),
    /// A policy.
    Policy(PolicySpec),
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It has another version.
    #[error("apiVersion is {0:?}; this version of clade takes {API_VERSION:?}")]
    Version(String),
    /// It has another kind.
    #[error("kind is {0:?}; ImageClass, ImageClassGroup and ClassPolicy can be declared")]
    Kind(String),
    /// Lists lie in lists in lists.
    #[error("{0}: lists lie in one another more than {MOST_LISTS} deep; write their items into one list")]
    Nested(String),
    /// Its fields are not those of its kind.
    #[error("{kind} {name:?}: {problem}")]
    Fields {
        /// The kind.
        kind: String,
        /// Its name, where it has one.
        name: String,
        /// The mistake.
        problem: String,
    },
}

/// Lists may lie in one another this deep. More is a mistake or an attack.
const MOST_LISTS: usize = 8;

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
            Self::Policy(policy) => policy.check(),
        }
    }

    /// The manifests in an object: itself, or the items of a `List`, which may be lists as well.
    pub fn read(value: serde_json::Value) -> Result<Vec<Self>, ManifestError> {
        let mut found = Vec::new();
        // The objects to read, the next one last: each with its place and the number of lists that it is in.
        let mut rest = vec![(value, String::new(), 0)];
        while let Some((value, place, lists)) = rest.pop() {
            let object: Object = serde_json::from_value(value).map_err(|error| ManifestError::Fields {
                kind: "object".to_owned(),
                name: place.clone(),
                problem: error.to_string(),
            })?;
            if object.kind != "List" {
                found.push(Self::one(object)?);
                continue;
            }
            if lists == MOST_LISTS {
                return Err(ManifestError::Nested(place));
            }
            let dot = if place.is_empty() { "" } else { "." };
            let items = object.items.into_iter().enumerate();
            let items = items.map(|(at, item)| (item, format!("{place}{dot}items[{at}]"), lists + 1));
            rest.extend(items.rev());
        }
        Ok(found)
    }

    fn one(object: Object) -> Result<Self, ManifestError> {
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
                let ClassFields { from, versions, rebuild } =
                    strict::from_value(object.spec).map_err(fields)?;
                Ok(Self::Class(ClassSpec { name, labels: object.metadata.labels, from, versions, rebuild }))
            }
            "ImageClassGroup" => {
                let SelectorSpec { selector } = strict::from_value(object.spec).map_err(fields)?;
                let selector = read_selector(selector).map_err(fields)?;
                Ok(Self::Group(GroupSpec { name, selector }))
            }
            "ClassPolicy" => {
                let policy = strict::from_value(object.spec).map_err(fields)?;
                Ok(Self::Policy(PolicySpec { name, policy }))
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
        strict::from_value(value)
    } else {
        Ok(Selector { match_labels: serde_json::from_value(value)?, match_expressions: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn nested(times: usize) -> Value {
        let group = json!({"apiVersion": API_VERSION, "kind": "ImageClassGroup", "metadata": {"name": "os"},
            "spec": {"selector": {"os": "rhel7"}}});
        (0..times).fold(group, |inner, _| json!({"kind": "List", "items": [inner]}))
    }

    #[test]
    fn lists_in_lists_are_read_in_their_order() {
        let group = |name: &str| {
            json!({"apiVersion": API_VERSION, "kind": "ImageClassGroup", "metadata": {"name": name},
                "spec": {"selector": {}}})
        };
        let list = |items: Value| json!({"kind": "List", "items": items});
        let all = list(json!([group("a"), list(json!([group("b"), group("c")])), group("d")]));
        let names: Vec<String> = Manifest::read(all)
            .unwrap()
            .into_iter()
            .map(|read| match read {
                Manifest::Group(group) => group.name,
                Manifest::Class(class) => class.name,
                Manifest::Policy(policy) => policy.name,
            })
            .collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }

    /// It was read by recursion, and ended the process.
    #[test]
    fn lists_too_deep_in_one_another_are_refused_with_their_place() {
        assert_eq!(Manifest::read(nested(MOST_LISTS)).unwrap().len(), 1);
        let refused = Manifest::read(nested(MOST_LISTS + 1)).unwrap_err().to_string();
        assert!(refused.starts_with("items[0].items[0].") && refused.contains("8 deep"), "{refused}");
        assert!(Manifest::read(nested(60)).is_err());
    }
}
