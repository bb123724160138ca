//! The arguments of the audit: who writes a trail, and who reads one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use crate::audit::{Anchor, Layout, Options, SigningKey, Store};
use crate::cli::error::CliError;

/// Where a trail is, by default, in the data directory.
const DIR: &str = "audit";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Run one of these; a second one on the same directory fails. What the trail has and how it is checked: clade help audit.

Example:
  clade auditor --kafka kafka:9092 --audit-dir /var/lib/clade/audit --signing-key /run/secrets/audit.pem \\
    --store s3://audit/production --listen 0.0.0.0:9092")]
pub(in crate::cli) struct AuditorArgs {
    /// Where /metrics, /healthz and /readyz listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(in crate::cli) listen: std::net::SocketAddr,
    /// Where the trail is kept [default: audit in the data directory]
    #[arg(long, env = "CLADE_AUDIT_DIR", value_name = "DIR")]
    pub(in crate::cli) audit_dir: Option<PathBuf>,
    /// A segment that has so many bytes is closed
    #[arg(long, value_name = "BYTES", default_value_t = Layout::default().segment_bytes)]
    #[arg(value_parser = clap::value_parser!(u64).range(4_096..))]
    segment_bytes: u64,
    /// And one that is so old
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    segment_hours: u64,
    /// Sign the heads of closed segments with this Ed25519 key (clade audit keygen)
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Delete closed segments that are older; the trail says which [default: none]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..))]
    keep_days: Option<u64>,
    /// Upload closed segments: s3://BUCKET/PREFIX with the AWS_… variables (AWS_ENDPOINT for others than Amazon), or
    /// file:///FOLDER
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl AuditorArgs {
    /// What was asked for; `dir` is the data directory.
    pub(in crate::cli) fn options(&self, dir: &Path) -> Result<Options, CliError> {
        let hour = 60 * 60;
        Ok(Options {
            layout: Layout {
                segment_bytes: self.segment_bytes,
                segment_age: Duration::from_secs(self.segment_hours.saturating_mul(hour)),
                signing_key: self.signing_key.as_deref().map(SigningKey::read).transpose()?,
            },
            keep_days: self.keep_days,
            store: self.store.as_deref().map(Store::open).transpose()?,
            command: "clade auditor".to_owned(),
            ..Options::new(dir_of(self.audit_dir.as_ref(), dir))
        })
    }
}

/// The audit within `clade run`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Audit")]
pub(in crate::cli) struct RunAuditArgs {
    /// Write an audit trail of what happens
    #[arg(long)]
    audit: bool,
    /// Where the trail is kept; implies --audit [default: audit in the data directory]
    #[arg(long, env = "CLADE_AUDIT_DIR", value_name = "DIR")]
    audit_dir: Option<PathBuf>,
    /// Sign the heads of closed segments with this Ed25519 key (clade audit keygen)
    #[arg(long, value_name = "FILE")]
    audit_signing_key: Option<PathBuf>,
    /// Delete closed segments that are older; the trail says which [default: none]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..))]
    audit_keep_days: Option<u64>,
    /// Upload closed segments: s3://BUCKET/PREFIX with the AWS_… variables, or file:///FOLDER
    #[arg(long, value_name = "URL")]
    audit_store: Option<String>,
}

impl RunAuditArgs {
    /// What was asked for, if anything was; `dir` is the data directory.
    pub(in crate::cli) fn options(&self, dir: &Path) -> Result<Option<Options>, CliError> {
        if !self.audit && self.audit_dir.is_none() {
            let is_lost = self.audit_signing_key.is_some()
                || self.audit_keep_days.is_some()
                || self.audit_store.is_some();
            let told =
                "--audit-signing-key, --audit-keep-days and --audit-store need --audit, or --audit-dir DIR";
            return if is_lost { Err(CliError::Usage(told.to_owned())) } else { Ok(None) };
        }
        let signing_key = self.audit_signing_key.as_deref().map(SigningKey::read).transpose()?;
        Ok(Some(Options {
            layout: Layout { signing_key, ..Layout::default() },
            keep_days: self.audit_keep_days,
            store: self.audit_store.as_deref().map(Store::open).transpose()?,
            command: "clade run".to_owned(),
            ..Options::new(dir_of(self.audit_dir.as_ref(), dir))
        }))
    }
}

