//! A span of time as an operator writes it: `500ms`, `5s`, `10m`, `24h`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use deminer_engine::module::ModuleError;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Whole numbers with their units `d`, `h`, `m`, `s`, `ms`, larger ones first: `10m`, `1h30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationParam(Duration);

/// A span of time that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no duration: write whole numbers with their units, such as `500ms`, `5s`, `10m`, `1h30m` or `7d`")]
pub struct DurationError(String);

/// The units, smallest first, in milliseconds; none is the end of another that stands before it.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl DurationParam {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Whole milliseconds.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// The milliseconds, where they lie from `least` to `most`.
    ///
    /// # Errors
    /// `Parameter` of that name, with both limits.
    pub fn within(self, name: &str, least: DurationParam, most: DurationParam) -> Result<u64, ModuleError> {
        if self < least || self > most {
            return Err(ModuleError::Parameter {
                name: name.to_owned(),
                why: format!("`{self}` is outside of {least} to {most}"),
            });
        }
        Ok(self.as_millis())
    }
}

impl FromStr for DurationParam {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        // As the language reads it: what a variable may hold, a parameter takes.
        let read = deminer_engine::playbook::value::duration(text);
        read.map(Self)
            .map_err(|_| DurationError(text.chars().take(32).collect()))
    }
}

impl fmt::Display for DurationParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis();
        let (unit, factor) = UNITS
            .into_iter()
            .rev()
            .find(|(_, factor)| millis >= *factor && millis.is_multiple_of(*factor))
            .unwrap_or(("s", 1_000));
        write!(f, "{}{unit}", millis / factor)
    }
}

impl Serialize for DurationParam {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DurationParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for DurationParam {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "duration"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_forms() {
        let rows = [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("90s", Some(90_000)),
            ("10m", Some(600_000)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("1h30m", Some(5_400_000)),
            ("30m1h", None),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("+5s", None),
            ("1.5s", None),
            ("5 s", None),
            ("5S", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ];
        for (text, millis) in rows {
            let read = text.parse::<DurationParam>().ok().map(DurationParam::as_millis);
            assert_eq!(read, millis, "{text}");
        }
    }

    #[test]
    fn shown_in_the_largest_whole_unit() {
        for text in ["1500ms", "5s", "90s", "10m", "1d", "0s"] {
            let read: DurationParam = text.parse().expect("a duration");
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn limits_are_named() {
        let sample: DurationParam = "2m".parse().expect("a duration");
        let error = sample
            .within(
                "sample",
                DurationParam::from_millis(1_000),
                DurationParam::from_millis(60_000),
            )
            .expect_err("too long");
        assert_eq!(error.to_string(), "parameter `sample`: `2m` is outside of 1s to 1m");
    }
}
