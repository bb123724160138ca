//! Resolves what runs, and the standings of it. Workloads share most of their images.

use std::collections::HashMap;
use std::rc::Rc;

use super::Query;
use super::pulled::Pulled;
use crate::class::Classification;
use crate::oci::{Digest, Platform, Reference};
use crate::record::{State, WorkloadContainer, WorkloadImage, WorkloadRecord};

/// Resolves images, each once.
pub(super) struct Running<'q> {
    query: &'q Query,
    pulled: HashMap<(Sought, Option<Platform>), Rc<Pulled>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sought {
    Digest(Digest),
    /// The digest of an image or of a config: a node does not always say which.
    Running(Digest),
    Name(String),
}

impl<'q> Running<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        Self { query, pulled: HashMap::new() }
    }

    /// The images that an image of a workload is: the one that runs, or the one that was asked for where nothing has started.
    pub(super) fn images(&mut self, of: &WorkloadImage) -> Rc<Pulled> {
        let asked = || of.asked.parse::<Reference>().ok().and_then(|asked| asked.digest);
        let sought = match (of.running, asked()) {
            (Some(running), _) => Sought::Running(running.digest),
            (None, Some(digest)) => Sought::Digest(digest),
            (None, None) => Sought::Name(of.asked.clone()),
        };
        let key = (sought, of.platform.clone());
        if let Some(pulled) = self.pulled.get(&key) {
            return Rc::clone(pulled);
        }
        // Nodes do not tell a variant, so all of them count.
        let may_run = |image: &Platform| of.platform.as_ref().is_none_or(|platform| image.matches(platform));
        let is_node_known = of.platform.is_some();
        let pulled = Rc::new(match &key.0 {
            Sought::Digest(digest) => self.query.pulled_by_digest(*digest, may_run, is_node_known),
            Sought::Running(digest) => match self.query.pulled_by_digest(*digest, may_run, is_node_known) {
                found if found.known.is_empty() && found.unseen == [*digest] => {
                    self.query.pulled_by_image_id(*digest)
                }
                found => found,
            },
            Sought::Name(name) => {
                let reference = name.parse::<Reference>().ok();
                let tag = reference.and_then(|reference| self.query.pulled_tag(&reference));
                tag.map_or_else(Pulled::default, |tag| self.query.pulled_by_tag(tag, may_run))
            }
        });
        self.pulled.insert(key, Rc::clone(&pulled));
        pulled
    }

    /// The classes of a workload, each with `Outdated` if any of its images is, and `true` if an image that counts is unknown.
    pub(super) fn standing(&mut self, record: &WorkloadRecord) -> (HashMap<&'q str, State>, bool) {
        let mut classes = HashMap::new();
        let is_unknown = self.each_classification(record, |of| {
            for member in of.classes.iter() {
                let state = classes.entry(member.name.as_str()).or_insert(member.state);
                if member.state == State::Outdated {
                    *state = State::Outdated;
                }
            }
        });
        (classes, is_unknown)
    }

    /// Calls `each` with the classification of each image of a workload that counts and is in a class. Returns `true` if one that
    /// counts is unknown.
    pub(super) fn each_classification(
        &mut self,
        record: &WorkloadRecord,
        mut each: impl FnMut(&'q Classification),
    ) -> bool {
        let mut is_unknown = false;
        for image in record.containers.iter().flat_map(counting) {
            let pulled = self.images(image);
            is_unknown |= pulled.known.is_empty();
            let query = self.query;
            let found = pulled.known.iter().filter_map(|digest| query.holding(digest)?.image(digest));
            found.filter_map(|image| image.classification).for_each(|of| each(of));
        }
        is_unknown
    }
}

/// The images of a container that count: those that run, or, where nothing has started, those that were asked for.
pub(super) fn counting(container: &WorkloadContainer) -> impl Iterator<Item = &WorkloadImage> {
    let has_started = container.images.iter().any(|image| image.running.is_some());
    container.images.iter().filter(move |image| image.running.is_some() || !has_started)
}
