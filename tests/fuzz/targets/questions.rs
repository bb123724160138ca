//! Texts in questions: names of images, filters, selectors, where a subscription begins.

use std::collections::BTreeMap;

use clade::access::Tokens;
use clade::oci::{ChainId, Digest, Platform, Reference, Timestamp};
use clade::query::Token;
use clade::record::catalog::Selector;
use clade::registry::Pattern;
use clade::subscribe::Start;

use super::{in_proportion, parts};

/// Reads a name of an image, the parts that such a name can have, and a pattern of names.
pub(crate) fn reference(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    for part in text.split_whitespace() {
        if let Ok(digest) = part.parse::<Digest>() {
            assert_eq!(digest.to_string().parse(), Ok(digest));
        }
        let _ = part.parse::<ChainId>();
        if let Ok(platform) = part.parse::<Platform>() {
            assert_eq!(platform.to_string().parse(), Ok(platform));
        }
        let Ok(pattern) = part.parse::<Pattern>();
        let _ = pattern.matches(text);
        if pattern.name().is_some() {
            assert!(pattern.matches(part));
        }
        let _ = Reference::familiar(part);
    }
    let Ok(reference) = text.parse::<Reference>() else { return false };
    assert_eq!(reference.to_string(), text);
    assert_eq!(reference.to_string().parse(), Ok(reference));
    true
}

/// Reads the parameters of a question, as a URL has them.
pub(crate) fn filters(input: &[u8]) -> bool {
    let of_images = serde_urlencoded::from_bytes::<clade::query::Filter>(input);
    if let Ok(filter) = &of_images {
        let again = serde_urlencoded::to_string(filter).unwrap();
        assert_eq!(serde_urlencoded::from_str::<clade::query::Filter>(&again).as_ref(), Ok(filter));
        let _ = filter.compile();
        in_proportion(input, again.len(), 9);
    }
    let of_events = serde_urlencoded::from_bytes::<clade::subscribe::Filter>(input);
    if let Ok(filter) = &of_events {
        let again = serde_urlencoded::to_string(filter).unwrap();
        assert_eq!(serde_urlencoded::from_str::<clade::subscribe::Filter>(&again).as_ref(), Ok(filter));
    }
    of_images.is_ok_and(|filter| filter != clade::query::Filter::default())
        || of_events.is_ok_and(|filter| !filter.is_empty())
}

/// Reads a selector and the labels that it is applied to, each in a line.
pub(crate) fn selector(input: &[u8]) -> bool {
    let Some([selector, labels]) = parts(input) else { return false };
    let Ok(selector) = serde_json::from_slice::<Selector>(selector) else { return false };
    let again = serde_json::to_vec(&selector).unwrap();
    assert_eq!(serde_json::from_slice::<Selector>(&again).unwrap(), selector);
    in_proportion(input, again.len(), 6);
    let Ok(labels) = serde_json::from_slice::<BTreeMap<String, String>>(labels) else { return false };
    let _ = selector.selects(&labels);
    true
}

/// Reads the token with which a list goes on. Its checksum is right: chance would not find one.
pub(crate) fn token(input: &[u8]) -> bool {
    let now: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap();
    if let Ok(text) = std::str::from_utf8(input) {
        let _ = Token::decode(text, "images", now);
    }
    let sealed = [input, &clade::checksum::of(&[input]).to_le_bytes()].concat();
    let text = data_encoding::BASE64URL_NOPAD.encode(&sealed);
    let Ok(token) = Token::decode(&text, "images", now) else { return false };
    assert_eq!(Token::decode(&token.encode().unwrap(), "images", now), Ok(token));
    true
}

/// Reads a file of tokens.
pub(crate) fn tokens(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    match Tokens::parse("tokens", text) {
        Ok(_) => !text.trim().is_empty(),
        Err(problem) => {
            in_proportion(input, problem.len(), 12);
            false
        }
    }
}

/// Reads the start of a subscription.
pub(crate) fn start(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let now: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap();
    match Start::parse(text, now) {
        Ok(_) => true,
        Err(error) => {
            in_proportion(input, error.to_string().len(), 12);
            false
        }
    }
}
