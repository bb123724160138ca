//! The arguments of processes that answer: where they listen, over TLS or not, and to whom.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::error::CliError;
use crate::node::Listen;

/// Where a process listens, and who may ask it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListenArgs {
    /// Address of the API; port 0 takes a free port. Other machines need TLS and tokens, or --insecure
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Name by which this process is asked, as `clade.example.com`; addresses and local names need none
    #[arg(long, env = "CLADE_ALLOWED_HOST", value_name = "NAME", value_delimiter = ',')]
    allowed_host: Vec<String>,
    /// File of those who may ask: a name, the SHA-256 of a token and scopes in each line (clade token)
    #[arg(long, env = "CLADE_TOKENS_FILE", value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    /// Ask a Kubernetes API server who has a token, and what its owner may do
    #[arg(long, env = "CLADE_AUTHENTICATE", value_name = "BY")]
    authenticate: Option<By>,
    /// Certificate in PEM with the chain to its authority; the API speaks TLS then
    #[arg(long, env = "CLADE_TLS_CERT_FILE", value_name = "FILE", requires = "tls_key_file")]
    tls_cert_file: Option<PathBuf>,
    /// Key of the certificate, in PEM
    #[arg(long, env = "CLADE_TLS_KEY_FILE", value_name = "FILE", requires = "tls_cert_file")]
    tls_key_file: Option<PathBuf>,
    /// Answer other machines without TLS, or without knowing who asks
    #[arg(long, env = "CLADE_INSECURE")]
    insecure: bool,
}

/// Who knows tokens, besides the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    // TokenReview and SubjectAccessReview. A comment of the other kind would have the help take a page.
    Kubernetes,
}

impl ListenArgs {
    /// The address of the process, and who may ask it. Refused if strangers could read and command.
    pub(in crate::cli) fn listen(&self) -> Result<Listen, CliError> {
        let listen = self.of_health();
        listen.check()?;
        Ok(listen)
    }

    /// The same for a process that has nothing but its health to tell.
    pub(in crate::cli) fn of_health(&self) -> Listen {
        Listen {
            address: Some(self.listen),
            hosts: self.allowed_host.clone(),
            tokens: self.tokens_file.clone(),
            reviews: self.authenticate == Some(By::Kubernetes),
            certificate: self.tls_cert_file.clone().zip(self.tls_key_file.clone()),
            insecure: self.insecure,
        }
    }
}
