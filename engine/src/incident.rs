//! What is known of an incident before any host is looked at: where the alarm came from, when, what was done already.
//!
//! A playbook takes it as variables of these names; which of them it declares is its own choice. All of it is what
//! somebody said: it narrows a look and stands in the report, and it condemns nothing by itself. Handbook 1.1 to 1.4.

use serde::Serialize;
use serde_json::Value;

use crate::event::Variables;

/// What a run was told of its incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Incident {
    /// Where the alarm came from; the variable `source`. `None`: not said, or `unknown`.
    pub source: Option<String>,
    /// Addresses, names and digests out of the alarm; the variable `indicators`.
    pub indicators: Vec<String>,
    /// When it appeared, RFC 3339; the variable `appeared`.
    pub appeared: Option<String>,
    /// When it was found, RFC 3339; the variable `found`.
    pub found: Option<String>,
    /// When it was first acted on, RFC 3339; the variable `handled`.
    pub handled: Option<String>,
    /// What was done before this run; the variable `done_already`.
    pub done_already: Option<String>,
    /// Notes on the network; the variable `topology`.
    pub topology: Option<String>,
    /// By what the intruder came in: an account's name or a key's fingerprint; the variable `way_in`.
    pub way_in: Option<String>,
}

impl Incident {
    /// Takes it out of a run's variables; what is not declared, empty or of another kind was not said.
    pub fn of(vars: &Variables) -> Incident {
        let text = |name: &str| {
            let text = vars.get(name)?.as_str()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let time = |name: &str| text(name).filter(|text| text.parse::<jiff::Timestamp>().is_ok());
        let indicators = match vars.get("indicators") {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Incident {
            source: text("source").filter(|source| source != "unknown"),
            indicators,
            appeared: time("appeared"),
            found: time("found"),
            handled: time("handled"),
            done_already: text("done_already"),
            topology: text("topology"),
            way_in: text("way_in"),
        }
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Incident::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(vars: Value) -> Incident {
        Incident::of(&serde_json::from_value(vars).expect("a map"))
    }

    #[test]
    fn only_what_was_said_is_taken() {
        let said = of(json!({
            "source": "alert", "indicators": ["203.0.113.9"], "appeared": "2026-11-12T03:12:00Z", "found": null,
            "handled": "yesterday", "done_already": " ", "topology": "behind fw-1", "watch": "10m",
        }));
        let expected = Incident {
            source: Some("alert".to_owned()),
            indicators: vec!["203.0.113.9".to_owned()],
            appeared: Some("2026-11-12T03:12:00Z".to_owned()),
            topology: Some("behind fw-1".to_owned()),
            ..Incident::default()
        };
        assert_eq!(said, expected);
        for nothing in [
            json!({}),
            json!({"source": "unknown", "indicators": "x", "topology": 5}),
        ] {
            assert!(of(nothing.clone()).is_empty(), "{nothing}");
        }
    }
}
