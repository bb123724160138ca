//! An entry in a few words, for people.

use serde::Deserialize;

use super::entry::{Entry, Facts};
use crate::oci::Digest;

/// Tags that are named.
const TAGS: usize = 2;

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    state: Option<String>,
    version: Option<Digest>,
    digest: Option<Digest>,
    number: Option<u64>,
    classes: Option<Vec<Class>>,
    versions: Option<u64>,
    current: Option<u64>,
    segments: Option<Vec<serde_json::Value>>,
    selector: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Class {
    name: String,
    state: String,
}

impl Entry {
    /// The tags that the image had.
    pub fn tags(&self) -> Vec<String> {
        self.why.as_ref().and_then(Facts::read::<Tags>).map(|of| of.tags).unwrap_or_default()
    }

    /// The objects that it is about.
    pub fn subject(&self) -> String {
        let image = self.image.map(|image| image.short());
        let parts =
            [&image, &self.rebuild, &self.target, &self.class, &self.group, &self.policy, &self.workload];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        match &self.source {
            Some(source) if parts.is_empty() => source.to_string(),
            _ => parts.join(" "),
        }
    }

    /// The change and its reason.
    pub fn change(&self) -> String {
        let (from, to) = (self.from.as_ref().map(short), self.to.as_ref().map(short));
        let mut told = match (from, to) {
            (None, None) => String::new(),
            (Some(from), Some(to)) if from == to => to,
            (from, to) => {
                let or_nothing = |of: Option<String>| of.unwrap_or_else(|| "-".to_owned());
                format!("{} -> {}", or_nothing(from), or_nothing(to))
            }
        };
        let why = self.why.as_ref();
        for member in ["reason", "message", "problem"] {
            if let Some(text) = why.and_then(|why| why.member(member)).filter(|text| !text.is_empty()) {
                told += &format!("; {text}");
            }
        }
        let tags = self.tags();
        if !tags.is_empty() {
            told += &format!("; {}", tags[..tags.len().min(TAGS)].join(","));
        }
        if tags.len() > TAGS {
            told += &format!(" +{}", tags.len() - TAGS);
        }
        if let Some(who) = &self.on_behalf_of {
            told += &format!("; for {who}");
        }
        told.trim_start_matches("; ").to_owned()
    }
}

/// Facts of any kind in a few words.
fn short(facts: &Facts) -> String {
    let Some(of) = facts.read::<Known>() else { return facts.json().to_owned() };
    let mut words = Vec::new();
    words.extend(of.state);
    words.extend(of.version.map(|version| format!("on {}", version.short())));
    words.extend(of.number.map(|number| format!("version {number}")));
    words.extend(of.digest.map(|digest| digest.short()));
    if let Some(classes) = of.classes {
        let classes: Vec<String> = classes.iter().map(|of| format!("{}:{}", of.name, of.state)).collect();
        words.push(if classes.is_empty() { "in no class".to_owned() } else { classes.join(",") });
    }
    if let Some(versions) = of.versions {
        let current = of.current.map_or_else(|| "none".to_owned(), |current| current.to_string());
        words.push(format!("{versions} versions, current {current}"));
    }
    words.extend(of.segments.map(|segments| format!("{} segments", segments.len())));
    words.extend(of.selector.map(|selector| selector.to_string()));
    if words.is_empty() { facts.json().to_owned() } else { words.join(" ") }
}
