//! The entries of an array in JSON, one by one as they come.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::SinkError;

/// A receiver of entries, each with its number from 1 on.
type Each<'e, 'd> = dyn FnMut(usize, &'d RawValue) -> Result<(), SinkError> + 'e;

/// Calls `each` with the entries of an array, or with those of the field `of` of an object. The inner error says that
/// there is no such array.
pub(super) fn elements<'d>(
    raw: &'d RawValue,
    of: Option<&str>,
    each: &mut Each<'_, 'd>,
) -> Result<Result<(), String>, SinkError> {
    let mut failed = None;
    let walk = Walk { of, each, failed: &mut failed };
    let read = walk.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
    match failed {
        Some(error) => Err(error),
        None => Ok(read.map_err(|error| error.to_string())),
    }
}

struct Walk<'w, 'e, 'd> {
    of: Option<&'w str>,
    each: &'w mut Each<'e, 'd>,
    failed: &'w mut Option<SinkError>,
}

impl<'d> DeserializeSeed<'d> for Walk<'_, '_, 'd> {
    type Value = ();

    fn deserialize<D: Deserializer<'d>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'d> Visitor<'d> for Walk<'_, '_, 'd> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Some(field) => write!(f, "an object with the array {field}"),
            None => f.write_str("an array"),
        }
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut list: A) -> Result<(), A::Error> {
        for number in 1.. {
            let Some(raw) = list.next_element::<&'d RawValue>()? else { break };
            if let Err(error) = (self.each)(number, raw) {
                *self.failed = Some(error);
                return Err(serde::de::Error::custom("the receiver has failed"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if self.of == Some(name.as_str()) {
                let inner = Walk { of: None, each: &mut *self.each, failed: &mut *self.failed };
                map.next_value_seed(inner)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
