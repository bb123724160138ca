//! Watches clade's labels on objects, and writes them.

use std::collections::{BTreeMap, HashSet};
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::pin::Pin;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;

use super::cluster::{Cluster, answer, told};
use super::events::events;
use super::kinds::Image;
use super::raw::{Kind, Raw};
use super::watch::wait_for;
use crate::oci::Digest;

/// The prefix of label keys about classes.
pub const CLASS_PREFIX: &str = "class.clade.dev/";
/// The prefix of label keys about groups.
pub const GROUP_PREFIX: &str = "group.clade.dev/";
/// The annotation with base versions and evidence.
pub const ANNOTATION: &str = "clade.dev/classification";
/// The field manager of the labels. clade takes the keys of its own prefixes over from other managers, and touches no other keys.
const MANAGER: &str = "clade-label";

/// A write of labels that is under way.
pub type Writing<'a, T> = Pin<Box<dyn Future<Output = Result<Labelled<T>, LabelError>> + Send + 'a>>;

/// The identity of an object that carries labels.
pub trait Target: Clone + Debug + Display + Eq + Ord + Hash + Send + Sync + 'static {
    /// The kind of the object, where several are labelled. Objects of one kind are listed together.
    type Of: Copy + Debug + Eq + Send;

    /// The kind of this object.
    fn of(&self) -> Self::Of;

    /// Sets these labels on the object with this uid, and removes other labels of clade. Returns the object after that.
    fn write<'a>(&'a self, cluster: &'a Cluster, uid: &'a str, labels: &'a ObjectLabels)
    -> Writing<'a, Self>;
}

/// The labels and the annotation that clade writes on an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ObjectLabels {
    /// Labels by key.
    pub labels: BTreeMap<String, String>,
    /// The value of [`ANNOTATION`].
    pub annotation: Option<String>,
}

/// An object as it is on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled<T> {
    /// The object.
    pub target: T,
    /// Distinguishes the object from a later one of the same name.
    pub uid: String,
    /// The resource version. Of two states of one object, the higher is the later.
    pub resource_version: u64,
    /// The labels that clade has written.
    pub labels: ObjectLabels,
}

/// An observation of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T: Target> {
    /// The present state of an object.
    Object(Labelled<T>),
    /// An object was deleted.
    Gone(T),
    /// All objects of a kind.
    Listed(T::Of, HashSet<T>),
}

/// An error of writing labels.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The object is gone, or was replaced by another of the same name: there is nothing to label.
    #[error("the object is gone")]
    Gone,
    /// Any other error.
    #[error("{0}")]
    Failed(String),
}

/// Sends the labels of all Image objects, until the receiver is gone.
pub async fn watch_labels(cluster: Cluster, out: mpsc::Sender<Vec<Seen<Digest>>>) {
    wait_for::<Image>(&cluster).await;
    let api: Api<PartialObjectMeta<Raw<Image>>> = Api::all(cluster.client());
    watch_targets(api, "labels of Images", (), digest, |seen, _| seen, out).await;
}

/// The digest that an Image object has as its name.
fn digest(metadata: &ObjectMeta) -> Option<Digest> {
    metadata.name.as_ref()?.parse().ok()
}

/// Sends what `told` makes of each observation of the objects of a kind, and of the object if there is one, until the receiver is
/// gone. Objects that `target` does not name are left alone.
pub(super) async fn watch_targets<T: Target, O, M: Send>(
    api: Api<O>,
    what: &'static str,
    of: T::Of,
    target: fn(&ObjectMeta) -> Option<T>,
    told: impl Fn(Seen<T>, Option<&O>) -> M,
    out: mpsc::Sender<Vec<M>>,
) where
    O: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = std::pin::pin!(events(api, what));
    let mut listed = HashSet::new();
    let present = |object: &O| Some(Seen::Object(labelled(target(object.meta())?, object.meta())));
    while let Some(chunk) = events.next().await {
        let mut seen = Vec::with_capacity(chunk.len());
        for event in chunk {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    listed.extend(target(object.meta()));
                    seen.extend(present(&object).map(|state| told(state, Some(&object))));
                }
                Ok(Event::InitDone) => seen.push(told(Seen::Listed(of, std::mem::take(&mut listed)), None)),
                Ok(Event::Apply(object)) => {
                    seen.extend(present(&object).map(|state| told(state, Some(&object))));
                }
                Ok(Event::Delete(object)) => {
                    seen.extend(target(object.meta()).map(|gone| told(Seen::Gone(gone), None)));
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

/// The state of the labels of an object.
pub(super) fn labelled<T>(target: T, metadata: &ObjectMeta) -> Labelled<T> {
    let labels = metadata.labels.iter().flatten();
    let ours = labels.filter(|(key, _)| key.starts_with(CLASS_PREFIX) || key.starts_with(GROUP_PREFIX));
    Labelled {
        target,
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.as_ref().and_then(|of| of.parse().ok()).unwrap_or(0),
        labels: ObjectLabels {
            labels: ours.map(|(key, value)| (key.clone(), value.clone())).collect(),
            annotation: metadata.annotations.as_ref().and_then(|of| of.get(ANNOTATION)).cloned(),
        },
    }
}

impl Target for Digest {
    type Of = ();

    fn of(&self) -> Self::Of {}

    fn write<'a>(
        &'a self,
        cluster: &'a Cluster,
        uid: &'a str,
        labels: &'a ObjectLabels,
    ) -> Writing<'a, Self> {
        Box::pin(async move {
            let api: Api<Raw<Image>> = Api::all(cluster.client());
            let object = apply_labels(&api, &self.to_string(), uid, labels).await?;
            Ok(labelled(digest(&object).ok_or(LabelError::Gone)?, &object))
        })
    }
}

/// Applies labels to an object with this uid, and returns its metadata after that.
pub(super) async fn apply_labels<K: Kind>(
    api: &Api<Raw<K>>,
    name: &str,
    uid: &str,
    labels: &ObjectLabels,
) -> Result<ObjectMeta, LabelError> {
    let annotations: BTreeMap<&str, &String> =
        labels.annotation.iter().map(|text| (ANNOTATION, text)).collect();
    // The uid is included: a server-side apply would otherwise create an object that is gone.
    let object = json!({
        "apiVersion": format!("{}/{}", K::GROUP, K::VERSION),
        "kind": K::KIND,
        "metadata": {"name": name, "uid": uid, "labels": labels.labels, "annotations": annotations},
    });
    let params = PatchParams::apply(MANAGER).force();
    match answer(api.patch_metadata(name, &params, &Patch::Apply(&object))).await {
        Ok(object) => Ok(object.metadata),
        // A conflict may mean that another object has that name now, which the watch reports, or a concurrent write.
        Err(kube::Error::Api(status)) if status.code == 404 => Err(LabelError::Gone),
        Err(error) => Err(LabelError::Failed(told(&error))),
    }
}
