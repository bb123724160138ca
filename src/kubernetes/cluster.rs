//! The connection to an API server.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::kinds::Image;
use super::raw::Kind;

/// An error of the cluster.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// There is no configuration for a connection.
    #[error(
        "cannot tell how to reach the Kubernetes API server: {0}; inside a cluster a ServiceAccount's token is needed, \
         elsewhere a kubeconfig (KUBECONFIG, or ~/.kube/config)"
    )]
    Configuration(String),
    /// A request failed or was refused.
    #[error("the Kubernetes API server: {0}")]
    Api(String),
    /// The server refuses this one request, and would refuse it again.
    #[error("the Kubernetes API server: {0}")]
    Refused(String),
    /// Another process holds the lease now.
    #[error("the lease {name} was lost to {holder:?}: another instance works now, and this one ends")]
    LeaseLost {
        /// The lease, as `namespace/name`.
        name: String,
        /// The holder of the lease.
        holder: String,
    },
}

impl KubernetesError {
    pub(super) fn api(error: &kube::Error) -> Self {
        Self::Api(told(error))
    }
}

/// The error in words for people.
pub(super) fn told(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => {
            format!("{}: the ServiceAccount's Role lacks this permission, see deploy/", status.message)
        }
        kube::Error::Api(status) => format!("{} (HTTP {})", status.message, status.code),
        other => {
            // The outermost error says the least.
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(inner) = source {
                text = inner.to_string();
                source = inner.source();
            }
            text
        }
    }
}

/// Time limit of one request. A watch may be silent for longer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Time after which a silent watch counts as dead. The API server ends every watch itself after 290 s.
const SILENCE: Duration = Duration::from_secs(300);

/// Returns the answer to a request, or an error if it takes too long.
pub(super) async fn answer<T>(
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let late = |_| kube::Error::Service(format!("no answer within {} s", TIMEOUT.as_secs()).into());
    tokio::time::timeout(TIMEOUT, request).await.map_err(late)?
}

/// An API server. Clones share the connection.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Configures a connection from a kubeconfig, or from the ServiceAccount of the process. It sends no request yet.
    pub async fn new(context: Option<String>) -> Result<Self, KubernetesError> {
        let wrong = |error: &dyn std::error::Error| KubernetesError::Configuration(error.to_string());
        let config = match context {
            Some(context) => {
                let options = KubeConfigOptions { context: Some(context), ..KubeConfigOptions::default() };
                Config::from_kubeconfig(&options).await.map_err(|error| wrong(&error))?
            }
            None => Config::infer().await.map_err(|error| wrong(&error))?,
        };
        Self::with(config)
    }

    /// Configures a connection from a kubeconfig file.
    #[cfg(feature = "internals")]
    pub async fn of_kubeconfig(path: &Path) -> Result<Self, KubernetesError> {
        let wrong = |error: &dyn std::error::Error| KubernetesError::Configuration(error.to_string());
        let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options).await;
        Self::with(config.map_err(|error| wrong(&error))?)
    }

    pub(super) fn with(mut config: Config) -> Result<Self, KubernetesError> {
        config.connect_timeout = Some(Duration::from_secs(10));
        config.read_timeout = Some(SILENCE);
        // Its own attempts would stay silent for half a minute below each of clade's.
        config.default_retry = false;
        let client = Client::try_from(config);
        client.map(|client| Self { client }).map_err(|error| KubernetesError::Configuration(told(&error)))
    }

    /// The client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Returns `true` if the server has OpenShift's Image objects.
    pub async fn has_images(&self) -> Result<bool, KubernetesError> {
        self.has::<Image>().await
    }

    /// Returns `true` if the server has this kind.
    pub(super) async fn has<K: Kind>(&self) -> Result<bool, KubernetesError> {
        let group_version = format!("{}/{}", K::GROUP, K::VERSION);
        match answer(self.client.list_api_group_resources(&group_version)).await {
            Ok(APIResourceList { resources, .. }) => Ok(resources.iter().any(|of| of.kind == K::KIND)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(KubernetesError::api(&error)),
        }
    }
}
