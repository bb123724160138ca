//! Checks the settings of clade's topics on the cluster. Their creator may have chosen other settings than `topics/`
//! lists.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigEntry, ResourceSpecifier};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::context::Context;
use super::{Config, Names, wrong_property};
use crate::log::{LogError, default_deletions_kept};
use crate::record::topic::HISTORY_SETTING;
use crate::record::{Cleanup, Topic};

/// Time limit for a request to the cluster.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The settings of each topic, the cluster's defaults included.
pub(super) type Settings = BTreeMap<Topic, BTreeMap<String, String>>;

/// How long the topics keep what a compaction could remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Tombstones.
    pub(super) deletions: Duration,
    /// Records that were replaced.
    pub(super) history: Duration,
}

impl Kept {
    /// Where the settings are unknown: tombstones as `topics/` says, since clade has always made topics so. Topics of
    /// earlier versions keep nothing that was replaced.
    fn unknown() -> Self {
        Self { deletions: default_deletions_kept(), history: Duration::ZERO }
    }
}

/// A reason why settings are unknown.
pub(super) enum Undescribed {
    /// clade may read the topics, but not their settings.
    Forbidden,
    /// The admin client of rust-rdkafka never requests an OAuth token, and so never connects.
    NoToken,
    /// Any other error.
    Failed(LogError),
}

pub(super) fn admin_client(config: &Config) -> Result<AdminClient<Context>, LogError> {
    config
        .client(&[], &[])
        .create_with_context(Context::new(config.token_file().map(Into::into)))
        .map_err(|error| wrong_property(&error))
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT))
}

/// Blocks on a future of the admin client, which a thread of the client completes.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

/// Requests the settings of all these topics at once.
pub(super) fn describe(
    client: &AdminClient<Context>,
    names: &Names,
    topics: &[Topic],
) -> Result<Settings, Undescribed> {
    if topics.is_empty() {
        return Ok(Settings::new());
    }
    let resources: Vec<ResourceSpecifier<'_>> =
        topics.iter().map(|topic| ResourceSpecifier::Topic(names.of(*topic))).collect();
    let described = block_on(client.describe_configs(&resources, &options()))
        .map_err(|error| Undescribed::Failed(refused(&error)))?;
    let mut settings = Settings::new();
    for (resource, topic) in described.into_iter().zip(topics) {
        let resource = resource.map_err(|code| undescribed(code, names.of(*topic)))?;
        let setting = |entry: ConfigEntry| Some((entry.name, entry.value?));
        settings.insert(*topic, resource.entries.into_iter().filter_map(setting).collect());
    }
    Ok(settings)
}

fn undescribed(code: RDKafkaErrorCode, name: &str) -> Undescribed {
    match code {
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            Undescribed::Forbidden
        }
        // The topic was just created, and this broker does not know it yet.
        RDKafkaErrorCode::UnknownTopicOrPartition => Undescribed::Failed(LogError::Incompatible(format!(
            "the cluster has no topic {name}: `clade topics apply` creates what is missing"
        ))),
        code => Undescribed::Failed(refused(&KafkaError::AdminOp(code))),
    }
}

pub(super) fn refused(error: &KafkaError) -> LogError {
    LogError::Configuration(format!("the cluster did not answer about its topics: {error}"))
}

/// Refuses topics with settings that clade cannot run on. Where clade may not read them, they count as [unknown](Kept::unknown).
pub(super) fn agree(described: Result<Settings, Undescribed>, names: &Names) -> Result<Kept, LogError> {
    let settings = match described {
        Ok(settings) => settings,
        Err(Undescribed::Failed(error)) => return Err(error),
        Err(Undescribed::Forbidden) => {
            tracing::warn!(
                "the cluster does not let us see the settings of the topics, so tombstones are taken to be kept as topics/ \
                 says, and there are no answers about the past: allow the operation DescribeConfigs on them"
            );
            return Ok(Kept::unknown());
        }
        Err(Undescribed::NoToken) => {
            tracing::warn!(
                "with OAUTHBEARER and a token from a file the settings of the topics are not looked at: tombstones are \
                 taken to be kept as topics/ says, and there are no answers about the past"
            );
            return Ok(Kept::unknown());
        }
    };
    for (topic, found) in &settings {
        for (setting, expected) in topic.settings() {
            let found = found.get(setting).map_or("", String::as_str);
            if Topic::is_essential(setting) && found != expected {
                let name = names.of(*topic);
                return Err(LogError::Incompatible(format!(
                    "the topic {name} has {setting}={found} and must have {expected}, or the cluster takes away what \
                     still holds: kafka-configs --alter --topic {name} --add-config {setting}={expected}"
                )));
            }
        }
    }
    Ok(Kept { deletions: deletions_kept(&settings), history: history_kept(&settings) })
}

