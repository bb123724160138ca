//! Watches the labels on Image objects, and writes them.

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

/// The prefix of label keys about classes.
pub const CLASS_PREFIX: &str = "class.clade.dev/";
/// The prefix of label keys about groups.
pub const GROUP_PREFIX: &str = "group.clade.dev/";
/// The annotation with base versions and evidence.
pub const ANNOTATION: &str = "clade.dev/classification";
/// The field manager of the labels. Fields of other managers are never touched.
const MANAGER: &str = "clade-label";

/// The labels and the annotation that clade writes on an Image object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ImageLabels {
    /// Labels by key.
    pub labels: BTreeMap<String, String>,
    /// The value of [`ANNOTATION`].
    pub annotation: Option<String>,
}

/// An Image object as it is on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The digest, which is its name.
    pub digest: Digest,
    /// Distinguishes the object from a later one of the same name.
    pub uid: String,
    /// The resource version. Of two states of one object, the higher is the later.
    pub resource_version: u64,
    /// The labels that clade has written.
    pub labels: ImageLabels,
}

/// An observation of Image objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The present state of an object.
    Image(Labelled),
    /// An object was deleted.
    Gone(Digest),
    /// The digests of all objects.
    Listed(HashSet<Digest>),
}

/// An error of writing labels.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The object is gone, or was replaced by another of the same name: there is nothing to label.
    #[error("the Image is gone")]
    Gone,
    /// Any other error.
    #[error("{0}")]
    Failed(String),
}

/// Sends the labels of all Image objects, until the receiver is gone.
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
                // The failure was logged, and the watch is retried.
                Err(_) => {}
            }
        }
        if !seen.is_empty() && out.send(seen).await.is_err() {
            return;
        }
    }
}

/// The labels of an object. Returns `None` if its name is no digest.
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

/// Sets these labels on an object, and removes other labels of clade. Returns the object after that.
pub async fn write_labels(
    cluster: &Cluster,
    digest: &Digest,
    uid: &str,
    labels: &ImageLabels,
) -> Result<Labelled, LabelError> {
    let annotations: BTreeMap<&str, &String> =
        labels.annotation.iter().map(|text| (ANNOTATION, text)).collect();
    // The uid is included: a server-side apply would otherwise create an object that is gone.
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
        // A conflict may mean that another object has that name now, which the watch reports, or a concurrent write.
        Err(kube::Error::Api(status)) if status.code == 404 => Err(LabelError::Gone),
        Err(error) => Err(LabelError::Failed(told(&error))),
    }
}
