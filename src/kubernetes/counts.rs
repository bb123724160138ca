//! Writes the number of images in each class into the status of the classes.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::ImageClass;
use super::apply::apply_status;
use super::class::Stated;
use super::cluster::{Cluster, KubernetesError, answer};
use super::raw::Raw;
use crate::class::Count;

/// The field manager of these status fields.
const MANAGER: &str = "clade-label";

/// Writes the counts of every class whose status differs.
pub async fn write_counts(
    cluster: &Cluster,
    counts: &BTreeMap<String, Count>,
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
        let count = counts.get(&name).copied().unwrap_or_default();
        let number = |count: u64| i64::try_from(count).ok();
        let counted = (number(count.members), number(count.outdated));
        let Stated { status } = serde_json::from_str(class.json.get()).unwrap_or_default();
        if (status.members, status.outdated) == counted {
            continue;
        }
        let status = json!({"members": counted.0, "outdated": counted.1});
        if let Err(error) = apply_status(&api, MANAGER, &name, &status).await {
            // The other classes are written all the same.
            failed = Err(KubernetesError::api(&error));
        }
    }
    failed
}
