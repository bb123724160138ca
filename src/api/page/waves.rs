//! Draws what is rebuilt as waves: one column after the other, each target with the reason.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::text::name;
use super::words::many;
use crate::plan::Planned;
use crate::record::rebuild::{Action, Reason, TargetState};
use crate::record::{Target, TargetRecord};

/// Targets of a wave that are drawn.
const DRAWN: usize = 100;
/// Targets that one names as those before it.
const NAMED: usize = 3;

/// A target in its wave.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    wave: u32,
    target: &'a Target,
    action: Action,
    reason: &'a Reason,
    after: &'a [Target],
    /// The state of a target that somebody wanted to rebuild, and the reason for it.
    state: Option<(TargetState, &'a str)>,
}

impl<'a> From<&'a Planned> for Step<'a> {
    fn from(of: &'a Planned) -> Self {
        let Planned { target, wave, action, reason, after, .. } = of;
        Self { wave: *wave, target, action: *action, reason, after, state: None }
    }
}

impl<'a> From<&'a TargetRecord> for Step<'a> {
    fn from(of: &'a TargetRecord) -> Self {
        let TargetRecord { target, wave, action, reason, after, state, message, .. } = of;
        Self { wave: *wave, target, action: *action, reason, after, state: Some((*state, message)) }
    }
}

/// A target by its namespace and name.
pub(super) fn target(of: &Target) -> Markup {
    match of {
        Target::BuildConfig { namespace, name: config } => name(&format!("{namespace}/{config}")),
        Target::Tag(tag) => html! { "tag " (name(tag)) },
    }
}

/// The waves of these targets. Those of wave 0 are in none.
pub(super) fn waves<'a>(steps: impl Iterator<Item = Step<'a>>) -> Markup {
    let mut waves: BTreeMap<u32, Vec<Step<'a>>> = BTreeMap::new();
    for step in steps.filter(|step| step.wave > 0) {
        waves.entry(step.wave).or_default().push(step);
    }
    // In a wave that is too long to be drawn, the ones that somebody has to look at come first.
    waves.values_mut().for_each(|wave| wave.sort_by_key(|step| step.state.map(|(state, _)| concern(state))));
    html! {
        ol.waves { @for (number, steps) in &waves { li {
            h3 { "Wave " (number) span.faint { " " (many(steps.len() as u64, "target")) } }
            ul { @for step in steps.iter().take(DRAWN) { (drawn(step)) } }
            @if steps.len() > DRAWN { p.faint { "and " (steps.len() - DRAWN) " more" } }
        } } }
    }
}

fn concern(state: TargetState) -> u8 {
    match state {
        TargetState::Failed => 0,
        TargetState::Running | TargetState::Starting => 1,
        TargetState::Waiting => 2,
        TargetState::Skipped => 3,
        TargetState::Succeeded => 4,
    }
}

fn drawn(step: &Step<'_>) -> Markup {
    let by = match step.action {
        Action::Build => "clade starts the build",
        Action::Trigger => "a trigger starts the build",
        Action::Notify => "the sink is told",
    };
    let kind = match step.state {
        Some((TargetState::Failed, _)) => "failed",
        Some((TargetState::Succeeded, _)) => "succeeded",
        _ => "open",
    };
    html! {
        li class=(kind) {
            b { (target(step.target)) }
            @if let Some((state, _)) = step.state { span.state { (state) } }
            div { bdi { (step.reason.message) } }
            div.faint { "through " (name(&step.reason.input)) "; " (by) }
            @if !step.after.is_empty() {
                div.faint {
                    "after " @for (number, of) in step.after.iter().take(NAMED).enumerate() { @if number > 0 { ", " } (target(of)) }
                    @if step.after.len() > NAMED { " and " (step.after.len() - NAMED) " more" }
                }
            }
            // Until something has happened, the state has the reason of the plan.
            @if let Some((_, message)) = step.state.filter(|(_, message)| !message.is_empty() && *message != step.reason.message) {
                div { bdi { (message) } }
            }
        }
    }
}
