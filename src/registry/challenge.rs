//! The challenge of a registry that refuses a request: it names a token service (RFC 6750, as Docker's specification
//! uses it).

use crate::http::header::{HeaderMap, WWW_AUTHENTICATE};

/// The address of a token service, and the service and scope of its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) service: Option<String>,
    pub(super) scope: Option<String>,
}

impl Challenge {
    /// Reads the challenge from the headers of an answer. Returns `None` if they demand no token.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().find_map(|value| Self::read(value.to_str().ok()?))
    }

    fn read(text: &str) -> Option<Self> {
        let at = text.to_ascii_lowercase().find("bearer ")?;
        let mut rest = text[at + "bearer ".len()..].trim_start();
        let mut found = Self { realm: String::new(), service: None, scope: None };
        while let Some((name, behind)) = rest.split_once('=') {
            let (value, behind) = match behind.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => behind.split_at(behind.find(',').unwrap_or(behind.len())),
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => found.realm = value.to_owned(),
                "service" => found.service = Some(value.to_owned()),
                "scope" => found.scope = Some(value.to_owned()),
                _ => {}
            }
            rest = behind.trim_start_matches([',', ' ']);
        }
        (found.realm.starts_with("https://") || found.realm.starts_with("http://")).then_some(found)
    }

    /// Returns `true` if the password may go to the token service: with TLS, or to the registry's own host if the
    /// registry itself has no TLS.
    pub(super) fn may_have_a_password(&self, registry: &str) -> bool {
        let host = |address: &str| address.split('/').nth(2).map(str::to_owned);
        self.realm.starts_with("https://")
            || (registry.starts_with("http://") && host(&self.realm) == host(registry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_read_however_it_is_written() {
        let expected = Challenge {
            realm: "https://auth.example.com/token".to_owned(),
            service: Some("registry".to_owned()),
            scope: Some("repository:a:pull,push".to_owned()),
        };
        for text in [
            "Bearer realm=\"https://auth.example.com/token\",service=\"registry\",scope=\"repository:a:pull,push\"",
            "bearer service=registry, realm=https://auth.example.com/token, scope=\"repository:a:pull,push\"",
            "Basic realm=\"x\", Bearer realm=\"https://auth.example.com/token\",service=\"registry\",scope=\"repository:a:pull,push\"",
        ] {
            assert_eq!(Challenge::read(text).as_ref(), Some(&expected), "{text}");
        }
        for text in
            ["Basic realm=\"x\"", "Bearer", "Bearer realm=\"file:///etc/passwd\"", "Bearer service=\"x\""]
        {
            assert_eq!(Challenge::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_password_goes_nowhere_without_tls_but_to_a_registry_that_has_none() {
        let at = |realm: &str| Challenge { realm: realm.to_owned(), service: None, scope: None };
        assert!(at("https://auth.example.com/token").may_have_a_password("https://example.com"));
        assert!(at("http://localhost:5000/token").may_have_a_password("http://localhost:5000"));
        assert!(!at("http://auth.example.com/token").may_have_a_password("https://example.com"));
        assert!(!at("http://auth.example.com/token").may_have_a_password("http://localhost:5000"));
    }
}
