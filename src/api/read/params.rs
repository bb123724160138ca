//! The parameters of lists, and the page that they ask for.

use axum::http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::ApiError;
use crate::oci::time::{self, duration};
use crate::oci::{Digest, Timestamp};
use crate::query::answer::ListMetadata;
use crate::query::{Filter, Items, Listed, Page, Sort, Token};
use crate::record::State;

/// The media type of lists as lines.
pub(in crate::api) const LINES: &[u8] = b"application/x-ndjson";

/// The parameters of a list. They are flat, since a query string has no structure.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::api) struct ListParams {
    /// The image whose relatives, or whose workloads, are listed, as a REF.
    #[serde(rename = "ref")]
    pub(super) reference: Option<String>,
    /// The one of this name.
    pub(super) name: Option<String>,
    /// Members of this class.
    class: Option<String>,
    /// Members of a class of this group (`os`), or of one of its classes (`os=rhel7`).
    group: Option<String>,
    /// In this state: in the given class or group, or else in any class.
    state: Option<State>,
    /// On this platform, `os/architecture[/variant]`; omitted parts are not compared.
    platform: Option<String>,
    /// In this repository, or with a `*` at the end in any whose name begins so.
    repository: Option<String>,
    /// In a repository of this namespace, or with a `*` at the end of any whose name begins so.
    namespace: Option<String>,
    /// With a tag that points at it now, or without one.
    tagged: Option<bool>,
    /// Built after this time of RFC 3339, or since this span of time ago (`30d`).
    created_after: Option<String>,
    /// Built before this time of RFC 3339, or before this span of time ago.
    created_before: Option<String>,
    /// Outdated for longer than this span of time.
    outdated_for: Option<String>,
    /// Based on the image with no other image in between; each item then says how many images are based on it.
    direct: Option<bool>,
    /// With an image that clade has never seen, or without one.
    pub(super) unknown: Option<bool>,
    /// The order.
    sort: Option<Sort>,
    /// At most so many items.
    #[schemars(range(min = 1))]
    limit: Option<usize>,
    /// The token of the page before.
    #[serde(rename = "continue")]
    token: Option<String>,
    /// As of this time of RFC 3339, or as of this span of time ago (`7d`).
    at: Option<String>,
    /// The list, and then its changes: one JSON object a line with `type` (`ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`) and
    /// `object`.
    pub(super) watch: bool,
}

/// A list that is asked for.
pub(super) struct Listing {
    pub(super) filter: Filter,
    pub(super) page: Page,
    question: String,
    /// The token of the page before.
    before: Option<Token>,
    now: Timestamp,
    /// The time that the list is about; `None` for the present.
    pub(super) at: Option<Timestamp>,
}

/// The past that the parameter `at` names.
pub(super) fn past(text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    time::past(text, now).ok_or_else(|| unclear("at", text))
}

/// The time that a parameter names.
pub(in crate::api) fn time_of(name: &str, text: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    time::moment(text, now).ok_or_else(|| unclear(name, text))
}

fn unclear(name: &str, text: &str) -> ApiError {
    ApiError::invalid(format!(
        "{name} {text:?}: write a time (2026-01-31T00:00:00Z) or the time since then (30d)"
    ))
}

impl ListParams {
    /// Refuses parameters that this list does not have.
    fn only(&self, known: Known) -> Result<(), ApiError> {
        let Self { reference, name, class, group, state, platform, repository, namespace, tagged, .. } = self;
        let Self { created_after, created_before, outdated_for, direct, unknown, sort, .. } = self;
        let given = [
            ("ref", reference.is_some()),
            ("name", name.is_some()),
            ("class", class.is_some()),
            ("group", group.is_some()),
            ("state", state.is_some()),
            ("platform", platform.is_some()),
            ("repository", repository.is_some()),
            ("namespace", namespace.is_some()),
            ("tagged", tagged.is_some()),
            ("createdAfter", created_after.is_some()),
            ("createdBefore", created_before.is_some()),
            ("outdatedFor", outdated_for.is_some()),
            ("direct", direct.is_some()),
            ("unknown", unknown.is_some()),
            ("sort", sort.is_some()),
            ("at", self.at.is_some()),
            ("watch", self.watch),
        ];
        match given.iter().find(|(name, is_given)| *is_given && !known.has(name)) {
            Some(("at", _)) => Err(ApiError::invalid(
                "at: nothing is kept of what ran before; ask for the present, or subscribe to the topic workloads",
            )),
            Some(("watch", _)) => {
                Err(ApiError::invalid("watch: this list cannot be watched; subscribe to the topic workloads"))
            }
            Some((name, _)) => {
                Err(ApiError::invalid(format!("unknown field `{name}`: this list has no such parameter")))
            }
            None if known.reference && reference.is_none() => {
                Err(ApiError::invalid("missing field `ref`: name an image"))
            }
            None => Ok(()),
        }
    }

    fn filter(&self, now: Timestamp) -> Result<Filter, ApiError> {
        let time = |name: &str, text: &Option<String>| {
            text.as_ref().map(|text| time_of(name, text, now)).transpose()
        };
        let span = |text: &String| now.checked_sub(duration(text)?).ok();
        let outdated_before = match &self.outdated_for {
            None => None,
            Some(text) => Some(span(text).ok_or_else(|| {
                ApiError::invalid(format!("outdatedFor {text:?}: write a span of time, as 30d"))
            })?),
        };
        let Self { class, group, state, platform, repository, namespace, tagged, .. } = self.clone();
        Ok(Filter {
            class,
            group,
            state,
            platform,
            repository,
            namespace,
            tagged,
            created_after: time("createdAfter", &self.created_after)?,
            created_before: time("createdBefore", &self.created_before)?,
            outdated_before,
            direct: self.direct.unwrap_or_default(),
        })
    }
}

