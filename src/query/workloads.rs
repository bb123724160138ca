//! Lists what runs, and counts it by class.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Query;
use super::answer::{
    ClassStanding, WorkloadContainerItem, WorkloadImageItem, WorkloadItem, WorkloadStanding,
};
use super::filter::{Filter, Names};
use super::items::standings;
use super::page::{Cut, More, Page, Position, Sort, foreign};
use super::reference::{RefError, Resolved};
use super::running::{Running, counting};
use crate::oci::{Digest, Reference};
use crate::record::{RunningKind, State, WorkloadImage, WorkloadRecord};

/// The number of workloads of a class that run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunningCount {
    /// Workloads with an image of the class.
    pub all: u64,
    /// Those of them with an outdated one.
    pub outdated: u64,
}

/// Workloads by their state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkloadCounts {
    /// Workloads with an image that is outdated in a class.
    pub outdated: u64,
    /// The others with an image that clade has never seen.
    pub unknown: u64,
    /// The others with an image that is in a class.
    pub current: u64,
    /// The others.
    pub unclassified: u64,
}

impl Query {
    /// The workloads that match, by their keys `namespace/kind/name`. Of the filter, the class, group, state and namespace count;
    /// the state is that of the workload, which is outdated in a class if any of its images is. `unknown` asks for those with an
    /// image that clade has never seen, or without one.
    pub fn list_workloads(
        &self,
        filter: &Filter,
        unknown: Option<bool>,
        page: &Page,
    ) -> Result<Cut<WorkloadItem>, RefError> {
        self.workloads_with(filter, unknown, page, |_, _| true)
    }

