//! The arguments that name the Kafka cluster.

use std::ffi::OsString;
use std::path::PathBuf;

use super::error::CliError;
use crate::log::kafka::Config;

/// The prefix of environment variables with properties of librdkafka: `CLADE_KAFKA_PROPERTY_SASL_USERNAME` is
/// `sasl.username`.
///
/// The prefix is longer than `CLADE_KAFKA_…`, which is not ours alone: for a Service named `clade-kafka` Kubernetes
/// gives every pod `CLADE_KAFKA_SERVICE_HOST`, `CLADE_KAFKA_PORT` and more. It never sets `CLADE_KAFKA`,
/// `CLADE_KAFKA_PREFIX` and `CLADE_KAFKA_CONFIG_FILE`, which clap reads.
const ENVIRONMENT: &str = "CLADE_KAFKA_PROPERTY_";

/// A cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Apache Kafka")]
pub(super) struct KafkaArgs {
    /// Work on this cluster instead of the data directory
    #[arg(long, global = true, env = "CLADE_KAFKA", value_name = "HOST:PORT,…")]
    kafka: Option<String>,
    /// Prefix of the names of clade's topics, groups and transactional IDs
    #[arg(long, global = true, env = "CLADE_KAFKA_PREFIX", default_value = "", value_name = "TEXT")]
    kafka_prefix: String,
    /// A property of librdkafka; NAME.file=PATH takes its value from a file. From the environment:
    /// CLADE_KAFKA_PROPERTY_SASL_USERNAME is sasl.username
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    kafka_config: Vec<String>,
    /// File of such properties, one per line
    #[arg(long, global = true, env = "CLADE_KAFKA_CONFIG_FILE", value_name = "FILE")]
    kafka_config_file: Option<PathBuf>,
}

impl KafkaArgs {
    /// The cluster, if one was named. Properties come from the file, then the environment, then the flags; the last one
    /// wins.
    pub(super) fn config(&self) -> Result<Option<Config>, CliError> {
        let Some(bootstrap) = &self.kafka else { return Ok(None) };
        let mut config = Config::new(bootstrap, &self.kafka_prefix);
        if let Some(file) = &self.kafka_config_file {
            config.set_from_file(file)?;
        }
        for (name, value) in from_environment(std::env::vars_os())? {
            config.set(&name, &value)?;
        }
        for property in &self.kafka_config {
            let (name, value) = property.split_once('=').ok_or_else(|| {
                CliError::Usage("--kafka-config takes NAME=VALUE, as security.protocol=SASL_SSL".to_owned())
            })?;
            config.set(name, value)?;
        }
        Ok(Some(config))
    }

    /// The cluster, or an error if none was named.
    pub(super) fn required(&self) -> Result<Config, CliError> {
        self.config()?.ok_or_else(|| {
            CliError::Usage("say which Apache Kafka: --kafka HOST:PORT, or CLADE_KAFKA".to_owned())
        })
    }
}

/// The properties among the variables. Other variables are not ours, and may be no valid text.
fn from_environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, CliError> {
    let mut properties = Vec::new();
    for (variable, value) in variables {
        let Some(name) = variable.to_str().and_then(|name| name.strip_prefix(ENVIRONMENT)) else { continue };
        // The error leaves out the value, which may be a secret.
        let value = value.into_string().map_err(|_| {
            CliError::Usage(format!("the value of {ENVIRONMENT}{name} is not UTF-8: write it as UTF-8"))
        })?;
        properties.push((name.to_lowercase().replace('_', "."), value));
    }
    Ok(properties)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn no_text() -> OsString {
        std::os::unix::ffi::OsStringExt::from_vec(vec![b'x', 0xff])
    }

    #[test]
    fn what_kubernetes_tells_of_a_service_named_clade_kafka_is_no_property() {
        let variables = [
            ("CLADE_KAFKA", "kafka:9092"),
            ("CLADE_KAFKA_PREFIX", "team-a."),
            ("CLADE_KAFKA_CONFIG_FILE", "client.properties"),
            ("CLADE_KAFKA_SERVICE_HOST", "10.0.0.1"),
            ("CLADE_KAFKA_PORT", "tcp://10.0.0.1:9092"),
            ("CLADE_KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
            ("CLADE_KAFKA_PROPERTY_SASL_USERNAME", "clade"),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let properties = from_environment(variables.into_iter()).unwrap();
        assert_eq!(properties, [("sasl.username".to_owned(), "clade".to_owned())]);
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_no_text_is_no_property_and_a_property_that_is_none_is_told_by_its_name() {
        let others = [("OTHER".into(), no_text()), (no_text(), "x".into())];
        assert_eq!(from_environment(others.into_iter()).unwrap(), []);
        let property = [("CLADE_KAFKA_PROPERTY_SASL_PASSWORD".into(), no_text())];
        let error = from_environment(property.into_iter()).unwrap_err().to_string();
        assert!(error.contains("CLADE_KAFKA_PROPERTY_SASL_PASSWORD is not UTF-8"), "{error}");
    }
}
