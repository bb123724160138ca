//! The lists of a registry: its repositories, and the tags of a repository. clade reads a list page by page and uses it
//! only as a whole, since an entry that is missing from a list counts as deleted.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::RegistryError;
use super::access::Scope;
use super::client::{Answer, Client, Request, is_of_registry};
use super::config::is_name;
use crate::http::header::{HeaderMap, LINK};
use crate::http::{Method, StatusCode};
use crate::oci::lenient::Entries;
use crate::oci::reference::is_tag;
use crate::source::manifest::MAX_DOCUMENT;

/// Entries of a page. Some registries return fewer, and none accepts more.
const PAGE: usize = 1_000;
/// Pages of a list, at most. No registry has as many: links that lead in a circle are an error.
const MOST_PAGES: usize = 100_000;
/// Bytes of a list, at most. A million long names have fewer.
const LONGEST_LIST: usize = 256 << 20;

/// A page of a list. It is valid only if it has the member that it is for. `null` there is an empty list, as Go writes
/// it, and clade leaves out an entry that is no name.
#[derive(Deserialize)]
struct Catalog {
    repositories: Entries<String>,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    name: Option<String>,
    tags: Entries<String>,
}

impl Tags {
    /// Returns the entries if they belong to this repository. Some registries leave out a part of its name, and some
    /// all of it.
    fn of(self, repository: &str) -> Result<Entries<String>, String> {
        match &self.name {
            Some(name) if name.ends_with(repository) || repository.ends_with(name.as_str()) => Ok(self.tags),
            Some(name) => Err(format!("it is the list of {name:?}")),
            None if self.tags.0.is_empty() => Err("it is a list of nothing without a name".to_owned()),
            None => Ok(self.tags),
        }
    }
}

impl Client {
    /// Lists the names of all repositories.
    pub(super) async fn catalog(&self) -> Result<BTreeSet<String>, RegistryError> {
        let names = self.pages("/v2/_catalog", Scope::Catalog, |page: Catalog| Ok(page.repositories)).await;
        match names {
            Ok(Some(names)) => Ok(self.only(names, is_name)),
            Ok(None) => Err(self.no_catalog("404".to_owned())),
            Err(RegistryError::Status { status, problem, .. }) if status < 500 && status != 429 => {
                Err(self.no_catalog(format!("{status}{problem}")))
            }
            Err(error) => Err(error),
        }
    }

    /// Lists the tags of a repository. Returns `None` if there is no such repository.
    pub(super) async fn tags(&self, repository: &str) -> Result<Option<BTreeSet<String>>, RegistryError> {
        let first = format!("/v2/{repository}/tags/list");
        let names =
            self.pages(&first, Scope::Repository(repository), |page: Tags| page.of(repository)).await?;
        Ok(names.map(|names| self.only(names, is_tag)))
    }

    /// Reads the entries of all pages. Returns `None` if there is no such list.
    async fn pages<T: DeserializeOwned>(
        &self,
        first: &str,
        scope: Scope<'_>,
        entries: impl Fn(T) -> Result<Entries<String>, String>,
    ) -> Result<Option<BTreeSet<String>>, RegistryError> {
        let mut names = BTreeSet::new();
        let (mut bytes, mut nameless) = (0, None);
        let mut path = format!("{first}?n={PAGE}");
        for _ in 0..MOST_PAGES {
            let request =
                Request { method: Method::GET, path, accept: "application/json", scope, most: MAX_DOCUMENT };
            let answer = self.ask(&request).await?;
            match answer.status {
                StatusCode::OK => {}
                // Only an error in the format of a registry counts: an ingress that cannot find the registry answers
                // 404 as well.
                StatusCode::NOT_FOUND if names.is_empty() && is_of_registry(&answer) => return Ok(None),
                _ => return Err(self.status(&request, &answer)),
            }
            let page = read(&answer).and_then(&entries);
            let page = page.map_err(|problem| self.malformed(&request.path, problem))?;
            bytes += answer.body.as_ref().map_or(0, Vec::len);
            if bytes > LONGEST_LIST {
                return Err(self.malformed(first, format!("it is longer than {LONGEST_LIST} bytes")));
            }
            let is_full = page.0.len() >= PAGE;
            let (page, problem) = page.split();
            nameless = nameless.or(problem);
            let last = page.last().cloned();
            let before = names.len();
            names.extend(page);
            path = match (next(&answer.headers), last) {
                (Some(link), _) => link.map_err(|problem| self.malformed(&request.path, problem))?,
                // A full page without a link: some registries leave the link out, others have no pages and have sent
                // everything.
                (None, Some(last)) if is_full && names.len() > before => {
                    let parameters = [("n", PAGE.to_string()), ("last", last)];
                    let parameters = serde_urlencoded::to_string(parameters).unwrap_or_default();
                    format!("{first}?{parameters}")
                }
                (None, _) => {
                    if let Some(problem) = nameless {
                        tracing::warn!(registry = self.host, list = first, problem, "names that are none");
                    }
                    return Ok(Some(names));
                }
            };
        }
        Err(self.malformed(first, "its pages have no end".to_owned()))
    }

