//! The kinds of misbehaviour, and the requests that each suits.

use axum::body::Bytes;
use axum::http::Method;
use serde_json::{Value, json};

/// The subject of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Of {
    Catalog,
    /// The tags of a repository.
    Tags(String),
    Manifest,
    Blob,
}

impl Of {
    pub(super) fn path(path: &str) -> Self {
        let inside = path.strip_prefix("/v2/").unwrap_or_default();
        match inside.strip_suffix("/tags/list") {
            Some(repository) => Self::Tags(repository.to_owned()),
            None if inside == "_catalog" => Self::Catalog,
            None if inside.contains("/manifests/") => Self::Manifest,
            None => Self::Blob,
        }
    }

    fn is_list(&self) -> bool {
        matches!(self, Self::Catalog | Self::Tags(_))
    }
}

/// A kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Cut,
    StallBeforeHeaders,
    StallAfterHeaders,
    StallInBody,
    StallAndCut,
    WrongType,
    /// 200, and a page for browsers.
    Page,
    /// 200, and an error of a registry.
    Errors,
    /// 200, and an error of somebody else.
    Message,
    EmptyArray,
    EmptyObject,
    /// A list without an entry.
    EmptyList,
    /// A list that lacks more than half of its entries.
    HalfList,
    /// The list of another repository.
    OtherName,
    NotFound,
    /// 404 of somebody who is no registry.
    NotFoundPage,
    Unauthorized,
    /// 401 that names a token service without tokens.
    NoTokens,
    Forbidden,
    TooMany,
    Internal,
    BadGateway,
    Unavailable,
    RedirectInCircles,
    RedirectElsewhere,
    RedirectNowhere,
    RedirectToItself,
    /// The header with the digest has one that the registry does not have.
    DigestOfNothing,
    DigestThatIsNone,
    NoDigest,
    /// The content of another manifest.
    OtherBody,
}

/// Each kind once; those that suit few requests more often.
pub(super) const ALL: [Kind; 43] = [
    Kind::Cut,
    Kind::StallBeforeHeaders,
    Kind::StallAfterHeaders,
    Kind::StallInBody,
    Kind::StallAndCut,
    Kind::WrongType,
    Kind::Page,
    Kind::Errors,
    Kind::Message,
    Kind::EmptyArray,
    Kind::EmptyObject,
    Kind::EmptyList,
    Kind::EmptyList,
    Kind::EmptyList,
    Kind::EmptyList,
    Kind::HalfList,
    Kind::HalfList,
    Kind::HalfList,
    Kind::HalfList,
    Kind::OtherName,
    Kind::OtherName,
    Kind::OtherName,
    Kind::NotFound,
    Kind::NotFound,
    Kind::NotFoundPage,
    Kind::Unauthorized,
    Kind::NoTokens,
    Kind::Forbidden,
    Kind::TooMany,
    Kind::Internal,
    Kind::BadGateway,
    Kind::Unavailable,
    Kind::RedirectInCircles,
    Kind::RedirectElsewhere,
    Kind::RedirectNowhere,
    Kind::RedirectToItself,
    Kind::DigestOfNothing,
    Kind::DigestThatIsNone,
    Kind::NoDigest,
    Kind::NoDigest,
    Kind::OtherBody,
    Kind::OtherBody,
    Kind::OtherBody,
];

impl Kind {
    /// Returns `true` if it makes something look as if it were gone.
    pub(super) fn is_lie(self, method: &Method) -> bool {
        // clade asks by GET after a HEAD that does not find anything.
        matches!(self, Self::EmptyList | Self::HalfList) || self == Self::NotFound && method == Method::GET
    }

    /// Returns `true` if it may come several times in a row. clade waits as long as it is told each time, and goes round
    /// each circle ten times.
    pub(super) fn may_last(self) -> bool {
        !matches!(self, Self::TooMany | Self::RedirectInCircles | Self::DigestOfNothing)
    }

    /// Returns `true` if an answer to this request can misbehave so.
    pub(super) fn suits(self, of: &Of, method: &Method) -> bool {
        let has_body = method != Method::HEAD;
        match self {
            Self::Cut
            | Self::StallAfterHeaders
            | Self::StallInBody
            | Self::StallAndCut
            | Self::Page
            | Self::Errors
            | Self::Message
            | Self::EmptyArray
            | Self::EmptyObject => has_body,
            Self::EmptyList | Self::HalfList => of.is_list(),
            Self::OtherName => matches!(of, Of::Tags(_)),
            Self::DigestOfNothing | Self::DigestThatIsNone | Self::NoDigest => *of == Of::Manifest,
            Self::OtherBody => has_body && matches!(of, Of::Manifest | Of::Blob),
            // Nobody asks for a list of repositories that is not there.
            Self::NotFound => *of != Of::Catalog,
            _ => true,
        }
    }

    /// Returns `true` if it can do so to this true answer.
    pub(super) fn can(self, of: &Of, body: &Bytes) -> bool {
        match self {
            Self::HalfList if *of == Of::Catalog => entries(body).len() > 1,
            Self::HalfList => entries(body).len() >= 8,
            _ => true,
        }
    }
}

fn entries(body: &Bytes) -> Vec<Value> {
    let read: Value = serde_json::from_slice(body).unwrap();
    let list = read.get("repositories").or(read.get("tags")).unwrap();
    list.as_array().cloned().unwrap_or_default()
}

/// A list that misbehaves so.
pub(super) fn list(kind: Kind, of: &Of, body: &Bytes) -> Value {
    let mut entries = entries(body);
    let left = match kind {
        Kind::EmptyList => 0,
        Kind::HalfList => entries.len() / 4,
        _ => entries.len(),
    };
    entries.truncate(left);
    match (kind, of) {
        (Kind::OtherName, _) => json!({"name": "somebody/else", "tags": entries}),
        (_, Of::Tags(repository)) => json!({"name": repository, "tags": entries}),
        _ => json!({"repositories": entries}),
    }
}
