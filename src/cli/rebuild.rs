//! `clade rebuild`: shows plans, starts rebuilds, and shows their progress.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::{Format, RebuildArgs, RebuildCommand, StartRebuildArgs};
use super::error::CliError;
use super::output::{bold, lines, some, structured, table};
use super::patience::once_it_is_time;
use super::plain::plain;
use super::progress;
use crate::api::{Asking, Client};
use crate::plan::{Plan, Planned, ProblemKind};
use crate::query::answer::List;
use crate::rebuilder::RebuildItem;
use crate::record::rebuild::{Action, RebuildRequest, RebuildState, Target, TargetState};
use crate::record::rebuild_policy::{RebuildWindow, Weekday};
use crate::record::{RebuildLimits, TargetRecord};

/// Interval at which a waiting command asks for the state of a rebuild.
const LOOK: Duration = Duration::from_millis(500);

pub(super) fn rebuild(client: &Client, args: &RebuildArgs) -> Result<(), CliError> {
    match &args.command {
        None => start(client, &args.start),
        Some(RebuildCommand::List { output }) => list(&get(client, "/v1/rebuilds")?, output),
        Some(RebuildCommand::Show { id, wait, output }) => {
            let path = format!("/v1/rebuilds/{}", checked(id)?);
            let item: RebuildItem = get(client, &path)?;
            let item = if *wait { until_over(client, item)? } else { item };
            show(&item, output)?;
            if *wait { outcome(&item) } else { Ok(()) }
        }
        Some(RebuildCommand::Pause { id }) => change(client, id, "pause"),
        Some(RebuildCommand::Resume { id }) => change(client, id, "resume"),
        Some(RebuildCommand::Cancel { id }) => change(client, id, "cancel"),
    }
}

fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, CliError> {
    once_it_is_time(|| Ok(client.get(path, &())?))
}

fn post<T: DeserializeOwned>(client: &Client, path: &str, body: &impl Serialize) -> Result<T, CliError> {
    once_it_is_time(|| Ok(client.post(path, body)?))
}

fn start(client: &Client, args: &StartRebuildArgs) -> Result<(), CliError> {
    let request = request(args)?;
    if args.dry_run {
        return told_plan(&post(client, "/v1/rebuilds/plan", &request)?, &args.output);
    }
    let item: RebuildItem = post(client, "/v1/rebuilds", &request)?;
    let item = if args.wait { until_over(client, item)? } else { item };
    if !args.wait {
        eprintln!(
            "{}: {} targets in {} waves; `clade rebuild show {}` tells how far it is",
            item.record.id, item.record.targets, item.record.waves, item.record.id
        );
    }
    show(&item, &args.output)?;
    if args.wait { outcome(&item) } else { Ok(()) }
}

fn change(client: &Client, id: &str, change: &str) -> Result<(), CliError> {
    let asking = Asking { by: who() };
    let path = format!("/v1/rebuilds/{}/{change}", checked(id)?);
    let item: RebuildItem = post(client, &path, &asking)?;
    println!("rebuild {id} {}: {}", item.record.state, plain(&item.record.message));
    Ok(())
}

/// Checks the ID of a rebuild, which is also a part of a path.
fn checked(id: &str) -> Result<&str, CliError> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    match !id.is_empty() && id.bytes().all(is_id) && id != "." && id != ".." {
        true => Ok(id),
        false => {
            Err(CliError::NotFound(format!("there is no rebuild {id:?}; `clade rebuild list` shows them")))
        }
    }
}

/// The requester as the shell knows them. Nothing verifies it.
fn who() -> Option<String> {
    std::env::var("USER").ok().filter(|name| !name.is_empty())
}

