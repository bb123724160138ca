//! The routes of declarations.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Query as Params, State};
use axum::response::Response;
use axum::{Extension, Json};
use serde::Deserialize;

use super::error::ApiError;
use super::limits::Limits;
use super::{Declare, Kind};
use crate::declare::{Manifest, ManifestError};

type Answer = Result<Response, ApiError>;
type Bounds = Extension<Arc<Limits>>;

pub(super) async fn apply(
    State(declare): State<Arc<dyn Declare>>,
    Extension(limits): Bounds,
    Json(objects): Json<Vec<serde_json::Value>>,
) -> Answer {
    // All are parsed before any is applied: a mistake in the last changes nothing.
    let manifests: Result<Vec<Vec<Manifest>>, ManifestError> =
        objects.into_iter().map(Manifest::read).collect();
    let manifests = manifests.map_err(ApiError::invalid)?.concat();
    if let Some(twice) = repeated(&manifests) {
        return Err(ApiError::invalid(format!("{twice} is declared twice")));
    }
    limits.command(move || declare.apply(manifests)).await
}

fn repeated(manifests: &[Manifest]) -> Option<String> {
    let mut names = BTreeSet::new();
    manifests.iter().map(name_of).find(|name| !names.insert(name.clone()))
}

fn name_of(manifest: &Manifest) -> String {
    match manifest {
        Manifest::Class(class) => format!("imageclass/{}", class.name),
        Manifest::Group(group) => format!("imageclassgroup/{}", group.name),
        Manifest::Policy(policy) => format!("classpolicy/{}", policy.name),
    }
}

/// The object to delete.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn delete_class(
    State(declare): State<Arc<dyn Declare>>,
    bounds: Bounds,
    Params(named): Params<Named>,
) -> Answer {
    delete(declare, bounds, Kind::Class, named).await
}

pub(super) async fn delete_group(
    State(declare): State<Arc<dyn Declare>>,
    bounds: Bounds,
    Params(named): Params<Named>,
) -> Answer {
    delete(declare, bounds, Kind::Group, named).await
}

pub(super) async fn delete_policy(
    State(declare): State<Arc<dyn Declare>>,
    bounds: Bounds,
    Params(named): Params<Named>,
) -> Answer {
    delete(declare, bounds, Kind::Policy, named).await
}

async fn delete(
    declare: Arc<dyn Declare>,
    Extension(limits): Bounds,
    kind: Kind,
    Named { name }: Named,
) -> Answer {
    limits.command(move || declare.delete(kind, name)).await
}
