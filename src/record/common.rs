//! Shares values that are equal in thousands of records: each is kept once and encoded as JSON once.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A part that many records share. Its JSON is that of `T`, encoded on first use.
#[derive(Default)]
pub struct Common<T>(Arc<Kept<T>>);

#[derive(Default)]
struct Kept<T> {
    value: T,
    /// `None` if JSON cannot express the value.
    json: OnceLock<Option<Box<RawValue>>>,
}

impl<T> From<T> for Common<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(Kept { value, json: OnceLock::new() }))
    }
}

impl<T> Clone for Common<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Common<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// As `T`: whether the JSON was encoded already is no part of the value.
impl<T: fmt::Debug> fmt::Debug for Common<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Common<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl<T: Eq> Eq for Common<T> {}

impl<T: Hash> Hash for Common<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// As `T`. The JSON is the one encoded before; binary formats do not use it.
impl<T: Serialize> Serialize for Common<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = || self.0.json.get_or_init(|| to_raw_value(&self.0.value).ok());
        match serializer.is_human_readable().then(json) {
            Some(Some(json)) => json.serialize(serializer),
            _ => self.0.value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Common<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

impl<T: JsonSchema> JsonSchema for Common<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_written_as_if_it_were_not() {
        let value = vec!["a\"b".to_owned(), "c".to_owned()];
        let common = Common::from(value.clone());
        for _ in 0..2 {
            assert_eq!(serde_json::to_string(&common).unwrap(), serde_json::to_string(&value).unwrap());
        }
        assert_eq!(serde_json::to_value(&common).unwrap(), serde_json::to_value(&value).unwrap());
        assert_eq!(format!("{common:?}"), format!("{value:?}"));
        let json = serde_json::to_vec(&common).unwrap();
        assert_eq!(serde_json::from_slice::<Common<Vec<String>>>(&json).unwrap(), common);
    }
}
