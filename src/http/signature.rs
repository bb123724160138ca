//! Computes and checks signatures of bodies with a shared secret.

use data_encoding::BASE64;
use hmac_sha256::HMAC;

/// Returns the HMAC-SHA256 of a message (RFC 2104).
pub fn hmac(secret: &[u8], message: &[u8]) -> [u8; 32] {
    HMAC::mac(message, secret)
}

/// Returns `true` if `given` is the message's HMAC. The comparison takes constant time, so that it does not reveal
/// where they differ.
pub fn is_hmac(secret: &[u8], message: &[u8], given: &[u8; 32]) -> bool {
    HMAC::verify(message, secret, given)
}

/// Returns the header `webhook-signature` of Standard Webhooks, version 1: over the message's ID, its time in seconds
/// since the Unix epoch, and the body.
pub fn webhook_signature(secret: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    let mut message = format!("{id}.{seconds}.").into_bytes();
    message.extend_from_slice(body);
    format!("v1,{}", BASE64.encode(&hmac(secret, &message)))
}

/// Decodes the key in a secret: Standard Webhooks writes it as `whsec_` and Base64; any other text is the key itself.
pub fn webhook_key(secret: &str) -> Result<Vec<u8>, String> {
    let secret = secret.trim();
    match secret.strip_prefix("whsec_") {
        Some("") => Err("there is nothing after whsec_".to_owned()),
        Some(encoded) => BASE64
            .decode(encoded.as_bytes())
            .map_err(|error| format!("what follows whsec_ is no Base64: {error}")),
        None if secret.is_empty() => Err("it is empty".to_owned()),
        None => Ok(secret.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_standard_webhooks_comes_out() {
        // The specification's own test of its libraries.
        let key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signature = webhook_signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_no_good_is_told() {
        assert!(webhook_key(" \n").unwrap_err().contains("empty"));
        assert!(webhook_key("whsec_*").unwrap_err().contains("Base64"));
        assert_eq!(webhook_key("plain\n").unwrap(), b"plain");
    }
}
