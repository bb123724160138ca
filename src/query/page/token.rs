//! The token with which a list goes on.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::order::Position;
use crate::checksum;
use crate::oci::Timestamp;

/// The time for which a token is of use, in seconds: a list that takes longer says little of any moment.
const LIFETIME: i64 = 3_600;

/// The place at which a list goes on. Clients take its text as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// The question that the list answers.
    pub question: String,
    /// The last item before.
    pub after: Position,
    /// The number of items before.
    pub seen: u64,
    /// The meaning of the list's REF, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// The resource version of the first page.
    pub resource_version: String,
    /// The time of the first page.
    pub begun: Timestamp,
}

/// A reason to refuse a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not what clade gave.
    #[error(
        "continue: this is no token of clade, or not all of it; take the one of the page before as it is"
    )]
    Malformed,
    /// It belongs to another question.
    #[error(
        "continue: this token is from another list; repeat the parameters of its first page, of which only `limit` may change"
    )]
    Foreign,
    /// It is too old.
    #[error(
        "continue: this token has expired, an hour after the first page; ask for the first page again, without it"
    )]
    Expired,
}

impl Token {
    /// The token as text.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.extend(checksum::of(&[&bytes]).to_le_bytes());
        Ok(BASE64URL_NOPAD.encode(&bytes))
    }

    /// Reads a token that continues the list of this question.
    pub fn decode(text: &str, question: &str, now: Timestamp) -> Result<Self, TokenError> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| TokenError::Malformed)?;
        let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Malformed)?;
        if checksum::of(&[content]) != u32::from_le_bytes(*checksum) {
            return Err(TokenError::Malformed);
        }
        let token: Self = serde_json::from_slice(content).map_err(|_| TokenError::Malformed)?;
        if token.question != question {
            return Err(TokenError::Foreign);
        }
        if now.as_second() - token.begun.as_second() > LIFETIME {
            return Err(TokenError::Expired);
        }
        Ok(token)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn token() -> Token {
        Token {
            question: "images".to_owned(),
            after: Position::NameAndDigest("team/app".to_owned(), crate::oci::Digest::of(b"app")),
            seen: 100,
            anchor: None,
            resource_version: "1.2.3".to_owned(),
            begun: at(1_000),
        }
    }

    #[test]
    fn a_token_comes_back_as_it_was() {
        let text = token().encode().unwrap();
        assert_eq!(Token::decode(&text, "images", at(1_060)), Ok(token()));
    }

    #[test]
    fn a_token_of_another_list_and_one_that_is_old_are_refused() {
        let text = token().encode().unwrap();
        assert_eq!(Token::decode(&text, "tags", at(1_060)), Err(TokenError::Foreign));
        assert_eq!(Token::decode(&text, "images", at(1_001 + LIFETIME)), Err(TokenError::Expired));
    }

    #[test]
    fn every_change_of_a_token_is_noticed() {
        let text = token().encode().unwrap();
        for at_byte in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Token::decode(&changed, "images", at(1_060)), Err(TokenError::Malformed), "{changed}");
            let cut = &text[..at_byte];
            assert_eq!(Token::decode(cut, "images", at(1_060)), Err(TokenError::Malformed), "{cut}");
        }
        assert_eq!(Token::decode(&"A".repeat(100_000), "images", at(0)), Err(TokenError::Malformed));
    }
}
