//! Platforms (OCI image-spec, image-index.md "platform").

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an image runs on. `linux/amd64` unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// Operating system, a `GOOS` value.
    pub os: String,
    /// Processor architecture, a `GOARCH` value.
    pub architecture: String,
    /// Variant of the architecture, as `v8` of `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Version of the operating system, told for Windows.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
}

impl Default for Platform {
    fn default() -> Self {
        Self::new("linux", "amd64")
    }
}

impl Platform {
    /// A platform without variant and version.
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: None, os_version: None }
    }

    /// Whether both differ in nothing but the version of the operating system.
    pub fn is_same_but_os_version(&self, other: &Self) -> bool {
        self.os == other.os && self.architecture == other.architecture && self.variant == other.variant
    }

    /// Whether this is one of the platforms that `asked` names: what `asked` leaves out is not compared.
    pub fn matches(&self, asked: &Self) -> bool {
        self.os == asked.os
            && self.architecture == asked.architecture
            && (asked.variant.is_none() || asked.variant == self.variant)
            && (asked.os_version.is_none() || asked.os_version == self.os_version)
    }
}

/// `os/architecture[/variant][:os.version]`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}/{}", self.os, self.architecture);
        if let Some(variant) = &self.variant {
            text = text + "/" + variant;
        }
        if let Some(version) = &self.os_version {
            text = text + ":" + version;
        }
        f.pad(&text)
    }
}

/// Why a text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("platform {0:?} is not os/architecture[/variant][:os.version], as linux/arm64/v8")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let wrong = || PlatformError(text.to_owned());
        let (names, os_version) = match text.split_once(':') {
            Some((names, version)) => (names, Some(version.to_owned())),
            None => (text, None),
        };
        let mut parts = names.split('/');
        let mut part = || parts.next().map(str::to_owned);
        let (os, architecture, variant) = (part().ok_or_else(wrong)?, part().ok_or_else(wrong)?, part());
        let empty = |part: &Option<String>| part.as_ref().is_some_and(String::is_empty);
        if parts.next().is_some()
            || os.is_empty()
            || architecture.is_empty()
            || empty(&variant)
            || empty(&os_version)
        {
            return Err(wrong());
        }
        Ok(Self { os, architecture, variant, os_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_reads_back_what_it_prints() {
        for text in ["linux/amd64", "linux/arm64/v8", "windows/amd64:10.0.14393.1770"] {
            assert_eq!(text.parse::<Platform>().map(|platform| platform.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/arm/", "windows/amd64:"] {
            assert_eq!(text.parse::<Platform>(), Err(PlatformError(text.to_owned())));
        }
    }

    #[test]
    fn a_platform_asked_for_without_variant_matches_every_variant() {
        let v8: Platform = "linux/arm64/v8".parse().unwrap();
        assert!(v8.matches(&"linux/arm64".parse().unwrap()));
        assert!(!v8.matches(&"linux/arm64/v7".parse().unwrap()));
    }
}