fn dir_of(asked: Option<&PathBuf>, data: &Path) -> PathBuf {
    asked.cloned().unwrap_or_else(|| data.join(DIR))
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
`clade auditor` and `clade run --audit` write the trail. Each line holds the SHA-256 of the line before it, so that nothing
in it can be changed, taken away, put in or moved unnoticed. That lines are missing at its very end shows only against a
head that was kept elsewhere.

Examples:
  clade audit verify --public-key audit.pem.pub --head 5142:sha256:…
  clade audit show --class rhel7 --since 24h
  clade audit show --image shop/app:latest -o json
  clade audit replay --at 2026-11-25T00:00:00Z
  clade audit head >> /somewhere/else")]
pub(in crate::cli) struct AuditArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: AuditCommand,
}

/// What is done with a trail.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// Find every line that was changed, taken away, put in or moved
    Verify(VerifyArgs),
    /// Show what has happened
    Show(AuditShowArgs),
    /// Tell how everything stood at some moment
    Replay(ReplayArgs),
    /// Print the newest entry's number and hash, to be kept elsewhere
    Head(TrailArgs),
    /// Make a key to sign heads with
    Keygen(KeygenArgs),
}

/// Where a trail is read from.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TrailArgs {
    /// The directory of the trail [default: audit in the data directory]
    #[arg(long, env = "CLADE_AUDIT_DIR", value_name = "DIR")]
    audit_dir: Option<PathBuf>,
    /// Read what was uploaded to this store instead: s3://BUCKET/PREFIX or file:///FOLDER
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) store: Option<String>,
}

impl TrailArgs {
    /// The directory; `dir` is the data directory.
    pub(in crate::cli) fn dir(&self, dir: &Path) -> PathBuf {
        dir_of(self.audit_dir.as_ref(), dir)
    }
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    pub(in crate::cli) trail: TrailArgs,
    /// Heads have to be signed with this key; repeatable, where the key was changed
    #[arg(long = "public-key", value_name = "FILE")]
    pub(in crate::cli) public_keys: Vec<PathBuf>,
    /// An entry that has to be there, as `clade audit head` printed it; repeatable
    #[arg(long = "head", value_name = "SEQ:HASH")]
    pub(in crate::cli) heads: Vec<Anchor>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AuditShowArgs {
    #[command(flatten)]
    pub(in crate::cli) trail: TrailArgs,
    /// Only of images with this digest, the beginning of it, or a tag that they had in a transition
    #[arg(long, value_name = "REF")]
    pub(in crate::cli) image: Option<String>,
    /// Only of this class
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) class: Option<String>,
    /// Only of this rebuild
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) rebuild: Option<String>,
    /// Only since then: 2026-11-25T00:00:00Z, or for how long: 90m, 2h, 7d
    #[arg(long, value_name = "TIME|DURATION")]
    pub(in crate::cli) since: Option<String>,
    /// Only until then
    #[arg(long, value_name = "TIME|DURATION")]
    pub(in crate::cli) until: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// How to print: json prints the lines as they stand in the trail
    #[arg(short, long, value_enum, default_value_t = AuditFormat::Table)]
    pub(in crate::cli) output: AuditFormat,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReplayArgs {
    #[command(flatten)]
    pub(in crate::cli) trail: TrailArgs,
    /// When: 2026-11-25T00:00:00Z, how long ago: 2h, or the number of an entry
    #[arg(long, value_name = "TIME|DURATION|SEQ")]
    pub(in crate::cli) at: String,
    /// How to print: table prints a summary, json everything
    #[arg(short, long, value_enum, default_value_t = AuditFormat::Table)]
    pub(in crate::cli) output: AuditFormat,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct KeygenArgs {
    /// The file to write the key to; FILE.pub will have the public key
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}

/// How a trail is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AuditFormat {
    /// Columns
    Table,
    /// JSON
    Json,
}
