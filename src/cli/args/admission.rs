//! The arguments of the admission webhook.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::node::{Clients, Webhook};

/// The admission webhook of `clade run`.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct AdmissionArgs {
    /// Address at which the API server asks whether a pod may run, such as 0.0.0.0:9443
    #[arg(long, value_name = "ADDRESS:PORT", requires_all = ["admission_cert_file", "admission_key_file"])]
    admission: Option<SocketAddr>,
    /// Certificate of that address in PEM with the chain to its authority
    #[arg(long, env = "CLADE_ADMISSION_CERT_FILE", value_name = "FILE", requires = "admission")]
    admission_cert_file: Option<PathBuf>,
    /// Key of that certificate, in PEM
    #[arg(long, env = "CLADE_ADMISSION_KEY_FILE", value_name = "FILE", requires = "admission")]
    admission_key_file: Option<PathBuf>,
    /// Authorities in PEM of the certificates that clients must show, API servers and Gatekeeper [default: everybody may ask]
    #[arg(long, env = "CLADE_ADMISSION_CLIENT_CA_FILE", value_name = "FILE", requires = "admission")]
    admission_client_ca_file: Option<PathBuf>,
    /// Common name in the certificate of a client that may ask [default: any of these authorities, such as all users of a cluster whose authority it is]
    #[arg(
        long,
        env = "CLADE_ADMISSION_CLIENT",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = clap::builder::NonEmptyStringValueParser::new(),
        requires = "admission_client_ca_file"
    )]
    admission_client: Vec<String>,
    /// Namespace that is not judged, besides kube-system: clade's own, above all
    #[arg(long, env = "CLADE_ADMISSION_EXEMPT", value_name = "NAMESPACE", value_delimiter = ',')]
    admission_exempt: Vec<String>,
    /// Keep a Report of OpenReports (openreports.io/v1alpha1) for each workload that policies do not simply allow, in its
    /// namespace
    #[arg(long, env = "CLADE_REPORTS")]
    reports: bool,
}

impl AdmissionArgs {
    /// `true` if reports are asked for.
    pub(in crate::cli) fn reports(&self) -> bool {
        self.reports
    }

    /// The webhook, if there is one.
    pub(in crate::cli) fn webhook(&self) -> Option<Webhook> {
        let certificate = self.admission_cert_file.clone().zip(self.admission_key_file.clone())?;
        let clients = self.admission_client_ca_file.clone();
        let clients =
            clients.map(|authorities| Clients { authorities, names: self.admission_client.clone() });
        Some(Webhook {
            address: self.admission?,
            certificate,
            exempt: self.admission_exempt.clone(),
            clients,
        })
    }
}
