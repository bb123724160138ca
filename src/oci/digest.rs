//! Content digests (OCI image-spec, descriptor.md "Digests").

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A SHA-256 content digest, written `sha256:` and 64 lower-case hexadecimal digits.
///
/// SHA-256 is the one algorithm accepted: it is what every registry stores, and one fixed size is what lets the
/// chain index keep full digests side by side. Another algorithm is refused by name, never cut or re-hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` in front.
    #[error("digest {0:?} has no algorithm: write sha256:<64 hexadecimal digits>")]
    NoAlgorithm(String),
    /// The algorithm is not SHA-256.
    #[error("digest {0:?} uses another algorithm than sha256, which is the one supported")]
    Algorithm(String),
    /// The encoded part has another length than 64 or a character that is not a lower-case hexadecimal digit.
    #[error("digest {0:?} is not sha256: followed by 64 lower-case hexadecimal digits")]
    Encoding(String),
}

impl Digest {
    /// The digest with these raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest that a text in the source names. One that is none does not compile.
    pub(super) const fn constant(text: &str) -> Self {
        let (_, hex) = text.as_bytes().split_at(PREFIX.len());
        match hex.first_chunk::<64>() {
            Some(hex) => match from_hex(hex) {
                Some(bytes) => Self(bytes),
                None => panic!("not hexadecimal"),
            },
            None => panic!("too short"),
        }
    }

    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// The digest of content that is in parts.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        parts.into_iter().for_each(|part| hash.update(part));
        Self(hash.finalize().into())
    }

    /// The raw 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits without the algorithm.
    pub fn hex(&self) -> String {
        let text = self.text();
        ascii(&text[PREFIX.len()..]).to_owned()
    }

    /// The first twelve hexadecimal digits: enough for a person, never used as an identity.
    pub fn short(&self) -> String {
        let text = self.text();
        ascii(&text[PREFIX.len()..PREFIX.len() + 12]).to_owned()
    }

    /// The whole text as ASCII bytes; hashing a chain needs it without an allocation.
    pub fn text(&self) -> [u8; 71] {
        let mut text = [0; 71];
        text[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        for (byte, pair) in self.0.iter().zip(text[PREFIX.len()..].chunks_exact_mut(2)) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        text
    }
}

/// Computes the digest of content that comes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds a piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

const PREFIX: &str = "sha256:";
const HEX: &[u8; 16] = b"0123456789abcdef";

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some(hex) = text.strip_prefix(PREFIX) else {
            return Err(match text.split_once(':') {
                Some((algorithm, _)) if !algorithm.is_empty() => DigestError::Algorithm(text.to_owned()),
                _ => DigestError::NoAlgorithm(text.to_owned()),
            });
        };
        let hex: Option<&[u8; 64]> = hex.as_bytes().try_into().ok();
        hex.and_then(from_hex).map(Self).ok_or_else(|| DigestError::Encoding(text.to_owned()))
    }
}

const fn from_hex(hex: &[u8; 64]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // Looked at once, at the end: most of what is read is right.
    let mut wrong = 0;
    let mut at = 0;
    while at < bytes.len() {
        let (high, low) = (NIBBLES[hex[2 * at] as usize], NIBBLES[hex[2 * at + 1] as usize]);
        wrong |= high | low;
        bytes[at] = high << 4 | low & 15;
        at += 1;
    }
    if wrong & NO_NIBBLE == 0 { Some(bytes) } else { None }
}

const NO_NIBBLE: u8 = 0x80;

/// The value of each hexadecimal digit. Upper case is refused, as the specification has it: two spellings of one digest
/// would be two keys.
const NIBBLES: [u8; 256] = {
    let mut values = [NO_NIBBLE; 256];
    let mut value = 0;
    while value < 16 {
        values[HEX[value as usize] as usize] = value;
        value += 1;
    }
    values
};

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(ascii(&self.text()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text in formats that people read, the raw bytes in others.
impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(ascii(&self.text()))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl de::Visitor<'_> for Form {
            type Value = Digest;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sha256 digest")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Digest, E> {
                bytes.try_into().map(Digest).map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }
        // Inside of a tagged enum serde has forgotten which kind of format it reads: the form must not depend on it.
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Form)
        } else {
            deserializer.deserialize_bytes(Form)
        }
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(b"")));
    }

    #[test]
    fn a_digest_that_is_none_says_what_is_wrong_with_it() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, error) in [
            (hex.to_owned(), DigestError::NoAlgorithm(hex.to_owned())),
            (format!("sha512:{hex}{hex}"), DigestError::Algorithm(format!("sha512:{hex}{hex}"))),
            (format!("sha256:{}", &hex[1..]), DigestError::Encoding(format!("sha256:{}", &hex[1..]))),
            (format!("sha256:{hex}0"), DigestError::Encoding(format!("sha256:{hex}0"))),
            (
                format!("sha256:{}", hex.to_uppercase()),
                DigestError::Encoding(format!("sha256:{}", hex.to_uppercase())),
            ),
            (String::new(), DigestError::NoAlgorithm(String::new())),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(error));
        }
    }
}
