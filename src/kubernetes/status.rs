//! The status of classes and groups: the catalog, in the words of Kubernetes.

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
use super::{ImageClass, SOURCE};
use crate::class::{Catalog, Class};
use crate::record::{Timestamp, VersionRecord};

/// So many earlier versions stand in a status: an object has to stay far below what the API server takes.
const HISTORY: usize = 10;
/// The status is looked at no more often than this, however much changes.
const PAUSE: Duration = Duration::from_millis(500);
/// What failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// Who the fields of the status belong to.
const MANAGER: &str = "clade-watch";

/// Writes the status of whatever is declared as it changes, until nobody makes a catalog any more.
pub(super) async fn keep_status(
    cluster: Cluster,
    declared: Declared,
    mut catalog: latest::Receiver<Arc<Catalog>>,
) {
    let mut failures = 0_u32;
    loop {
        let again = tokio::time::sleep(AGAIN);
        tokio::select! {
            () = declared.changed() => {}
            changed = catalog.changed() => if changed.is_err() { return },
            () = again, if failures > 0 => {}
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
        failures = if failed.is_empty() { 0 } else { failures + 1 };
        // Said at first, and then now and then.
        if failures.is_power_of_two() {
            for (kind, name, error) in failed {
                tracing::warn!(kind, name, failures, "cannot write the status: {}", told(&error));
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
    if status == (ImageClassStatus { members: None, outdated: None, ..class.status.clone() }) {
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
    // Not taken in yet.
    let Some(known) = catalog.group(&name) else { return Ok(()) };
    let classes = catalog.selected(known).map(|class| class.record.name.clone()).collect();
    let status = ImageClassGroupStatus { observed_generation: group.metadata.generation, classes };
    if group.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let api: Api<ImageClassGroup> = Api::all(cluster.client());
    if let Some(written) = apply_status(&api, MANAGER, &name, &status).await? {
        declared.put_group_status(&name, written.status);
    }
    Ok(())
}

/// The status of a class. `now` is when conditions that change do so.
fn class_status(class: &DeclaredClass, known: Option<&Class>, now: &str) -> ImageClassStatus {
    let generation = class.generation;
    let condition = |type_: &str, holds: Option<bool>, reason: &str, message: String| {
        let status = holds.map_or("Unknown", |holds| if holds { "True" } else { "False" });
        let before = class.status.conditions.iter().find(|of| of.type_ == type_);
        let same = before.filter(|of| of.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            observed_generation: generation,
            last_transition_time: same.map_or_else(|| now.to_owned(), |of| of.last_transition_time.clone()),
            reason: reason.to_owned(),
            message,
        }
    };
    let mut status = ImageClassStatus { observed_generation: generation, ..ImageClassStatus::default() };
    if let Some(problem) = &class.problem {
        let ready = condition("Ready", Some(false), "Invalid", problem.clone());
        let following = condition("Following", Some(false), "Invalid", problem.clone());
        status.conditions = vec![ready, following];
        return status;
    }
    let Some(known) = known else {
        let text = format!("the declaration has been seen; source {SOURCE} is being read");
        status.conditions = vec![
            condition("Ready", None, "Pending", text.clone()),
            condition("Following", None, "Pending", text),
        ];
        return status;
    };
    let mut versions: Vec<&Arc<VersionRecord>> = known.versions().collect();
    versions.sort_by_key(|version| (version.since, version.number));
    let following = &known.record.following;
    let ready = match known.current() {
        Some(current) => {
            let text = format!(
                "images are classified by {} versions; current is {}",
                versions.len(),
                current.digest
            );
            condition("Ready", Some(true), "Classifying", text)
        }
        None => condition("Ready", Some(false), &following.reason, following.message.clone()),
    };
    let following =
        condition("Following", Some(following.ready), &following.reason, following.message.clone());
    status.conditions = vec![ready, following];
    status.versions = i64::try_from(versions.len()).ok();
    status.current = known.current().map(|current| told_version(current, None));
    let untils = versions.iter().skip(1).map(|next| Some(next.since.to_string())).chain([None]);
    let earlier =
        versions.iter().zip(untils).filter(|(version, _)| Some(version.number) != known.record.current);
    let mut earlier: Vec<ClassVersion> =
        earlier.map(|(version, until)| told_version(version, until)).collect();
    earlier.reverse();
    earlier.truncate(HISTORY);
    status.history = earlier;
    status
}

fn told_version(version: &VersionRecord, until: Option<String>) -> ClassVersion {
    let images = version.images.iter().map(|image| VersionImage {
        image: image.digest.to_string(),
        platform: image.platform.to_string(),
        layer_identity: image.layer_identity,
        chains: image.chain().chain_ids().map(|id| id.to_string()).collect(),
    });
    ClassVersion {
        digest: version.digest.to_string(),
        since: version.since.to_string(),
        until,
        images: images.collect(),
    }
}
