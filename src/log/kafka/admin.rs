//! What the cluster has of clade's topics, and creating what is missing. Nothing here changes or deletes anything.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::context::Context;
use super::{Config, FOLLOWING, Names, PATIENCE, consumer, reach, wrong_property};
use crate::log::LogError;
use crate::record::Topic;

/// So long may the cluster take to carry a request out.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A topic as it is on the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundTopic {
    /// Its partitions.
    pub partitions: usize,
    /// The replicas of each.
    pub replication: usize,
    /// Its settings, the cluster's defaults included.
    pub settings: BTreeMap<String, String>,
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTopic {
    /// The topic.
    pub topic: Topic,
    /// Its partitions.
    pub partitions: u16,
    /// Replicas of each partition; the cluster's default without.
    pub replication: Option<u16>,
    /// Its settings.
    pub settings: Vec<(&'static str, String)>,
}

/// The administration of clade's topics on a cluster.
pub struct Admin {
    client: AdminClient<Context>,
    consumer: BaseConsumer<Context>,
    config: Config,
    names: Names,
}

impl Admin {
    /// Reaches the cluster.
    pub fn open(config: Config) -> Result<Self, LogError> {
        if config.token_file().is_some() {
            // rust-rdkafka's admin client never asks for a token, and so never connects.
            return Err(LogError::Configuration(
                "topics cannot be looked after with OAUTHBEARER and a token from a file: use another mechanism for \
                 `clade topics`, or create the topics of deploy/strimzi/topics.yaml with other tools"
                    .to_owned(),
            ));
        }
        let consumer = consumer(&config, FOLLOWING)?;
        reach(&consumer, &config, PATIENCE)?;
        let client = config
            .client(&[], &[])
            .create_with_context(Context::new(config.token_file().map(Into::into)))
            .map_err(|error| wrong_property(&error))?;
        let names = Names::new(&config);
        Ok(Self { client, consumer, config, names })
    }

    /// The topic's name on the cluster.
    pub fn name(&self, topic: Topic) -> &str {
        self.names.of(topic)
    }

    /// Those of clade's topics that exist.
    pub fn find(&self) -> Result<BTreeMap<Topic, FoundTopic>, LogError> {
        let metadata = reach(&self.consumer, &self.config, PATIENCE)?;
        let mut found = BTreeMap::new();
        for topic in Topic::ALL {
            let here = metadata.topics().iter().find(|here| here.name() == self.names.of(topic));
            if let Some(here) = here.filter(|here| !here.partitions().is_empty()) {
                let replication = here.partitions().iter().map(|partition| partition.replicas().len()).min();
                let topic_found = FoundTopic {
                    partitions: here.partitions().len(),
                    replication: replication.unwrap_or(0),
                    settings: BTreeMap::new(),
                };
                found.insert(topic, topic_found);
            }
        }
        let names: Vec<ResourceSpecifier<'_>> =
            found.keys().map(|topic| ResourceSpecifier::Topic(self.names.of(*topic))).collect();
        if names.is_empty() {
            return Ok(found);
        }
        let described =
            block_on(self.client.describe_configs(&names, &options())).map_err(|error| refused(&error))?;
        for (resource, topic) in described.into_iter().zip(found.values_mut()) {
            let resource = resource.map_err(|code| refused(&KafkaError::AdminOp(code)))?;
            let setting = |entry: rdkafka::admin::ConfigEntry| Some((entry.name, entry.value?));
            topic.settings = resource.entries.into_iter().filter_map(setting).collect();
        }
        Ok(found)
    }

    /// Creates topics. One that exists by now is as good as created.
    pub fn create(&self, missing: &[MissingTopic]) -> Result<(), LogError> {
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|missing| {
                // -1: as many replicas as the cluster gives by default.
                let replication = missing.replication.map_or(-1, i32::from);
                let name = self.names.of(missing.topic);
                let topic =
                    NewTopic::new(name, i32::from(missing.partitions), TopicReplication::Fixed(replication));
                missing.settings.iter().fold(topic, |topic, (setting, value)| topic.set(setting, value))
            })
            .collect();
        if topics.is_empty() {
            return Ok(());
        }
        let created =
            block_on(self.client.create_topics(&topics, &options())).map_err(|error| refused(&error))?;
        for result in created {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(LogError::Configuration(format!(
                        "the cluster did not create the topic {name}: {code}"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT))
}

fn refused(error: &KafkaError) -> LogError {
    LogError::Configuration(format!("the cluster did not answer about its topics: {error}"))
}

/// The admin client answers by futures that a thread of its own completes.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}
