//! Lenient reading of foreign JSON: null is the same as absent, an unusable value costs no more than itself, and an
//! unusable entry costs no other one.
//!
//! It reads JSON alone, since it first keeps each value as its text.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Reads a field whose absence does no harm: null and a value of a wrong type become the default.
pub fn field<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(from)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default())
}

/// Reads a field that must be valid if it is there: null becomes the default, and a wrong type is an error.
pub fn or_null<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// Reads labels or annotations: leaves out an entry that is no text, and reads anything but a map as an empty one.
pub fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let entries: BTreeMap<String, Box<RawValue>> = field(from)?;
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    Ok(entries.into_iter().filter_map(|(name, raw)| Some((name, text(&raw)?))).collect())
}

/// Entries of a list, at most. An empty entry takes three bytes in a file and hundreds in memory, and no image or index has
/// a hundredth of these.
const MOST_ENTRIES: usize = 250_000;

/// A list whose entries are read one by one: each is a value, or the error in it.
#[derive(Debug, Clone)]
pub struct Entries<T>(pub Vec<Result<T, String>>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    /// Returns the entries that could be read.
    pub fn good(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|entry| entry.as_ref().ok())
    }

    /// Returns the entries that could be read, and the error in the first of the others.
    pub fn split(self) -> (Vec<T>, Option<String>) {
        let mut first = None;
        let mut good = Vec::with_capacity(self.0.len());
        for (number, entry) in (1..).zip(self.0) {
            match entry {
                Ok(value) => good.push(value),
                Err(problem) => drop(first.get_or_insert_with(|| format!("entry {number}: {problem}"))),
            }
        }
        (good, first)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneByOne(PhantomData)).map(Self)
    }
}

struct OneByOne<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for OneByOne<T> {
    type Value = Vec<Result<T, String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(raw) = list.next_element::<Box<RawValue>>()? {
            if entries.len() == MOST_ENTRIES {
                return Err(serde::de::Error::custom(format_args!(
                    "a list has more than {MOST_ENTRIES} entries"
                )));
            }
            entries.push(serde_json::from_str(raw.get()).map_err(|error| error.to_string()));
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    struct Read {
        #[serde(default, deserialize_with = "field")]
        size: u64,
        #[serde(default, deserialize_with = "texts")]
        labels: BTreeMap<String, String>,
        #[serde(default, deserialize_with = "or_null")]
        names: Vec<String>,
        #[serde(default)]
        entries: Entries<u8>,
    }

    fn read(json: &str) -> Read {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn null_and_absent_are_one() {
        for json in ["{}", r#"{"size": null, "labels": null, "names": null, "entries": null}"#] {
            let read = read(json);
            assert_eq!((read.size, read.labels.len(), read.names.len(), read.entries.0.len()), (0, 0, 0, 0));
        }
    }

    #[test]
    fn a_value_of_no_use_costs_no_more_than_itself() {
        for size in [r#""large""#, "-1", "[[1]]", r#"{"a": {}}"#, "1e99"] {
            let read = read(&format!(r#"{{"size": {size}, "labels": {{"a": null, "b": "c", "d": 1}}}}"#));
            assert_eq!(read.size, 0);
            assert_eq!(read.labels.into_iter().collect::<Vec<_>>(), [("b".to_owned(), "c".to_owned())]);
        }
        assert_eq!(read(r#"{"labels": ["a"]}"#).labels.len(), 0);
    }

    #[test]
    fn an_entry_that_is_none_costs_no_other_one() {
        let entries = read(r#"{"entries": [1, null, "2", 3]}"#).entries;
        assert_eq!(entries.good().copied().collect::<Vec<_>>(), [1, 3]);
        let (good, problem) = entries.split();
        assert_eq!(good, [1, 3]);
        assert!(problem.unwrap().starts_with("entry 2: "));
    }

    #[test]
    fn what_is_needed_and_of_a_wrong_kind_is_an_error() {
        for json in [r#"{"names": 1}"#, r#"{"entries": {}}"#, r#"{"entries": "a"}"#] {
            assert!(serde_json::from_str::<Read>(json).is_err(), "{json}");
        }
    }
}
