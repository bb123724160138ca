//! The arguments of registries as live sources.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::error::CliError;
use crate::cli::secret;
use crate::registry::{Config, Pattern};

/// Container registries as live sources.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Registries")]
pub(in crate::cli) struct RegistryArgs {
    /// Watch the images of this registry, as registry.example.com:5000; http://… for a registry without TLS. Repeatable
    #[arg(long = "registry", value_name = "HOST[:PORT]")]
    registries: Vec<String>,
    /// Only these repositories, where * stands for any characters; repeatable. Required for a registry that does not
    /// list its repositories, such as docker.io (library/php) and ghcr.io [default: all repositories in its list]
    #[arg(long = "registry-repository", value_name = "PATTERN", requires = "registries")]
    repositories: Vec<Pattern>,
    /// Only these tags, as v*; repeatable [default: all]
    #[arg(long = "registry-tag", value_name = "PATTERN", requires = "registries")]
    tags: Vec<Pattern>,
    /// Delay between two polls of all repositories
    #[arg(long = "registry-poll", value_name = "SECONDS", default_value_t = 60, requires = "registries")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    poll: u64,
    /// Send at most this many requests per second to each registry
    #[arg(long = "registry-rate", value_name = "N", default_value_t = 50, requires = "registries")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// File with user:password [default: credentials of `docker login`, credential helpers included]
    #[arg(long = "registry-credentials", value_name = "FILE", requires = "registries")]
    credentials: Option<PathBuf>,
    /// Also trust the certificate authorities in this PEM file
    #[arg(long = "registry-ca", value_name = "FILE", requires = "registries")]
    ca: Option<PathBuf>,
    /// Accept notifications of registries at POST /v1/registries/notify from senders that know the secret in this file:
    /// as `Authorization: Bearer SECRET`, as password in the address, or by an HMAC-SHA256 of the body in
    /// X-Hub-Signature-256
    #[arg(long = "registry-secret-file", value_name = "FILE", requires = "registries")]
    secret: Option<PathBuf>,
}

impl RegistryArgs {
    /// The registries from the arguments.
    pub(in crate::cli) fn configs(&self) -> Result<Vec<Config>, CliError> {
        if self.credentials.is_some() && self.registries.len() > 1 {
            return Err(CliError::Usage(
                "--registry-credentials are those of one registry, and several are named: use `docker login`"
                    .to_owned(),
            ));
        }
        let config = |address: &String| {
            let config: Config = address.parse().map_err(|error| CliError::Usage(format!("{error}")))?;
            Ok(Config {
                ca_certificate: self.ca.clone(),
                credentials: self.credentials.clone(),
                repositories: self.repositories.clone(),
                tags: self.tags.clone(),
                poll: Duration::from_secs(self.poll),
                requests_per_second: self.rate,
                ..config
            })
        };
        self.registries.iter().map(config).collect()
    }

    /// The secret that senders of notifications must know.
    pub(in crate::cli) fn secret(&self) -> Result<Option<Vec<u8>>, CliError> {
        let secret = self.secret.as_deref().map(|path| secret::read("the secret", path)).transpose()?;
        Ok(secret.map(String::into_bytes))
    }
}
