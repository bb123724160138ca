//! How the command line says which cluster.

use std::path::PathBuf;

use super::error::CliError;
use crate::log::kafka::Config;

/// Properties of librdkafka may come from the environment: `CLADE_KAFKA_SASL_USERNAME` is `sasl.username`.
const ENVIRONMENT: &str = "CLADE_KAFKA_";

/// A cluster.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Apache Kafka")]
pub(super) struct KafkaArgs {
    /// Work on this cluster instead of the data directory
    #[arg(long, global = true, env = "CLADE_KAFKA", value_name = "HOST:PORT,…")]
    kafka: Option<String>,
    /// What the names of clade's topics, groups and transactional IDs begin with
    #[arg(long, global = true, env = "CLADE_KAFKA_PREFIX", default_value = "", value_name = "TEXT")]
    kafka_prefix: String,
    /// A property of librdkafka; NAME.file=PATH takes its value from a file
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    kafka_config: Vec<String>,
    /// A file of such properties, one a line
    #[arg(long, global = true, env = "CLADE_KAFKA_CONFIG_FILE", value_name = "FILE")]
    kafka_config_file: Option<PathBuf>,
}

impl KafkaArgs {
    /// The cluster, if one was named: properties from the file, then the environment, then the flags.
    pub(super) fn config(&self) -> Result<Option<Config>, CliError> {
        let Some(bootstrap) = &self.kafka else { return Ok(None) };
        let mut config = Config::new(bootstrap, &self.kafka_prefix);
        if let Some(file) = &self.kafka_config_file {
            config.set_from_file(file)?;
        }
        for (name, value) in std::env::vars() {
            match name.strip_prefix(ENVIRONMENT) {
                None | Some("PREFIX" | "CONFIG_FILE") => {}
                Some(name) => config.set(&name.to_lowercase().replace('_', "."), &value)?,
            }
        }
        for property in &self.kafka_config {
            let (name, value) = property.split_once('=').ok_or_else(|| {
                CliError::Usage("--kafka-config takes NAME=VALUE, as security.protocol=SASL_SSL".to_owned())
            })?;
            config.set(name, value)?;
        }
        Ok(Some(config))
    }

    /// The cluster, which the command cannot do without.
    pub(super) fn required(&self) -> Result<Config, CliError> {
        self.config()?.ok_or_else(|| {
            CliError::Usage("say which Apache Kafka: --kafka HOST:PORT, or CLADE_KAFKA".to_owned())
        })
    }
}
