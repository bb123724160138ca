//! Topic `dead-letters`: what could not be used, and why. Everything else goes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Topic, Value};

/// One record, or one piece of an imported file, that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterRecord {
    /// Where it stood: `topic[partition]@offset`, or `file:line`.
    pub origin: String,
    /// Its key, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was wrong with it.
    pub reason: String,
    /// The beginning of its value, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl DeadLetterRecord {
    /// How much is kept of a bad value, of its key and of the reason, each, in bytes: enough to see what it was. A dead
    /// letter must fit wherever the bad record did, or it would stop what it is to keep going.
    pub const KEPT_BYTES: usize = 4096;

    /// A dead letter for `value`; everything is cut to [`Self::KEPT_BYTES`].
    pub fn new(origin: String, key: Option<String>, reason: String, value: Option<&[u8]>) -> Self {
        let value = value
            .map(|value| String::from_utf8_lossy(&value[..value.len().min(Self::KEPT_BYTES)]).into_owned());
        Self { origin, key: key.map(cut), reason: cut(reason), value }
    }
}

/// Cut where a character ends.
fn cut(mut text: String) -> String {
    if text.len() > DeadLetterRecord::KEPT_BYTES {
        text.truncate(text.floor_char_boundary(DeadLetterRecord::KEPT_BYTES));
        text.push('…');
    }
    text
}

impl Value for DeadLetterRecord {
    const TOPIC: Topic = Topic::DeadLetters;
    const TYPE: &'static str = "dev.clade.dead-letter.v1";
    fn id(&self, _: &[u8]) -> String {
        self.origin.clone()
    }
}
