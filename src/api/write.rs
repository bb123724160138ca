//! Declarations.

use axum::Json;
use axum::extract::{Query as Params, State};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::error::ApiError;
use super::manifest::Manifest;
use super::{ApiState, ManifestError};
use crate::publisher::{Outcome, PublishError, Publisher};

/// What became of one declared or deleted object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// `imageclass` or `imageclassgroup`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `created`, `configured`, `unchanged` or `deleted`.
    pub outcome: String,
}

/// Writes with the publisher, and waits until readers see what was written.
async fn write<T: Send + 'static>(
    state: ApiState,
    write: impl FnOnce(&mut Publisher) -> Result<T, PublishError> + Send + 'static,
) -> Result<Json<T>, ApiError> {
    let written = spawn_blocking(move || {
        let result: Result<T, PublishError> = state.publish(|publisher| {
            let result = write(publisher)?;
            publisher.flush()?;
            Ok(result)
        });
        state.engine.catch_up(|_| {})?;
        Ok(Json(result?))
    });
    written.await.map_err(ApiError::internal)?
}

pub(super) async fn apply(
    State(state): State<ApiState>,
    Json(objects): Json<Vec<serde_json::Value>>,
) -> Result<Json<Vec<Applied>>, ApiError> {
    // All are read before any is applied: a mistake in the last changes nothing.
    let manifests: Result<Vec<Vec<Manifest>>, ManifestError> =
        objects.into_iter().map(Manifest::read).collect();
    let manifests = manifests.map_err(ApiError::invalid)?.concat();
    if let Some(twice) = repeated(&manifests) {
        return Err(ApiError::invalid(format!("{twice} is declared twice")));
    }
    write(state, move |publisher| manifests.iter().map(|manifest| apply_one(publisher, manifest)).collect())
        .await
}

fn repeated(manifests: &[Manifest]) -> Option<String> {
    let mut names = std::collections::BTreeSet::new();
    manifests.iter().map(name_of).find(|name| !names.insert(name.clone()))
}

fn name_of(manifest: &Manifest) -> String {
    match manifest {
        Manifest::Class(class) => format!("imageclass/{}", class.name),
        Manifest::Group(name, _) => format!("imageclassgroup/{name}"),
    }
}

fn apply_one(publisher: &mut Publisher, manifest: &Manifest) -> Result<Applied, PublishError> {
    let (kind, name, outcome) = match manifest {
        Manifest::Class(class) => ("imageclass", &class.name, publisher.apply_class(class)?),
        Manifest::Group(name, selector) => ("imageclassgroup", name, publisher.apply_group(name, selector)?),
    };
    let outcome = match outcome {
        Outcome::Created => "created",
        Outcome::Configured => "configured",
        Outcome::Unchanged => "unchanged",
    };
    Ok(Applied { kind: kind.to_owned(), name: name.clone(), outcome: outcome.to_owned() })
}

/// Which object is to be deleted.
#[derive(Deserialize)]
pub(super) struct Named {
    name: String,
}

pub(super) async fn delete_class(
    State(state): State<ApiState>,
    Params(Named { name }): Params<Named>,
) -> Result<Json<Applied>, ApiError> {
    write(state, move |publisher| {
        publisher.delete_class(&name)?;
        Ok(deleted("imageclass", name))
    })
    .await
}

pub(super) async fn delete_group(
    State(state): State<ApiState>,
    Params(Named { name }): Params<Named>,
) -> Result<Json<Applied>, ApiError> {
    write(state, move |publisher| {
        publisher.delete_group(&name)?;
        Ok(deleted("imageclassgroup", name))
    })
    .await
}

fn deleted(kind: &str, name: String) -> Applied {
    Applied { kind: kind.to_owned(), name, outcome: "deleted".to_owned() }
}
