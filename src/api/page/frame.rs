//! The frame of every view, and the view of a problem.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::look::Look;
use super::text::name;
use crate::api::{ApiError, Problem};
use crate::oci::Digest;

/// Nothing from elsewhere, nothing inline, and nobody puts the page into a frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A view: its title, and what it shows.
pub(super) struct View {
    pub(super) title: String,
    pub(super) look: Look,
    pub(super) content: Markup,
    /// The hash of what it shows, apart from the time.
    pub(super) tag: Digest,
    /// It can be shown as of an earlier time.
    pub(super) has_past: bool,
}

impl IntoResponse for View {
    fn into_response(self) -> Response {
        let tag = format!("W/\"{}\"", &self.tag.hex()[..32]);
        let framing = Framing { look: Some(&self.look), tag: Some(&tag), has_past: self.has_past };
        let body = framed(&self.title, framing, &self.content);
        ([(CONTENT_TYPE, HTML), (ETAG, tag.as_str())], body).into_response()
    }
}

const HTML: &str = "text/html; charset=utf-8";

/// A question that the API did not answer.
pub(super) struct Failed {
    status: StatusCode,
    /// Those of the answer that tell what to do.
    headers: HeaderMap,
    pub(super) problem: Box<Problem>,
}

impl Failed {
    /// The problem that the API has told.
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, problem: Problem) -> Self {
        let kept = |name| headers.get(&name).map(|value| (name, value.clone()));
        let headers = [RETRY_AFTER, WWW_AUTHENTICATE].into_iter().filter_map(kept).collect();
        Self { status, headers, problem: Box::new(problem) }
    }

    /// The address of the view cannot be understood.
    pub(super) fn invalid(problem: impl ToString) -> Self {
        ApiError::invalid(problem).into()
    }

    pub(super) fn internal(problem: impl ToString) -> Self {
        ApiError::internal(problem).into()
    }

    /// The problem in place of a part of a view. Whoever may not see a part, or sees it too early, still sees the rest.
    pub(super) fn in_place(&self) -> Markup {
        html! { p.faint { bdi { (self.problem.detail) } } }
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        let problem = error.problem();
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, &HeaderMap::new(), problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let Self { status, headers, problem } = self;
        let suggestions = &problem.suggestions;
        let content = html! {
            h1 { (problem.title) }
            p.problem { bdi { (problem.detail) } }
            @if !suggestions.is_empty() {
                p { "Perhaps you mean:" }
                ul { @for of in suggestions { li { a href=(search(of)) { (name(of)) } } } }
            }
            @if status == StatusCode::SERVICE_UNAVAILABLE { p { "Load the page again in a moment." } }
            @if problem.code == "expired" { p { "This page of a list has expired: begin with the first page again." } }
            @if status == StatusCode::UNAUTHORIZED {
                p {
                    "A browser sends no token: look from the machine that clade runs on, or put a proxy in front that logs \
                     people in and adds the header."
                }
            }
        };
        let body = framed(&problem.title, Framing::default(), &content);
        (status, headers, [(CONTENT_TYPE, HTML)], body).into_response()
    }
}

fn search(text: &str) -> String {
    let query = serde_urlencoded::to_string([("q", text)]).unwrap_or_default();
    format!("/search?{query}")
}

/// The things that the frame of a view depends on; a problem has none of them.
#[derive(Default, Clone, Copy)]
struct Framing<'a> {
    look: Option<&'a Look>,
    tag: Option<&'a str>,
    has_past: bool,
}

fn framed(title: &str, framing: Framing<'_>, content: &Markup) -> String {
    let Framing { look, tag, has_past } = framing;
    let at = look.and_then(Look::at);
    let of = |path: &str| look.map_or_else(|| path.to_owned(), |look| look.href(path, &[]));
    let page = html! {
        (DOCTYPE)
        html lang="en" data-tag=[tag] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – clade" }
                link rel="stylesheet" href="/assets/page.css";
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                script type="module" src="/assets/page.js" {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    nav aria-label="Views" {
                        a.brand href=(of("/")) { "clade" }
                        a href=(of("/tags")) { "Tags" }
                        a href=(of("/images")) { "Images" }
                        // Of these nothing is kept: they lead to the present, whatever time the view is about.
                        a href="/workloads" { "Workloads" }
                        a href="/policies" { "Policies" }
                        a href="/rebuilds" { "Rebuilds" }
                    }
                    form.search role="search" action="/search" {
                        label.hidden for="q" { "Search" }
                        input #q type="search" name="q" placeholder="Tag, digest, image ID, chain ID or class ( / )" autocomplete="off" list="suggestions";
                        datalist #suggestions {}
                        @if let Some(at) = at { input type="hidden" name="at" value=(at); }
                        button { "Search" }
                    }
                    @if let Some(look) = look.filter(|_| has_past) {
                        form.at {
                            label for="at" { "As of" }
                            input #at name="at" value=(at.unwrap_or_default()) placeholder="now" size="12" title="A time (2026-01-31T00:00:00Z), or a span of time ago (7d)";
                            (look.hidden(|name| name == "at"))
                        }
                    }
                }
                p #news role="status" {}
                @if let (Some(look), Some(at)) = (look, at) {
                    p.past { "This is as clade knew it at " bdi { (at) } ". " a href=(look.of_the_present()) { "Show the present" } }
                }
                main #content { (content) }
            }
        }
    };
    page.into_string()
}

/// Adds the headers that keep browsers from doing more than showing the page.
pub(super) async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}
