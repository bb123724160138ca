//! Computes labels from a classification. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kubernetes::{CLASS_PREFIX, GROUP_PREFIX, ObjectLabels};
use crate::oci::Digest;
use crate::query::Standing;
use crate::record::{ClassificationRecord, State};

/// The facts about one class in the annotation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proof<'a> {
    state: State,
    /// The base version of the image.
    base_version: &'a Digest,
    /// The number of its layers that belong to that base.
    layers: u32,
    evidence: &'static str,
}

/// Returns the label `class.clade.dev/CLASS: current|outdated` for each class, `group.clade.dev/GROUP: CLASS` for each
/// group with its nearest class, and the annotation with the base versions.
pub(super) fn labels_of(record: &ClassificationRecord) -> ObjectLabels {
    let classes = record.classes.iter().map(|class| (class.name.as_str(), class.state));
    let groups =
        record.groups.iter().filter_map(|(group, classes)| Some((group.as_str(), classes.first()?.as_str())));
    let labels = labels(classes, groups);
    let proofs: BTreeMap<&str, Proof<'_>> = record
        .classes
        .iter()
        .map(|class| {
            let proof = Proof {
                state: class.state,
                base_version: &class.version,
                layers: class.depth,
                evidence: "layers",
            };
            (class.name.as_str(), proof)
        })
        .collect();
    ObjectLabels {
        labels,
        // Texts and numbers can always be encoded as JSON.
        annotation: serde_json::to_string(&proofs).ok(),
    }
}

/// Returns the same labels for a workload, and no annotation: one on a Deployment counts as a change of the Deployment (its generation
/// rises), and its controller copies it to every ReplicaSet.
pub(super) fn labels_of_workload(standing: &Standing) -> ObjectLabels {
    let classes = standing.classes.iter().map(|(class, state)| (class.as_str(), *state));
    let groups = standing.groups.iter().map(|(group, class)| (group.as_str(), class.as_str()));
    ObjectLabels { labels: labels(classes, groups), annotation: None }
}

fn labels<'a>(
    classes: impl Iterator<Item = (&'a str, State)>,
    groups: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    let classes = classes.map(|(class, state)| (format!("{CLASS_PREFIX}{class}"), state.to_string()));
    let groups = groups.map(|(group, nearest)| (format!("{GROUP_PREFIX}{group}"), nearest.to_owned()));
    classes.chain(groups).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_state_in_each_class_and_the_nearest_class_of_each_group() {
        let digest = Digest::of(b"app");
        let record: ClassificationRecord = serde_json::from_value(serde_json::json!({
            "digest": digest, "sequence": 1, "platform": {"os": "linux", "architecture": "amd64"},
            "classes": [
                {"name": "php", "generation": 1, "state": "current", "version": digest, "depth": 5, "nearest": true},
                {"name": "rhel7", "generation": 2, "state": "outdated", "version": digest, "depth": 3, "nearest": false},
            ],
            "groups": {"os": ["rhel7"], "all": ["php", "rhel7"]},
        }))
        .unwrap();
        let ObjectLabels { labels, annotation } = labels_of(&record);
        let labels: Vec<(&str, &str)> =
            labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            labels,
            [
                ("class.clade.dev/php", "current"),
                ("class.clade.dev/rhel7", "outdated"),
                ("group.clade.dev/all", "php"),
                ("group.clade.dev/os", "rhel7"),
            ]
        );
        assert_eq!(
            annotation.unwrap(),
            format!(
                r#"{{"php":{{"state":"current","baseVersion":"{digest}","layers":5,"evidence":"layers"}},"rhel7":{{"state":"outdated","baseVersion":"{digest}","layers":3,"evidence":"layers"}}}}"#
            )
        );
    }
}
