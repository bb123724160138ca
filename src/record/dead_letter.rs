//! Topic `dead-letters`: inputs that could not be read, and the reasons. The process goes on with the next input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Topic, Value};

/// One record, or one piece of an imported file, that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterRecord {
    /// The place of the input: `topic[partition]@offset`, or `file:line`.
    pub origin: String,
    /// The key, if the input had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The reason.
    pub reason: String,
    /// The beginning of the value, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl DeadLetterRecord {
    /// Bytes kept of the value, of the key and of the reason, each: enough to recognise the input. A dead letter must
    /// fit wherever the bad record did. A larger one would stop the process that it is to keep going.
    pub const KEPT_BYTES: usize = 4096;

    /// Returns a dead letter for `value`. Every text is cut to [`Self::KEPT_BYTES`].
    pub fn new(origin: String, key: Option<String>, reason: String, value: Option<&[u8]>) -> Self {
        let value = value
            .map(|value| String::from_utf8_lossy(&value[..value.len().min(Self::KEPT_BYTES)]).into_owned());
        Self { origin, key: key.map(cut), reason: cut(reason), value }
    }
}

/// Cuts the text at the end of a character.
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
