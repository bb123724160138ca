//! Converts OpenShift's objects, as its API server and `oc get … -o json` return them, to observations.

mod build_config;
mod image;
mod image_stream;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::observe::Observation;
use crate::oci::lenient;
use crate::record::BuildConfigRecord;

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default, deserialize_with = "lenient::or_null")]
    name: String,
    #[serde(default, deserialize_with = "lenient::or_null")]
    namespace: String,
    #[serde(default, deserialize_with = "lenient::texts")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "lenient::texts")]
    annotations: BTreeMap<String, String>,
}

/// Returns the observations from an object of this kind, or the error in it.
pub fn observations(kind: &str, json: &str) -> Result<Vec<Observation>, String> {
    let malformed = |error: serde_json::Error| error.to_string();
    match kind {
        "Image" => image::observations(serde_json::from_str(json).map_err(malformed)?),
        "ImageStream" => Ok(image_stream::observations(serde_json::from_str(json).map_err(malformed)?)),
        "BuildConfig" => Ok(vec![Observation::BuildConfig(Box::new(build_config(json)?))]),
        "ImageClass" | "ImageClassGroup" => Err("is declared with `clade apply -f`, not imported".to_owned()),
        "" => Err("the object has no kind".to_owned()),
        _ => Ok(vec![Observation::NotAnImage("object of another kind")]),
    }
}

/// Returns the record of a BuildConfig, or the error in it.
pub fn build_config(json: &str) -> Result<BuildConfigRecord, String> {
    let read: build_config::BuildConfig = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(read.record())
}
