//! Suggests names to somebody who has typed the beginning of one.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Query;
use super::answer::{Suggested, Suggestion};
use super::reference::RefError;
use crate::shard::Shard;

/// Repositories whose names are looked at for a part that begins so, at most: each partition has its share of them.
const MOST_LOOKED_AT: usize = 20_000;

impl Query {
    /// Names that begin with `typed`, at most so many of each kind: classes, repositories, tags once a repository is written
    /// out, and images by the beginning of a digest. A repository may be written without its registry and namespace.
    pub fn suggestions(&self, typed: &str, most: usize) -> Vec<Suggestion> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Vec::new();
        }
        let names = [
            (Suggested::Class, self.classes_called(typed, most)),
            (Suggested::Repository, self.repositories(typed, most)),
            (Suggested::Tag, self.tags_called(typed, most)),
            (Suggested::Image, self.digests(typed, most)),
        ];
        let named = |(kind, names): (Suggested, Vec<String>)| {
            names.into_iter().map(move |name| Suggestion { kind, name })
        };
        names.into_iter().flat_map(named).collect()
    }

    fn classes_called(&self, typed: &str, most: usize) -> Vec<String> {
        let classes = self.shards().flat_map(|shard| shard.catalog().classes());
        let names = classes.map(|class| class.record.name.as_str()).filter(|name| name.starts_with(typed));
        names.collect::<BTreeSet<_>>().into_iter().take(most).map(str::to_owned).collect()
    }

    /// First those whose names begin so as a whole, then those of which the last parts do.
    fn repositories(&self, typed: &str, most: usize) -> Vec<String> {
        let whole = self.shards().flat_map(|shard| {
            repositories_from(shard, typed).take_while(|name| name.starts_with(typed)).take(most)
        });
        let whole: BTreeSet<&str> = whole.collect();
        // The one of this very name may stand behind many that are longer.
        let exact = self.shards().flat_map(|shard| exactly(shard, typed)).next();
        let others = whole.into_iter().filter(|name| *name != typed);
        let mut found: Vec<&str> = exact.into_iter().chain(others).take(most).collect();
        if found.len() < most {
            let (part, share) = (format!("/{typed}"), self.share());
            let has_part = |name: &&str| name.contains(&part) && !name.starts_with(typed);
            let parts = self.shards().flat_map(|shard| {
                let looked_at = repositories_from(shard, "").take(share);
                looked_at.filter(has_part).take(most)
            });
            let parts: BTreeSet<&str> = parts.collect();
            found.extend(parts.into_iter().take(most - found.len()));
        }
        found.into_iter().map(str::to_owned).collect()
    }

    /// The tags whose names begin so, if a repository is written out.
    fn tags_called(&self, typed: &str, most: usize) -> Vec<String> {
        let last = typed.rsplit('/').next().unwrap_or_default();
        let Some((repository, tag)) = last.contains(':').then(|| typed.rsplit_once(':')).flatten() else {
            return Vec::new();
        };
        let (part, share) = (format!("/{repository}"), self.share());
        let written_out = self.shards().flat_map(|shard| {
            let looked_at = repositories_from(shard, "").take(share);
            exactly(shard, repository)
                .into_iter()
                .chain(looked_at.filter(|name| name.ends_with(&part)).take(most))
        });
        let beginnings: BTreeSet<String> = written_out.map(|name| format!("{name}:{tag}")).collect();
        let tags = self.shards().flat_map(|shard| {
            beginnings.iter().flat_map(move |beginning| {
                let tags = shard.tags_from(Bound::Included(beginning)).map(|tag| tag.name.as_str());
                tags.take_while(move |name| name.starts_with(beginning)).take(most)
            })
        });
        tags.collect::<BTreeSet<_>>().into_iter().take(most).map(str::to_owned).collect()
    }

    /// The number of repositories that are looked at in each partition.
    fn share(&self) -> usize {
        MOST_LOOKED_AT / self.shards().count().max(1)
    }

    fn digests(&self, typed: &str, most: usize) -> Vec<String> {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_digits(typed.strip_prefix("sha256:").unwrap_or(typed)) {
            return Vec::new();
        }
        let found = match self.images_called(typed) {
            Ok(images) => images,
            Err(RefError::Ambiguous { digests, .. }) => digests,
            Err(_) => Vec::new(),
        };
        found.into_iter().take(most).map(|digest| digest.to_string()).collect()
    }
}

/// The repository of this name.
fn exactly<'a>(shard: &'a Shard, name: &str) -> Option<&'a str> {
    let from = format!("{name}:");
    let tag = shard.tags_from(Bound::Included(&from)).next()?;
    (tag.repository == name).then_some(tag.repository.as_str())
}

/// The repositories of a partition from a name on, each once. A step costs a look-up, however many tags a repository has.
fn repositories_from<'a>(shard: &'a Shard, from: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let mut next = Bound::Included(from.to_owned());
    std::iter::from_fn(move || {
        let tag = shard.tags_from(next.as_ref().map(String::as_str)).next()?;
        // No tag of the repository stands behind this.
        next = Bound::Excluded(format!("{}:{}", tag.repository, char::MAX));
        Some(tag.repository.as_str())
    })
}
