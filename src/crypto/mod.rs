//! OpenSSL, which librdkafka brings anyway: keys and signatures for the audit trail, and TLS for the API. The only user of
//! openssl.

mod tls;

pub use openssl::{error, hash, pkey, sign};

pub use hyper_openssl::client::legacy::HttpsConnector;
pub use tls::{Acceptor, TlsStream, Trust, client, connector};
