//! The arguments of commands that work with a Kubernetes cluster.

use std::num::NonZeroU32;

use crate::node::{ClusterAccess, Labelling};

/// The cluster, and the Lease that decides which instance works.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct KubernetesArgs {
    /// Work with the cluster that the kubeconfig, or the pod's ServiceAccount, names
    #[arg(long, env = "CLADE_KUBERNETES")]
    pub(in crate::cli) kubernetes: bool,
    /// The kubeconfig's context, if not the current one
    #[arg(long, value_name = "NAME", requires = "kubernetes")]
    pub(in crate::cli) kube_context: Option<String>,
    /// Work only while holding this Lease: one of several instances works, the others stand by
    #[arg(long, env = "CLADE_LEASE", value_name = "NAMESPACE/NAME", requires = "kubernetes", value_parser = lease)]
    pub(in crate::cli) lease: Option<(String, String)>,
}

impl KubernetesArgs {
    /// The cluster, if the arguments enable one.
    pub(in crate::cli) fn access(&self) -> Option<ClusterAccess> {
        self.kubernetes.then(|| self.access_or_default())
    }

    /// The cluster of a command that always needs one.
    pub(in crate::cli) fn access_or_default(&self) -> ClusterAccess {
        ClusterAccess { context: self.kube_context.clone(), lease: self.lease.clone() }
    }
}

/// The limits of labelling.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct LabellingArgs {
    /// Label at most this many objects per second [default: no limit, 16 requests at once]
    #[arg(long, value_name = "N", requires = "kubernetes")]
    pub(in crate::cli) label_rate: Option<NonZeroU32>,
    /// Label workloads as well: Deployments, StatefulSets, DaemonSets, Jobs and CronJobs by the images that they run, and nothing
    /// of their pods
    #[arg(long, env = "CLADE_LABEL_WORKLOADS", requires = "kubernetes")]
    pub(in crate::cli) label_workloads: bool,
}

impl LabellingArgs {
    /// The options of labelling.
    pub(in crate::cli) fn labelling(&self) -> Labelling {
        Labelling { rate: self.label_rate, workloads: self.label_workloads }
    }
}

/// Reads the name of a Lease.
pub(in crate::cli) fn lease(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("say NAMESPACE/NAME, as clade/clade-watch".to_owned()),
    }
}
