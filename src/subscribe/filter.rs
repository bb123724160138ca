//! Filters the events of a topic.

use serde::{Deserialize, Serialize};

use super::SubscribeError;
use super::event::Content;
use crate::record::{
    CatalogKey, ClassificationRecord, RebuildsKey, RebuildsRecord, State, Topic, TransitionRecord,
};

/// Conditions on events. All given ones must hold. Not every condition applies to every topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Events of this class. Applies to `classifications`, `outdated`, `rebuilds` and `catalog` (the class and its
    /// versions).
    pub class: Option<String>,
    /// Events of a class of this group (`os`), or of one of its classes (`os=rhel7`). Applies to `classifications`, and
    /// to `outdated`, where the catalog defines the classes of the group.
    pub group: Option<String>,
    /// Images in this state: in the given class or group, or else in any class. Applies to `classifications` and
    /// `outdated`.
    pub state: Option<State>,
    /// Images with a tag of this repository at that moment. Applies to `outdated`.
    pub repository: Option<String>,
    /// Images with a tag of this namespace at that moment, on `outdated`; targets built in it, on `rebuilds`; workloads in it,
    /// on `workloads`, `decisions` and `admissions`.
    pub namespace: Option<String>,
}

/// The verdict of a filter on an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The event matches.
    In,
    /// The event does not match, and its subject matched just before, as the event itself states.
    Left,
    /// The event does not match; it does not state whether its subject matched before.
    Out,
    /// The event does not match, and its subject did not match before.
    Never,
}

impl Filter {
    /// Returns `true` if there is no condition, so that every event matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses conditions that do not apply to this topic.
    pub(super) fn check(&self, topic: Topic) -> Result<(), SubscribeError> {
        let applies: &[&str] = match topic {
            Topic::Classifications => &["class", "group", "state"],
            Topic::Outdated => &["class", "group", "state", "repository", "namespace"],
            Topic::Rebuilds => &["class", "namespace"],
            Topic::Catalog => &["class"],
            Topic::Workloads | Topic::Decisions | Topic::Admissions => &["namespace"],
            _ => &[],
        };
        let given = [
            ("class", self.class.is_some()),
            ("group", self.group.is_some()),
            ("state", self.state.is_some()),
            ("repository", self.repository.is_some()),
            ("namespace", self.namespace.is_some()),
        ];
        match given.into_iter().find(|(name, is_given)| *is_given && !applies.contains(name)) {
            None => Ok(()),
            Some((name, _)) => Err(SubscribeError::Usage(format!(
                "what is on {topic} has no {name} to ask for: {}{}",
                match applies {
                    [] => "it takes no filter".to_owned(),
                    some => format!("it can be filtered by {}", some.join(", ")),
                },
                if topic == Topic::Classifications {
                    ". The transitions on outdated name the tags of an image, with repository and namespace"
                } else {
                    ""
                }
            ))),
        }
    }

    /// Returns `true` if the keys that match have to be remembered, because events of the topic do not state what was
    /// before.
    pub(super) fn needs_memory(&self, topic: Topic) -> bool {
        let is_of_tags = self.repository.is_some() || self.namespace.is_some();
        !self.is_empty() && (topic != Topic::Outdated || is_of_tags || self.group.is_some())
    }

    /// Judges an event. `is_in_group` returns `true` for classes of the requested group.
    pub(super) fn judge(
        &self,
        key: &str,
        content: &Content,
        is_in_group: impl FnMut(&str) -> bool,
    ) -> Verdict {
        let in_or_out = |is_in| if is_in { Verdict::In } else { Verdict::Out };
        match content {
            Content::Classification(record) => in_or_out(self.holds(record)),
            Content::Transition(record) => self.of_transition(record, is_in_group),
            Content::Rebuild(record) => in_or_out(self.of_rebuild(record)),
            Content::Catalog(record) => in_or_out(self.of_catalog(&record.key())),
            Content::Workload(record) => in_or_out(self.is_in_namespace(&record.namespace)),
            Content::Admission(record) => in_or_out(self.is_in_namespace(&record.namespace)),
            Content::Decision(record) => in_or_out(self.is_in_namespace(&record.namespace)),
            _ if self.is_empty() => Verdict::In,
            Content::Tombstone(topic) if self.is_elsewhere(*topic, key) => Verdict::Never,
            Content::Tombstone(_) => Verdict::Out,
            // It may match, so it is not withheld.
            _ => Verdict::In,
        }
    }

