//! Filters images.

use serde::{Deserialize, Serialize};

use crate::class::Classification;
use crate::index::ImageId;
use crate::oci::{Platform, Timestamp};
use crate::record::State;
use crate::shard::{Kind, Shard};

/// Conditions on images. All given ones must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Members of this class.
    pub class: Option<String>,
    /// Members of a class of this group (`os`), or of one of its classes (`os=rhel7`).
    pub group: Option<String>,
    /// In this state: in the given class or group, or else in any class.
    pub state: Option<State>,
    /// On this platform; omitted parts are not compared.
    pub platform: Option<String>,
    /// In this repository, or with a `*` at the end in any whose name begins so.
    pub repository: Option<String>,
    /// In a repository of this namespace, or with a `*` at the end of any whose name begins so. The namespace is the part
    /// of a repository's name before the last slash.
    pub namespace: Option<String>,
    /// With a tag that points at it now, or without one.
    pub tagged: Option<bool>,
    /// Built after this time. An image whose time is unknown does not match.
    pub created_after: Option<Timestamp>,
    /// Built before this time. An image whose time is unknown does not match.
    pub created_before: Option<Timestamp>,
    /// Outdated since before this time: in the given class or group, or else in any class.
    pub outdated_before: Option<Timestamp>,
    /// Of the images that are based on another: with no third one in between, of which they are based on, too.
    pub direct: bool,
}

impl Filter {
    /// Parses the platform and the names of the filter.
    pub fn compile(&self) -> Result<Compiled<'_>, String> {
        let platform = match &self.platform {
            Some(text) => Some(text.parse::<Platform>().map_err(|error| error.to_string())?),
            None => None,
        };
        Ok(Compiled {
            filter: self,
            platform,
            repository: Names::parse("repository", self.repository.as_deref())?,
            namespace: Names::parse("namespace", self.namespace.as_deref())?,
        })
    }
}

/// Some names: one, or all that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names<'a> {
    Any,
    One(&'a str),
    Beginning(&'a str),
}

impl<'a> Names<'a> {
    pub(super) fn parse(what: &str, text: Option<&'a str>) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self::Any) };
        match text.strip_suffix('*') {
            Some(rest) if !rest.contains('*') => Ok(Self::Beginning(rest)),
            None if !text.contains('*') && !text.is_empty() => Ok(Self::One(text)),
            _ => Err(format!("{what} {text:?}: write a name, or the beginning of one and then a single *")),
        }
    }

    pub(super) fn holds(self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(asked) => name == asked,
            Self::Beginning(asked) => name.starts_with(asked),
        }
    }

    /// The beginning that all names have.
    fn beginning(self) -> &'a str {
        match self {
            Self::Any => "",
            Self::One(asked) | Self::Beginning(asked) => asked,
        }
    }
}

/// The part of a repository's name before the last slash; empty without one.
fn namespace_of(repository: &str) -> &str {
    repository.rsplit_once('/').map_or("", |(namespace, _)| namespace)
}

/// A filter that can be applied to images.
#[derive(Debug, Clone)]
pub struct Compiled<'a> {
    filter: &'a Filter,
    platform: Option<Platform>,
    repository: Names<'a>,
    namespace: Names<'a>,
}

