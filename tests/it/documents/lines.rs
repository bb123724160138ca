//! Tests that the page about JSON lines has the fields that the reader takes, and is right about which are needed.

use std::collections::BTreeSet;

use clade::oci::Platform;
use clade::source::line::{
    ClaimLine, ImageLine, LayerLine, ManifestLine, TagLine, VersionImageLine, VersionLine,
};
use clade::source::observe_line;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use serde_json::Value;

use super::document;

const PAGE: &str = "docs/reference/json-lines.md";

/// Takes down the fields that a type asks for, and gives it none.
struct Asked<'a>(&'a mut Vec<String>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = serde_json::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.extend(fields.iter().map(|field| (*field).to_owned()));
        Err(Self::Error::custom("no value"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("no struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn asked<'de, T: Deserialize<'de>>() -> BTreeSet<String> {
    let mut fields = Vec::new();
    assert!(T::deserialize(Asked(&mut fields)).is_err());
    fields.into_iter().collect()
}

/// Returns the part of the page below a heading, up to the next one.
fn section(heading: &str) -> String {
    let page = document(PAGE).text;
    let (_, rest) = page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split("\n#").next().unwrap_or_default().to_owned()
}

/// Returns the fields of a table, each with `true` if it is needed.
fn table(heading: &str) -> Vec<(String, bool)> {
    let section = section(heading);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(field, rest)| (field.to_owned(), rest.starts_with("yes |"))).collect()
}

fn examples(heading: &str) -> Vec<Value> {
    section(heading)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
        .collect()
}

#[test]
fn the_page_about_json_lines_has_the_fields_that_are_read() {
    for (heading, asked) in [
        ("## Images", asked::<ImageLine>()),
        ("### Layers", asked::<LayerLine>()),
        ("### Platforms", asked::<Platform>()),
        ("## Tags", asked::<TagLine>()),
        ("### Manifests", asked::<ManifestLine>()),
        ("## Declared bases", asked::<ClaimLine>()),
        ("## Versions", asked::<VersionLine>()),
        ("### Images of versions", asked::<VersionImageLine>()),
    ] {
        let told: BTreeSet<String> = table(heading).into_iter().map(|(field, _)| field).collect();
        assert_eq!(told, asked, "{heading}");
    }
}

#[test]
fn the_page_about_json_lines_says_which_fields_are_needed() {
    let is_read = |line: &Value| observe_line(line.to_string().as_bytes()).is_ok();
    let without = |line: &Value, parent: &str, field: &str| {
        let mut line = line.clone();
        line.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        line
    };
    for (heading, example, parent) in [
        ("## Images", "## Images", ""),
        ("### Layers", "## Images", "/layers/0"),
        ("## Tags", "## Tags", ""),
        ("### Manifests", "## Tags", "/manifests/0"),
        ("## Declared bases", "## Declared bases", ""),
        ("## Versions", "## Versions", ""),
        ("### Images of versions", "## Versions", "/images/0"),
    ] {
        let examples = examples(example);
        assert!(!examples.is_empty() && examples.iter().all(is_read), "{example}");
        for (field, is_needed) in table(heading) {
            let line = without(&examples[0], parent, &field);
            assert_eq!(is_read(&line), !is_needed, "{heading}: {field}");
        }
    }
    for (field, is_needed) in table("### Platforms") {
        let mut platform = serde_json::json!({"os": "windows", "architecture": "amd64", "variant": "v1", "os.version": "10",
            "os.features": ["win32k"]});
        platform.as_object_mut().unwrap().remove(&field).unwrap();
        assert_eq!(serde_json::from_value::<Platform>(platform).is_ok(), !is_needed, "{field}");
    }
}
