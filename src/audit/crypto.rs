//! The cryptography that a store's client signs its requests with. It is OpenSSL's, so that no second library for
//! cryptography comes in.

use crate::crypto::hash::{Hasher, MessageDigest};
use crate::crypto::pkey::{PKey, Private};
use crate::crypto::sign::Signer as OpensslSigner;
use object_store::Error;
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};

/// SHA-256 and HMAC-SHA-256.
#[derive(Debug)]
pub(super) struct Openssl;

impl CryptoProvider for Openssl {
    fn digest(&self, algorithm: DigestAlgorithm) -> object_store::Result<Box<dyn DigestContext>> {
        let hasher = Hasher::new(known(algorithm)?).map_err(failed)?;
        Ok(Box::new(Digesting { hasher, digest: Vec::new() }))
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> object_store::Result<Box<dyn HmacContext>> {
        let algorithm = known(algorithm)?;
        let key = PKey::hmac(secret).map_err(failed)?;
        Ok(Box::new(Authenticating { algorithm, key, content: Vec::new(), code: Vec::new() }))
    }

    /// Google's stores need RSA signatures; S3 does not.
    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> object_store::Result<Box<dyn Signer>> {
        Err(failed("clade signs no requests with RSA"))
    }
}

fn known(algorithm: DigestAlgorithm) -> object_store::Result<MessageDigest> {
    match algorithm {
        DigestAlgorithm::Sha256 => Ok(MessageDigest::sha256()),
        other => Err(failed(format!("clade does not know {other:?}"))),
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "OpenSSL", source: error.into() }
}

struct Digesting {
    hasher: Hasher,
    digest: Vec<u8>,
}

impl DigestContext for Digesting {
    fn update(&mut self, data: &[u8]) {
        // The call allocates nothing and cannot fail. If it did, the signature would be wrong and the store would
        // reject it.
        let _ = self.hasher.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.digest = self.hasher.finish().map_err(failed)?.to_vec();
        Ok(&self.digest)
    }
}

/// An HMAC in progress. The text to sign is a few lines, so it can be kept until the end.
struct Authenticating {
    algorithm: MessageDigest,
    key: PKey<Private>,
    content: Vec<u8>,
    code: Vec<u8>,
}

impl HmacContext for Authenticating {
    fn update(&mut self, data: &[u8]) {
        self.content.extend_from_slice(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        let mut signer = OpensslSigner::new(self.algorithm, &self.key).map_err(failed)?;
        self.code = signer.sign_oneshot_to_vec(&self.content).map_err(failed)?;
        Ok(&self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(bytes)
    }

    #[test]
    fn the_digest_is_sha_256() {
        let mut digest = Openssl.digest(DigestAlgorithm::Sha256).unwrap();
        digest.update(b"a");
        digest.update(b"bc");
        assert_eq!(
            hex(digest.finish().unwrap()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    /// RFC 4231, test case 2.
    #[test]
    fn the_code_is_hmac_sha_256() {
        let mut code = Openssl.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        code.update(b"what do ya want ");
        code.update(b"for nothing?");
        assert_eq!(
            hex(code.finish().unwrap()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
