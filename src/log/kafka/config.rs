//! The configuration of clients: librdkafka's properties, clade's defaults, and its own rules for secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rdkafka::ClientConfig;

use crate::log::LogError;

/// The suffix of a property whose value is the content of a file, as `sasl.password.file`.
const FROM_FILE: &str = ".file";
/// The file with the OAuth token of SASL/OAUTHBEARER. It is read again whenever the token has to be refreshed. This
/// property is clade's own: librdkafka leaves the token to the program.
const TOKEN_FILE: &str = "sasl.oauthbearer.token.file";

/// A cluster and the properties of its clients. Its `Debug` shows no secret.
#[derive(Clone, Default)]
pub struct Config {
    /// The bootstrap servers, as `host:port,host:port`.
    pub bootstrap: String,
    /// The prefix of the names of clade's topics, groups and transactional IDs on this cluster.
    pub prefix: String,
    properties: BTreeMap<String, String>,
    token_file: Option<PathBuf>,
}

impl Config {
    /// Returns a cluster without further properties.
    pub fn new(bootstrap: &str, prefix: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned(), prefix: prefix.to_owned(), ..Self::default() }
    }

    /// Returns the same cluster with another prefix.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self.clone() }
    }

    /// Sets a property of librdkafka; the last one wins. `NAME.file` takes the value from a file, without the line
    /// break at its end.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), LogError> {
        let name = name.trim();
        if name == TOKEN_FILE {
            self.token_file = Some(PathBuf::from(value));
        } else if let Some(name) = name.strip_suffix(FROM_FILE) {
            let text = std::fs::read_to_string(value).map_err(|error| {
                LogError::Configuration(format!(
                    "the Kafka property {name} is to be taken from {value}: {error}"
                ))
            })?;
            self.properties.insert(name.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
        } else {
            self.properties.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// Sets every property of a file of lines `name=value`; lines that begin with `#` are comments.
    pub fn set_from_file(&mut self, path: &Path) -> Result<(), LogError> {
        let wrong = |problem: String| LogError::Configuration(format!("{}: {problem}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        for (number, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| wrong(format!("line {} is no property: write name=value", number + 1)))?;
            self.set(name, value.trim())?;
        }
        Ok(())
    }

    /// The file with the OAuth token.
    pub(super) fn token_file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// The name of a topic or group on the cluster.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The transactional ID of a writer. It names clade even without a prefix. Otherwise another application's producer
    /// with the same ID, and `publisher` is a likely one, would fence ours.
    pub(super) fn transactional_id(&self, writer: &str) -> String {
        format!("{}clade-{writer}", self.prefix)
    }

    /// The properties of one client: first `defaults`, then the user's, which override them, and last `fixed`, which
    /// must not be changed.
    pub(super) fn client(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap).set("client.id", "clade");
        for (name, value) in defaults {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bootstrap", &self.bootstrap)
            .field("prefix", &self.prefix)
            .field("properties", &self.properties.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn properties_come_from_files_and_secrets_from_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, file) = (dir.path().join("password"), dir.path().join("client.properties"));
        std::fs::write(&secret, "pa=ss word\n").unwrap();
        std::fs::write(
            &file,
            format!("# a comment\n\nsasl.username = clade\nsasl.password.file={}\n", secret.display()),
        )
        .unwrap();
        let mut config = Config::new("127.0.0.1:9092", "");
        config.set_from_file(&file).unwrap();
        let client = config.client(&[("sasl.username", "nobody")], &[]);
        assert_eq!(client.get("sasl.username"), Some("clade"));
        assert_eq!(client.get("sasl.password"), Some("pa=ss word"));
        assert!(!format!("{config:?}").contains("pa=ss"), "{config:?}");
    }

    #[test]
    fn a_line_that_is_no_property_is_told_by_file_and_number() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("client.properties");
        std::fs::write(&file, "sasl.username=clade\nnonsense\n").unwrap();
        let error = Config::default().set_from_file(&file).unwrap_err().to_string();
        assert_eq!(error, format!("{}: line 2 is no property: write name=value", file.display()));
    }
}
