//! Reads JSON values in which an object is written as an object. serde's own readers also take an array for a struct, field by
//! field: `selector: []` would select everything.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Reads a value. The error names the mistake.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Strict(value))
}

struct Strict(Value);

impl IntoDeserializer<'_, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Strict));
                let read = visitor.visit_seq(&mut items)?;
                items.end().map(|()| read)
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| (name, Strict(value)));
                let mut members = MapDeserializer::new(members);
                let read = visitor.visit_map(&mut members)?;
                members.end().map(|()| read)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object")),
            other => Strict(other).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::ClassPolicy;

    #[test]
    fn an_array_is_not_taken_for_an_object_at_any_depth() {
        let read = |value: Value| from_value::<ClassPolicy>(value).map_err(|error| error.to_string());
        let whole = json!({
            "require": {"classes": ["a"], "selector": {"matchLabels": {"x": "y"}}, "state": "Current", "grace": "14d"},
            "exempt": [{"reason": "r", "until": "2027-01-01T00:00:00Z", "repositories": ["a/*"]}],
            "namespaceSelector": {"matchExpressions": [{"key": "k", "operator": "Exists"}]}, "pin": true,
        });
        assert_eq!(read(whole.clone()), Ok(serde_json::from_value(whole).unwrap()));
        for array in [
            json!([{}, {}, {"classes": ["a"]}]),
            json!({"require": [["a"]]}),
            json!({"require": {"classes": ["a"], "selector": []}}),
            json!({"require": {"classes": ["a"]}, "namespaceSelector": []}),
            json!({"require": {"classes": ["a"]}, "exempt": [["r", null, ["a/*"]]]}),
        ] {
            let problem = read(array.clone()).unwrap_err();
            assert!(problem.contains("sequence, expected an object"), "{array}: {problem}");
        }
        assert!(read(json!({"require": {"clases": []}})).unwrap_err().contains("unknown field `clases`"));
    }
}
