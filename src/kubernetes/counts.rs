//! Writes the number of images in each class into the status of the classes.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::ImageClass;
use super::apply::apply_status;
use super::class::{ImageClassStatus, Stated};
use super::cluster::{Cluster, KubernetesError, answer};
use super::raw::Raw;
use crate::class::Count;

/// The field managers of these status fields.
const MANAGER: &str = "clade-label";
const OF_WORKLOADS: &str = "clade-running";

/// Writes the counts of every class whose status differs.
pub async fn write_counts(
    cluster: &Cluster,
    counts: &BTreeMap<String, Count>,
) -> Result<(), KubernetesError> {
    let counted = |name: &str| {
        let count = counts.get(name).copied().unwrap_or_default();
        (number(count.members), number(count.outdated))
    };
    write(cluster, MANAGER, |name, status| {
        let counted = counted(name);
        let differs = (status.members, status.outdated) != counted;
        differs.then(|| json!({"members": counted.0, "outdated": counted.1}))
    })
    .await
}

/// Writes the numbers of workloads of every class whose status differs: all, and those that run an outdated image.
pub async fn write_running(
    cluster: &Cluster,
    counts: &BTreeMap<String, (u64, u64)>,
) -> Result<(), KubernetesError> {
    let counted = |name: &str| {
        let (all, outdated) = counts.get(name).copied().unwrap_or_default();
        (number(all), number(outdated))
    };
    write(cluster, OF_WORKLOADS, |name, status| {
        let counted = counted(name);
        let differs = (status.running, status.running_outdated) != counted;
        differs.then(|| json!({"running": counted.0, "runningOutdated": counted.1}))
    })
    .await
}

fn number(count: u64) -> Option<i64> {
    i64::try_from(count).ok()
}

/// Writes what `wanted` returns for the name and the status of a class, as one field manager.
async fn write(
    cluster: &Cluster,
    manager: &str,
    wanted: impl Fn(&str, &ImageClassStatus) -> Option<serde_json::Value>,
) -> Result<(), KubernetesError> {
    let api: Api<Raw<ImageClass>> = Api::all(cluster.client());
    let classes = match answer(api.list(&ListParams::default())).await {
        Ok(classes) => classes,
        // A cluster without clade's custom resources has no status to write to.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(KubernetesError::api(&error)),
    };
    let mut failed = Ok(());
    for class in classes {
        let name = class.key();
        let Stated { status } = serde_json::from_str(class.json.get()).unwrap_or_default();
        let Some(status) = wanted(&name, &status) else { continue };
        if let Err(error) = apply_status(&api, manager, &name, &status).await {
            // The other classes are written all the same.
            failed = Err(KubernetesError::api(&error));
        }
    }
    failed
}
