//! Writes numbers into the status of classes and policies: of images, of workloads, of verdicts.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::apply::apply_status;
use super::class::{ImageClass, ImageClassStatus};
use super::cluster::{Cluster, KubernetesError, answer};
use super::policy::{ClassPolicy, ClassPolicyStatus, JudgedWorkloads};
use super::raw::{Kind, Raw};
use crate::class::Count;

/// The field managers of these status fields.
const MANAGER: &str = "clade-label";
const OF_WORKLOADS: &str = "clade-running";
const OF_VERDICTS: &str = "clade-decisions";

/// Writes the counts of every class whose status differs.
pub async fn write_counts(
    cluster: &Cluster,
    counts: &BTreeMap<String, Count>,
) -> Result<(), KubernetesError> {
    let counted = |name: &str| {
        let count = counts.get(name).copied().unwrap_or_default();
        (number(count.members), number(count.outdated))
    };
    write::<ImageClass, ImageClassStatus>(cluster, MANAGER, |name, status| {
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
    write::<ImageClass, ImageClassStatus>(cluster, OF_WORKLOADS, |name, status| {
        let counted = counted(name);
        let differs = (status.running, status.running_outdated) != counted;
        differs.then(|| json!({"running": counted.0, "runningOutdated": counted.1}))
    })
    .await
}

/// Writes the numbers of workloads that each policy judges into its status, if they differ.
pub async fn write_judged(
    cluster: &Cluster,
    counts: &BTreeMap<String, JudgedWorkloads>,
) -> Result<(), KubernetesError> {
    write::<ClassPolicy, ClassPolicyStatus>(cluster, OF_VERDICTS, |name, status| {
        let counted = counts.get(name).copied().unwrap_or_default();
        (status.workloads != Some(counted)).then(|| json!({"workloads": counted}))
    })
    .await
}

fn number(count: u64) -> Option<i64> {
    i64::try_from(count).ok()
}

/// Writes what `wanted` returns for the name and the status of each object of a kind, as one field manager.
async fn write<K, S>(
    cluster: &Cluster,
    manager: &str,
    wanted: impl Fn(&str, &S) -> Option<serde_json::Value>,
) -> Result<(), KubernetesError>
where
    K: Kind,
    S: DeserializeOwned + Default,
{
    let api: Api<Raw<K>> = Api::all(cluster.client());
    let objects = match answer(api.list(&ListParams::default())).await {
        Ok(objects) => objects,
        // A cluster without clade's custom resources has no status to write to.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(KubernetesError::api(&error)),
    };
    let mut failed = Ok(());
    for object in objects {
        let name = object.key();
        let Some(status) = wanted(&name, &object.status()) else { continue };
        if let Err(error) = apply_status(&api, manager, &name, &status).await {
            // The other objects are written all the same.
            failed = Err(KubernetesError::api(&error));
        }
    }
    failed
}
