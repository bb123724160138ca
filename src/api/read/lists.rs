//! The routes of lists: whole, a page of it, line by line, or with all changes that come.

use std::sync::Arc;

use axum::extract::rejection::{ExtensionRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path};
use axum::http::Uri;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};

use super::params::{Known, LINES, ListParams, Listing};
use super::{Answer, Asked, Params, lines, watch};
use crate::api::limits::{Gate, Limits};
use crate::api::{ApiError, Ask};
use crate::oci::Timestamp;
use crate::query::{Filter, Items, Page, Query, RefError};

/// A request for a list.
pub(in crate::api) struct ListRequest {
    asked: Asked,
    uri: Uri,
    params: ListParams,
    /// The client wants one JSON object an item rather than one for the list.
    wants_lines: bool,
}

impl FromRequestParts<Arc<dyn Ask>> for ListRequest {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, process: &Arc<dyn Ask>) -> Result<Self, Response> {
        let asked =
            Asked::from_request_parts(parts, process).await.map_err(ExtensionRejection::into_response)?;
        let params = Params::from_request_parts(parts, process).await.map_err(QueryRejection::into_response);
        let Params(params) = params?;
        let wants_lines = parts.headers.get(ACCEPT).is_some_and(|of| of.as_bytes().starts_with(LINES));
        Ok(Self { asked, uri: parts.uri.clone(), params, wants_lines })
    }
}

impl ListRequest {
    /// Answers with a list that has these parameters.
    async fn answer<I: Items>(
        self,
        known: Known,
        list: impl Fn(Query, &Filter, &Page) -> Result<I, RefError> + Send + 'static,
    ) -> Answer {
        self.answer_at(|limits| &limits.lists, known, list).await
    }

    async fn answer_at<I: Items>(
        self,
        gate: fn(&Limits) -> &Gate,
        known: Known,
        list: impl Fn(Query, &Filter, &Page) -> Result<I, RefError> + Send + 'static,
    ) -> Answer {
        let Self { asked, uri, params, wants_lines } = self;
        let listing = Listing::of(&params, &uri, known, Timestamp::now())?;
        if params.watch {
            return watch::watch(asked, listing, list).await;
        }
        if wants_lines {
            return lines::stream(asked, listing, list).await;
        }
        let asked = Asked { at: listing.at, ..asked };
        let answer = move |query: Query| {
            let version = query.resource_version();
            listing.listed(list(query, &listing.filter, &listing.page)?, version)
        };
        asked.at_gate(gate, answer).await
    }

    fn reference(&self) -> String {
        // A list of relatives refuses a request without it.
        self.params.reference.clone().unwrap_or_default()
    }
}

pub(in crate::api) async fn images(request: ListRequest) -> Answer {
    request.answer(Known::IMAGES, Query::list_images).await
}

pub(in crate::api) async fn tags(request: ListRequest) -> Answer {
    request.answer(Known::TAGS, Query::list_tags).await
}

pub(in crate::api) async fn classes(request: ListRequest) -> Answer {
    let name = request.params.name.clone();
    let classes = move |query: Query, _: &Filter, page: &Page| {
        page.cut(query.list_classes(name.as_deref())?, |class| &class.metadata.name)
    };
    request.answer_at(|limits| &limits.questions, Known::NAMED, classes).await
}

pub(in crate::api) async fn groups(request: ListRequest) -> Answer {
    let name = request.params.name.clone();
    let groups = move |query: Query, _: &Filter, page: &Page| {
        page.cut(query.list_groups(name.as_deref())?, |group| &group.metadata.name)
    };
    request.answer_at(|limits| &limits.questions, Known::NAMED, groups).await
}

pub(in crate::api) async fn workloads(request: ListRequest) -> Answer {
    let unknown = request.params.unknown;
    // Nothing that is not there yet may look like something that does not run.
    if !request.asked.query()?.knows_workloads() {
        return Err(ApiError::unavailable(
            "the topic workloads was not read to its end yet: ask again in a moment",
        ));
    }
    let reference = request.params.reference.clone();
    let workloads = move |query: Query, filter: &Filter, page: &Page| match &reference {
        Some(reference) => query.list_workloads_of(reference, filter, unknown, page),
        None => query.list_workloads(filter, unknown, page),
    };
    request.answer(Known::WORKLOADS, workloads).await
}

pub(in crate::api) async fn policies(request: ListRequest) -> Answer {
    let name = request.params.name.clone();
    let policies = move |query: Query, _: &Filter, page: &Page| {
        page.cut(query.list_policies(name.as_deref())?, |policy| &policy.metadata.name)
    };
    request.answer_at(|limits| &limits.questions, Known::NAMED, policies).await
}

pub(in crate::api) async fn ancestors(request: ListRequest) -> Answer {
    above(request.reference(), Known::ANCESTORS, request).await
}

pub(in crate::api) async fn ancestors_of_image(Path(image): Path<String>, request: ListRequest) -> Answer {
    above(image, Known::ANCESTORS_OF_IMAGE, request).await
}

async fn above(reference: String, known: Known, request: ListRequest) -> Answer {
    let list = move |query: Query, filter: &Filter, page: &Page| query.ancestors(&reference, filter, page);
    request.answer(known, list).await
}

pub(in crate::api) async fn descendants(request: ListRequest) -> Answer {
    below(request.reference(), Known::DESCENDANTS, request).await
}

pub(in crate::api) async fn descendants_of_image(Path(image): Path<String>, request: ListRequest) -> Answer {
    below(image, Known::DESCENDANTS_OF_IMAGE, request).await
}

async fn below(reference: String, known: Known, request: ListRequest) -> Answer {
    let list = move |query: Query, filter: &Filter, page: &Page| query.descendants(&reference, filter, page);
    request.answer(known, list).await
}

pub(in crate::api) async fn equivalents_of_image(Path(image): Path<String>, request: ListRequest) -> Answer {
    let equivalents = move |query: Query, _: &Filter, page: &Page| {
        let items = query.equivalents(&image)?.into_iter().map(|item| (item.digest.to_string(), item));
        let cut = page.cut(items.collect(), |(digest, _)| digest)?;
        Ok(cut.map(|(_, item)| item))
    };
    request.answer(Known::PAGES, equivalents).await
}
