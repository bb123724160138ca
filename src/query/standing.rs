//! Says where workloads stand, for those who write it on them.

use std::collections::BTreeMap;

use super::Query;
use super::running::Running;
use crate::class::Classification;
use crate::record::{State, WorkloadRecord};

/// The standing of a workload: that of all its images that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The classes, each `Outdated` if any image is.
    pub classes: BTreeMap<String, State>,
    /// For each group its nearest class: the one with the most layers in an image.
    pub groups: BTreeMap<String, String>,
}

impl Query {
    /// Calls `each` with the standing of every workload that a cluster has reported, and of those of `others` that it has not.
    /// Imported ones are left out: they may be those of another cluster.
    pub fn each_standing<'a>(
        &'a self,
        others: impl Iterator<Item = &'a WorkloadRecord>,
        mut each: impl FnMut(&'a WorkloadRecord, Standing),
    ) {
        let workloads = self.snapshot.workloads();
        let is_live = |record: &WorkloadRecord| record.source.is_some();
        let there = workloads.after(None).map(|(_, record)| &**record).filter(|record| is_live(record));
        let others = others.filter(|record| !workloads.get(&record.key()).is_some_and(is_live));
        let mut running = Running::new(self);
        for record in there.chain(others) {
            let mut images = Images::default();
            running.each_classification(record, |of| images.add(of));
            each(record, images.standing());
        }
    }
}

/// The classes of a workload's images, each with its worst state, and the groups with their nearest classes.
#[derive(Default)]
struct Images<'q> {
    classes: BTreeMap<&'q str, State>,
    groups: BTreeMap<&'q str, (u32, &'q str)>,
}

impl<'q> Images<'q> {
    fn add(&mut self, of: &'q Classification) {
        for member in of.classes.iter() {
            let state = self.classes.entry(&member.name).or_insert(member.state);
            *state = member.state.max(*state);
        }
        for (group, classes) in of.groups.iter() {
            let Some(class) = classes.first() else { continue };
            let depth = of.of_class(class).map_or(0, |member| member.depth);
            let nearest = self.groups.entry(group).or_insert((depth, class));
            // Images of one workload have nothing in common: of equally deep classes the first by name, whatever the order.
            if depth > nearest.0 || depth == nearest.0 && **class < *nearest.1 {
                *nearest = (depth, class);
            }
        }
    }

    fn standing(self) -> Standing {
        let classes = self.classes.into_iter().map(|(class, state)| (class.to_owned(), state));
        let groups = self.groups.into_iter().map(|(group, (_, class))| (group.to_owned(), class.to_owned()));
        Standing { classes: classes.collect(), groups: groups.collect() }
    }
}
