//! Finds clade's topics on the cluster, and creates missing ones. It changes and deletes nothing.

use std::collections::BTreeMap;

use rdkafka::admin::{AdminClient, NewTopic, TopicReplication};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::RDKafkaErrorCode;

use super::context::Context;
use super::settings::{Undescribed, admin_client, block_on, describe, options, refused};
use super::{Config, FOLLOWING, Names, PATIENCE, consumer, reach};
use crate::log::LogError;
use crate::log::{FoundTopic, MissingTopic};
use crate::record::Topic;

/// The administration of clade's topics on a cluster.
pub struct Admin {
    client: AdminClient<Context>,
    consumer: BaseConsumer<Context>,
    config: Config,
    names: Names,
}

impl Admin {
    /// Connects to the cluster.
    pub fn open(config: Config) -> Result<Self, LogError> {
        if config.token_file().is_some() {
            // The admin client of rust-rdkafka never requests a token, and so never connects.
            return Err(LogError::Configuration(
                "topics cannot be looked after with OAUTHBEARER and a token from a file: use another mechanism for \
                 `clade topics`, or create the topics of deploy/strimzi/topics.yaml with other tools"
                    .to_owned(),
            ));
        }
        let consumer = consumer(&config, FOLLOWING)?;
        reach(&consumer, &config, PATIENCE)?;
        let client = admin_client(&config)?;
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
        let topics: Vec<Topic> = found.keys().copied().collect();
        let settings = describe(&self.client, &self.names, &topics).map_err(|error| match error {
            Undescribed::Forbidden | Undescribed::NoToken => LogError::Configuration(
                "the cluster does not let us see the settings of the topics: allow the operation DescribeConfigs on them"
                    .to_owned(),
            ),
            Undescribed::Failed(error) => error,
        })?;
        for (topic, settings) in settings {
            found.entry(topic).or_default().settings = settings;
        }
        Ok(found)
    }

    /// Creates topics. A topic that exists meanwhile counts as created.
    pub fn create(&self, missing: &[MissingTopic]) -> Result<(), LogError> {
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|missing| {
                // -1 is the default replication of the cluster.
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
