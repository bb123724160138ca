//! TLS 1.2 and 1.3, of a server and of its clients.

use std::pin::Pin;

use hyper_openssl::client::legacy::HttpsConnector;
use openssl::error::{Error as OpensslError, ErrorStack};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{
    AlpnError, Ssl, SslAcceptor, SslConnector, SslMethod, SslOptions, SslSessionCacheMode, SslVerifyMode,
    select_next_proto,
};
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509VerifyResult};
pub use tokio_openssl::SslStream as TlsStream;

/// The one protocol that the API speaks, as it stands in a handshake.
const HTTP1: &[u8] = b"\x08http/1.1";

/// Accepts handshakes with one certificate.
pub struct Acceptor(SslAcceptor);

impl Acceptor {
    /// Of a certificate with the chain to its authority, and its key, both in PEM. It asks clients for a certificate if it gets
    /// the authorities of these; [`client`] says what a client has shown.
    pub fn of(certificates: &[u8], key: &[u8], clients: Option<&[u8]>) -> Result<Self, String> {
        let wrong = |what: &str, error: &ErrorStack| format!("{what}: {}", reason(error));
        let chain =
            X509::stack_from_pem(certificates).map_err(|error| wrong("the certificate is no PEM", &error))?;
        let key = PKey::private_key_from_pem_passphrase(key, b"")
            .map_err(|error| wrong("the key is no PEM without a password", &error))?;
        let clients = clients.map(authorities).transpose()?;
        let mut chain = chain.into_iter();
        let first = chain.next().ok_or("the certificate file has no certificate in it")?;
        let accept = || {
            let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
            builder.set_certificate(&first)?;
            for further in chain {
                builder.add_extra_chain_cert(further)?;
            }
            builder.set_private_key(&key)?;
            builder.check_private_key()?;
            builder.set_alpn_select_callback(|_, offered| {
                select_next_proto(HTTP1, offered).ok_or(AlpnError::NOACK)
            });
            if let Some(clients) = clients {
                builder.set_verify_cert_store(clients)?;
                // A client whose certificate does not count gets an answer that says why, and not the end of its handshake.
                builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
                // A session that goes on would keep what authorities said that were replaced since.
                builder.set_session_cache_mode(SslSessionCacheMode::OFF);
                builder.set_options(SslOptions::NO_TICKET);
                builder.set_num_tickets(0)?;
            }
            Ok(builder.build())
        };
        accept().map(Self).map_err(|error| wrong("the key is not that of the certificate", &error))
    }

    /// The stream after a handshake, or why there is none.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, String>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let ssl = Ssl::new(self.0.context()).map_err(|error| error.to_string())?;
        let mut stream = TlsStream::new(ssl, stream).map_err(|error| error.to_string())?;
        Pin::new(&mut stream).accept().await.map_err(|error| error.to_string())?;
        Ok(stream)
    }
}

/// The common name in the certificate that a client has shown, or why it does not count.
pub fn client<S>(stream: &TlsStream<S>) -> Result<String, String> {
    let Some(certificate) = stream.ssl().peer_certificate() else {
        return Err("it shows no certificate".to_owned());
    };
    let verified = stream.ssl().verify_result();
    if verified != X509VerifyResult::OK {
        return Err(format!("its certificate does not count ({})", verified.error_string()));
    }
    let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    // Of several names, authorities check one, and not all the same.
    let name = match (names.next(), names.next()) {
        (Some(name), None) => name.data().to_string().ok(),
        _ => None,
    };
    name.ok_or_else(|| "its certificate has not one common name that can be read".to_owned())
}

/// The certificates in PEM, as authorities that are trusted. One that signs nothing else is trusted itself.
fn authorities(pem: &[u8]) -> Result<X509Store, String> {
    let failed = |error: ErrorStack| format!("cannot use the authorities: {}", reason(&error));
    let certificates = X509::stack_from_pem(pem).map_err(failed)?;
    if certificates.is_empty() {
        return Err("the file of authorities has no certificate in it".to_owned());
    }
    let mut store = X509StoreBuilder::new().map_err(failed)?;
    store.set_flags(X509VerifyFlags::PARTIAL_CHAIN).map_err(failed)?;
    for certificate in certificates {
        store.add_cert(certificate).map_err(failed)?;
    }
    Ok(store.build())
}

/// Whom a client takes for the server that it asks.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Certificates in PEM that are trusted, of authorities or of the server itself; `None` for those of the system.
    pub authorities: Option<Vec<u8>>,
    /// The name that the certificate must be for, if not that of the address.
    pub name: Option<String>,
    /// Something else than the certificate shows who it is, so that any will do.
    pub known_otherwise: bool,
}

/// A connector for `http` and `https`, upon one that connects.
pub fn connector<S>(connect: S, trust: &Trust) -> Result<HttpsConnector<S>, String> {
    let failed = |error: ErrorStack| format!("cannot use TLS: {}", reason(&error));
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
    builder.set_alpn_protos(HTTP1).map_err(failed)?;
    if let Some(pem) = &trust.authorities {
        builder.set_cert_store(authorities(pem)?);
    }
    if trust.known_otherwise {
        builder.set_verify(SslVerifyMode::NONE);
    }
    let mut connector = HttpsConnector::with_connector(connect, builder).map_err(failed)?;
    if let Some(name) = trust.name.clone() {
        connector.set_callback(move |configuration, _| {
            configuration.set_verify_hostname(false);
            configuration.set_hostname(&name)?;
            configuration.set_use_server_name_indication(false);
            match name.parse() {
                Ok(address) => configuration.param_mut().set_ip(address),
                Err(_) => configuration.param_mut().set_host(&name),
            }
        });
    }
    Ok(connector)
}

/// The first reason of an error: OpenSSL's own form has places in its source.
fn reason(error: &ErrorStack) -> String {
    let first = error.errors().first().and_then(OpensslError::reason);
    first.unwrap_or("OpenSSL gives no reason").to_owned()
}
