//! Names of images (distribution-spec "pull": `repository[:tag][@digest]`).

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, DigestError};

/// A repository with a tag, a digest, both or none.
///
/// The name stays as it was written: no registry is added to it. [`Reference::familiar`] makes names equal that Docker
/// takes as equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The name, with the registry's host in front if it was written.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<Digest>,
}

/// The error of a text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The repository is missing or has characters that no registry accepts.
    #[error("{0:?} is not a repository: lower-case letters, digits and . _ - / after the registry's host")]
    Repository(String),
    /// The tag has characters that no registry accepts, or more than 128.
    #[error("{0:?} is not a tag: up to 128 letters, digits and . _ -, not beginning with . or -")]
    Tag(String),
    /// The part after `@` is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl Reference {
    /// Returns the full name of a tag of this repository.
    pub fn tag_name(repository: &str, tag: &str) -> String {
        format!("{repository}:{tag}")
    }

    /// Returns the repository as Docker abbreviates it: `docker.io/library/php` and `library/php` are `php`.
    pub fn familiar(repository: &str) -> &str {
        let name = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"]
            .iter()
            .find_map(|host| repository.strip_prefix(host))
            .unwrap_or(repository);
        name.strip_prefix("library/").unwrap_or(name)
    }

    /// Returns every way to write a name of Docker Hub, with its tag or without, the given one first. Returns a name of
    /// another registry alone.
    pub fn spellings(name: &str) -> Vec<String> {
        let familiar = Self::familiar(name);
        let mut all = vec![name.to_owned()];
        if has_host(familiar) {
            return all;
        }
        let full = if familiar.contains('/') { familiar.to_owned() } else { format!("library/{familiar}") };
        let hosts = ["docker.io/", "", "index.docker.io/", "registry-1.docker.io/"];
        let others = hosts.iter().map(|host| format!("{host}{full}")).chain([familiar.to_owned()]);
        all.extend(others.filter(|other| other != name));
        all
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let tag_at = name.rfind(':').filter(|colon| name.rfind('/').is_none_or(|slash| slash < *colon));
        let (repository, tag) = match tag_at {
            Some(colon) => (&name[..colon], Some(&name[colon + 1..])),
            None => (name, None),
        };
        if !is_repository(repository) {
            return Err(ReferenceError::Repository(repository.to_owned()));
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(tag.to_owned()));
        }
        Ok(Self { repository: repository.to_owned(), tag: tag.map(str::to_owned), digest })
    }
}

/// `repository[:tag][@digest]`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Returns `true` if `tag` is a tag (distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
pub fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Returns `true` if the name of a repository begins with a registry's host.
pub fn has_host(repository: &str) -> bool {
    let host = repository.split_once('/').map(|(host, _)| host);
    host.is_some_and(|host| host.contains(['.', ':']) || host == "localhost")
}

/// Returns `true` if `name` can be a repository. The host in front may have upper case and a port.
pub fn is_repository(name: &str) -> bool {
    let (host, path) = name.split_once('/').filter(|_| has_host(name)).unwrap_or(("", name));
    let path_is_good = path.split('/').all(|part| {
        part.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
    });
    name.len() <= 255
        && path_is_good
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_reads_back_what_it_prints() {
        let digest = Digest::of(b"x");
        for text in [
            "php".to_owned(),
            "php:7.1-apache".to_owned(),
            "localhost:5000/team/app:v1".to_owned(),
            "localhost:5000/team/app".to_owned(),
            format!("openshift/php@{digest}"),
            format!("registry.example.com/php:7@{digest}"),
        ] {
            assert_eq!(text.parse::<Reference>().map(|reference| reference.to_string()), Ok(text));
        }
    }

    #[test]
    fn a_text_that_is_no_reference_says_which_part_is_wrong() {
        for repository in ["", "PHP", "/php", "php/", "a b"] {
            assert_eq!(
                repository.parse::<Reference>(),
                Err(ReferenceError::Repository(repository.to_owned())),
                "{repository:?}"
            );
        }
        assert_eq!("php:".parse::<Reference>(), Err(ReferenceError::Tag(String::new())));
        assert_eq!("php:-7".parse::<Reference>(), Err(ReferenceError::Tag("-7".to_owned())));
        assert!(matches!("php@sha256:12".parse::<Reference>(), Err(ReferenceError::Digest(_))));
    }

    #[test]
    fn the_long_and_the_short_name_of_an_official_image_are_the_same() {
        for name in ["php", "library/php", "docker.io/library/php", "index.docker.io/library/php"] {
            assert_eq!(Reference::familiar(name), "php");
        }
        assert_eq!(Reference::familiar("quay.io/library/php"), "quay.io/library/php");
        for name in ["php:8", "library/php:8", "docker.io/library/php:8"] {
            let all = Reference::spellings(name);
            assert_eq!(all[0], name);
            assert!(
                all.iter().any(|of| of == "docker.io/library/php:8") && all.iter().any(|of| of == "php:8")
            );
        }
        assert!(Reference::spellings("docker.io/team/app:1").contains(&"team/app:1".to_owned()));
        assert_eq!(Reference::spellings("localhost:5000/app:1"), ["localhost:5000/app:1"]);
    }
}
