//! Ed25519 keys for heads. The implementation is OpenSSL's, which the program links anyway.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::crypto::pkey::{Id, PKey, Private, Public};
use crate::crypto::sign::{Signer, Verifier};
use data_encoding::BASE64;

use super::AuditError;

/// The private key that signs heads.
#[derive(Clone)]
pub struct SigningKey {
    key: PKey<Private>,
    public: PublicKey,
}

/// The public key that checks signatures of heads. Its text form is the 32 bytes in base64.
#[derive(Clone)]
pub struct PublicKey {
    key: PKey<Public>,
    raw: [u8; BYTES],
}

/// The length of an Ed25519 key (RFC 8032).
const BYTES: usize = 32;

impl SigningKey {
    /// Generates a key.
    pub fn generate() -> Result<Self, AuditError> {
        let failed = |problem: String| AuditError::Configuration(format!("cannot make a key: {problem}"));
        let key = PKey::generate_ed25519().map_err(|error| failed(error.to_string()))?;
        Self::of(key).map_err(failed)
    }

    /// Reads a key file: PKCS#8 in PEM, as `clade audit keygen` and `openssl genpkey -algorithm ed25519` write it, or
    /// the 32 bytes of the seed.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let bytes =
            std::fs::read(path).map_err(|error| AuditError::file("read the signing key", path, &error))?;
        let key = if bytes.len() == BYTES {
            PKey::private_key_from_raw_bytes(&bytes, Id::ED25519)
        } else {
            PKey::private_key_from_pem(&bytes)
        };
        key.map_err(|error| error.to_string()).and_then(Self::of).map_err(|problem| {
            AuditError::Configuration(format!(
                "{} is no Ed25519 private key ({problem}): it has to be PKCS#8 in PEM, or 32 bytes; `clade audit keygen` \
                 makes one",
                path.display()
            ))
        })
    }

    fn of(key: PKey<Private>) -> Result<Self, String> {
        if key.id() != Id::ED25519 {
            return Err("it is a key of another kind".to_owned());
        }
        let raw = key.raw_public_key().map_err(|error| error.to_string())?;
        Ok(Self { key, public: PublicKey::raw(&raw)? })
    }

    /// The content of a key file: PKCS#8 in PEM.
    pub fn pem(&self) -> Result<Vec<u8>, AuditError> {
        self.key.private_key_to_pem_pkcs8().map_err(|error| AuditError::Configuration(error.to_string()))
    }

    /// The public key of this key.
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let sign = || Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(message);
        sign().map_err(|error: crate::crypto::error::ErrorStack| format!("cannot sign: {error}"))
    }
}

impl PublicKey {
    /// Reads a key file: PEM, the 32 bytes, or the 32 bytes in base64.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        let bytes =
            std::fs::read(path).map_err(|error| AuditError::file("read the public key", path, &error))?;
        let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
        let key = match PKey::public_key_from_pem(&bytes) {
            Ok(key) => Self::of(key),
            _ if bytes.len() == BYTES => Self::raw(&bytes),
            _ => text.parse(),
        };
        key.map_err(|_| {
            AuditError::Configuration(format!(
                "{} is no Ed25519 public key: it has to be PEM, 32 bytes, or these in base64; `clade audit keygen` makes one",
                path.display()
            ))
        })
    }

    /// The content of a key file: PEM.
    pub fn pem(&self) -> Result<Vec<u8>, AuditError> {
        self.key.public_key_to_pem().map_err(|error| AuditError::Configuration(error.to_string()))
    }

    fn raw(bytes: &[u8]) -> Result<Self, String> {
        PKey::public_key_from_raw_bytes(bytes, Id::ED25519)
            .map_err(|error| error.to_string())
            .and_then(Self::of)
    }

    fn of(key: PKey<Public>) -> Result<Self, String> {
        if key.id() != Id::ED25519 {
            return Err("it is a key of another kind".to_owned());
        }
        let raw = key.raw_public_key().map_err(|error| error.to_string())?;
        let raw = raw.try_into().map_err(|_| "its length is another than 32 bytes".to_owned())?;
        Ok(Self { key, raw })
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verify = || Verifier::new_without_digest(&self.key)?.verify_oneshot(signature, message);
        verify().is_ok_and(|is_right: bool| is_right)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.raw))
    }
}

impl FromStr for PublicKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = BASE64.decode(text.as_bytes()).map_err(|error| error.to_string())?;
        Self::raw(&bytes)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows the public key only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_and_its_key_alone() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let signature = key.sign(b"head").unwrap();
        assert!(key.public().verify(b"head", &signature));
        assert!(!key.public().verify(b"heat", &signature));
        assert!(!other.public().verify(b"head", &signature));
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn the_signature_is_ed25519() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let seed = dir.path().join("seed");
        std::fs::write(&seed, hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
            .unwrap();
        let key = SigningKey::read(&seed).unwrap();
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(key.sign(&[0x72]).unwrap(), hex(signature));
    }

    #[test]
    fn keys_are_read_as_they_were_written_and_anything_else_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let key = SigningKey::generate().unwrap();
        std::fs::write(path("key"), key.pem().unwrap()).unwrap();
        std::fs::write(path("pem"), key.public().pem().unwrap()).unwrap();
        std::fs::write(path("base64"), key.public().to_string() + "\n").unwrap();
        std::fs::write(path("nonsense"), "nonsense").unwrap();
        assert_eq!(SigningKey::read(&path("key")).unwrap().public(), key.public());
        assert_eq!(PublicKey::read(&path("pem")).unwrap(), key.public());
        assert_eq!(PublicKey::read(&path("base64")).unwrap(), key.public());
        for problem in [
            SigningKey::read(&path("nonsense")).unwrap_err().to_string(),
            PublicKey::read(&path("nonsense")).unwrap_err().to_string(),
        ] {
            assert!(problem.contains("keygen"), "{problem}");
        }
    }
}
