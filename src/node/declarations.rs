//! Takes declarations through the publisher of this process.

use std::sync::Arc;

use crate::api::{ApiError, Applied, Declare, Kind};
use crate::declare::Manifest;
use crate::engine::Engine;
use crate::publisher::{Outcome, PublishError, Publishing};
use crate::record::CatalogKey;

/// Takes declarations, and waits until readers of this process see them.
pub(super) struct Declarations {
    publishing: Publishing,
    /// The workers, if this process has any.
    engine: Option<Arc<Engine>>,
}

impl Declarations {
    pub(super) fn new(publishing: Publishing, engine: Option<Arc<Engine>>) -> Self {
        Self { publishing, engine }
    }

    fn wait_for_readers(&self) -> Result<(), ApiError> {
        self.engine.as_ref().map_or(Ok(()), |engine| engine.catch_up(|_| {})).map_err(ApiError::internal)
    }

    /// Returns `true` if the readers of this process have read everything and know no such object. Before the publisher
    /// has read the log, this makes that unnecessary.
    fn is_unknown(&self, key: &CatalogKey) -> Result<bool, ApiError> {
        let Some(engine) = self.engine.as_ref().filter(|_| !self.publishing.has_read()) else {
            return Ok(false);
        };
        self.wait_for_readers()?;
        let snapshot = engine.view().snapshot();
        let is_known = snapshot.shards().any(|shard| match key {
            CatalogKey::Class(name) | CatalogKey::Version(name, _) => shard.catalog().class(name).is_some(),
            CatalogKey::Group(name) => shard.catalog().group(name).is_some(),
            CatalogKey::Policy(name) => shard.catalog().policy(name).is_some(),
        });
        Ok(!is_known)
    }
}

impl Declare for Declarations {
    fn apply(&self, manifests: Vec<Manifest>) -> Result<Vec<Applied>, ApiError> {
        let objects: Vec<(Kind, String)> = manifests.iter().map(object_of).collect();
        let outcomes = self.publishing.declare(manifests).map_err(problem)?;
        self.wait_for_readers()?;
        let applied = |((kind, name), outcome)| {
            let outcome = match outcome {
                Outcome::Created => "created",
                Outcome::Configured => "configured",
                Outcome::Unchanged => "unchanged",
            };
            applied(kind, name, outcome)
        };
        Ok(objects.into_iter().zip(outcomes).map(applied).collect())
    }

    fn delete(&self, kind: Kind, name: String) -> Result<Applied, ApiError> {
        let key = match kind {
            Kind::Class => CatalogKey::Class(name.clone()),
            Kind::Group => CatalogKey::Group(name.clone()),
            Kind::Policy => CatalogKey::Policy(name.clone()),
        };
        if self.is_unknown(&key)? {
            let kind = match kind {
                Kind::Class => "class",
                Kind::Group => "group",
                Kind::Policy => "policy",
            };
            return Err(problem(PublishError::NotFound { kind, name }));
        }
        self.publishing.delete(key).map_err(problem)?;
        self.wait_for_readers()?;
        Ok(applied(kind, name, "deleted"))
    }
}

fn object_of(manifest: &Manifest) -> (Kind, String) {
    match manifest {
        Manifest::Class(class) => (Kind::Class, class.name.clone()),
        Manifest::Group(group) => (Kind::Group, group.name.clone()),
        Manifest::Policy(policy) => (Kind::Policy, policy.name.clone()),
    }
}

fn applied(kind: Kind, name: String, outcome: &str) -> Applied {
    Applied { kind: kind.singular().to_owned(), name, outcome: outcome.to_owned() }
}

fn problem(error: PublishError) -> ApiError {
    match error {
        PublishError::NotFound { .. } => ApiError::not_found(error),
        PublishError::Invalid(_) => ApiError::invalid(error),
        error => ApiError::internal(error),
    }
}