/// The parameters that a list has beside `limit`, `continue`, `at` and `watch`.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Known {
    /// `ref`: the image whose relatives are listed.
    pub(in crate::api) reference: bool,
    name: bool,
    sort: bool,
    /// `direct`: the images are based on another.
    direct: bool,
    /// The conditions on images.
    filter: bool,
    /// The conditions on workloads.
    workloads: bool,
}

impl Known {
    /// Those of a list without any.
    pub(in crate::api) const PAGES: Self =
        Self { reference: false, name: false, sort: false, direct: false, filter: false, workloads: false };
    pub(in crate::api) const WORKLOADS: Self = Self { workloads: true, ..Self::PAGES };
    pub(in crate::api) const NAMED: Self = Self { name: true, ..Self::PAGES };
    pub(in crate::api) const TAGS: Self = Self { filter: true, ..Self::PAGES };
    pub(in crate::api) const ANCESTORS_OF_IMAGE: Self = Self::TAGS;
    pub(in crate::api) const ANCESTORS: Self = Self { reference: true, ..Self::ANCESTORS_OF_IMAGE };
    pub(in crate::api) const IMAGES: Self = Self { sort: true, ..Self::TAGS };
    pub(in crate::api) const DESCENDANTS_OF_IMAGE: Self = Self { direct: true, ..Self::IMAGES };
    pub(in crate::api) const DESCENDANTS: Self = Self { reference: true, ..Self::DESCENDANTS_OF_IMAGE };

    /// Returns `true` for a parameter that the list has.
    pub(in crate::api) fn has(self, name: &str) -> bool {
        match name {
            "limit" | "continue" => true,
            "class" | "group" | "state" | "namespace" => self.filter || self.workloads,
            "unknown" => self.workloads,
            "watch" | "at" => !self.workloads,
            "ref" => self.reference || self.workloads,
            "name" => self.name,
            "sort" => self.sort,
            "direct" => self.direct,
            _ => self.filter,
        }
    }
}

impl Listing {
    /// The list that these parameters ask for at this path, if it has no other parameters than those that are known.
    pub(super) fn of(params: &ListParams, uri: &Uri, known: Known, now: Timestamp) -> Result<Self, ApiError> {
        params.only(known)?;
        if params.limit == Some(0) {
            return Err(ApiError::invalid("limit: write at least 1, or leave it out for the whole list"));
        }
        let same = ListParams { limit: None, token: None, ..params.clone() };
        let same = serde_json::to_vec(&(uri.path(), same)).map_err(ApiError::internal)?;
        let mut question = Digest::of(&same).hex();
        question.truncate(16);
        let before = match &params.token {
            Some(token) => Some(Token::decode(token, &question, now)?),
            None => None,
        };
        // Spans of time are counted from the first page on, so that all pages ask for the same.
        let begun = before.as_ref().map_or(now, |token| token.begun);
        let at = params.at.as_ref().map(|text| past(text, begun)).transpose()?;
        let page = Page {
            limit: params.limit,
            sort: params.sort.unwrap_or_default(),
            after: before.as_ref().map(|token| token.after.clone()),
            seen: before.as_ref().map_or(0, |token| token.seen),
            anchor: before.as_ref().and_then(|token| token.anchor.clone()),
            ..Page::default()
        };
        Ok(Self { filter: params.filter(at.unwrap_or(begun))?, page, question, before, now, at })
    }

    /// Refuses a token where a list goes on by itself.
    pub(super) fn check_lines(&self) -> Result<(), ApiError> {
        if self.at.is_some() {
            return Err(ApiError::invalid(
                "at: a list as lines is of the present; ask for pages of the past",
            ));
        }
        match self.before {
            Some(_) => Err(ApiError::invalid("continue: a list as lines has no pages; leave the token out")),
            None => Ok(()),
        }
    }

    /// Refuses a watch whose list changes while the index stays as it is, or is not whole.
    pub(super) fn check_watch(&self) -> Result<(), ApiError> {
        let Filter { created_after, created_before, outdated_before, .. } = self.filter;
        if self.page.limit.is_some() || self.before.is_some() {
            return Err(ApiError::invalid(
                "limit: a list that is watched has no pages; leave limit and continue out",
            ));
        }
        if self.at.is_some() {
            return Err(ApiError::invalid("at: the past does not change; leave at or watch out"));
        }
        if created_after.is_some() || created_before.is_some() || outdated_before.is_some() {
            return Err(ApiError::invalid(
                "watch: a list with createdAfter, createdBefore or outdatedFor changes with time and cannot be watched",
            ));
        }
        Ok(())
    }

    /// Adds the metadata to a page of the list. `version` is the resource version of the page.
    pub(super) fn listed<I: Items>(&self, page: I, version: String) -> Result<Listed<I>, ApiError> {
        let resource_version = self.before.as_ref().map_or(version, |token| token.resource_version.clone());
        let more = page.more();
        let seen = self.page.seen + page.count() as u64;
        let token = more.next.clone().map(|after| Token {
            question: self.question.clone(),
            after,
            seen,
            anchor: more.anchor.clone(),
            resource_version: resource_version.clone(),
            begun: self.before.as_ref().map_or(self.now, |token| token.begun),
        });
        let metadata = ListMetadata {
            resource_version,
            at: self.at,
            token: token.map(|token| token.encode()).transpose().map_err(ApiError::internal)?,
            remaining_item_count: more.remaining.filter(|_| more.next.is_some()),
        };
        Ok(Listed { metadata, page })
    }
}
