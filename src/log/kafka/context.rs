//! What librdkafka calls back: logs, errors, delivered records and OAuth tokens.

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

/// What a client has met. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Context {
    token_file: Option<PathBuf>,
    /// Whether records are read through the group; else it only hands partitions out.
    reads: bool,
    shared: Arc<Mutex<Met>>,
}

#[derive(Default)]
struct Met {
    /// The last error of the client as a whole, as people can read it.
    error: Option<String>,
    /// What does not pass by itself: wrong credentials, an untrusted certificate.
    refused: Option<String>,
    /// What the consumer group has given and taken.
    changes: Vec<Change>,
    /// The offset of each record of the batch that is being written.
    offsets: Vec<Offset>,
    /// The first record of it that was not written.
    failed: Option<KafkaError>,
}

impl Context {
    pub(super) fn new(token_file: Option<PathBuf>) -> Self {
        Self { token_file, ..Self::default() }
    }

    /// Of a consumer that reads what its group gives it.
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

    /// Why the cluster does not let this client in, if it does not.
    pub(super) fn refused(&self) -> Option<String> {
        self.met().refused.clone()
    }

    /// What the group has given and taken since the last call.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.met().changes)
    }

    /// A batch of so many records is going to be written.
    pub(super) fn expect(&self, records: usize) {
        let mut met = self.met();
        met.failed = None;
        met.offsets.clear();
        met.offsets.resize(records, 0);
    }

    /// What became of the batch: the offsets, or the first error.
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
        // What matters comes back as an error of a call; the rest is for whoever looks closely.
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
        // That all brokers are down says less than why one is.
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
    /// Only notes what has changed: whoever polls acts on it.
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

    /// Nothing is read through the group of processors.
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
