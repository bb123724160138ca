//! The rebuilder: carries rebuild plans out.
//!
//! ```text
//!   plan ─► Ledger (topic `rebuilds`) ─► Desk (what may begin, what is over) ─► one task a target, some at once
//!              ▲                                                                    │  the API server, the sink
//!              └──────────────── each step, before and after it is taken ◄──────────┘
//! ```
//!
//! Every step is written down before it is taken. A build is begun by a request that names the BuildConfig's
//! `lastVersion`, which the API server takes once: so a process that was killed, or a second one, goes on from what is
//! written and never begins a build twice. What became of a build is read from the API server, what became of a tag from
//! the index.

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

/// How another process is asked to start a rebuild.
const STARTED_HERE: &str = "with --server (clade run with --kubernetes or --sink, or clade rebuilder); --dry-run shows the plan here";

/// Why a rebuild could not be begun, changed or carried on.
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
    /// This process does not carry rebuilds out yet.
    #[error(
        "this clade is about to carry rebuilds out, but still reads what is on the log, or waits for its lease: ask again in \
         a moment"
    )]
    NotYet,
    /// What was asked for makes no sense now.
    #[error("{0}")]
    Invalid(String),
    /// A part of the rebuilder has ended that should not.
    #[error("{0}; this is a bug in clade")]
    Ended(String),
}

impl RebuildError {
    /// Whether another instance has taken over.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Append(AppendError::Fenced))
    }

    /// Whether it may go otherwise in a moment.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Log(_) | Self::Append(_)) && !self.is_fenced()
    }
}

/// Who has begun a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// Somebody's command.
    ByCommand,
    /// The class's policy.
    ByPolicy,
}

/// What can be done to a rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// What runs goes on, nothing begins.
    Pause,
    /// It goes on; what has failed stays so, and does not stop it again.
    Resume,
    /// What runs goes on, nothing begins any more.
    Cancel,
}

/// One rebuild, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildItem {
    /// Its record.
    #[serde(flatten)]
    pub record: RebuildRecord,
    /// How far it is.
    pub progress: Progress,
    /// Its targets by wave, where one rebuild was asked for.
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
    /// Made when something is first written. Held while writing; a write waits for the one before it.
    ledger: Mutex<Option<Ledger>>,
    role: Mutex<Role>,
    changed: Notify,
}

/// The part of this process in the rebuilds of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It shows them.
    Shows,
    /// It will carry them out once it has read everything and holds its lease.
    Prepares,
    /// It carries them out, by these means.
    CarriesOut(Means),
    /// It carried them out until another process took over.
    Fenced,
}

/// The means by which a process carries rebuilds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Means {
    cluster: bool,
    sink: bool,
}

impl Shared {
    /// A role is whole whoever panicked while holding it.
    fn role(&self) -> MutexGuard<'_, Role> {
        self.role.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rebuilds {
    /// Those of a log. Nothing is read yet, and nothing written before somebody carries rebuilds out.
    pub fn new(log: SharedLog) -> Self {
        let shared =
            Shared { log, ledger: Mutex::default(), role: Mutex::new(Role::Shows), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// This process will carry rebuilds out, once it knows everything: until then who commands is asked to wait.
    pub fn prepare(&self) {
        *self.shared.role() = Role::Prepares;
    }

    /// An error unless rebuilds can be started here now: to be asked before a plan is made for nothing.
    pub fn check_started_here(&self) -> Result<(), RebuildError> {
        self.means(STARTED_HERE).map(drop)
    }

    /// Writes a plan down; it is carried out from then on. Blocks.
    pub fn start(&self, plan: Plan, started: Started) -> Result<RebuildRecord, RebuildError> {
        let means = self.means(STARTED_HERE)?;
        if plan.cost.notified > 0 && !means.sink {
            return Err(RebuildError::Invalid(
                "nobody can be told of tags that no BuildConfig builds: start clade with --sink URL, or ask without \
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

    /// Pauses, resumes or cancels a rebuild, on behalf of somebody if they say who they are. Blocks.
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

    /// All rebuilds, the newest first. Blocks.
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

    /// One rebuild with its targets. Blocks.
    pub fn get(&self, id: &str) -> Result<RebuildItem, RebuildError> {
        self.see(|book| item_of(book, id))
    }

    /// The means of this process, an error unless it carries rebuilds out; `how` another one is asked.
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

    /// Reads: what this process writes, if it does, else what stands on the log.
    fn see<T>(&self, read: impl FnOnce(&Book) -> Result<T, RebuildError>) -> Result<T, RebuildError> {
        if matches!(*self.shared.role(), Role::CarriesOut(_)) {
            self.with(|ledger| read(ledger.book()))
        } else {
            read(&ledger::read(&*self.shared.log)?)
        }
    }

    /// Writes with what this process has open. After an error it does not know what was written: the next one reads it anew.
    /// Who was fenced stays so: to read it anew would take it back from the other one.
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

/// The rebuild as somebody wants it; an error if it cannot become so.
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
