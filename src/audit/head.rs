//! The head of a closed segment, in a file beside it, signed if there is a key.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::chain::Footer;
use super::entry::millis;
use super::key::{PublicKey, SigningKey};
use crate::oci::{Digest, Timestamp};

/// What is signed: the last line of a segment, and so everything before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the format.
    pub audit: u32,
    /// The segment's file.
    pub segment: String,
    /// The number of its first entry.
    pub first: u64,
    /// The number of its last entry.
    pub last: u64,
    /// When it was closed.
    #[serde(serialize_with = "millis")]
    pub closed: Timestamp,
    /// The hash of its last line.
    pub head: Digest,
}

/// The file: one line of JSON. What is signed is [`Head`] as it stands there: the same object without `publicKey` and
/// `signature`, behind [`Head::DOMAIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedHead {
    /// What is signed.
    #[serde(flatten)]
    pub head: Head,
    /// The raw Ed25519 key in base64. Whether it is the right one is for the reader to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The signature in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Head {
    /// Goes before what is signed, so that a signature means nothing anywhere else.
    pub const DOMAIN: &[u8] = b"clade audit head 1\n";

    /// Of a segment that was closed with this line.
    pub fn new(segment: String, first: u64, footer: &Footer, head: Digest) -> Self {
        Self { audit: super::chain::FORMAT, segment, first, last: footer.last, closed: footer.closed, head }
    }

    fn message(&self) -> Vec<u8> {
        let mut message = Self::DOMAIN.to_vec();
        // Strings, numbers and a time: that cannot fail.
        let _ = serde_json::to_writer(&mut message, self);
        message
    }
}

impl SignedHead {
    /// Signed with the key, if there is one.
    pub fn new(head: Head, key: Option<&SigningKey>) -> Result<Self, String> {
        let Some(key) = key else { return Ok(Self { head, public_key: None, signature: None }) };
        let signature = BASE64.encode(&key.sign(&head.message())?);
        Ok(Self { public_key: Some(key.public().to_string()), signature: Some(signature), head })
    }

    /// The content of the file.
    pub fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Reads a file. Only what [`SignedHead::text`] writes is one, to the byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let head: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
        if head.text() == bytes { Ok(head) } else { Err("it is not written as clade writes it".to_owned()) }
    }

    /// Whether it is signed, by one of `keys`; with none of them, by the key that it names itself. Returns the key.
    pub fn check(&self, keys: &[PublicKey]) -> Result<Option<PublicKey>, String> {
        let (Some(key), Some(signature)) = (&self.public_key, &self.signature) else {
            let is_nothing = self.public_key.is_none() && self.signature.is_none();
            return match (is_nothing, keys.is_empty()) {
                (true, true) => Ok(None),
                (true, false) => Err("it is not signed".to_owned()),
                (false, _) => Err("it has half of a signature".to_owned()),
            };
        };
        let key: PublicKey = key.parse().map_err(|_| "its key is none".to_owned())?;
        if !keys.is_empty() && !keys.contains(&key) {
            return Err(format!("it is signed with another key: {key}"));
        }
        let signature =
            BASE64.decode(signature.as_bytes()).map_err(|_| "its signature is none".to_owned())?;
        if !key.verify(&self.head.message(), &signature) {
            return Err(format!("its signature with the key {key} is wrong"));
        }
        Ok(Some(key))
    }
}
