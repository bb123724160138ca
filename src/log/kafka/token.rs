//! Reads the OAuth token of SASL/OAUTHBEARER from a file, as Kubernetes projects the token of a ServiceAccount.

use std::error::Error;
use std::path::Path;

use rdkafka::client::OAuthToken;
use serde::Deserialize;

/// The claims of a token that clade needs. The cluster checks the rest.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// The expiry, in seconds since the Unix epoch.
    exp: f64,
}

/// Reads a JSON Web Token. librdkafka gets the error, and requests the token again after ten seconds.
pub(super) fn read_token(file: &Path) -> Result<OAuthToken, Box<dyn Error>> {
    let token = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let token = token.trim().to_owned();
    let claims = claims(&token).ok_or_else(|| {
        format!("{} is no JSON Web Token with the claims sub and exp (RFC 7519)", file.display())
    })?;
    // Whole milliseconds of a time in this millennium fit.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "checked by the caller's clock: it only decides when to ask again"
    )]
    let lifetime_ms = (claims.exp * 1000.0) as i64;
    Ok(OAuthToken { token, principal_name: claims.sub, lifetime_ms })
}

fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = data_encoding::BASE64URL_NOPAD.decode(payload.trim_end_matches('=').as_bytes()).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn the_principal_and_the_end_of_a_token_are_read_from_its_claims() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // {"alg":"none"}.{"sub":"clade","exp":2000000000}.
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjbGFkZSIsImV4cCI6MjAwMDAwMDAwMH0.";
        std::fs::write(&file, format!("{token}\n")).unwrap();
        let read = read_token(file.path()).unwrap();
        assert_eq!((read.token.as_str(), read.principal_name.as_str()), (token, "clade"));
        assert_eq!(read.lifetime_ms, 2_000_000_000_000);
    }

    #[test]
    fn what_is_no_token_is_told_by_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "secret").unwrap();
        let error = read_token(file.path()).err().unwrap().to_string();
        assert!(error.contains("no JSON Web Token") && !error.contains("secret"), "{error}");
    }
}
