//! Writes the status of a policy.

use kube::Api;

use super::apply::apply_status;
use super::class::Condition;
use super::cluster::Cluster;
use super::declared::{Declared, DeclaredPolicy};
use super::policy::{ClassPolicy, ClassPolicyStatus};
use crate::class::Catalog;
use crate::declare::ConditionStatus;
use crate::policy;
use crate::record::Timestamp;

/// Writes the status of a policy, if it differs.
pub(super) async fn write_policy(
    cluster: &Cluster,
    declared: &Declared,
    policy: &DeclaredPolicy,
    manager: &str,
    catalog: &Catalog,
) -> Result<(), kube::Error> {
    let Some(status) = policy_status(policy, catalog, &format!("{:.0}", Timestamp::now())) else {
        return Ok(());
    };
    // Another service writes the numbers of workloads.
    if (ClassPolicyStatus { workloads: None, ..policy.status.clone() }) == status {
        return Ok(());
    }
    let api: Api<ClassPolicy> = Api::all(cluster.client());
    if let Some(written) = apply_status(&api, manager, &policy.name, &status).await? {
        declared.put_policy_status(&policy.name, written.status);
    }
    Ok(())
}

/// The status of a policy; `None` while the publisher has not taken it in. `now` is the transition time of a condition that
/// changes.
fn policy_status(policy: &DeclaredPolicy, catalog: &Catalog, now: &str) -> Option<ClassPolicyStatus> {
    let (is_ready, reason, message, classes) = match (&policy.problem, catalog.policy(&policy.name)) {
        (Some(problem), None) => (false, "Invalid", problem.clone(), Vec::new()),
        (Some(problem), Some(known)) => {
            let message = format!("{problem}; the declaration before it still counts");
            (false, "Invalid", message, policy::status(&known.spec, catalog).classes)
        }
        (None, None) => return None,
        (None, Some(known)) => {
            let status = policy::status(&known.spec, catalog);
            (status.is_ready(), status.reason, status.message, status.classes)
        }
    };
    let value = ConditionStatus::from(is_ready).as_str();
    let before = policy.status.conditions.iter().find(|before| before.type_ == "Ready");
    let since = before.filter(|before| before.status == value).map(|of| of.last_transition_time.clone());
    let ready = Condition {
        type_: "Ready".to_owned(),
        status: value.to_owned(),
        observed_generation: policy.generation,
        last_transition_time: since.unwrap_or_else(|| now.to_owned()),
        reason: reason.to_owned(),
        message,
    };
    let summary = classes.join(",");
    Some(ClassPolicyStatus {
        observed_generation: policy.generation,
        classes,
        summary,
        workloads: None,
        conditions: vec![ready],
    })
}
