//! The definitions of the custom resources.

use kube::CustomResourceExt as _;

use super::{ClassPolicy, ImageClass, ImageClassGroup};

/// The definitions of the custom resources, as `clade crd` prints them.
pub fn definitions() -> Result<Vec<serde_json::Value>, serde_json::Error> {
    [ImageClass::crd(), ImageClassGroup::crd(), ClassPolicy::crd()].iter().map(serde_json::to_value).collect()
}
