//! The rebuilder: carries rebuild plans out.
//!
//! ```text
//!   plan ─► Ledger (topic `rebuilds`) ─► Desk (what may begin, what is over) ─► one task a target, some at once
//!              ▲                                                                    │  the API server, the sink
//!              └──────────────── each step, before and after it is taken ◄──────────┘
//! ```
//!
//! clade writes every step down before it takes it. The request for a build names the BuildConfig's `lastVersion`, and
//! the API server accepts it once. So a process that was killed, or a second one, continues from the records and never
//! starts a build twice. The result of a build comes from the API server, the result of a notified tag from the index.

mod automatic;
mod begin;
mod book;
mod build_configs;
mod context;
mod desk;
mod ledger;
mod look;
mod outcome;
mod request;
mod sink;
mod tell;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::log::{AppendError, LogError, SharedLog};
use crate::oci::Timestamp;
use crate::plan::Plan;
use crate::record::rebuild::RebuildState;
use crate::record::{RebuildRecord, RebuildsRecord, TargetRecord};
use book::Book;
pub use book::Progress;
pub use build_configs::build_configs;
pub use context::Options;
pub use desk::Caps;
use ledger::Ledger;
pub use sink::{Sink, SinkConfig};
pub use worker::run;

/// The advice on how to start a rebuild in another process.
const STARTED_HERE: &str = "with --server (clade run with --kubernetes or --sink, or clade rebuilder); --dry-run shows the plan here";

/// An error of starting, changing or carrying out a rebuild.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The topic could not be read.
    #[error("cannot read the rebuilds: {0}")]
    Log(#[from] LogError),
    /// The topic could not be written.
    #[error("cannot write down what becomes of a rebuild: {0}")]
    Append(#[from] AppendError),
    /// No rebuild has this name.
    #[error("there is no rebuild {0:?}; `clade rebuild list` shows them")]
    NotFound(String),
    /// This process does not carry out rebuilds yet.
    #[error(
        "this clade is about to carry rebuilds out, but still reads what is on the log, or waits for its lease: ask again in \
         a moment"
    )]
    NotYet,
    /// The request is not possible now.
    #[error("{0}")]
    Invalid(String),
    /// A part of the rebuilder has ended unexpectedly.
    #[error("{0}; this is a bug in clade")]
    Ended(String),
}

impl RebuildError {
    /// Returns `true` if another instance has taken over.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Append(AppendError::Fenced))
    }

    /// Returns `true` if the same call may succeed in a moment.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Log(_) | Self::Append(_)) && !self.is_fenced()
    }
}

/// The party that began a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// A user, by command.
    ByCommand,
    /// The policy of the class.
    ByPolicy,
}

/// A change of a rebuild that users can request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Running builds go on; clade starts no other.
    Pause,
    /// The rebuild continues. Failed targets stay failed, and do not stop it again.
    Resume,
    /// Running builds go on; clade never starts another.
    Cancel,
}

/// One rebuild with its progress, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RebuildItem {
    /// The record of the rebuild.
    #[serde(flatten)]
    pub record: RebuildRecord,
    /// The number of targets by state.
    pub progress: Progress,
    /// The targets by wave, if one rebuild was requested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<TargetRecord>,
}

/// The rebuilds of a log. Clones share the right to write.
#[derive(Clone)]
pub struct Rebuilds {
    shared: Arc<Shared>,
}

struct Shared {
    log: SharedLog,
    /// Opened at the first write. Held while writing; a write waits for the one before it.
    ledger: Mutex<Option<Ledger>>,
    role: Mutex<Role>,
    changed: Notify,
}

/// The role of this process for the rebuilds of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It shows rebuilds.
    Shows,
    /// It will carry out rebuilds once it has read everything and holds its lease.
    Prepares,
    /// It carries out rebuilds, by these means.
    CarriesOut(Means),
    /// It carried out rebuilds until another process took over.
    Fenced,
}

/// The means by which a process carries out rebuilds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Means {
    cluster: bool,
    sink: bool,
}