/// The shortest time for which one of the compacted topics keeps a tombstone.
fn deletions_kept(settings: &Settings) -> Duration {
    let kept = |(topic, settings): (&Topic, &BTreeMap<String, String>)| {
        let kept = settings.get("delete.retention.ms")?.parse().ok().map(Duration::from_millis);
        kept.filter(|_| topic.cleanup() == Cleanup::Compact)
    };
    settings.iter().filter_map(kept).min().unwrap_or_else(default_deletions_kept)
}

/// The shortest time for which one of the topics with a history keeps a record that was replaced.
fn history_kept(settings: &Settings) -> Duration {
    let of = |topic: &Topic| {
        let kept = settings.get(topic).and_then(|settings| settings.get(HISTORY_SETTING)?.parse().ok());
        Duration::from_millis(kept.unwrap_or(0))
    };
    let topics = Topic::ALL.iter().filter(|topic| topic.history_ms() > 0);
    topics.map(of).min().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&Config::new("127.0.0.1:9092", "team-a."))
    }

    fn as_it_should_be() -> Settings {
        let of = |topic: Topic| topic.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
        Topic::ALL.into_iter().map(|topic| (topic, of(topic).collect())).collect()
    }

    fn with(topic: Topic, setting: &str, value: &str) -> Settings {
        let mut settings = as_it_should_be();
        settings.entry(topic).or_default().insert(setting.to_owned(), value.to_owned());
        settings
    }

    #[test]
    fn the_topic_that_forgets_deletions_first_says_how_long_they_are_kept() {
        let as_it_should_be = Kept { history: Duration::from_secs(30 * 24 * 60 * 60), ..Kept::unknown() };
        assert_eq!(agree(Ok(self::as_it_should_be()), &names()).unwrap(), as_it_should_be);
        let kept = agree(Ok(with(Topic::Tags, "delete.retention.ms", "86400000")), &names()).unwrap();
        assert_eq!(kept.deletions, Duration::from_secs(24 * 60 * 60));
        // The cluster lists the setting for topics that are not compacted, too.
        let kept = agree(Ok(with(Topic::Outdated, "delete.retention.ms", "1")), &names()).unwrap();
        assert_eq!(kept, as_it_should_be);
    }

    #[test]
    fn the_topic_that_removes_replaced_records_first_says_how_far_back_questions_may_go() {
        let lag = |topic, value| agree(Ok(with(topic, HISTORY_SETTING, value)), &names()).unwrap().history;
        assert_eq!(lag(Topic::Tags, "3600000"), Duration::from_secs(60 * 60));
        // The cluster's default: it may remove at once.
        assert_eq!(lag(Topic::Catalog, "0"), Duration::ZERO);
        assert_eq!(lag(Topic::Classifications, "0"), Duration::from_secs(30 * 24 * 60 * 60));
    }

    #[test]
    fn another_cleanup_policy_is_refused_with_what_to_do_and_another_retention_is_not() {
        for policy in ["delete", "compact,delete", ""] {
            let error = agree(Ok(with(Topic::Images, "cleanup.policy", policy)), &names()).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains(&format!("team-a.images has cleanup.policy={policy} and must")),
                "{error}"
            );
            assert!(error.contains("--add-config cleanup.policy=compact"), "{error}");
        }
        assert!(agree(Ok(with(Topic::Outdated, "retention.ms", "1")), &names()).is_ok());
    }

    #[test]
    fn who_may_not_see_the_settings_goes_on_without_a_history() {
        let forbidden = undescribed(RDKafkaErrorCode::TopicAuthorizationFailed, "images");
        assert_eq!(agree(Err(forbidden), &names()).unwrap(), Kept::unknown());
        let other = undescribed(RDKafkaErrorCode::RequestTimedOut, "images");
        assert!(agree(Err(other), &names()).is_err());
    }
}
