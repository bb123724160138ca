//! The admission webhook of a process: a door of its own, since an API server has no token of clade's.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::listen::{certificate, look};
use super::service::Service;
use super::{Node, NodeError, running};
use crate::api::{self, Admission, Labels, Namespaces};
use crate::kubernetes::{Cluster, NamespaceLabels};

/// The webhook as the command line declares it.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The address.
    pub address: SocketAddr,
    /// The files of the certificate and its key. API servers ask over TLS alone.
    pub certificate: (PathBuf, PathBuf),
    /// Namespaces that are not judged.
    pub exempt: Vec<String>,
    /// The clients that may ask; `None` for everybody who reaches the address.
    pub clients: Option<Clients>,
}

/// The clients of a webhook, by their certificates.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The file of the authorities of their certificates.
    pub authorities: PathBuf,
    /// The common names in them; any if there are none.
    pub names: Vec<String>,
}

impl Namespaces for NamespaceLabels {
    fn labels<'a>(&'a self, namespace: &'a str) -> Labels<'a> {
        Box::pin(NamespaceLabels::labels(self, namespace))
    }
}

impl Node {
    /// The services of the webhook.
    pub(super) async fn admission(
        &self,
        webhook: Webhook,
        cluster: &Cluster,
    ) -> Result<Vec<Service>, NodeError> {
        let Webhook { address, certificate: files, exempt, clients } = webhook;
        let (authorities, clients) =
            clients.map(|Clients { authorities, names }| (authorities, Arc::new(names))).unzip();
        let ask = self.ask().ok_or_else(|| NodeError::Ended("this process answers no queries".to_owned()))?;
        let (namespaces, following) = NamespaceLabels::follow(cluster);
        let tls = certificate(files, authorities)?;
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(|error| NodeError::Listen(format!("cannot listen on {address}: {error}")))?;
        let url = running::local_url(listener.local_addr()?, true);
        eprintln!("judging pods on {url}/validate and {url}/mutate");
        let (records, recording) = self.admissions();
        let admission = Admission {
            ask,
            records,
            namespaces: Arc::new(namespaces.clone()),
            exempt: Arc::new(exempt),
            clients,
            metrics: self.telemetry.metrics.admission.clone(),
            places: Admission::places(),
        };
        // A process that is behind answers, and each policy says how far behind it tolerates.
        let (of, labels) = (Arc::clone(&admission.ask), namespaces);
        let unready = move || {
            let missing = of.partitions().iter().filter(|partition| !partition.restored).count();
            if missing > 0 {
                return Some(format!("{missing} partitions have not been read yet"));
            }
            (!labels.are_listed()).then(|| "the namespaces have not been listed yet".to_owned())
        };
        let probes = api::bare_probes(self.telemetry.metrics.clone(), unready);
        let router = api::admission(admission).merge(probes);
        let of_files = Arc::clone(&tls);
        let serving = async move { Ok(api::serve(listener, router, Some(tls)).await?) };
        let following = async move {
            following.await;
            Err(NodeError::Ended("the watch of namespaces has ended".to_owned()))
        };
        Ok(vec![
            Service::new("admission", serving),
            recording,
            Service::new("namespaces", following),
            Service::new("the webhook's certificate", look("the webhook's certificate", of_files)),
        ])
    }
}