fn request(args: &StartRebuildArgs) -> Result<RebuildRequest, CliError> {
    let class = args.class.clone().ok_or_else(|| {
        CliError::Usage(
            "say which class: clade rebuild --class NAME; or list, show, pause, resume, cancel".to_owned(),
        )
    })?;
    let selector = (!args.selector.is_empty()).then(|| crate::record::catalog::Selector {
        match_labels: args.selector.iter().cloned().collect(),
        match_expressions: Vec::new(),
    });
    let limits = RebuildLimits {
        max_concurrent: args.max_concurrent.get(),
        max_concurrent_per_namespace: args.max_concurrent_per_namespace.map(std::num::NonZeroU32::get),
        max_failures: args.max_failures.get(),
        retries: args.retries,
        build_timeout_seconds: args.build_timeout,
        window: args.window.as_deref().map(window).transpose()?,
    };
    limits.check().map_err(CliError::Usage)?;
    Ok(RebuildRequest {
        class,
        all: args.all,
        namespace: args.namespace.clone(),
        group: args.group.clone(),
        selector,
        notify: args.notify,
        priority: args.priority,
        limits,
        reason: args.reason.clone(),
        requested_by: who(),
    })
}

fn window(text: &str) -> Result<RebuildWindow, CliError> {
    let wrong =
        || CliError::Usage(format!("--window {text:?}: say HH:MM-HH:MM or Sat,Sun/HH:MM-HH:MM, in UTC"));
    let (days, hours) = text.split_once('/').map_or(("", text), |(days, hours)| (days, hours));
    let (start, end) = hours.split_once('-').ok_or_else(wrong)?;
    let day = |name: &str| -> Result<Weekday, CliError> {
        serde_json::from_value(serde_json::Value::from(name)).map_err(|_| wrong())
    };
    let days = days.split(',').filter(|name| !name.is_empty()).map(day).collect::<Result<_, _>>()?;
    Ok(RebuildWindow { days, start: start.to_owned(), end: end.to_owned() })
}

fn name(target: &Target) -> String {
    match target {
        Target::BuildConfig { namespace, name } => format!("{namespace}/{name}"),
        Target::Tag(tag) => tag.clone(),
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Build => "build",
        Action::Trigger => "trigger",
        Action::Notify => "notify",
    }
}

fn told_plan(plan: &Plan, format: &Format) -> Result<(), CliError> {
    if structured(format, plan)? {
        return Ok(());
    }
    if matches!(format, Format::Name) {
        return lines(plan.targets.iter().map(|planned| name(&planned.target)));
    }
    let row = |planned: &Planned| {
        vec![
            planned.wave.to_string(),
            name(&planned.target),
            action(planned.action).to_owned(),
            plain(&planned.reason.input),
            planned.reason.version.map_or_else(|| "-".to_owned(), |version| version.short()),
            plain(&planned.reason.message),
        ]
    };
    let header = ["WAVE", "TARGET", "BY", "BUILT ON", "BASE VERSION", "WHY"];
    if !plan.targets.is_empty() {
        table(&header, plan.targets.iter().map(row).collect(), &[0], "targets")?;
        println!();
    }
    if !plan.problems.is_empty() {
        println!("{}", bold("cannot be rebuilt:"));
        let problem = |kind: ProblemKind| match kind {
            ProblemKind::Cycle => "cycle",
            ProblemKind::MissingBase => "missing base",
            ProblemKind::UnknownBase => "unknown base",
            ProblemKind::OutdatedBase => "outdated base",
            ProblemKind::BaseNotRebuilt => "base not rebuilt",
            ProblemKind::Paused => "paused",
            ProblemKind::BinarySource => "binary source",
            ProblemKind::BadReference => "bad reference",
        };
        let rows = plan
            .problems
            .iter()
            .map(|of| vec![name(&of.target), problem(of.kind).to_owned(), plain(&of.message)]);
        table(&["TARGET", "PROBLEM", "WHY"], rows.collect(), &[], "problems")?;
        println!();
    }
    lines(cost(plan))
}

