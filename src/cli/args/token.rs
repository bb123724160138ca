//! The arguments of `clade token`.

use std::path::PathBuf;

use crate::access::Scope;
use crate::oci::Timestamp;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The token goes into a file of its own, for its owner; the line says who has it, without the token itself.

Example:
  clade token ci --scope read,command --out ci.token >>tokens
  clade run --listen 0.0.0.0:7878 --tokens-file tokens --tls-cert-file tls.crt --tls-key-file tls.key
  clade get classes --server https://clade.example.com:7878 --token-file ci.token")]
pub(in crate::cli) struct TokenArgs {
    /// Name of the one who gets the token, for messages
    pub(in crate::cli) name: String,
    /// Uses of the token: read, command (rebuilds, backups), declare (classes, groups)
    #[arg(long, required = true, value_name = "SCOPE", value_delimiter = ',')]
    pub(in crate::cli) scope: Vec<Scope>,
    /// Time at which it expires, as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) expires: Option<Timestamp>,
    /// New file for the token
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: PathBuf,
}
