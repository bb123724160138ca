//! Filters images.

use serde::{Deserialize, Serialize};

use crate::class::Classification;
use crate::oci::Platform;
use crate::record::State;
use crate::shard::ImageView;

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
    /// In this repository.
    pub repository: Option<String>,
}

impl Filter {
    /// Returns `true` if there is no condition, so that the filter matches every image.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Parses the platform of the filter.
    pub fn compile(&self) -> Result<Compiled<'_>, String> {
        let platform = match &self.platform {
            Some(text) => Some(text.parse::<Platform>().map_err(|error| error.to_string())?),
            None => None,
        };
        Ok(Compiled { filter: self, platform })
    }
}

/// A filter that can be applied to images.
pub struct Compiled<'a> {
    filter: &'a Filter,
    platform: Option<Platform>,
}

impl Compiled<'_> {
    /// The class of the filter, if there is one.
    pub fn class(&self) -> Option<&str> {
        self.filter.class.as_deref()
    }

    /// Returns `true` if the image matches.
    pub fn holds(&self, image: &ImageView<'_>) -> bool {
        let Filter { class, group, state, platform: _, repository } = self.filter;
        if self.platform.as_ref().is_some_and(|asked| !image.platform.matches(asked)) {
            return false;
        }
        if repository.as_ref().is_some_and(|asked| !image.repositories.contains(asked)) {
            return false;
        }
        if class.is_none() && group.is_none() && state.is_none() {
            return true;
        }
        let Some(classification) = image.classification else { return false };
        let in_state = |name: &str| {
            classification
                .of_class(name)
                .is_some_and(|member| state.is_none_or(|asked| member.state == asked))
        };
        let class_holds = class.as_ref().is_none_or(|name| in_state(name));
        let group_holds = group.as_ref().is_none_or(|asked| classes_of(classification, asked).any(in_state));
        let any_holds = class.is_some()
            || group.is_some()
            || classification.classes.iter().any(|member| state.is_none_or(|asked| member.state == asked));
        class_holds && group_holds && any_holds
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
