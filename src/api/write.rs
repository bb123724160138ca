//! The routes of declarations.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query as Params, State};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use super::error::ApiError;
use super::{Applied, Declare, Kind};
use crate::declare::{Manifest, ManifestError};

type Answer<T> = Result<Json<T>, ApiError>;

pub(super) async fn apply(
    State(declare): State<Arc<dyn Declare>>,
    Json(objects): Json<Vec<serde_json::Value>>,
) -> Answer<Vec<Applied>> {
    // All are parsed before any is applied: a mistake in the last changes nothing.
    let manifests: Result<Vec<Vec<Manifest>>, ManifestError> =
        objects.into_iter().map(Manifest::read).collect();
    let manifests = manifests.map_err(ApiError::invalid)?.concat();
    if let Some(twice) = repeated(&manifests) {
        return Err(ApiError::invalid(format!("{twice} is declared twice")));
    }
    spawn_blocking(move || declare.apply(manifests)).await.map_err(ApiError::internal)?.map(Json)
}

fn repeated(manifests: &[Manifest]) -> Option<String> {
    let mut names = BTreeSet::new();
    manifests.iter().map(name_of).find(|name| !names.insert(name.clone()))
}

fn name_of(manifest: &Manifest) -> String {
    match manifest {
        Manifest::Class(class) => format!("imageclass/{}", class.name),
        Manifest::Group(group) => format!("imageclassgroup/{}", group.name),
    }
}

/// The object to delete.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn delete_class(
    State(declare): State<Arc<dyn Declare>>,
    Params(named): Params<Named>,
) -> Answer<Applied> {
    delete(declare, Kind::Class, named).await
}

pub(super) async fn delete_group(
    State(declare): State<Arc<dyn Declare>>,
    Params(named): Params<Named>,
) -> Answer<Applied> {
    delete(declare, Kind::Group, named).await
}

async fn delete(declare: Arc<dyn Declare>, kind: Kind, Named { name }: Named) -> Answer<Applied> {
    spawn_blocking(move || declare.delete(kind, name)).await.map_err(ApiError::internal)?.map(Json)
}
