//! Sums the pods of a workload up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::object::{Owner, Shape};
use crate::oci::{Platform, Timestamp};
use crate::record::{ContainerRole, RunningImage, WorkloadContainer, WorkloadImage, WorkloadRecord};

/// Containers of a workload, and images of each of them, at most: a record stays below 400 kB with the longest names that
/// there can be.
const MOST_CONTAINERS: usize = 50;
const MOST_IMAGES: usize = 10;

/// A pod of a workload.
pub(super) struct Counted<'a> {
    pub(super) shape: &'a Shape,
    pub(super) since: &'a [Option<Timestamp>],
    pub(super) platform: Option<&'a Platform>,
}

/// The images of a container, each with the number of pods and the earliest start.
type Images<'a> = BTreeMap<(&'a str, Option<RunningImage>, Option<&'a Platform>), (u32, Option<Timestamp>)>;

/// The record of a workload with these pods. They may come in any order.
pub(super) fn record<'a>(
    namespace: &str,
    owner: &Owner,
    namespace_labels: BTreeMap<String, String>,
    pods: impl Iterator<Item = Counted<'a>>,
) -> WorkloadRecord {
    let mut containers: BTreeMap<(ContainerRole, &str), Images<'_>> = BTreeMap::new();
    let mut labels: Option<BTreeMap<&String, &String>> = None;
    let mut many = 0_u32;
    for pod in pods {
        many += 1;
        match &mut labels {
            None => labels = Some(pod.shape.labels.iter().collect()),
            Some(shared) => shared.retain(|key, value| pod.shape.labels.get(*key) == Some(*value)),
        }
        for (container, since) in pod.shape.containers.iter().zip(pod.since) {
            let images = containers.entry((container.role, &container.name)).or_default();
            match images.entry((&container.asked, container.running, pod.platform)) {
                Entry::Vacant(new) => drop(new.insert((1, *since))),
                Entry::Occupied(mut known) => {
                    let (pods, earliest) = known.get_mut();
                    *pods += 1;
                    *earliest = earliest.iter().chain(since).min().copied();
                }
            }
        }
    }
    let omitted_containers: usize = containers.values().skip(MOST_CONTAINERS).map(BTreeMap::len).sum();
    let mut omitted = omitted_containers as u64;
    let containers = containers.into_iter().take(MOST_CONTAINERS).map(|((role, name), images)| {
        omitted += images.len().saturating_sub(MOST_IMAGES) as u64;
        WorkloadContainer { role, name: name.to_owned(), images: of_most_pods(images) }
    });
    WorkloadRecord {
        namespace: namespace.to_owned(),
        kind: owner.kind.clone(),
        group: owner.group.clone(),
        name: owner.name.clone(),
        sequence: 0,
        source: None,
        pods: many,
        containers: containers.collect(),
        labels: labels.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect(),
        namespace_labels,
        omitted,
    }
}

/// The images of the most pods, sorted.
fn of_most_pods(images: Images<'_>) -> Vec<WorkloadImage> {
    let mut images: Vec<_> = images.into_iter().collect();
    if images.len() > MOST_IMAGES {
        images.sort_by(|(a, (a_pods, _)), (b, (b_pods, _))| b_pods.cmp(a_pods).then_with(|| a.cmp(b)));
        images.truncate(MOST_IMAGES);
        images.sort();
    }
    let image = |((asked, running, platform), (pods, since)): ((&str, _, Option<&Platform>), _)| {
        WorkloadImage { asked: asked.to_owned(), running, platform: platform.cloned(), pods, since }
    };
    images.into_iter().map(image).collect()
}
