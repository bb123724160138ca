//! Which registry is watched, and how.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Pattern, RegistryError};
use crate::oci::reference::is_repository;

/// One registry as it is to be watched.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its host, with a port if it has one: what its repositories' full names begin with.
    pub host: String,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
    /// Also trust the certificates that these authorities, in PEM, have signed.
    pub ca_certificate: Option<PathBuf>,
    /// A file with `user:password`. Without it, what `docker login` has left counts.
    pub credentials: Option<PathBuf>,
    /// Which repositories; if none is named, all that the registry lists.
    pub repositories: Vec<Pattern>,
    /// Which tags; if none is named, all.
    pub tags: Vec<Pattern>,
    /// How long after a pass the next begins.
    pub poll: Duration,
    /// How fast it may be asked.
    pub requests_per_second: u32,
}

/// `HOST`, `HOST:PORT`, or the same behind `https://` or `http://`, the latter for no TLS.
impl FromStr for Config {
    type Err = RegistryError;

    fn from_str(address: &str) -> Result<Self, RegistryError> {
        let (host, plain_http) = match address.strip_prefix("http://") {
            Some(host) => (host, true),
            None => (address.strip_prefix("https://").unwrap_or(address), false),
        };
        let host = host.strip_suffix('/').unwrap_or(host);
        if host.is_empty() || host.contains('/') || !is_repository(&format!("{host}/name")) {
            return Err(RegistryError::Config(format!(
                "{address:?} is no registry: write HOST or HOST:PORT, as registry.example.com, or http://HOST:PORT for \
                 one without TLS; repositories are named by --registry-repository"
            )));
        }
        Ok(Self {
            host: host.to_owned(),
            plain_http,
            ca_certificate: None,
            credentials: None,
            repositories: Vec::new(),
            tags: Vec::new(),
            poll: Duration::from_secs(60),
            requests_per_second: 50,
        })
    }
}

/// Whether a repository can have this name in a registry. It becomes a part of addresses.
pub(super) fn is_name(name: &str) -> bool {
    // With a host in front nothing of the name is taken for one.
    is_repository(&format!("localhost/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        assert!(is_name("app") && is_name("team/app"));
        for wrong in ["", "../up", "team/../up", "/app", "app/", "app?n=1", "a.example:80/app"] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_registry_is_a_host_with_or_without_port_and_scheme() {
        let parsed = |address: &str| address.parse::<Config>().map(|config| (config.host, config.plain_http));
        assert_eq!(parsed("quay.io").unwrap(), ("quay.io".to_owned(), false));
        assert_eq!(parsed("https://quay.io/").unwrap(), ("quay.io".to_owned(), false));
        assert_eq!(parsed("http://localhost:5000").unwrap(), ("localhost:5000".to_owned(), true));
        for wrong in ["", "http://", "quay.io/team", "quay.io/team/app:1", "user@quay.io", "ftp://quay.io"] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }
}
