//! `clade run`.

use std::path::Path;
use std::sync::Arc;

use super::args::RunArgs;
use super::client::open_log;
use super::demo;
use super::error::CliError;
use super::import::catch_up;
use crate::audit::Auditor;
use crate::node::{self, Acting, local};
use crate::telemetry::Telemetry;

pub(super) fn run(dir: &Path, args: &RunArgs, telemetry: &Telemetry) -> Result<(), CliError> {
    let sources = args.sources.sources()?;
    let acting = Acting { reports: args.admission.reports(), ..args.acting.acting()? };
    if acting.labelling.workloads && !sources.workloads {
        let problem = "--label-workloads labels what runs: leave out --no-workloads, or --label-workloads";
        return Err(CliError::Usage(problem.to_owned()));
    }
    let listen = args.listen.listen()?;
    let audit = args.audit.options(dir)?;
    let engine = Arc::new(local::start(open_log(dir, args.partitions, "run")?, dir, telemetry)?);
    if sources.are_any() {
        demo::keep(dir)?;
    }
    let audit = audit.map(|asked| Auditor::start(Arc::clone(engine.log()), asked, engine.metrics()));
    let audit = audit.transpose()?;
    catch_up(&engine)?;
    let address = local::address_file(dir);
    let key = local::make_key(dir)?;
    let what = (sources, acting, args.admission.webhook());
    let outcome = node::run(engine, telemetry, listen, (&key, audit), what, &mut |url| {
        std::fs::write(&address, url)?;
        eprintln!("serving {} on {url}; stop with Ctrl-C", dir.display());
        Ok(())
    });
    // Best effort: a client notices a stale address itself.
    let _ = std::fs::remove_file(&address);
    Ok(outcome?)
}