    /// The same, of those that run an image of a REF: an image that counts for the workload is one of these images, or may be.
    pub fn list_workloads_of(
        &self,
        reference: &str,
        filter: &Filter,
        unknown: Option<bool>,
        page: &Page,
    ) -> Result<Cut<WorkloadItem>, RefError> {
        let resolved = self.anchored(reference, page)?;
        let anchor = Some(resolved.anchor());
        let Resolved::Images(images) = resolved else {
            let problem = format!("{reference:?} is a chain ID, which nothing runs: name an image here");
            return Err(RefError::Invalid(problem));
        };
        let images: HashSet<Digest> = images.into_iter().collect();
        // Most workloads run others: no item is made of them.
        let runs_one = |record: &WorkloadRecord, running: &mut Running<'_>| {
            let mut counting = record.containers.iter().flat_map(counting);
            counting.any(|image| running.images(image).known.iter().any(|of| images.contains(of)))
        };
        let Cut { items, more } = self.workloads_with(filter, unknown, page, runs_one)?;
        Ok(Cut { items, more: More { anchor, ..more } })
    }

    fn workloads_with(
        &self,
        filter: &Filter,
        unknown: Option<bool>,
        page: &Page,
        is_meant: impl Fn(&WorkloadRecord, &mut Running<'_>) -> bool,
    ) -> Result<Cut<WorkloadItem>, RefError> {
        self.check(filter)?;
        let namespace = Names::parse("namespace", filter.namespace.as_deref()).map_err(RefError::Invalid)?;
        if page.sort != Sort::Name {
            let problem = "sort: workloads stand by namespace, kind and name, in no other order";
            return Err(RefError::Invalid(problem.to_owned()));
        }
        let after = match &page.after {
            None => None,
            Some(Position::Name(name)) => Some(name.as_str()),
            Some(_) => return Err(RefError::Invalid(foreign())),
        };
        let mut running = Running::new(self);
        let (mut items, mut more): (Vec<WorkloadItem>, _) = (Vec::new(), More::default());
        let most = page.limit.unwrap_or(usize::MAX);
        let there = self.snapshot.workloads().after(after);
        for (key, record) in there.filter(|(_, record)| namespace.holds(&record.namespace)) {
            if !is_meant(record, &mut running) {
                continue;
            }
            let (item, groups) = self.workload(key, record, filter.group.as_deref(), &mut running);
            if !matches(&item, &groups, filter) || unknown.is_some_and(|asked| item.unknown != asked) {
                continue;
            }
            if items.len() == most {
                more.next = items.last().map(|last| Position::Name(last.key.clone()));
                break;
            }
            items.push(item);
        }
        Ok(Cut { items, more })
    }

    /// Counts the workloads of each class. `None` if no workload is known.
    pub fn running_counts(&self) -> Option<BTreeMap<String, RunningCount>> {
        let workloads = self.snapshot.workloads();
        let mut counts: HashMap<&str, RunningCount> = HashMap::new();
        let mut running = Running::new(self);
        for (_, record) in workloads.after(None) {
            for (class, state) in running.standing(record).0 {
                let count = counts.entry(class).or_default();
                count.all += 1;
                count.outdated += u64::from(state == State::Outdated);
            }
        }
        let counts = counts.into_iter().map(|(class, count)| (class.to_owned(), count)).collect();
        (!workloads.is_empty()).then_some(counts)
    }

    /// Counts the workloads by state.
    pub fn workload_counts(&self) -> WorkloadCounts {
        let mut counts = WorkloadCounts::default();
        let mut running = Running::new(self);
        for (_, record) in self.snapshot.workloads().after(None) {
            let (classes, is_unknown) = running.standing(record);
            let is_outdated = classes.values().any(|state| *state == State::Outdated);
            let count = match (is_outdated, is_unknown, classes.is_empty()) {
                (true, ..) => &mut counts.outdated,
                (false, true, _) => &mut counts.unknown,
                (false, false, false) => &mut counts.current,
                (false, false, true) => &mut counts.unclassified,
            };
            *count += 1;
        }
        counts
    }

    /// The workload as an item, and its classes that are in a group.
    fn workload(
        &self,
        key: &str,
        record: &WorkloadRecord,
        group: Option<&str>,
        running: &mut Running<'_>,
    ) -> (WorkloadItem, BTreeSet<String>) {
        let mut classes: BTreeMap<String, WorkloadStanding> = BTreeMap::new();
        let mut in_group = BTreeSet::new();
        let mut is_unknown = false;
        let mut container = |of: &crate::record::WorkloadContainer| {
            let has_started = of.images.iter().any(|image| image.running.is_some());
            let mut image = |of: &WorkloadImage| {
                let images = running.images(of);
                let counts = of.running.is_some() || !has_started;
                let item = self.workload_image(of, images.known.clone(), counts);
                if counts {
                    is_unknown |= item.unknown;
                    item.classes.iter().for_each(|standing| add(&mut classes, standing));
                    if let Some(asked) = group {
                        in_group.extend(item.images.iter().flat_map(|image| self.in_group(image, asked)));
                    }
                }
                item
            };
            let images = of.images.iter().map(&mut image).collect();
            WorkloadContainerItem { role: of.role, name: of.name.clone(), images }
        };
        let containers = record.containers.iter().map(&mut container).collect();
        let item = WorkloadItem {
            key: key.to_owned(),
            namespace: record.namespace.clone(),
            kind: record.kind.clone(),
            group: record.group.clone(),
            name: record.name.clone(),
            source: record.source.clone(),
            pods: record.pods,
            labels: record.labels.clone(),
            containers,
            classes: classes.into_values().collect(),
            unknown: is_unknown,
            omitted: record.omitted,
        };
        (item, in_group)
    }

    fn workload_image(&self, of: &WorkloadImage, images: Vec<Digest>, counts: bool) -> WorkloadImageItem {
        let found = images.iter().filter_map(|image| {
            let shard = self.holding(image)?;
            Some(standings(shard, &shard.image(image)?))
        });
        // Images that may run have the same layers, or nobody knows which of them it is: an outdated one counts.
        let mut classes: BTreeMap<String, ClassStanding> = BTreeMap::new();
        for standing in found.flatten() {
            let known = classes.entry(standing.name.clone()).or_insert_with(|| standing.clone());
            if standing.state == State::Outdated && known.state != State::Outdated {
                *known = standing;
            }
        }
        let unknown = images.is_empty();
        WorkloadImageItem {
            asked: of.asked.clone(),
            running: of.running.map(|running| running.digest),
            platform: of.platform.clone(),
            pods: of.pods,
            since: of.since,
            counts,
            images,
            classes: classes.into_values().collect(),
            unknown,
            pull: unknown.then(|| pull(of)),
        }
    }

    /// The classes of an image that `group` or `group=class` names.
    fn in_group(&self, image: &Digest, asked: &str) -> Vec<String> {
        let (group, class) = asked.split_once('=').map_or((asked, None), |(of, class)| (of, Some(class)));
        let found = self.holding(image).and_then(|shard| shard.image(image)?.classification);
        let classes = found.and_then(|of| of.groups.get(group)).into_iter().flatten();
        classes.filter(|name| class.is_none_or(|class| class == **name)).cloned().collect()
    }
}

fn add(classes: &mut BTreeMap<String, WorkloadStanding>, of: &ClassStanding) {
    let new = || WorkloadStanding { name: of.name.clone(), state: of.state, outdated_since: None };
    let known = classes.entry(of.name.clone()).or_insert_with(new);
    if of.state == State::Outdated {
        known.state = State::Outdated;
        known.outdated_since = known.outdated_since.into_iter().chain(of.outdated_since).min();
    }
}

fn matches(item: &WorkloadItem, in_group: &BTreeSet<String>, filter: &Filter) -> bool {
    let Filter { class, group, state, .. } = filter;
    if class.is_none() && group.is_none() && state.is_none() {
        return true;
    }
    item.classes.iter().any(|of| {
        class.as_ref().is_none_or(|class| *class == of.name)
            && (group.is_none() || in_group.contains(&of.name))
            && state.is_none_or(|state| state == of.state)
    })
}

/// The name by which a registry serves an image that runs; what was asked for, if its digest names nothing there.
fn pull(of: &WorkloadImage) -> String {
    let running = of.running.filter(|running| running.kind == RunningKind::Digest);
    match (running, of.asked.parse::<Reference>()) {
        (Some(running), Ok(asked)) => format!("{}@{}", asked.repository, running.digest),
        _ => of.asked.clone(),
    }
}
