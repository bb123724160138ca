//! Writes a part of an object's status.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::cluster::answer;

/// Applies these fields of an object's status for one field manager, and leaves the fields of other managers alone.
/// Returns the object after that, or `None` if it is gone meanwhile.
pub(super) async fn apply_status<K>(
    api: &Api<K>,
    manager: &str,
    name: &str,
    status: &impl Serialize,
) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let object = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "status": status
    });
    let (params, patch) = (PatchParams::apply(manager).force(), Patch::Apply(&object));
    match answer(api.patch_status(name, &params, &patch)).await {
        Ok(written) => Ok(Some(written)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}
