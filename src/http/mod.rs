//! HTTP to registries and sinks; the only user of reqwest. TLS is OpenSSL's, which librdkafka has brought.

pub mod signature;

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

pub use reqwest::redirect::Policy;
pub use reqwest::{
    Certificate, Client, ClientBuilder, Error, Method, RequestBuilder, Response, StatusCode, header,
};

/// How clade calls itself.
pub const USER_AGENT: &str = concat!("clade/", env!("CARGO_PKG_VERSION"));

/// A client that waits so long for a connection, and so long for an answer to go on; twice that for all of it.
pub fn builder(connecting: Duration, answering: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connecting)
        .read_timeout(answering)
        .timeout(2 * answering)
}

/// An error and what caused it, in one line. Its address is left out: it may have a secret in it, and the caller knows it.
pub fn with_causes(error: Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Many repeat what caused them.
        let next = error.to_string();
        if !text.contains(&next) {
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}
