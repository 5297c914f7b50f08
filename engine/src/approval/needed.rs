//! How many people must have signed for an action, by its effect.

use std::borrow::Cow;
use std::fmt;

use deminer_worker::action::Effect;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::policy::MOST_NEEDED;

/// How many different people must have signed for an action. Written as one number where it is the same for every effect,
/// else as `{preserve: 1, contain: 1, destroy: 2}`; an effect that is not named needs one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    preserve: u32,
    contain: u32,
    destroy: u32,
}

impl Needed {
    /// So many for everything.
    pub fn all(people: u32) -> Needed {
        Needed {
            preserve: people,
            contain: people,
            destroy: people,
        }
    }

    /// For an action with this effect. What changes nothing is no action: it needs what keeping evidence does.
    pub fn of(self, effect: Effect) -> u32 {
        match effect {
            Effect::Destroy => self.destroy,
            Effect::Contain => self.contain,
            Effect::Preserve | Effect::Judge | Effect::Read => self.preserve,
        }
    }

    /// The fewest that are needed for anything.
    pub fn least(self) -> u32 {
        self.preserve.min(self.contain).min(self.destroy)
    }

    /// What is needed for everything.
    pub fn most(self) -> u32 {
        self.preserve.max(self.contain).max(self.destroy)
    }

    /// The stricter of both, of each effect.
    #[must_use]
    pub fn or_more(self, other: Needed) -> Needed {
        Needed {
            preserve: self.preserve.max(other.preserve),
            contain: self.contain.max(other.contain),
            destroy: self.destroy.max(other.destroy),
        }
    }

    /// Whether more is needed for what needs more: who destroys also contains and keeps, so fewer could not do it.
    pub(super) fn rises(self) -> bool {
        self.preserve <= self.contain && self.contain <= self.destroy
    }
}

impl Serialize for Needed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.least() == self.most() {
            return serializer.serialize_u32(self.preserve);
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("preserve", &self.preserve)?;
        map.serialize_entry("contain", &self.contain)?;
        map.serialize_entry("destroy", &self.destroy)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Needed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Needed, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Needed {
    fn schema_name() -> Cow<'static, str> {
        "needed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let people = json!({"type": "integer", "minimum": 1, "maximum": MOST_NEEDED});
        let kinds = [Effect::Preserve, Effect::Contain, Effect::Destroy];
        let by_effect: serde_json::Map<_, _> = kinds
            .map(|kind| (kind.to_string(), people.clone()))
            .into_iter()
            .collect();
        json_schema!({
            "type": ["integer", "object"],
            "if": {"type": "object"},
            "then": {"properties": by_effect, "additionalProperties": false},
            "else": people,
        })
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Needed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of people, or `{contain: 1, destroy: 2}`")
    }

    fn visit_u64<E: de::Error>(self, people: u64) -> Result<Needed, E> {
        let people = u32::try_from(people).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(people), &self))?;
        Ok(Needed::all(people))
    }

    fn visit_i64<E: de::Error>(self, people: i64) -> Result<Needed, E> {
        let unsigned = u64::try_from(people).map_err(|_| E::invalid_value(de::Unexpected::Signed(people), &self))?;
        self.visit_u64(unsigned)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Needed, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ByEffect {
            #[serde(default = "one")]
            preserve: u32,
            #[serde(default = "one")]
            contain: u32,
            #[serde(default = "one")]
            destroy: u32,
        }
        let ByEffect {
            preserve,
            contain,
            destroy,
        } = ByEffect::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Needed {
            preserve,
            contain,
            destroy,
        })
    }
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_it_is_written() {
        let rows = [
            ("2", Some((2, 2, 2)), "2"),
            (
                r#"{"destroy":2}"#,
                Some((1, 1, 2)),
                r#"{"preserve":1,"contain":1,"destroy":2}"#,
            ),
            (r#"{"preserve":3,"contain":3,"destroy":3}"#, Some((3, 3, 3)), "3"),
            ("{}", Some((1, 1, 1)), "1"),
            ("-1", None, ""),
            ("4294967296", None, ""),
            (r#"{"kill":2}"#, None, ""),
            (r#"{"destroy":2,"destroy":1}"#, None, ""),
            ("\"two\"", None, ""),
        ];
        for (text, expected, written) in rows {
            let read: Option<Needed> = serde_json::from_str(text).ok();
            let of = |needed: Needed| {
                let [preserve, contain, destroy] =
                    [Effect::Preserve, Effect::Contain, Effect::Destroy].map(|effect| needed.of(effect));
                (preserve, contain, destroy)
            };
            assert_eq!(read.map(of), expected, "{text}");
            if let Some(read) = read {
                assert_eq!(serde_json::to_string(&read).expect("a number or a map"), written);
            }
        }
    }

    #[test]
    fn the_stricter_of_both() {
        let of = |preserve, contain, destroy| Needed {
            preserve,
            contain,
            destroy,
        };
        let both = of(1, 2, 2).or_more(of(1, 1, 3));
        assert_eq!(both, of(1, 2, 3));
        assert_eq!((both.least(), both.most()), (1, 3));
        assert!(both.rises() && !of(1, 3, 2).rises() && !of(2, 1, 2).rises());
    }
}
