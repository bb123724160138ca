//! Names of classes and groups in questions. A name that nobody has is refused, with those that may have been meant.

use std::collections::BTreeSet;

use super::Query;
use super::reference::{RefError, SHORTEST_PREFIX};
use crate::shard::Shard;

/// Names that are less alike are not worth a suggestion (Jaro-Winkler, from 0 to 1).
const ALIKE: f64 = 0.8;
/// Suggestions for one name, at most.
const SUGGESTIONS: usize = 3;
/// Names of tags that are looked at for them, at most. A question that has no answer must not cost more than others.
const MOST_LOOKED_AT: usize = 50_000;
/// Names of tags that are sorted for them, at most.
const MOST_SORTED: usize = 100;

impl Query {
    /// Refuses the name of a class that no partition knows.
    pub(super) fn require_class(&self, name: &str) -> Result<(), RefError> {
        if self.catalogs().any(|catalog| catalog.class(name).is_some()) {
            return Ok(());
        }
        Err(self.no_class(name))
    }

    /// The error for a class that there is not.
    pub(super) fn no_class(&self, name: &str) -> RefError {
        let known =
            self.catalogs().flat_map(|catalog| catalog.classes().map(|class| class.record.name.as_str()));
        RefError::NoClass { name: name.to_owned(), meant: meant(name, known) }
    }

    /// Refuses the name of a policy that no partition knows.
    pub(super) fn require_policy(&self, name: &str) -> Result<(), RefError> {
        if self.catalogs().any(|catalog| catalog.policy(name).is_some()) {
            return Ok(());
        }
        let known = self.catalogs().flat_map(|catalog| catalog.policies().map(|policy| policy.name.as_str()));
        Err(RefError::NoPolicy { name: name.to_owned(), meant: meant(name, known) })
    }

    /// Refuses `GROUP` or `GROUP=CLASS` where no partition knows the group, or the group does not have the class.
    pub(super) fn require_group(&self, asked: &str) -> Result<(), RefError> {
        let (name, class) =
            asked.split_once('=').map_or((asked, None), |(group, class)| (group, Some(class)));
        let mut classes: BTreeSet<&str> = BTreeSet::new();
        let mut is_known = false;
        for catalog in self.catalogs() {
            let Some(group) = catalog.group(name) else { continue };
            is_known = true;
            classes.extend(catalog.selected(group).map(|class| class.record.name.as_str()));
        }
        if !is_known {
            let known = self.catalogs().flat_map(|catalog| catalog.groups().map(|group| group.name.as_str()));
            return Err(RefError::NoGroup { name: name.to_owned(), meant: meant(name, known) });
        }
        match class {
            Some(class) if !classes.contains(class) => Err(RefError::NotInGroup {
                group: name.to_owned(),
                class: class.to_owned(),
                classes: classes.into_iter().map(str::to_owned).collect(),
            }),
            _ => Ok(()),
        }
    }

    /// The error for a REF that nothing has. Tags whose names were not written in full may have been meant, or a digest of
    /// which too few digits were given.
    pub(super) fn no_object(&self, reference: String) -> RefError {
        let digits = reference.strip_prefix("sha256:").unwrap_or(&reference);
        let is_short = !digits.is_empty()
            && digits.len() < SHORTEST_PREFIX
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_short {
            return RefError::NotFound { reference, is_short, meant: Vec::new() };
        }
        let has_tag = reference.rsplit('/').next().is_some_and(|last| last.contains(':'));
        let (full, of_any_tag) = (format!("/{reference}"), format!("/{reference}:"));
        let is_meant = |name: &str| {
            name.ends_with(&full)
                || !has_tag && (name.contains(&of_any_tag) || name.starts_with(&of_any_tag[1..]))
        };
        let tags = self.shards().flat_map(Shard::tags).map(|tag| tag.name.as_str()).take(MOST_LOOKED_AT);
        let meant: BTreeSet<&str> = tags.filter(|name| is_meant(name)).take(MOST_SORTED).collect();
        let meant = meant.into_iter().take(SUGGESTIONS).map(str::to_owned).collect();
        RefError::NotFound { reference, is_short, meant }
    }

    fn catalogs(&self) -> impl Iterator<Item = &crate::class::Catalog> {
        self.shards().map(Shard::catalog)
    }
}

/// The known names that are most like `name`, the likest first.
fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    let mut alike: Vec<(f64, &str)> = known
        .collect::<BTreeSet<&str>>()
        .into_iter()
        .map(|known| (likeness(known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().take(SUGGESTIONS).map(|(_, known)| known.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likest_names_come_first_and_others_not_at_all() {
        let known = ["rhel7", "rhel8", "debian9", "python3.6"];
        assert_eq!(meant("rhle7", known.into_iter()), ["rhel7", "rhel8"]);
        assert_eq!(meant("Debian", known.into_iter()), ["debian9"]);
        assert_eq!(meant("golang", known.into_iter()), [] as [&str; 0]);
    }
}
