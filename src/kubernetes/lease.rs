//! Lets one of several instances work while the others stand by: a Lease of coordination.k8s.io, as in Kubernetes' own
//! controllers.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;

use super::cluster::{Cluster, KubernetesError, answer, told};
use crate::retry;

/// A holder that has not renewed for this long has lost the lease.
const DURATION: Duration = Duration::from_secs(15);
/// The holder gives up earlier, so that two instances never work at once.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Interval at which the holder renews the lease and others try to acquire it.
const RENEW: Duration = Duration::from_secs(2);

/// A lease to acquire.
#[derive(Clone)]
pub struct Lease {
    api: Api<Object>,
    namespace: String,
    name: String,
    identity: String,
}

/// A lease that is held, with its state at some moment.
#[derive(Clone)]
pub struct Held {
    lease: Lease,
    renewed: Instant,
}

impl Lease {
    /// Returns the lease `namespace/name`. `identity` distinguishes this process from every other.
    pub fn new(cluster: &Cluster, namespace: &str, name: &str, identity: String) -> Self {
        let api = Api::namespaced(cluster.client(), namespace);
        Self { api, namespace: namespace.to_owned(), name: name.to_owned(), identity }
    }

    /// Waits until this process holds the lease.
    pub async fn acquire(self) -> Held {
        // The last write of the holder, and the local time at which it was seen: the clocks of two machines are never
        // compared.
        let mut seen: Option<(LeaseSpec, Instant)> = None;
        let mut failures = 0_u32;
        loop {
            let asked = Instant::now();
            match self.try_acquire(&mut seen).await {
                Ok(true) => return Held { lease: self, renewed: asked },
                Ok(false) => failures = 0,
                Err(error) => {
                    failures += 1;
                    if retry::is_logged(failures) {
                        let name = self.full_name();
                        tracing::warn!(lease = name, failures, "cannot get the lease: {}", told(&error));
                    }
                }
            }
            tokio::time::sleep(retry::spread(RENEW)).await;
        }
    }

    async fn try_acquire(&self, seen: &mut Option<(LeaseSpec, Instant)>) -> Result<bool, kube::Error> {
        let Some(object) = answer(self.api.get_opt(&self.name)).await? else {
            let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
            let object = Object { metadata, spec: Some(self.spec(None)) };
            return is_ours(answer(self.api.create(&PostParams::default(), &object)).await);
        };
        let spec = object.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if seen.as_ref().is_none_or(|(known, _)| *known != spec) {
            *seen = Some((spec.clone(), Instant::now()));
        }
        let is_silent = seen.as_ref().is_some_and(|(_, since)| since.elapsed() >= DURATION);
        if !holder.is_empty() && holder != self.identity && !is_silent {
            return Ok(false);
        }
        self.write(object, self.spec(Some(&spec))).await
    }

    /// Replaces the lease as it was read with ours. Returns `false` if another write came first.
    async fn write(&self, object: Object, spec: LeaseSpec) -> Result<bool, kube::Error> {
        let object = Object { spec: Some(spec), ..object };
        is_ours(answer(self.api.replace(&self.name, &PostParams::default(), &object)).await)
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = crate::record::Timestamp::now().to_string().parse().ok().map(MicroTime);
        let is_same = before.is_some_and(|before| before.holder_identity.as_ref() == Some(&self.identity));
        let transitions = before.and_then(|before| before.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before
                .filter(|_| is_same)
                .and_then(|of| of.acquire_time.clone())
                .or_else(|| now.clone()),
            renew_time: now,
            lease_transitions: Some(transitions + i32::from(before.is_some() && !is_same)),
            ..LeaseSpec::default()
        }
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Returns `true` if our write was the one that succeeded.
fn is_ours(written: Result<Object, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// The result of a renewal.
enum Renewal {
    Done,
    Conflict,
    /// Another instance holds the lease.
    Lost(String),
}

impl Held {
    /// Renews the lease until it is lost.
    pub async fn keep(mut self) -> KubernetesError {
        loop {
            tokio::time::sleep(RENEW).await;
            let asked = Instant::now();
            let left = GIVE_UP.saturating_sub(self.renewed.elapsed());
            let holder = match tokio::time::timeout(left, self.renew()).await {
                Ok(Ok(Renewal::Done)) => {
                    self.renewed = asked;
                    continue;
                }
                // Another process has written it at the same time: the next read shows the result.
                Ok(Ok(Renewal::Conflict)) if self.renewed.elapsed() < GIVE_UP => continue,
                Ok(Ok(Renewal::Conflict)) => "nobody, for others write it all the time".to_owned(),
                Ok(Ok(Renewal::Lost(holder))) => holder,
                Ok(Err(error)) if self.renewed.elapsed() < GIVE_UP => {
                    tracing::warn!(
                        lease = self.lease.full_name(),
                        "cannot renew the lease: {}",
                        told(&error)
                    );
                    continue;
                }
                Ok(Err(_)) | Err(_) => "nobody, for the API server does not answer".to_owned(),
            };
            return KubernetesError::LeaseLost { name: self.lease.full_name(), holder };
        }
    }

    /// Renews the lease once.
    async fn renew(&self) -> Result<Renewal, kube::Error> {
        let object = self.lease.api.get(&self.lease.name).await?;
        let spec = object.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_ref() != Some(&self.lease.identity) {
            return Ok(Renewal::Lost(spec.holder_identity.unwrap_or_default()));
        }
        let is_ours = self.lease.write(object, self.lease.spec(Some(&spec))).await?;
        Ok(if is_ours { Renewal::Done } else { Renewal::Conflict })
    }

    /// Releases the lease, so that another instance can acquire it at once.
    pub async fn release(self) {
        let released = async {
            let object = self.lease.api.get(&self.lease.name).await?;
            let spec = object.spec.clone().unwrap_or_default();
            if spec.holder_identity.as_ref() == Some(&self.lease.identity) {
                let spec = LeaseSpec { holder_identity: None, lease_duration_seconds: Some(1), ..spec };
                self.lease.write(object, spec).await?;
            }
            Ok::<(), kube::Error>(())
        };
        // If that fails, the lease expires.
        let _ = tokio::time::timeout(Duration::from_secs(2), released).await;
    }
}
