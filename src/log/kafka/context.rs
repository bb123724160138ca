//! The callbacks of librdkafka: logs, errors, delivery reports and OAuth tokens.

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientContext, TopicPartitionList};

use super::change::Change;
use super::token::read_token;
use crate::log::Offset;

/// The events of a client. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Context {
    token_file: Option<PathBuf>,
    /// `true` if records are read through the group. Otherwise the group only assigns partitions.
    reads: bool,
    shared: Arc<Mutex<Met>>,
}

#[derive(Default)]
struct Met {
    /// The last error of the client as a whole, in words for people.
    error: Option<String>,
    /// An error that does not pass by itself: wrong credentials, an untrusted certificate.
    refused: Option<String>,
    /// The changes of the group's assignment.
    changes: Vec<Change>,
    /// The offset of each record of the batch being written.
    offsets: Vec<Offset>,
    /// The error of the first record that was not written.
    failed: Option<KafkaError>,
}

impl Context {
    pub(super) fn new(token_file: Option<PathBuf>) -> Self {
        Self { token_file, ..Self::default() }
    }

    /// The context of a consumer that reads the partitions that its group assigns.
    pub(super) fn reading(self) -> Self {
        Self { reads: true, ..self }
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last error of the client as a whole.
    pub(super) fn last_error(&self) -> Option<String> {
        self.met().error.clone()
    }

    /// The reason why the cluster refuses this client, if it does.
    pub(super) fn refused(&self) -> Option<String> {
        self.met().refused.clone()
    }

    /// The changes of the group's assignment since the last call.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.met().changes)
    }

    /// Prepares for a batch of this many records.
    pub(super) fn expect(&self, records: usize) {
        let mut met = self.met();
        met.failed = None;
        met.offsets.clear();
        met.offsets.resize(records, 0);
    }

    /// The result of the batch: the offsets, or the first error.
    pub(super) fn delivered(&self) -> Result<Vec<Offset>, KafkaError> {
        let mut met = self.met();
        match met.failed.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut met.offsets)),
        }
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        // Important errors are also returned by a call, so these lines are for debugging.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "clade::kafka", fac, "{message}");
            }
            _ => tracing::debug!(target: "clade::kafka", fac, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "clade::kafka", %error, "{reason}");
        let mut met = self.met();
        let text = reason.to_owned();
        let is_refusal = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::SSL
            )
        );
        if is_refusal {
            met.refused = Some(text.clone());
        }
        // "All brokers are down" says less than the reason why one is down.
        if met.error.is_none() || error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            met.error = Some(text);
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let file = self.token_file.as_ref().ok_or(
            "SASL/OAUTHBEARER needs a token: set sasl.oauthbearer.token.file to the file that has it",
        )?;
        read_token(file)
    }
}

impl ConsumerContext for Context {
    /// Only records the change. The caller of `poll` acts on it.
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let partitions = |list: &TopicPartitionList| {
            list.elements().iter().filter_map(|element| u16::try_from(element.partition()).ok()).collect()
        };
        let change = match rebalance {
            Rebalance::Assign(list) => Change::Gained(partitions(list)),
            Rebalance::Revoke(list) => Change::Lost(partitions(list)),
            Rebalance::Error(error) => return tracing::warn!(%error, "a rebalance failed"),
        };
        self.met().changes.push(change);
    }

    /// Nothing is read through the group of processors, so its partitions are paused.
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if !self.reads
            && let Rebalance::Assign(list) = rebalance
            && let Err(error) = consumer.pause(list)
        {
            tracing::debug!(%error, "partitions could not be paused");
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let mut met = self.met();
        match result {
            Ok(message) => {
                let offset = rdkafka::Message::offset(message);
                if let Some(place) = met.offsets.get_mut(index) {
                    *place = offset.unsigned_abs();
                }
            }
            Err((error, _)) => {
                met.failed.get_or_insert_with(|| error.clone());
            }
        }
    }
}