impl Shared {
    /// Returns the role. It is a single value, so it is valid even after a panic of the holder.
    fn role(&self) -> MutexGuard<'_, Role> {
        self.role.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rebuilds {
    /// Returns the rebuilds of a log. Nothing is read yet, and nothing is written before a process carries out
    /// rebuilds.
    pub fn new(log: SharedLog) -> Self {
        let shared =
            Shared { log, ledger: Mutex::default(), role: Mutex::new(Role::Shows), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Announces that this process will carry out rebuilds once it is up to date. Until then commands return an error
    /// that asks to retry.
    pub fn prepare(&self) {
        *self.shared.role() = Role::Prepares;
    }

    /// Returns an error unless rebuilds can be started here now. Call it before making a plan.
    pub fn check_started_here(&self) -> Result<(), RebuildError> {
        self.means(STARTED_HERE).map(drop)
    }

    /// Writes a plan down. The worker carries it out from then on. Blocks.
    pub fn start(&self, plan: Plan, started: Started) -> Result<RebuildRecord, RebuildError> {
        let means = self.means(STARTED_HERE)?;
        if plan.cost.notified > 0 && !means.sink {
            return Err(RebuildError::Invalid(
                "there is no sink to notify of tags without a BuildConfig: start clade with --sink URL, or ask without \
                 --notify"
                    .to_owned(),
            ));
        }
        if plan.cost.builds + plan.cost.triggered > 0 && !means.cluster {
            return Err(RebuildError::Invalid(
                "BuildConfigs can be built only by a clade that works with their cluster: start it with --kubernetes; or \
                 leave them out with --namespace"
                    .to_owned(),
            ));
        }
        if plan.targets.is_empty() {
            let problem = match plan.problems.len() {
                0 => "nothing is to be rebuilt".to_owned(),
                many => format!(
                    "nothing can be rebuilt: {many} BuildConfigs would have to be, and --dry-run tells why each cannot"
                ),
            };
            return Err(RebuildError::Invalid(problem));
        }
        let record = self.with(|ledger| ledger.start(plan, started, Timestamp::now()))?;
        self.shared.changed.notify_one();
        Ok(record)
    }

    /// Pauses, resumes or cancels a rebuild. `by` is the user who asks, if known. Blocks.
    pub fn change(&self, id: &str, change: Change, by: Option<&str>) -> Result<RebuildItem, RebuildError> {
        self.means("with --server")?;
        let item = self.with(|ledger| {
            let found = ledger.book().get(id).ok_or_else(|| RebuildError::NotFound(id.to_owned()))?;
            let (record, failed) = (found.record.clone(), found.failed_builds());
            let changed = changed(record, failed, change, by, Timestamp::now())?;
            ledger.commit(vec![RebuildsRecord::Rebuild(Box::new(changed))])?;
            item_of(ledger.book(), id)
        })?;
        self.shared.changed.notify_one();
        Ok(item)
    }

    /// Returns all rebuilds, newest first. Blocks.
    pub fn list(&self) -> Result<Vec<RebuildItem>, RebuildError> {
        self.see(|book| {
            let item = |of: book::Rebuild<'_>| RebuildItem {
                record: of.record.clone(),
                progress: of.progress(),
                items: Vec::new(),
            };
            let mut items: Vec<RebuildItem> = book.iter().map(item).collect();
            items.sort_by_key(|item| std::cmp::Reverse(item.record.created));
            Ok(items)
        })
    }

    /// Returns one rebuild with its targets. Blocks.
    pub fn get(&self, id: &str) -> Result<RebuildItem, RebuildError> {
        self.see(|book| item_of(book, id))
    }

    /// Returns the means of this process, or an error unless it carries out rebuilds. `how` advises on how to use
    /// another process.
    fn means(&self, how: &str) -> Result<Means, RebuildError> {
        match *self.shared.role() {
            Role::CarriesOut(means) => Ok(means),
            Role::Prepares => Err(RebuildError::NotYet),
            Role::Fenced => Err(AppendError::Fenced.into()),
            Role::Shows => Err(RebuildError::Invalid(format!(
                "this clade carries no rebuilds out: ask one that does, {how}"
            ))),
        }
    }

    /// Reads from the book that this process writes, or else from the log.
    fn see<T>(&self, read: impl FnOnce(&Book) -> Result<T, RebuildError>) -> Result<T, RebuildError> {
        if matches!(*self.shared.role(), Role::CarriesOut(_)) {
            self.with(|ledger| read(ledger.book()))
        } else {
            read(&ledger::read(&*self.shared.log)?)
        }
    }

    /// Writes with the ledger of this process. After an error the written records are unknown, so the next call reads
    /// the topic again. A process that was fenced stays fenced: opening the ledger again would take it back from the
    /// other process.
    fn with<T>(&self, write: impl FnOnce(&mut Ledger) -> Result<T, RebuildError>) -> Result<T, RebuildError> {
        let mut shared = self.shared.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.shared.role() == Role::Fenced {
            return Err(AppendError::Fenced.into());
        }
        let mut ledger = match shared.take() {
            Some(ledger) => ledger,
            None => Ledger::open(&*self.shared.log)?,
        };
        let written = write(&mut ledger);
        if written.as_ref().is_err_and(RebuildError::is_fenced) {
            *self.shared.role() = Role::Fenced;
        }
        if matches!(written, Ok(_) | Err(RebuildError::NotFound(_) | RebuildError::Invalid(_))) {
            *shared = Some(ledger);
        }
        written
    }
}

fn item_of(book: &Book, id: &str) -> Result<RebuildItem, RebuildError> {
    let of = book.get(id).ok_or_else(|| RebuildError::NotFound(id.to_owned()))?;
    let mut items: Vec<TargetRecord> = of.targets.values().cloned().collect();
    items.sort_by(|a, b| (a.wave, &a.target).cmp(&(b.wave, &b.target)));
    Ok(RebuildItem { record: of.record.clone(), progress: of.progress(), items })
}

/// Returns the rebuild after a change, or an error if the change is not possible.
fn changed(
    record: RebuildRecord,
    failed: u32,
    change: Change,
    by: Option<&str>,
    now: Timestamp,
) -> Result<RebuildRecord, RebuildError> {
    let who = by.map(|name| format!(" by {name}")).unwrap_or_default();
    let (state, message) = match (change, record.state) {
        (_, RebuildState::Finished | RebuildState::Cancelled) => {
            return Err(RebuildError::Invalid(format!("{} is over: {}", record.id, record.message)));
        }
        (Change::Pause, _) => (RebuildState::Paused, format!("paused{who}; what runs goes on")),
        (Change::Resume, _) => (RebuildState::Running, format!("resumed{who}")),
        (Change::Cancel, _) => (RebuildState::Cancelled, format!("cancelled{who}; what runs goes on")),
    };
    let forgiven = if change == Change::Resume { failed } else { record.forgiven };
    let (changed_by, sequence) = (by.map(str::to_owned), record.sequence + 1);
    Ok(RebuildRecord { state, message, changed_by, forgiven, sequence, updated: now, ..record })
}
