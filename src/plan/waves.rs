//! Orders the targets: a base before the targets built on it. Cycles are reported, never followed.

use std::collections::BTreeMap;

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::graph::Graph;
use super::need::Needs;
use super::{Planned, Problem, ProblemKind};
use crate::record::rebuild::{Action, Reason};
use crate::record::{State, Target};

/// Members of a cycle that a message names, at most. Each member has the message.
const MOST_NAMES: usize = 10;

/// The targets that can be built, and those that cannot.
pub(super) struct Ordered {
    pub(super) targets: Vec<Planned>,
    pub(super) problems: Vec<Problem>,
}

pub(super) fn order(graph: &Graph<'_>, needs: Needs) -> Ordered {
    let mut problems: BTreeMap<usize, (ProblemKind, String)> = BTreeMap::new();
    for number in needs.reasons.keys() {
        let node = &graph.nodes[*number];
        if let Some(problem) = node.unreadable.first() {
            problems.insert(*number, (ProblemKind::BadReference, format!("{problem}; mend the BuildConfig")));
        } else if let Some(base) = needs.missing_bases.get(number) {
            let message = format!("{base}, which it is built on, is not there; a build would fail");
            problems.insert(*number, (ProblemKind::MissingBase, message));
        } else if let Some(base) = needs.outdated_bases.get(number) {
            let message = format!(
                "{base}, which it is built on, is outdated itself, and nothing in this plan changes that; have it \
                 built, or build on another"
            );
            problems.insert(*number, (ProblemKind::OutdatedBase, message));
        } else if let Some(problem) = needs.unknown_bases.get(number) {
            let message =
                format!("{problem}, so that clade cannot say what a build would change; build it by hand");
            problems.insert(*number, (ProblemKind::UnknownBase, message));
        } else if node.of.binary {
            let message = "its builds need an uploaded source (oc start-build --from-…); build it there";
            problems.insert(*number, (ProblemKind::BinarySource, message.to_owned()));
        } else if node.of.paused {
            let message =
                "the annotation openshift.io/build-config.paused holds it; take that away to have it built";
            problems.insert(*number, (ProblemKind::Paused, message.to_owned()));
        }
    }
    let mut all: DiGraph<usize, ()> = DiGraph::new();
    let places: BTreeMap<usize, NodeIndex> =
        needs.reasons.keys().map(|number| (*number, all.add_node(*number))).collect();
    for (number, place) in &places {
        for base in graph.nodes[*number].bases.iter().filter_map(|base| places.get(base)) {
            all.add_edge(*base, *place, ());
        }
    }
    for component in kosaraju_scc(&all) {
        let is_cycle = component.len() > 1 || all.contains_edge(component[0], component[0]);
        if !is_cycle {
            continue;
        }
        let mut names: Vec<String> = component.iter().map(|place| graph.nodes[all[*place]].name()).collect();
        names.sort_unstable();
        let message = if names.len() == 1 {
            "it is built on its own output; nothing can say where to begin: build it by hand".to_owned()
        } else {
            let more = match names.len().saturating_sub(MOST_NAMES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            names.truncate(MOST_NAMES);
            format!(
                "these are built on each other, so that nothing can say where to begin: {}{more}",
                names.join(", ")
            )
        };
        for place in component {
            problems.insert(all[place], (ProblemKind::Cycle, message.clone()));
        }
    }
    spread(graph, &needs, &mut problems);
    all.retain_nodes(|all, place| !problems.contains_key(&all[place]));
    let targets = levels(graph, needs, &all);
    let problem = |(number, (kind, message)): (usize, (ProblemKind, String))| Problem {
        target: graph.nodes[number].target(),
        kind,
        message,
    };
    Ordered { targets, problems: problems.into_iter().map(problem).collect() }
}

/// A target on a base that cannot be rebuilt would be built on the same image as before, so it has a problem too.
fn spread(graph: &Graph<'_>, needs: &Needs, problems: &mut BTreeMap<usize, (ProblemKind, String)>) {
    let mut next: Vec<usize> = problems.keys().copied().collect();
    while let Some(number) = next.pop() {
        // A current base stays a good one, whether it can be rebuilt or not.
        let is_current = |reason: &Reason| reason.state == Some(State::Current);
        if needs.reasons.get(&number).is_some_and(is_current) {
            continue;
        }
        let Some(output) = &graph.nodes[number].output else { continue };
        for child in &graph.nodes[number].children {
            let is_built_on = graph.nodes[*child]
                .inputs
                .iter()
                .any(|input| input.is_builder && input.tag() == Some(output.as_str()));
            if is_built_on && needs.reasons.contains_key(child) && !problems.contains_key(child) {
                let name = graph.nodes[number].name();
                let message = format!("{output}, which it is built on, is not rebuilt: see {name}");
                problems.insert(*child, (ProblemKind::BaseNotRebuilt, message));
                next.push(*child);
            }
        }
    }
}

/// The remaining graph has no cycle: each target comes one wave after the last of its bases.
fn levels(graph: &Graph<'_>, mut needs: Needs, left: &DiGraph<usize, ()>) -> Vec<Planned> {
    let mut waves: BTreeMap<usize, u32> = BTreeMap::new();
    // An error would mean a cycle, and those were removed.
    for place in toposort(left, None).unwrap_or_default() {
        let number = left[place];
        let before = graph.nodes[number].bases.iter().filter_map(|base| waves.get(base)).max();
        let wave = 1 + before.copied().unwrap_or(0);
        waves.insert(number, wave);
    }
    let planned = waves.iter().filter_map(|(number, wave)| {
        let node = &graph.nodes[*number];
        let targets = |numbers: &mut dyn Iterator<Item = &usize>| -> Vec<Target> {
            let planned = numbers.filter(|number| waves.contains_key(number));
            planned.map(|number| graph.nodes[*number].target()).collect()
        };
        let watched = node.triggers.iter().filter_map(|tag| graph.builders_of.get(tag));
        let triggered_by = targets(&mut watched.flatten());
        Some(Planned {
            target: node.target(),
            wave: *wave,
            action: if triggered_by.is_empty() { Action::Build } else { Action::Trigger },
            reason: needs.reasons.remove(number)?,
            after: targets(&mut node.bases.iter()),
            triggered_by,
            output: node.output.clone(),
        })
    });
    planned.collect()
}
