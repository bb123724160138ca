//! The signature of a file of lines, with the keys of the audit trail. It is the last line and covers those before it.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{PublicKey, SigningKey};
use crate::oci::Digest;

/// A key signs this text and the digest: a signature of one kind of text is none of another.
const DOMAIN: &str = "clade versions 1\n";

/// The last line of a signed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureLine {
    signed: Signature,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    /// The digest of the bytes before the line.
    digest: Digest,
    public_key: String,
    signature: String,
}

impl SignatureLine {
    /// Signs the lines with this digest.
    pub fn new(digest: Digest, key: &SigningKey) -> Result<Self, String> {
        let signature = BASE64.encode(&key.sign(&message(&digest))?);
        Ok(Self { signed: Signature { digest, public_key: key.public().to_string(), signature } })
    }

    /// Checks the line against the digest of the bytes before it, and against the one key that counts.
    pub fn check(&self, digest: &Digest, key: &PublicKey) -> Result<(), String> {
        let Signature { digest: signed, public_key, signature } = &self.signed;
        if signed != digest {
            return Err("it was changed after it was signed".to_owned());
        }
        if *public_key != key.to_string() {
            return Err(format!("it is signed with another key: {public_key}"));
        }
        let signature =
            BASE64.decode(signature.as_bytes()).map_err(|_| "its signature is none".to_owned())?;
        if key.verify(&message(digest), &signature) {
            Ok(())
        } else {
            Err("its signature is wrong".to_owned())
        }
    }
}

fn message(digest: &Digest) -> Vec<u8> {
    format!("{DOMAIN}{digest}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_lines_and_the_very_key_are_right() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let digest = Digest::of(b"lines\n");
        let line = SignatureLine::new(digest, &key).unwrap();
        assert_eq!(line.check(&digest, &key.public()), Ok(()));
        assert!(line.check(&Digest::of(b"other lines\n"), &key.public()).unwrap_err().contains("changed"));
        assert!(line.check(&digest, &other.public()).unwrap_err().contains("another key"));
        let mut forged = line.clone();
        forged.signed.signature = SignatureLine::new(digest, &other).unwrap().signed.signature;
        assert!(forged.check(&digest, &key.public()).unwrap_err().contains("wrong"));
    }
}
