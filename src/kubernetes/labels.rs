//! The labels on Image objects: which stand there, and writing them.

use std::collections::{BTreeMap, HashSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use super::cluster::{Cluster, answer, told};
use super::events::events;
use super::kinds::Image;
use super::raw::{Kind as _, Raw};
use super::watch::wait_for;
use crate::oci::Digest;

/// The keys of labels that tell of classes and of groups begin so.
pub const CLASS_PREFIX: &str = "class.clade.dev/";
/// See [`CLASS_PREFIX`].
pub const GROUP_PREFIX: &str = "group.clade.dev/";
/// The annotation with base versions and evidence.
pub const ANNOTATION: &str = "clade.dev/classification";
/// Who the labels belong to. What other managers own is never touched.
const MANAGER: &str = "clade-label";

/// What clade says on an Image object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ImageLabels {
    /// Labels by key.
    pub labels: BTreeMap<String, String>,
    /// The value of [`ANNOTATION`].
    pub annotation: Option<String>,
}

/// An Image object as it stands on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Its name.
    pub digest: Digest,
    /// Tells it from a later object of this name.
    pub uid: String,
    /// Of two states of one object the higher is the later.
    pub resource_version: u64,
    /// What clade says on it.
    pub labels: ImageLabels,
}

/// What is seen of Image objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// An object is so.
    Image(Labelled),
    /// An object is gone.
    Gone(Digest),
    /// These are all.
    Listed(HashSet<Digest>),
}

/// Why labels could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The object is gone, or is another one of that name now: there is nothing to label.
    #[error("the Image is gone")]
    Gone,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Tells of the labels of all Image objects, until nobody listens.
pub async fn watch_labels(cluster: Cluster, out: mpsc::Sender<Vec<Seen>>) {
    wait_for::<Image>(&cluster).await;
    let api: Api<PartialObjectMeta<Raw<Image>>> = Api::all(cluster.client());
    let mut events = std::pin::pin!(events(api, "labels of Images"));
    let mut listed = HashSet::new();
    while let Some(chunk) = events.next().await {
        let mut seen = Vec::with_capacity(chunk.len());
        for event in chunk {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    let image = labelled(&object.metadata);
                    listed.extend(image.iter().map(|image| image.digest));
                    seen.extend(image.map(Seen::Image));
                }
                Ok(Event::InitDone) => seen.push(Seen::Listed(std::mem::take(&mut listed))),
                Ok(Event::Apply(object)) => seen.extend(labelled(&object.metadata).map(Seen::Image)),
                Ok(Event::Delete(object)) => {
                    seen.extend(labelled(&object.metadata).map(|image| Seen::Gone(image.digest)));
                }
                // It was told, and is tried again.
                Err(_) => {}
            }
        }
        if !seen.is_empty() && out.send(seen).await.is_err() {
            return;
        }
    }
}

/// What stands on an object; none of one whose name is no digest.
fn labelled(metadata: &ObjectMeta) -> Option<Labelled> {
    let labels = metadata.labels.iter().flatten();
    let ours = labels.filter(|(key, _)| key.starts_with(CLASS_PREFIX) || key.starts_with(GROUP_PREFIX));
    Some(Labelled {
        digest: metadata.name.as_ref()?.parse().ok()?,
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.as_ref().and_then(|of| of.parse().ok()).unwrap_or(0),
        labels: ImageLabels {
            labels: ours.map(|(key, value)| (key.clone(), value.clone())).collect(),
            annotation: metadata.annotations.as_ref().and_then(|of| of.get(ANNOTATION)).cloned(),
        },
    })
}

/// Makes these the labels of an object, and takes away what clade said on it before. Returns what stands there then.
pub async fn write_labels(
    cluster: &Cluster,
    digest: &Digest,
    uid: &str,
    labels: &ImageLabels,
) -> Result<Labelled, LabelError> {
    let annotations: BTreeMap<&str, &String> =
        labels.annotation.iter().map(|text| (ANNOTATION, text)).collect();
    // With its uid: a server-side apply would create an object that is gone.
    let object = json!({
        "apiVersion": format!("{}/{}", Image::GROUP, Image::VERSION),
        "kind": Image::KIND,
        "metadata": {"name": digest, "uid": uid, "labels": labels.labels, "annotations": annotations},
    });
    let api: Api<Raw<Image>> = Api::all(cluster.client());
    let (name, params) = (digest.to_string(), PatchParams::apply(MANAGER).force());
    let patch = Patch::Apply(&object);
    match answer(api.patch_metadata(&name, &params, &patch)).await {
        Ok(object) => labelled(&object.metadata).ok_or(LabelError::Gone),
        // A conflict may be another object of that name now, which the watch tells of, or another's write at the same time.
        Err(kube::Error::Api(status)) if status.code == 404 => Err(LabelError::Gone),
        Err(error) => Err(LabelError::Failed(told(&error))),
    }
}
