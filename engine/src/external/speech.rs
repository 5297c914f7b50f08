//! What an external module says: its description, its questions, its outcome.

use std::collections::BTreeMap;

use deminer_worker::query::{Coverage, Query};
use deminer_worker::text::{Digest, HostBytes};
use serde::Deserialize;
use serde_json::Value;

use super::{ExternalError, PROTOCOL, schema, shown};
use crate::finding::{Artifact, Bearing, DOOR, Finding};
use crate::module::Ran;
use crate::playbook::Phase;

/// The findings of one outcome.
const FINDINGS: usize = 1000;
/// The gaps of one outcome.
const GAPS: usize = 1000;
/// The characters of a sentence or a field.
const CHARS: usize = 400;

/// The two kinds of module that can come from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Looks: it may ask.
    Collector,
    /// Judges: it is given no host.
    Analyzer,
}

/// What a module says of itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    #[serde(rename = "protocol")]
    _protocol: u64,
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) kind: Kind,
    pub(super) phases: Vec<Phase>,
    pub(super) params: Value,
    pub(super) output: Value,
    #[serde(default)]
    pub(super) not_seen: String,
    #[serde(default)]
    pub(super) example: Option<String>,
}

impl Description {
    /// Reads it out of a line.
    ///
    /// # Errors
    /// When it is of another protocol, or no description.
    pub(super) fn read(line: &[u8]) -> Result<Description, ExternalError> {
        let value: Value = serde_json::from_slice(line).map_err(no_message)?;
        match value.get("protocol") {
            Some(found) if found.as_u64() != Some(PROTOCOL) => {
                return Err(ExternalError::Protocol {
                    found: shown(&found.to_string()),
                });
            }
            _ => {}
        }
        serde_json::from_value(value).map_err(|error| ExternalError::Description {
            why: shown(&error.to_string()),
        })
    }

    /// Whether it holds together.
    ///
    /// # Errors
    /// The first thing that does not.
    pub(super) fn hold(&self) -> Result<(), String> {
        for (name, text) in [("summary", &self.summary), ("not_seen", &self.not_seen)] {
            plain(name, text)?;
        }
        if let Some(example) = &self.example {
            plain("example", example)?;
        }
        if self.summary.is_empty() {
            return Err("`summary` is empty".to_owned());
        }
        if self.phases.is_empty() {
            return Err("`phases` is empty".to_owned());
        }
        if let Some(phase) = self.phases.iter().find(|phase| !self.kind.phases().contains(phase)) {
            return Err(format!("phase `{phase}` is none where such a module may stand"));
        }
        for (name, schema) in [("params", &self.params), ("output", &self.output)] {
            schema::hold(schema, name)?;
            if schema.get("type").and_then(Value::as_str) != Some("object") {
                return Err(format!("`{name}` is not of type `object`"));
            }
        }
        Ok(())
    }
}

/// A message of a call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Said {
    /// It asks the host.
    Ask(Query),
    /// It is through.
    Outcome(Given),
    /// It failed.
    Error(String),
}

impl Said {
    /// Reads it out of a line.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn read(line: &[u8]) -> Result<Said, ExternalError> {
        serde_json::from_slice(line).map_err(no_message)
    }
}

fn no_message(error: serde_json::Error) -> ExternalError {
    ExternalError::Message {
        why: shown(&error.to_string()),
    }
}

/// The name of a query, as it is written.
pub(super) fn name(query: &Query) -> String {
    let written = serde_json::to_value(query).unwrap_or_default();
    written["query"].as_str().unwrap_or_default().to_owned()
}

/// What a module gives in the end.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    pub(super) output: Value,
    #[serde(default)]
    findings: Vec<Stated>,
    #[serde(default)]
    coverage: Coverage,
}

/// A finding as a module states it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    #[serde(default = "the_host")]
    artifact: Artifact,
    signal: String,
    bearing: Weight,
    say: String,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    evidence: Vec<Rests>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rests {
    source: String,
    #[serde(default)]
    sha256: Option<Digest>,
}

/// What a finding from outside may mean: no act rests on it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Weight {
    Weighs,
    Review,
}

fn the_host() -> Artifact {
    Artifact::Host {}
}

impl Given {
    /// The outcome of the step, with what the host did not show.
    ///
    /// # Errors
    /// When a finding or the coverage has another form than they may have.
    pub(super) fn ran(self, module: &str, mut coverage: Coverage) -> Result<Ran, ExternalError> {
        let lied = |why: String| ExternalError::Lied { why };
        if self.findings.len() > FINDINGS {
            return Err(lied(format!("`findings` has more than {FINDINGS} items")));
        }
        if self.coverage.gaps.len() > GAPS {
            return Err(lied(format!("`coverage.gaps` has more than {GAPS} items")));
        }
        for gap in self.coverage.gaps {
            let most = gap.object.as_bytes().len().min(CHARS);
            coverage.note(
                &escaped(&gap.subject),
                HostBytes::new(&gap.object.as_bytes()[..most]),
                gap.why,
            );
        }
        let findings = self.findings.into_iter().enumerate();
        let findings = findings.map(|(at, stated)| {
            let finding = stated.finding(module);
            finding.map_err(|why| lied(format!("`findings[{at}].{why}")))
        });
        Ok(Ran {
            output: self.output,
            findings: findings.collect::<Result<_, _>>()?,
            coverage,
            verdict: None,
            proposals: Vec::new(),
        })
    }
}

impl Stated {
    fn finding(self, module: &str) -> Result<Finding, String> {
        let is_code = |text: &str| {
            (1..=64).contains(&text.len())
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !is_code(&self.signal) {
            return Err("signal` is no word of a to z, 0 to 9 and _".to_owned());
        }
        if let Some(field) = self.fields.keys().find(|field| !is_code(field) || *field == DOOR) {
            return Err(format!("fields` has a field of the name `{}`", shown(field)));
        }
        let bearing = match self.bearing {
            Weight::Weighs => Bearing::Weighs,
            Weight::Review => Bearing::Review,
        };
        // A code of its own, so that no finding of ours is meant by it.
        let signal = format!("external_{}", self.signal);
        let finding = Finding::new(self.artifact, &signal, bearing, &escaped(&self.say)).by_rule(module);
        let finding = self
            .fields
            .into_iter()
            .fold(finding, |finding, (name, value)| finding.field(&name, escaped(&value)));
        Ok(self.evidence.into_iter().take(16).fold(finding, |finding, rests| {
            finding.rests_on(escaped(&rests.source), rests.sha256)
        }))
    }
}

/// A text of a module, which may be a host's: bounded and escaped.
fn escaped(text: &str) -> String {
    let most = text.char_indices().nth(CHARS).map_or(text.len(), |(at, _)| at);
    HostBytes::from(&text[..most]).to_string()
}

fn plain(name: &str, text: &str) -> Result<(), String> {
    match text.chars().count() <= CHARS && escaped(text).replace("\\\\", "\\") == text.replace("\\\\", "\\") {
        true => Ok(()),
        false => Err(format!(
            "`{name}` is longer than {CHARS} characters, or no plain text of one line"
        )),
    }
}
