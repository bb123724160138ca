//! Who may do what: the scopes of tokens, the file of tokens, and the question that other authorities answer too.
//!
//! ```text
//!   a request's token, and what its route needs ─► Authority ─► allowed, forbidden, unknown, or nobody can say now
//!                                                  Tokens (a file) | TokenReview and SubjectAccessReview (kubernetes)
//! ```

mod scope;
mod tokens;

use std::pin::Pin;
use std::sync::Arc;

pub use scope::{Need, Scope};
pub use tokens::{MadeToken, TokenFile, Tokens};

/// Requests whose tokens may be looked at elsewhere at once: each has a connection, and the health check needs one, too.
pub const JUDGED: usize = 80;

/// The verdict of an authority on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its owner may do it.
    Allowed,
    /// Its owner, who is named, may not do it.
    Forbidden(String),
    /// The token is unknown, or has expired.
    Unknown,
}

/// A verdict that is on its way; an error says why nobody can tell now.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Result<Verdict, String>> + Send + 'a>>;

/// Knows tokens and what their owners may do.
pub trait Authority: Send + Sync {
    /// Judges a token. An answer must not be older than some seconds: streams ask again and again.
    fn judge<'a>(&'a self, token: &'a str, need: Need) -> Judging<'a>;
}

/// Several authorities: the first one that knows a token decides.
pub struct Several(pub Vec<Arc<dyn Authority>>);

impl Authority for Several {
    fn judge<'a>(&'a self, token: &'a str, need: Need) -> Judging<'a> {
        Box::pin(async move {
            for authority in &self.0 {
                match authority.judge(token, need).await? {
                    Verdict::Unknown => {}
                    known => return Ok(known),
                }
            }
            Ok(Verdict::Unknown)
        })
    }
}
