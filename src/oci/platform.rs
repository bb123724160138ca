//! Platforms (OCI image-spec, image-index.md "platform").

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

// Each target of each tag has one, so its short parts are kept in place.
/// The platform that an image runs on. The default is `linux/amd64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// Operating system, a `GOOS` value.
    #[schemars(with = "String")]
    pub os: SmolStr,
    /// Processor architecture, a `GOARCH` value.
    #[schemars(with = "String")]
    pub architecture: SmolStr,
    /// Variant of the architecture, as `v8` of `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub variant: Option<SmolStr>,
    /// Version of the operating system, as images for Windows state it.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub os_version: Option<SmolStr>,
    /// Features of the operating system that the image needs, as `win32k`; sorted.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

impl Default for Platform {
    fn default() -> Self {
        Self::new("linux", "amd64")
    }
}

impl Platform {
    /// Returns a platform without variant and version.
    pub fn new(os: &str, architecture: &str) -> Self {
        let (os, architecture) = (SmolStr::new(os), SmolStr::new(architecture));
        Self { os, architecture, variant: None, os_version: None, os_features: Vec::new() }
    }

    /// Returns a platform as documents tell it. A part that is empty has its usual value: for the operating system and the
    /// architecture those of the default, for the others none.
    pub fn told(
        os: &str,
        architecture: &str,
        variant: &str,
        os_version: &str,
        os_features: Vec<String>,
    ) -> Self {
        let given = |text: &str| (!text.is_empty()).then(|| SmolStr::new(text));
        let usual = Self::default();
        Self {
            os: given(os).unwrap_or(usual.os),
            architecture: given(architecture).unwrap_or(usual.architecture),
            variant: given(variant),
            os_version: given(os_version),
            os_features: Self::features(os_features),
        }
    }

    /// Returns features in the one order in which they are compared.
    pub fn features(mut told: Vec<String>) -> Vec<String> {
        told.retain(|feature| !feature.is_empty());
        told.sort_unstable();
        told.dedup();
        told
    }

    /// Returns `true` for the platform of an attestation, which runs on nothing.
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && matches!(self.architecture.as_str(), "unknown" | "")
    }

    /// Returns the closeness of the other platform: 3 if both are equal, 2 if only `os.version` differs, 1 if
    /// `os.features` and perhaps `os.version` differ, else 0.
    pub fn closeness(&self, other: &Self) -> u8 {
        let is_same =
            self.os == other.os && self.architecture == other.architecture && self.variant == other.variant;
        match (is_same, self.os_features == other.os_features, self.os_version == other.os_version) {
            (false, ..) => 0,
            (true, true, true) => 3,
            (true, true, false) => 2,
            (true, false, _) => 1,
        }
    }

    /// Returns `true` if this is one of the platforms that `asked` names. Parts that `asked` leaves out are not
    /// compared.
    pub fn matches(&self, asked: &Self) -> bool {
        self.os == asked.os
            && self.architecture == asked.architecture
            && (asked.variant.is_none() || asked.variant == self.variant)
            && (asked.os_version.is_none() || asked.os_version == self.os_version)
            && asked.os_features.iter().all(|feature| self.os_features.contains(feature))
    }
}

/// `os/architecture[/variant][:os.version][+feature…]`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{}/{}", self.os, self.architecture);
        if let Some(variant) = &self.variant {
            text = text + "/" + variant;
        }
        if let Some(version) = &self.os_version {
            text = text + ":" + version;
        }
        for feature in &self.os_features {
            text = text + "+" + feature;
        }
        f.pad(&text)
    }
}

/// The error of a text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("platform {0:?} is not os/architecture[/variant][:os.version][+feature], as linux/arm64/v8")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let wrong = || PlatformError(text.to_owned());
        let mut features = text.split('+').map(str::to_owned);
        let text = features.next().unwrap_or_default();
        let features: Vec<String> = features.collect();
        let (names, os_version) = match text.split_once(':') {
            Some((names, version)) => (names, Some(SmolStr::new(version))),
            None => (&*text, None),
        };
        let mut parts = names.split('/');
        let mut part = || parts.next().map(SmolStr::new);
        let (os, architecture, variant) = (part().ok_or_else(wrong)?, part().ok_or_else(wrong)?, part());
        let empty = |part: &Option<SmolStr>| part.as_ref().is_some_and(SmolStr::is_empty);
        if parts.next().is_some()
            || os.is_empty()
            || architecture.is_empty()
            || empty(&variant)
            || empty(&os_version)
            || features.iter().any(String::is_empty)
        {
            return Err(wrong());
        }
        Ok(Self { os, architecture, variant, os_version, os_features: Self::features(features) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_reads_back_what_it_prints() {
        for text in
            ["linux/amd64", "linux/arm64/v8", "windows/amd64:10.0.14393.1770", "windows/amd64:10.0+win32k"]
        {
            assert_eq!(text.parse::<Platform>().map(|platform| platform.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/arm/", "windows/amd64:", "linux/arm+"]
        {
            assert_eq!(text.parse::<Platform>(), Err(PlatformError(text.to_owned())));
        }
    }

    #[test]
    fn the_closest_platform_is_equal_then_but_for_the_version_then_but_for_the_features() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let of = platform("windows/amd64:10.0.1+win32k");
        for (closeness, other) in [
            (3, "windows/amd64:10.0.1+win32k"),
            (2, "windows/amd64:10.0.2+win32k"),
            (1, "windows/amd64:10.0.1"),
            (0, "windows/arm64:10.0.1+win32k"),
        ] {
            assert_eq!(of.closeness(&platform(other)), closeness, "{other}");
        }
    }

    #[test]
    fn a_platform_asked_for_without_variant_matches_every_variant() {
        let v8: Platform = "linux/arm64/v8".parse().unwrap();
        assert!(v8.matches(&"linux/arm64".parse().unwrap()));
        assert!(!v8.matches(&"linux/arm64/v7".parse().unwrap()));
    }
}
