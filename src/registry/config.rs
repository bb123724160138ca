//! The settings of the watcher of one registry.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Pattern, RegistryError};
use crate::oci::reference::is_repository;

/// The settings for one registry.
#[derive(Debug, Clone)]
pub struct Config {
    /// The host, with a port if it has one. The full names of its repositories begin with it.
    pub host: String,
    /// `true` for HTTP without TLS.
    pub plain_http: bool,
    /// A file with additional certificate authorities, in PEM, that clade trusts.
    pub ca_certificate: Option<PathBuf>,
    /// A file with `user:password`. Without it, clade uses the login that `docker login` has stored.
    pub credentials: Option<PathBuf>,
    /// The repositories to watch. If none is named, all that the registry lists.
    pub repositories: Vec<Pattern>,
    /// The tags to watch. If none is named, all.
    pub tags: Vec<Pattern>,
    /// The time between the end of a pass and the start of the next.
    pub poll: Duration,
    /// Requests per second, at most.
    pub requests_per_second: u32,
}

/// Reads `HOST`, `HOST:PORT`, or either behind `https://` or `http://`. `http://` means no TLS.
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

/// Returns `true` if a repository in a registry can have this name. The name becomes a part of addresses.
pub(super) fn is_name(name: &str) -> bool {
    // The host in front keeps `is_repository` from taking a part of the name for a host.
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