    /// Leaves out the names that a registry cannot have, since names become parts of addresses.
    fn only(&self, names: BTreeSet<String>, is_good: fn(&str) -> bool) -> BTreeSet<String> {
        let (good, bad): (BTreeSet<_>, BTreeSet<_>) = names.into_iter().partition(|name| is_good(name));
        if let Some(first) = bad.first() {
            tracing::warn!(registry = self.host, left_out = bad.len(), first, "names that are none");
        }
        good
    }

    fn no_catalog(&self, problem: String) -> RegistryError {
        RegistryError::NoCatalog { host: self.host.clone(), problem }
    }

    pub(super) fn malformed(&self, path: &str, problem: String) -> RegistryError {
        RegistryError::Malformed { host: self.host.clone(), path: path.to_owned(), problem }
    }
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, String> {
    let body = answer.body.as_deref().ok_or_else(|| format!("it is longer than {MAX_DOCUMENT} bytes"))?;
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// Returns the path of the next page. The host of the link does not matter: the page is in the same registry.
fn next(headers: &HeaderMap) -> Option<Result<String, String>> {
    let links = headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let link = links.flat_map(|links| links.split(',')).find(|link| {
        let relation = link.split(';').skip(1).map(str::trim);
        relation
            .filter_map(|parameter| parameter.strip_prefix("rel="))
            .any(|of| of.trim_matches('"') == "next")
    })?;
    let address = link.split(';').next().unwrap_or_default().trim();
    let address = address.strip_prefix('<').and_then(|address| address.strip_suffix('>'));
    let path = address.and_then(|address| match address.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|slash| &rest[slash..]),
        None => Some(address),
    });
    Some(match path {
        Some(path) if path.starts_with("/v2/") => Ok(path.to_owned()),
        _ => Err(format!("its next page is at {link:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(link: &str) -> Option<Result<String, String>> {
        let mut headers = HeaderMap::new();
        headers.insert(LINK, link.parse().unwrap());
        next(&headers)
    }

    #[test]
    fn the_next_page_is_a_path_of_the_same_registry() {
        let path = "/v2/_catalog?last=a&n=2";
        for link in [
            format!("<{path}>; rel=\"next\""),
            format!("<{path}>;rel=next"),
            format!("<https://elsewhere.example{path}>; rel=\"next\""),
            format!("</v2/_catalog?n=2>; rel=\"prev\", <{path}>; rel=\"next\""),
        ] {
            assert_eq!(next_of(&link), Some(Ok(path.to_owned())), "{link}");
        }
        assert_eq!(next_of("</v2/_catalog?n=2>; rel=\"prev\""), None);
    }

    #[test]
    fn a_link_that_cannot_be_followed_is_no_end_of_the_list() {
        for link in
            ["<https://elsewhere.example>; rel=next", "/v2/_catalog; rel=next", "</v3/x>; rel=\"next\""]
        {
            assert!(matches!(next_of(link), Some(Err(_))), "{link}");
        }
    }
}
