//! The head of a closed segment, in a file beside it. It is signed if there is a key.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::chain::Footer;
use super::entry::millis;
use super::key::{PublicKey, SigningKey};
use crate::oci::{Digest, Timestamp};

/// The signed statement about a segment: its last line, and thereby everything before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the format.
    pub audit: u32,
    /// The name of the segment's file.
    pub segment: String,
    /// The number of the segment's first entry.
    pub first: u64,
    /// The number of the segment's last entry.
    pub last: u64,
    /// The time at which the segment was closed.
    #[serde(serialize_with = "millis")]
    pub closed: Timestamp,
    /// The hash of the segment's last line.
    pub head: Digest,
}

/// The content of the file: one line of JSON. The signature covers [`Head`] as it stands there, which is the same
/// object without `publicKey` and `signature`, after [`Head::DOMAIN`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedHead {
    /// The signed part.
    #[serde(flatten)]
    pub head: Head,
    /// The raw Ed25519 key in base64. The reader must know whether it is the right key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// The signature in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Head {
    /// Precedes the signed text, so that a signature is valid for nothing else.
    pub const DOMAIN: &[u8] = b"clade audit head 1\n";

    /// Returns the head of a segment that was closed with this footer.
    pub fn new(segment: String, first: u64, footer: &Footer, head: Digest) -> Self {
        Self { audit: super::chain::FORMAT, segment, first, last: footer.last, closed: footer.closed, head }
    }

    fn message(&self) -> Vec<u8> {
        let mut message = Self::DOMAIN.to_vec();
        // Encoding strings, numbers and a time cannot fail.
        let _ = serde_json::to_writer(&mut message, self);
        message
    }
}

impl SignedHead {
    /// Signs the head with the key, if there is one.
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

    /// Parses a file. It must equal the output of [`SignedHead::text`] to the byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let head: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
        if head.text() == bytes { Ok(head) } else { Err("it is not written as clade writes it".to_owned()) }
    }

    /// Checks the signature against `keys`, or, if that is empty, against the key in the file. Returns the key, or
    /// `None` if the head is not signed.
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
