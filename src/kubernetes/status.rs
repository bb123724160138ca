//! Writes the status of classes, groups and policies from the catalog.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use tokio::sync::watch as latest;

use super::apply::apply_status;
use super::class::{
    ClassVersion, Condition, ImageClassGroup, ImageClassGroupStatus, ImageClassStatus, VersionImage,
};
use super::cluster::{Cluster, told};
use super::declared::{Declared, DeclaredClass};
use super::policy_status::write_policy;
use super::size;
use super::{ImageClass, RETRY};
use crate::class::{Catalog, Class, Count};
use crate::declare;
use crate::record::{Timestamp, VersionRecord};
use crate::retry::Backoff;

/// Earlier versions in a status, at most: an object has to stay far below the size limit of the API server.
const HISTORY: usize = 10;
/// Shortest interval between two updates of the status, however much changes.
const PAUSE: Duration = Duration::from_millis(500);
/// The field manager of the status.
const MANAGER: &str = "clade-watch";

/// Writes the status of every declared object as it changes, until the sender of the catalog is gone.
pub(super) async fn keep_status(
    cluster: Cluster,
    declared: Declared,
    mut catalog: latest::Receiver<Arc<Catalog>>,
) {
    let mut backoff = Backoff::new(RETRY);
    let mut wait = Duration::ZERO;
    loop {
        let again = tokio::time::sleep(wait);
        tokio::select! {
            () = declared.changed() => {}
            changed = catalog.changed() => if changed.is_err() { return },
            () = again, if backoff.failures() > 0 => {}
        }
        let now = Arc::clone(&catalog.borrow_and_update());
        let mut failed = Vec::new();
        for class in declared.classes() {
            if let Err(error) = write_class(&cluster, &declared, &class, &now).await {
                failed.push(("ImageClass", class.name.clone(), error));
            }
        }
        for group in declared.groups() {
            if let Err(error) = write_group(&cluster, &declared, &group, &now).await {
                failed.push(("ImageClassGroup", group.metadata.name.clone().unwrap_or_default(), error));
            }
        }
        for policy in declared.policies() {
            if let Err(error) = write_policy(&cluster, &declared, &policy, MANAGER, &now).await {
                failed.push(("ClassPolicy", policy.name.clone(), error));
            }
        }
        if failed.is_empty() {
            backoff.succeeded();
        } else {
            let failure = backoff.failed();
            wait = failure.wait;
            for (kind, name, error) in failed.iter().filter(|_| failure.is_logged()) {
                let failures = failure.times;
                tracing::warn!(kind, name, failures, "cannot write the status: {}", told(error));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes the status of a class, if it differs.
async fn write_class(
    cluster: &Cluster,
    declared: &Declared,
    class: &DeclaredClass,
    catalog: &Catalog,
) -> Result<(), kube::Error> {
    let name = &class.name;
    let status = class_status(class, catalog.class(name), &format!("{:.0}", Timestamp::now()));
    let counted = ImageClassStatus {
        members: None,
        outdated: None,
        running: None,
        running_outdated: None,
        ..class.status.clone()
    };
    if status == counted {
        return Ok(());
    }
    let api: Api<ImageClass> = Api::all(cluster.client());
    if let Some(written) = apply_status(&api, MANAGER, name, &status).await? {
        declared.put_status(name, written.status);
    }
    Ok(())
}

async fn write_group(
    cluster: &Cluster,
    declared: &Declared,
    group: &ImageClassGroup,
    catalog: &Catalog,
) -> Result<(), kube::Error> {
    let name = group.metadata.name.clone().unwrap_or_default();
    // The publisher has not read the group yet.
    let Some(known) = catalog.group(&name) else { return Ok(()) };
    let classes = declare::group_classes(catalog, known);
    let (observed_generation, summary) = (group.metadata.generation, classes.join(","));
    let status = ImageClassGroupStatus { observed_generation, classes, summary };
    if group.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let api: Api<ImageClassGroup> = Api::all(cluster.client());
    if let Some(written) = apply_status(&api, MANAGER, &name, &status).await? {
        declared.put_group_status(&name, written.status);
    }
    Ok(())
}

/// Computes the status of a class without its counts, which another service writes. `now` is the transition time of
/// conditions that change.
fn class_status(class: &DeclaredClass, known: Option<&Class>, now: &str) -> ImageClassStatus {
    let declared = match (&class.problem, known) {
        (Some(problem), _) => declare::Declared::Invalid(problem),
        (None, None) => declare::Declared::Pending,
        (None, Some(known)) => declare::Declared::Known(known),
    };
    let status = declare::class_status(declared, Count::default());
    let condition = |of: &declare::Condition| {
        let value = of.status.as_str();
        let before = class.status.conditions.iter().find(|before| before.type_ == of.kind);
        let same = before.filter(|before| before.status == value);
        Condition {
            type_: of.kind.to_owned(),
            status: value.to_owned(),
            observed_generation: class.generation,
            last_transition_time: same.map_or_else(|| now.to_owned(), |of| of.last_transition_time.clone()),
            reason: of.reason.clone(),
            message: of.message.clone(),
        }
    };
    let mut remembered = class.remembered().peekable();
    // A log that is new has no versions. Those of the log before it stay until the class has a current version again.
    let (from, history) = if status.versions() == 0 && remembered.peek().is_some() {
        (class.status.from.clone(), remembered.take(HISTORY + 1).cloned().collect())
    } else {
        let history = status.history.iter().take(HISTORY);
        let history = history.map(|(version, until)| told_version(version, *until)).collect();
        (known.map(|known| known.record.from.clone().into()), history)
    };
    let (current, history) = size::limited(
        status.current.as_ref().map(|current| told_version(current, status.current_until)),
        history,
    );
    ImageClassStatus {
        observed_generation: class.generation,
        from,
        current,
        history,
        versions: known.and_then(|_| i64::try_from(status.versions()).ok()),
        members: None,
        outdated: None,
        running: None,
        running_outdated: None,
        conditions: status.conditions().map(condition).to_vec(),
    }
}

fn told_version(version: &VersionRecord, until: Option<Timestamp>) -> ClassVersion {
    let images = version.images.iter().map(|image| VersionImage {
        image: image.digest.to_string(),
        platform: image.platform.to_string(),
        layer_identity: image.layer_identity,
        chains: image.chain().chain_ids().map(|id| id.to_string()).collect(),
        layers: image.layers.iter().map(ToString::to_string).collect(),
        blobs: image.blobs.iter().map(ToString::to_string).collect(),
    });
    ClassVersion {
        digest: version.digest.to_string(),
        origin: Some(version.origin.as_str().to_owned()),
        since: version.since.map(|since| since.to_string()),
        until: until.map(|until| until.to_string()),
        images: images.collect(),
    }
}

/// The status of a class as this module writes it, for tests that compare it with the answer of the API.
#[cfg(feature = "internals")]
pub fn status_of(name: &str, catalog: &Catalog) -> Result<serde_json::Value, serde_json::Error> {
    let status = ImageClassStatus::default();
    let class =
        DeclaredClass { name: name.to_owned(), generation: Some(1), status, from: None, problem: None };
    serde_json::to_value(class_status(&class, catalog.class(name), "2026-01-01T00:00:00Z"))
}