impl Compiled<'_> {
    /// Returns `true` if the filter says nothing but what the kind of an image decides.
    pub(super) fn is_of_kinds(&self) -> bool {
        let Filter { tagged, created_after, created_before, .. } = self.filter;
        !self.names_repositories() && tagged.is_none() && created_after.is_none() && created_before.is_none()
    }

    /// Returns `true` if the filter has a condition that the kind of an image decides.
    pub(super) fn selects_kinds(&self) -> bool {
        let Filter { class, group, state, platform, outdated_before, .. } = self.filter;
        class.is_some()
            || group.is_some()
            || state.is_some()
            || platform.is_some()
            || outdated_before.is_some()
    }

    /// Returns `true` if the filter has a condition on the repository.
    pub(super) fn names_repositories(&self) -> bool {
        self.repository != Names::Any || self.namespace != Names::Any
    }

    /// Returns `true` if a repository of this name may be the one of an image that matches.
    pub(super) fn holds_repository(&self, name: &str) -> bool {
        self.repository.holds(name) && self.namespace.holds(namespace_of(name))
    }

    /// The beginning of the names of all repositories that match.
    pub(super) fn beginning(&self) -> &str {
        let (repository, namespace) = (self.repository.beginning(), self.namespace.beginning());
        if repository.len() > namespace.len() { repository } else { namespace }
    }

    /// Returns `true` if images of this kind may match.
    pub(super) fn holds_kind(&self, shard: &Shard, kind: Kind) -> bool {
        let (classification, platform) = shard.of(kind);
        let Some(platform) = platform else { return false };
        if self.platform.as_ref().is_some_and(|asked| !platform.matches(asked)) {
            return false;
        }
        let Filter { class, group, state, outdated_before, .. } = self.filter;
        if class.is_none() && group.is_none() && state.is_none() && outdated_before.is_none() {
            return true;
        }
        let Some(classification) = classification else { return false };
        let holds = |name: &str| {
            classification.of_class(name).is_some_and(|member| {
                state.is_none_or(|asked| member.state == asked)
                    && outdated_before.is_none_or(|asked| {
                        shard.outdated_since(member, platform).is_some_and(|since| since < asked)
                    })
            })
        };
        let class_holds = class.as_ref().is_none_or(|name| holds(name));
        let group_holds = group.as_ref().is_none_or(|asked| classes_of(classification, asked).any(holds));
        let any_holds = class.is_some()
            || group.is_some()
            || classification.classes.iter().any(|member| holds(&member.name));
        class_holds && group_holds && any_holds
    }

    /// The time since which images of this kind are outdated in a class that the filter is about: the earliest, if there
    /// are several.
    pub(super) fn outdated_since(&self, shard: &Shard, kind: Kind) -> Option<Timestamp> {
        let (classification, platform) = shard.of(kind);
        let (classification, platform) = (classification?, platform?);
        let is_meant = |name: &str| {
            self.filter.class.as_deref().is_none_or(|class| class == name)
                && self
                    .filter
                    .group
                    .as_deref()
                    .is_none_or(|asked| classes_of(classification, asked).any(|class| class == name))
        };
        let members = classification.classes.iter().filter(|member| is_meant(&member.name));
        members.filter_map(|member| shard.outdated_since(member, platform)).min()
    }

    /// Returns `true` if the image matches, provided that its kind does.
    pub(super) fn holds_rest(&self, shard: &Shard, id: ImageId) -> bool {
        let Filter { tagged, created_after, created_before, .. } = *self.filter;
        if self.names_repositories()
            && !shard.repositories_of(id).iter().any(|name| self.holds_repository(name))
        {
            return false;
        }
        if created_after.is_some() || created_before.is_some() {
            let Some(created) = shard.created(id) else { return false };
            if created_after.is_some_and(|after| created <= after)
                || created_before.is_some_and(|before| created >= before)
            {
                return false;
            }
        }
        tagged.is_none_or(|asked| {
            let digest = shard.index().digest(id);
            shard.tags_of(digest).next().is_some() == asked
        })
    }

    /// Returns `true` if the image matches.
    pub(super) fn holds(&self, shard: &Shard, id: ImageId) -> bool {
        self.holds_kind(shard, shard.kind(id)) && self.holds_rest(shard, id)
    }

    /// Returns `true` if the filter has a condition other than those on repositories.
    pub(super) fn is_about_images(&self) -> bool {
        self.selects_kinds() || !self.without_names().is_of_kinds()
    }

    /// The same filter without its conditions on repositories.
    pub(super) fn without_names(&self) -> Self {
        Self { repository: Names::Any, namespace: Names::Any, ..self.clone() }
    }
}

/// The classes of an image that `group` or `group=class` names.
fn classes_of<'a>(classification: &'a Classification, asked: &'a str) -> impl Iterator<Item = &'a str> {
    let (group, class) = match asked.split_once('=') {
        Some((group, class)) => (group, Some(class)),
        None => (asked, None),
    };
    let classes = classification.groups.get(group).into_iter().flatten().map(String::as_str);
    classes.filter(move |name| class.is_none_or(|class| class == *name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_or_the_beginning_of_many_and_nothing_else() {
        let names = |text| Names::parse("repository", Some(text)).unwrap();
        assert!(names("team/app").holds("team/app") && !names("team/app").holds("team/app2"));
        assert!(names("team/*").holds("team/app") && !names("team/*").holds("other/app"));
        assert!(names("*").holds("anything"));
        for nonsense in ["", "*app", "te*am", "team**"] {
            let error = Names::parse("repository", Some(nonsense)).unwrap_err();
            assert!(error.contains(&format!("{nonsense:?}")), "{error}");
        }
    }

    #[test]
    fn the_namespace_is_what_stands_before_the_last_slash() {
        assert_eq!(namespace_of("quay.io/team/app"), "quay.io/team");
        assert_eq!(namespace_of("app"), "");
    }
}