    /// Returns `true` if the key alone proves that no record under it ever matched.
    fn is_elsewhere(&self, topic: Topic, key: &str) -> bool {
        if matches!(topic, Topic::Workloads | Topic::Decisions) {
            let namespace = key.split('/').next();
            return self.namespace.as_deref().is_some_and(|asked| Some(asked) != namespace);
        }
        let is_other = |class: &str| self.class.as_ref().is_some_and(|asked| asked != class);
        if let Some(key @ (CatalogKey::Class(_) | CatalogKey::Version(..))) = CatalogKey::parse(key) {
            return !self.of_catalog(&key);
        }
        match RebuildsKey::parse(key) {
            Some(RebuildsKey::Rebuild(id) | RebuildsKey::Target(id, _)) => is_other(class_of(&id)),
            None => false,
        }
    }

    fn is_in_namespace(&self, namespace: &str) -> bool {
        self.namespace.as_ref().is_none_or(|asked| asked == namespace)
    }

    fn holds(&self, record: &ClassificationRecord) -> bool {
        let in_state = |name: &str| {
            let mut of = record.classes.iter().filter(|member| member.name == name);
            of.any(|member| self.state.is_none_or(|asked| member.state == asked))
        };
        let class_holds = self.class.as_ref().is_none_or(|name| in_state(name));
        let group_holds = self.group.as_ref().is_none_or(|asked| {
            let (group, class) = split(asked);
            let classes = record.groups.get(group).into_iter().flatten();
            classes.filter(|name| class.is_none_or(|class| class == **name)).any(|name| in_state(name))
        });
        let any_holds = self.class.is_some()
            || self.group.is_some()
            || record.classes.iter().any(|member| self.state.is_none_or(|asked| member.state == asked));
        class_holds && group_holds && any_holds
    }

    fn of_transition(&self, record: &TransitionRecord, mut is_in_group: impl FnMut(&str) -> bool) -> Verdict {
        if self.is_empty() {
            return Verdict::In;
        }
        if self.class.as_ref().is_some_and(|asked| *asked != record.class) {
            return Verdict::Never;
        }
        let is_asked = |state: State| self.state.is_none_or(|asked| asked == state);
        let was_in_state = record.from.is_some_and(|from| is_asked(from.state));
        let is_in_state = record.to.is_some_and(|to| is_asked(to.state));
        let is_there = self.has_tag(record) && (self.group.is_none() || is_in_group(&record.class));
        match (is_in_state && is_there, was_in_state) {
            (true, _) => Verdict::In,
            (false, false) => Verdict::Never,
            // A transition does not state the earlier tags and groups.
            (false, true) if self.needs_memory(Topic::Outdated) => Verdict::Out,
            (false, true) => Verdict::Left,
        }
    }

    fn has_tag(&self, record: &TransitionRecord) -> bool {
        if self.repository.is_none() && self.namespace.is_none() {
            return true;
        }
        record.tags.iter().any(|tag| {
            let repository = tag.rsplit_once(':').map_or(tag.as_str(), |(repository, _)| repository);
            let namespace = repository.rsplit_once('/').map_or("", |(namespace, _)| namespace);
            self.repository.as_ref().is_none_or(|asked| asked == repository)
                && self.namespace.as_ref().is_none_or(|asked| asked == namespace)
        })
    }

    fn of_rebuild(&self, record: &RebuildsRecord) -> bool {
        let (class, namespace) = match record {
            RebuildsRecord::Rebuild(of) => (of.request.class.as_str(), of.request.namespace.as_deref()),
            RebuildsRecord::RebuildTarget(of) => (class_of(&of.rebuild), Some(of.target.namespace())),
        };
        self.class.as_ref().is_none_or(|asked| asked == class)
            // A rebuild without a namespace covers all namespaces.
            && self.namespace.as_ref().is_none_or(|asked| namespace.is_none_or(|found| asked == found))
    }

    fn of_catalog(&self, key: &CatalogKey) -> bool {
        self.class.as_ref().is_none_or(|asked| match key {
            CatalogKey::Class(name) | CatalogKey::Version(name, _) => name == asked,
            CatalogKey::Group(_) | CatalogKey::Policy(_) => false,
        })
    }
}

/// Splits a group and, if given, one class of it.
pub(super) fn split(asked: &str) -> (&str, Option<&str>) {
    asked.split_once('=').map_or((asked, None), |(group, class)| (group, Some(class)))
}

/// The class in the ID of a rebuild, `CLASS-NUMBER`.
fn class_of(rebuild: &str) -> &str {
    rebuild.rsplit_once('-').map_or(rebuild, |(class, _)| class)
}