/// The cost of a plan, in sentences.
fn cost(plan: &Plan) -> Vec<String> {
    let cost = &plan.cost;
    let current = plan.basis.current.map_or_else(|| "no version yet".to_owned(), |current| current.short());
    let since = plan.basis.since.map(|since| format!(" since {since}")).unwrap_or_default();
    let counted =
        |count: u32, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut told = vec![format!("class {}, current {current}{since}", plan.request.class)];
    told.push(format!(
        "{} in {}, {} at once; {} more by triggers; {} to the sink",
        counted(cost.builds, "build", "builds"),
        counted(cost.waves, "wave", "waves"),
        plan.request.limits.max_concurrent,
        cost.triggered,
        cost.notified,
    ));
    if cost.other_tags > cost.notified {
        told.push(format!(
            "built by no BuildConfig here: {}: {}",
            counted(cost.other_tags, "outdated tag", "outdated tags"),
            some(&plan.others, 4)
        ));
    }
    told
}

fn list(list: &List<RebuildItem>, format: &Format) -> Result<(), CliError> {
    if structured(format, list)? {
        return Ok(());
    }
    if matches!(format, Format::Name) {
        return lines(list.items.iter().map(|item| item.record.id.clone()));
    }
    let row = |item: &RebuildItem| {
        let (record, progress) = (&item.record, &item.progress);
        vec![
            record.id.clone(),
            record.state.to_string(),
            record.targets.to_string(),
            progress.succeeded.to_string(),
            progress.failed.to_string(),
            progress.running.to_string(),
            progress.waiting.to_string(),
            record.created.to_string(),
            record.request.reason.as_deref().map_or_else(|| "-".to_owned(), plain),
        ]
    };
    let header = ["ID", "STATE", "TARGETS", "BUILT", "FAILED", "RUNNING", "WAITING", "CREATED", "REASON"];
    table(&header, list.items.iter().map(row).collect(), &[2, 3, 4, 5, 6], "rebuilds")
}

fn show(item: &RebuildItem, format: &Format) -> Result<(), CliError> {
    if structured(format, item)? {
        return Ok(());
    }
    if matches!(format, Format::Name) {
        return lines([item.record.id.clone()]);
    }
    let record = &item.record;
    println!("{} {}: {}", bold(&record.id), record.state, plain(&record.message));
    let by = record.request.requested_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let how = if record.automatic { " by the class's policy".to_owned() } else { by };
    let reason = record.request.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    println!("begun {:.0}{}{}", record.created, plain(&how), plain(&reason));
    println!();
    let row = |target: &TargetRecord| {
        vec![
            if target.wave == 0 { "-".to_owned() } else { target.wave.to_string() },
            name(&target.target),
            target.state.to_string(),
            action(target.action).to_owned(),
            target.build.clone().unwrap_or_else(|| "-".to_owned()),
            target.attempts.to_string(),
            plain(if target.message.is_empty() { &target.reason.message } else { &target.message }),
        ]
    };
    let header = ["WAVE", "TARGET", "STATE", "BY", "BUILD", "TRIES", "MESSAGE"];
    table(&header, item.items.iter().map(row).collect(), &[0, 5], "targets")
}

/// Waits until the state of a rebuild is final.
fn until_over(client: &Client, item: RebuildItem) -> Result<RebuildItem, CliError> {
    let id = item.record.id.clone();
    let bar = progress::count(u64::from(item.record.targets), "built");
    let mut item = item;
    loop {
        let progress = item.progress;
        let over = progress.succeeded + progress.failed + progress.skipped;
        bar.set(u64::from(over), u64::from(item.record.targets));
        let is_still = progress.running == 0;
        match item.record.state {
            RebuildState::Finished => break,
            RebuildState::Stopped | RebuildState::Cancelled if is_still => break,
            _ => {}
        }
        std::thread::park_timeout(LOOK);
        item = get(client, &format!("/v1/rebuilds/{id}"))?;
    }
    bar.finish();
    Ok(item)
}

/// Returns an error if a rebuild did not build every target.
fn outcome(item: &RebuildItem) -> Result<(), CliError> {
    let is_whole = item.record.state == RebuildState::Finished
        && item.items.iter().all(|target| target.state == TargetState::Succeeded);
    if is_whole {
        return Ok(());
    }
    Err(CliError::Failed(format!("{}: {}", item.record.id, item.record.message)))
}
