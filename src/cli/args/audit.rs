//! The arguments of the audit commands, for writers and readers of a trail.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Subcommand;

use super::ask::ReportFormat;
use crate::audit::{Anchor, Layout, Options, SigningKey, Store};
use crate::cli::error::CliError;

/// The default directory of the trail, below the data directory.
const DIR: &str = "audit";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Run one of these; a second one on the same directory fails. What the trail has and how it is checked: clade help audit.

Example:
  clade auditor --kafka kafka:9092 --audit-dir /var/lib/clade/audit --signing-key /run/secrets/audit.pem \\
    --store s3://audit/production --listen 0.0.0.0:9092")]
pub(in crate::cli) struct AuditorArgs {
    /// Address of /metrics, /healthz and /readyz; port 0 takes a free port
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    pub(in crate::cli) listen: std::net::SocketAddr,
    /// Directory of the trail [default: audit in the data directory]
    #[arg(long, env = "CLADE_AUDIT_DIR", value_name = "DIR")]
    pub(in crate::cli) audit_dir: Option<PathBuf>,
    /// Close a segment that has reached this size
    #[arg(long, value_name = "BYTES", default_value_t = Layout::default().segment_bytes)]
    #[arg(value_parser = clap::value_parser!(u64).range(4_096..))]
    segment_bytes: u64,
    /// Close a segment that has reached this age
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..))]
    segment_hours: u64,
    /// Sign the heads of closed segments with this Ed25519 key (see clade audit keygen)
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Delete closed segments older than this; the trail records which [default: keep all]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..))]
    keep_days: Option<u64>,
    /// Upload closed segments: s3://BUCKET/PREFIX with the AWS_… variables (AWS_ENDPOINT for stores other than
    /// Amazon's), or file:///FOLDER
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl AuditorArgs {
    /// The options from the arguments. `dir` is the data directory.
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
    /// Write an audit trail
    #[arg(long)]
    audit: bool,
    /// Directory of the trail; implies --audit [default: audit in the data directory]
    #[arg(long, env = "CLADE_AUDIT_DIR", value_name = "DIR")]
    audit_dir: Option<PathBuf>,
    /// Sign the heads of closed segments with this Ed25519 key (see clade audit keygen)
    #[arg(long, value_name = "FILE")]
    audit_signing_key: Option<PathBuf>,
    /// Delete closed segments older than this; the trail records which [default: keep all]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..))]
    audit_keep_days: Option<u64>,
    /// Upload closed segments: s3://BUCKET/PREFIX with the AWS_… variables, or file:///FOLDER
    #[arg(long, value_name = "URL")]
    audit_store: Option<String>,
}

impl RunAuditArgs {
    /// The options from the arguments, if an audit is wanted. `dir` is the data directory.
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

/// The commands on a trail.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// Check the trail and list every line that was changed, removed, inserted or moved
    Verify(VerifyArgs),
    /// Show the entries of the trail
    Show(AuditShowArgs),
    /// Show the state at some moment
    Replay(ReplayArgs),
    /// Print the number and hash of the newest entry, to be kept elsewhere
    Head(TrailArgs),
    /// Create a key that signs heads
    Keygen(KeygenArgs),
}

/// The place of a trail to read.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TrailArgs {
    /// The directory of the trail [default: audit in the data directory]
    #[arg(long, env = "CLADE_AUDIT_DIR", value_name = "DIR")]
    audit_dir: Option<PathBuf>,
    /// Read the segments uploaded to this store instead: s3://BUCKET/PREFIX or file:///FOLDER
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) store: Option<String>,
}

impl TrailArgs {
    /// The directory of the trail. `dir` is the data directory.
    pub(in crate::cli) fn dir(&self, dir: &Path) -> PathBuf {
        dir_of(self.audit_dir.as_ref(), dir)
    }
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct VerifyArgs {
    #[command(flatten)]
    pub(in crate::cli) trail: TrailArgs,
    /// Require that this key has signed the heads; repeatable, for a key that was replaced
    #[arg(long = "public-key", value_name = "FILE")]
    pub(in crate::cli) public_keys: Vec<PathBuf>,
    /// Require this entry, as `clade audit head` printed it; repeatable
    #[arg(long = "head", value_name = "SEQ:HASH")]
    pub(in crate::cli) heads: Vec<Anchor>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct AuditShowArgs {
    #[command(flatten)]
    pub(in crate::cli) trail: TrailArgs,
    /// Only entries of these images: a digest, the beginning of a digest, or a tag in one of their transitions
    #[arg(long, value_name = "REF")]
    pub(in crate::cli) image: Option<String>,
    /// Only entries of this class
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) class: Option<String>,
    /// Only entries of this rebuild
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) rebuild: Option<String>,
    /// Only entries since this time: 2026-11-25T00:00:00Z, or a time span: 90m, 2h, 7d
    #[arg(long, value_name = "TIME|DURATION")]
    pub(in crate::cli) since: Option<String>,
    /// Only entries until this time
    #[arg(long, value_name = "TIME|DURATION")]
    pub(in crate::cli) until: Option<String>,
    /// Show at most this many entries
    #[arg(long, value_name = "N")]
    pub(in crate::cli) limit: Option<usize>,
    /// Output format; json prints the lines as they stand in the trail
    #[arg(short, long, value_enum, default_value_t = ReportFormat::Table)]
    pub(in crate::cli) output: ReportFormat,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReplayArgs {
    #[command(flatten)]
    pub(in crate::cli) trail: TrailArgs,
    /// The moment: 2026-11-25T00:00:00Z, a time span ago: 2h, or the number of an entry
    #[arg(long, value_name = "TIME|DURATION|SEQ")]
    pub(in crate::cli) at: String,
    /// Output format; table prints a summary, json the whole state
    #[arg(short, long, value_enum, default_value_t = ReportFormat::Table)]
    pub(in crate::cli) output: ReportFormat,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct KeygenArgs {
    /// The file to write the private key to; the public key goes to FILE.pub
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}
