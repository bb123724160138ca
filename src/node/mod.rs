//! Builds a process: the one place that puts the parts of clade together.
//!
//! ```text
//!   sources ─► feed ─► publisher ─► log ─► engine ─► view ─► answers
//!                         ▲                   │
//!            declarations ┘                   └─► labels, rebuilds, audit
//! ```
//!
//! A process is an API and two lists of services: those that every instance runs, and those of the instance that holds the
//! lease, if one is named. These are the processes:
//!
//! | process | API | services |
//! |---|---|---|
//! | `clade run` | answers, declarations, commands | sources, feed, labels (of images and workloads), running, decisions, reports, admissions, rebuilds, audit, engine |
//! | `clade watch` | declarations | sources, feed |
//! | `clade process` | probes | member |
//! | `clade serve` | answers | engine |
//! | `clade admit` | answers, the webhook | engine, the watch of namespaces, admissions, decisions, reports, running |
//! | `clade label` | probes | labels; for those of workloads the engine |
//! | `clade rebuilder` | answers, commands | rebuilds, engine |
//! | `clade auditor` | probes | audit |

mod acting;
mod admission;
mod admitting;
mod answers;
mod audited;
mod commands;
mod deciding;
mod declarations;
mod error;
mod feed;
mod files;
mod lease;
mod listen;
pub mod local;
mod processes;
mod running;
mod service;
mod sources;
mod stop;

use std::sync::Arc;

pub use acting::{Acting, Labelling};
pub use admission::{Clients, Webhook};
pub use error::NodeError;
pub use files::{Taken, take_in, tell};
pub use listen::Listen;
pub use processes::{Told, admit, auditor, label, process, rebuilder, run, serve, watch};
pub use running::local_url;
pub use sources::{ClusterAccess, Sources};
pub use stop::StopSignals;

use crate::api::{self, Access, Api, Router, Status};
use crate::audit::Directory;
use crate::engine::Engine;
use crate::log::SharedLog;
use crate::publisher::{Publishing, Settings};
use crate::rebuilder::Rebuilds;
use crate::record::Timestamp;
use crate::telemetry::Telemetry;
use answers::Answers;
use commands::Commands;
use declarations::Declarations;

/// The parts of a process that work on one log. Clones share them.
#[derive(Clone)]
pub struct Node {
    log: SharedLog,
    /// The workers, if the process has any.
    engine: Option<Arc<Engine>>,
    /// The publisher, if the process may write.
    publishing: Option<Publishing>,
    rebuilds: Rebuilds,
    /// The audit trail, if the process writes one.
    audit: Option<Directory>,
    telemetry: Telemetry,
}

impl Node {
    /// A node without workers and without a publisher.
    pub fn new(log: SharedLog, telemetry: &Telemetry) -> Self {
        let rebuilds = Rebuilds::new(SharedLog::clone(&log));
        Self { log, engine: None, publishing: None, rebuilds, audit: None, telemetry: telemetry.clone() }
    }

    /// Adds the workers of an engine.
    #[must_use]
    pub fn with_engine(self, engine: Arc<Engine>) -> Self {
        Self { engine: Some(engine), ..self }
    }

    /// Adds the audit trail that the process writes.
    #[must_use]
    pub fn with_audit(self, trail: Option<Directory>) -> Self {
        Self { audit: trail, ..self }
    }

    /// Adds a publisher with this settling delay.
    pub fn with_publisher(self, delay: std::time::Duration) -> Result<Self, NodeError> {
        let Telemetry { metrics, spans } = self.telemetry.clone();
        let settings = Settings { clock: Timestamp::now, delay, spans, metrics };
        let publishing = Publishing::start(SharedLog::clone(&self.log), settings)?;
        Ok(Self { publishing: Some(publishing), ..self })
    }

    /// A node for the commands of this process alone, on an engine that processes a data directory or follows a cluster.
    pub fn of(engine: Arc<Engine>, telemetry: &Telemetry) -> Result<Self, NodeError> {
        let may_write = engine.role() == crate::engine::Role::Processor;
        let node = Self::new(SharedLog::clone(engine.log()), telemetry).with_engine(engine);
        if may_write { node.with_publisher(std::time::Duration::ZERO) } else { Ok(node) }
    }

    /// The routes of the API, and the probes.
    pub fn router(&self, access: Access, is_declared_in_kubernetes: bool) -> Router {
        let declare = match &self.publishing {
            _ if is_declared_in_kubernetes => Err(
                "classes and groups are custom resources of the cluster that this clade watches: declare and delete them \
                 there, with kubectl",
            ),
            None => Err(
                "this clade only reads: declare and delete at the one that watches (clade watch), with --server",
            ),
            Some(publishing) => {
                Ok(Arc::new(Declarations::new(publishing.clone(), self.engine.clone()))
                    as Arc<dyn api::Declare>)
            }
        };
        let commands = |engine: &Arc<Engine>| {
            Arc::new(Commands::new(Arc::clone(engine), self.rebuilds.clone())) as Arc<dyn api::Command>
        };
        let audit = self.audit.clone().map(|trail| Arc::new(trail) as Arc<dyn api::Audited>);
        let api =
            Api { ask: self.ask(), command: self.engine.as_ref().map(commands), declare, audit, access };
        let (answers, has_trail) = (api.ask.is_some(), api.audit.is_some());
        let router = api::router(&api).merge(self.probes(&api.access));
        if answers { api::page(router.clone(), has_trail).merge(router) } else { router }
    }

    /// Answers queries, if the process has workers.
    fn ask(&self) -> Option<Arc<dyn api::Ask>> {
        let answers = |engine: &Arc<Engine>| Arc::new(Answers(Arc::clone(engine))) as Arc<dyn api::Ask>;
        self.engine.as_ref().map(answers)
    }

    /// The routes about the process itself.
    fn probes(&self, access: &Access) -> Router {
        let engine = self.engine.clone();
        let status = move || match &engine {
            Some(engine) => Status::new(engine.status(), engine.check().err().map(|error| error.to_string())),
            None => Status::new(Vec::new(), None),
        };
        api::probes(self.telemetry.metrics.clone(), Arc::new(status), access)
    }
}
