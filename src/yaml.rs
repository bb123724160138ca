//! YAML, from text to the text of JSON and back; the only user of serde_saphyr.
//!
//! Nothing here builds a tree: each document becomes JSON while it is parsed. So one reader, that of JSON, has all rules
//! about documents, and a list takes the memory of its text. The bounds below stop what is small as a file and large
//! as a document.

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_saphyr::options::NonFiniteFloatPolicy;

/// Levels of maps and lists in one another, at most. Objects of Kubernetes have a dozen; the parser recurses over them.
const MOST_DEEP: usize = 64;
/// Nodes that aliases may repeat in a document, at most. Tools that print objects write no alias at all.
const MOST_REPEATED: usize = 1_000_000;
/// Bytes of JSON for each byte of YAML, at most: a control character becomes six, and people repeat a few lines.
const GROWTH: usize = 32;
/// Bytes of JSON that any document may become.
const FREE: usize = 4_096;

/// Writes a value as YAML.
pub fn to_string(value: &impl Serialize) -> Result<String, String> {
    serde_saphyr::to_string(value).map_err(|error| error.to_string())
}

/// Returns the documents of a text, each with the number of its first line. A line that begins with `---` separates
/// them, wherever it stands (YAML 1.2.2, section 9.1.2), so that an error in one document costs no other.
pub fn documents(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut rest, mut line) = (Some(text), 1);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = separators(text).find(|at| *at > 0);
        let (document, after) = end.map_or((text, None), |at| (&text[..at], Some(&text[at..])));
        let first = line;
        line += document.bytes().filter(|byte| *byte == b'\n').count();
        rest = after;
        Some((first, document))
    })
}

/// Returns the beginnings of lines that separate documents.
fn separators(text: &str) -> impl Iterator<Item = usize> {
    let is_line = |at: usize| at == 0 || text.as_bytes()[at - 1] == b'\n';
    let is_alone = |at: usize| text[at + 3..].chars().next().is_none_or(char::is_whitespace);
    text.match_indices("---").map(|(at, _)| at).filter(move |at| is_line(*at) && is_alone(*at))
}

/// Returns a document as the text of JSON, or the error in it and its line. An empty document is `null`.
pub fn json(document: &str) -> Result<String, String> {
    let options = serde_saphyr::options! {
        // The text is in memory and the result bounded below, so neither events nor nodes need a bound of their own.
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_depth: MOST_DEEP,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MOST_REPEATED },
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    let mut out = Vec::new();
    let most = document.len().saturating_mul(GROWTH).saturating_add(FREE);
    serde_saphyr::with_deserializer_from_str_with_options(document, options, |from| {
        Written { out: &mut out, most }.deserialize(from)
    })
    .map_err(|error| error.to_string())?;
    String::from_utf8(out).map_err(|error| error.to_string())
}

/// Writes what is parsed as JSON.
struct Written<'a> {
    out: &'a mut Vec<u8>,
    most: usize,
}

impl Written<'_> {
    fn put<E: serde::de::Error>(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), E> {
        serde_json::to_writer(&mut *self.out, value).map_err(E::custom)?;
        self.check()
    }

    fn check<E: serde::de::Error>(&self) -> Result<(), E> {
        if self.out.len() > self.most {
            return Err(E::custom(format_args!(
                "aliases make the document larger than {} bytes, {GROWTH} times its text",
                self.most
            )));
        }
        Ok(())
    }

    fn inner(&mut self) -> Written<'_> {
        Written { out: &mut *self.out, most: self.most }
    }
}

impl<'de> DeserializeSeed<'de> for Written<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Written<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has")
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_i128<E: serde::de::Error>(mut self, value: i128) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_u128<E: serde::de::Error>(mut self, value: u128) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<(), E> {
        self.put(&value)
    }

    fn visit_str<E: serde::de::Error>(mut self, value: &str) -> Result<(), E> {
        self.put(value)
    }

    fn visit_bytes<E: serde::de::Error>(mut self, value: &[u8]) -> Result<(), E> {
        self.put(&String::from_utf8_lossy(value))
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.put(&())
    }

    fn visit_none<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.put(&())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.deserialize(from)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.deserialize(from)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.out.push(b'[');
        let begin = self.out.len();
        loop {
            let before = self.out.len();
            if before > begin {
                self.out.push(b',');
            }
            if list.next_element_seed(self.inner())?.is_none() {
                self.out.truncate(before);
                self.out.push(b']');
                return self.check();
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.out.push(b'{');
        let begin = self.out.len();
        while let Some(name) = map.next_key::<String>()? {
            if self.out.len() > begin {
                self.out.push(b',');
            }
            self.put(&name)?;
            self.out.push(b':');
            map.next_value_seed(self.inner())?;
        }
        self.out.push(b'}');
        self.check()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects")]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_json_that_it_means() {
        for (yaml, expected) in [
            ("", "null"),
            (
                "a: 1\nb: [x, 1.5, true, null, \"1\"]\nc: {}\n",
                r#"{"a":1,"b":["x",1.5,true,null,"1"],"c":{}}"#,
            ),
            ("---\na: sha256:1\n", r#"{"a":"sha256:1"}"#),
            ("x: &x [1]\ny: *x\n", r#"{"x":[1],"y":[1]}"#),
            ("a: .inf\n8080: |\n  text\n", r#"{"a":".inf","8080":"text\n"}"#),
            ("created: 2020-01-01T00:00:00Z\n", r#"{"created":"2020-01-01T00:00:00Z"}"#),
            ("[[], [1]]", "[[],[1]]"),
        ] {
            assert_eq!(json(yaml).unwrap(), expected, "{yaml}");
        }
    }

    #[test]
    fn documents_are_separated_by_lines_and_told_by_their_first_one() {
        let text = "a: 1\n---\nb: '--- no'\n---x: 1\n--- \nc: 3\n";
        let found: Vec<(usize, &str)> = documents(text).collect();
        assert_eq!(found, [(1, "a: 1\n"), (2, "---\nb: '--- no'\n---x: 1\n"), (5, "--- \nc: 3\n")]);
        assert_eq!(documents("---\na: 1\n").count(), 1);
    }

    #[test]
    fn aliases_and_depth_end_at_a_bound() {
        let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}", n - 1);
            bomb += &format!("a{n}: &a{n} [{}]\n", [before.as_str(); 9].join(", "));
        }
        assert!(json(&bomb).is_err());
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(90));
        assert!(json(&long).unwrap_err().contains("aliases make the document larger"), "{:?}", json(&long));
        for deep in ["[".repeat(100_000), "- ".repeat(100_000), "a:\n".repeat(3) + &"{a: ".repeat(100_000)] {
            assert!(json(&deep).is_err());
        }
    }
}
