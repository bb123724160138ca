//! The door of a process: its address, its certificate, and the authorities that know who may ask.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::NodeError;
use super::service::Service;
use crate::access::{Authority, Several, TokenFile};
use crate::api::{Access, Tls};
use crate::crypto::Acceptor;
use crate::kubernetes::{Cluster, Reviews};
use crate::reload::FromFiles;

/// Interval at which the files of tokens and certificates are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The address of a process, and who may use it.
#[derive(Debug, Default)]
pub struct Listen {
    /// The address; port 0 takes a free port.
    pub address: Option<SocketAddr>,
    /// Names by which the process is known, besides local ones.
    pub hosts: Vec<String>,
    /// The file of tokens.
    pub tokens: Option<PathBuf>,
    /// Asks the cluster of the pod or of the kubeconfig's current context about tokens.
    pub reviews: bool,
    /// The files of the certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Something in front of the process keeps strangers out.
    pub insecure: bool,
}

/// The door, with its files read.
pub(super) struct Door {
    pub(super) access: Access,
    pub(super) tls: Option<Tls>,
    /// Read the files again.
    pub(super) looking: Vec<Service>,
}

impl Listen {
    /// That the process cannot be read and commanded by strangers, or else what to do.
    pub fn check(&self) -> Result<(), NodeError> {
        let address = self.address();
        let mut lacks = Vec::new();
        if self.certificate.is_none() {
            lacks.push("--tls-cert-file FILE and --tls-key-file FILE");
        }
        if self.tokens.is_none() && !self.reviews {
            lacks.push("--tokens-file FILE (clade token makes its lines) or --authenticate kubernetes");
        }
        if address.ip().to_canonical().is_loopback() || self.insecure || lacks.is_empty() {
            return Ok(());
        }
        Err(NodeError::Usage(format!(
            "--listen {address} is open to other machines, who could read everything: give it {}; or --insecure, if something \
             in front of it keeps strangers out; or --listen 127.0.0.1:{}, for this machine alone",
            lacks.join(", and "),
            address.port()
        )))
    }

    /// The address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Reads the files.
    pub(super) async fn open(&self) -> Result<Door, NodeError> {
        let mut authorities: Vec<Arc<dyn Authority>> = Vec::new();
        let mut looking = Vec::new();
        if let Some(path) = &self.tokens {
            let tokens = TokenFile::open(path.clone()).map_err(NodeError::Usage)?;
            looking.push(Service::new("tokens", look("the tokens", tokens.file())));
            authorities.push(Arc::new(tokens));
        }
        if self.reviews {
            authorities.push(Arc::new(Reviews::new(Cluster::new(None).await?)));
        }
        let tls = self.certificate.clone().map(|files| certificate(files, None)).transpose()?;
        if let Some(tls) = &tls {
            looking.push(Service::new("certificate", look("the certificate", Arc::clone(tls))));
        }
        let access = match authorities.is_empty() {
            true => Access::default(),
            false => Access(Some(Arc::new(Several(authorities)))),
        };
        Ok(Door { access, tls, looking })
    }
}

/// A certificate and its key; and the authorities of the certificates that clients must show.
pub(super) fn certificate(
    (certificate, key): (PathBuf, PathBuf),
    clients: Option<PathBuf>,
) -> Result<Tls, NodeError> {
    let of_clients = clients.as_ref().map(|path| format!(", {}", path.display())).unwrap_or_default();
    let shown = format!("{}{of_clients}", certificate.display());
    let parse = move |contents: &[Vec<u8>]| {
        let (certificate, key, clients) = match contents {
            [certificate, key] => (certificate, key, None),
            [certificate, key, clients] => (certificate, key, Some(clients.as_slice())),
            _ => return Err("there are not two or three files".to_owned()),
        };
        Acceptor::of(certificate, key, clients).map_err(|problem| format!("{shown}: {problem}"))
    };
    let files = [certificate, key].into_iter().chain(clients).collect();
    Ok(Arc::new(FromFiles::open(files, parse).map_err(NodeError::Usage)?))
}

/// Looks at the files of a value on and on.
pub(super) async fn look<T: Send + Sync + 'static>(
    what: &'static str,
    files: Arc<FromFiles<T>>,
) -> Result<(), NodeError> {
    loop {
        tokio::time::sleep(LOOK).await;
        let files = Arc::clone(&files);
        // A file system that hangs must not take a thread from the API.
        let looked = tokio::task::spawn_blocking(move || files.look()).await;
        match looked.map_err(|error| NodeError::Ended(error.to_string()))? {
            None => {}
            Some(Ok(())) => tracing::info!("{what} have changed, and count from now on"),
            Some(Err(problem)) => {
                eprintln!(
                    "warning: {what} have changed and are not good, those before stay in force: {problem}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(address: &str, change: impl FnOnce(&mut Listen)) -> Result<(), String> {
        let mut listen = Listen { address: address.parse().ok(), ..Listen::default() };
        change(&mut listen);
        listen.check().map_err(|error| error.to_string())
    }

    fn with_certificate(listen: &mut Listen) {
        listen.certificate = Some(("cert".into(), "key".into()));
    }

    #[test]
    fn an_address_that_others_reach_needs_tls_and_to_know_who_asks_or_the_word_that_it_does_not() {
        for address in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            assert_eq!(checked(address, |_| {}), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:7878", "[::]:7878", "10.0.0.1:7878"] {
            let told = checked(address, |_| {}).unwrap_err();
            for word in [address, "--tls-cert-file", "--tokens-file", "--insecure", "127.0.0.1:7878"] {
                assert!(told.contains(word), "{told}");
            }
            let told = checked(address, with_certificate).unwrap_err();
            assert!(
                !told.contains("--tls-cert-file") && told.contains("--authenticate kubernetes"),
                "{told}"
            );
            let told = checked(address, |listen| listen.reviews = true).unwrap_err();
            assert!(told.contains("--tls-cert-file") && !told.contains("--tokens-file"), "{told}");
            assert_eq!(checked(address, |listen| listen.insecure = true), Ok(()));
            let both = |listen: &mut Listen| {
                with_certificate(listen);
                listen.tokens = Some("tokens".into());
            };
            assert_eq!(checked(address, both), Ok(()));
        }
    }
}
