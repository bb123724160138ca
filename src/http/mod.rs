//! The HTTP client for registries and sinks; the only user of reqwest. TLS is OpenSSL's, which librdkafka needs anyway.

pub mod signature;

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

pub use reqwest::redirect::Policy;
pub use reqwest::{
    Certificate, Client, ClientBuilder, Error, Method, RequestBuilder, Response, StatusCode, header,
};

/// The value of the header `User-Agent`.
pub const USER_AGENT: &str = concat!("clade/", env!("CARGO_PKG_VERSION"));

/// Returns a client builder with these time limits for a connection and for each read of an answer. A whole request
/// may take twice as long as one read.
pub fn builder(connecting: Duration, answering: Duration) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connecting)
        .read_timeout(answering)
        .timeout(2 * answering)
}

/// An error and its causes, in one line. The address is left out: it may contain a secret, and the caller knows it.
pub fn with_causes(error: Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Many errors repeat their cause.
        let next = error.to_string();
        if !text.contains(&next) {
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}
