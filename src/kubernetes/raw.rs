//! Objects as the API server sends them, decoded one by one: an invalid object does not fail the whole list.

use std::borrow::Cow;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The API path of a kind.
pub(super) trait Kind: Send + Sync + 'static {
    const GROUP: &'static str;
    const VERSION: &'static str;
    const KIND: &'static str;
    const PLURAL: &'static str;
}

/// An object of a kind, of which only the metadata is decoded.
pub(super) struct Raw<K> {
    pub(super) metadata: ObjectMeta,
    pub(super) json: Box<RawValue>,
    kind: PhantomData<fn() -> K>,
}

#[derive(Deserialize)]
struct Meta {
    metadata: ObjectMeta,
}

impl<'de, K> Deserialize<'de> for Raw<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let Meta { mut metadata } = serde_json::from_str(json.get()).map_err(serde::de::Error::custom)?;
        // Managed fields are often the larger part of an object, and of no use here.
        metadata.managed_fields = None;
        Ok(Self { metadata, json, kind: PhantomData })
    }
}

impl<K> Raw<K> {
    /// The status, which a later version of clade may have written: if this version cannot read it, an empty one.
    pub(super) fn status<S: Default + DeserializeOwned>(&self) -> S {
        #[derive(Deserialize)]
        struct Stated<S> {
            status: Option<S>,
        }
        let stated = serde_json::from_str::<Stated<S>>(self.json.get());
        stated.ok().and_then(|stated| stated.status).unwrap_or_default()
    }

    /// `namespace/name`, or the name alone for objects without a namespace.
    pub(super) fn key(&self) -> String {
        key(&self.metadata)
    }
}

pub(super) fn key(metadata: &ObjectMeta) -> String {
    let name = metadata.name.as_deref().unwrap_or_default();
    match &metadata.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

impl<K> Clone for Raw<K> {
    fn clone(&self) -> Self {
        Self { metadata: self.metadata.clone(), json: self.json.clone(), kind: PhantomData }
    }
}

impl<K: Kind> std::fmt::Debug for Raw<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", K::KIND, self.key())
    }
}

impl<K: Kind> Resource for Raw<K> {
    type DynamicType = ();
    type Scope = DynamicResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        K::KIND.into()
    }
    fn group((): &()) -> Cow<'_, str> {
        K::GROUP.into()
    }
    fn version((): &()) -> Cow<'_, str> {
        K::VERSION.into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        K::PLURAL.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
