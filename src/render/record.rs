//! What was recorded of a host, and what playbooks came to on it.

use std::collections::BTreeMap;

use deminer_engine::finding::HostVerdict;
use deminer_engine::plan::HostPlan;
use serde_json::{Value, json};

use super::Style;
use super::plain::plain;
use super::plan::Judged;
use super::words::Words;

/// What a host looked like to a playbook, without what pseudonyms change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    verdict: Option<HostVerdict>,
    end: String,
    acts: BTreeMap<&'static str, u64>,
}

impl Shape {
    /// Of a plan's part.
    pub(crate) fn of(plan: &HostPlan) -> Shape {
        let mut acts = BTreeMap::new();
        for action in &plan.orders.actions {
            *acts.entry(action.act.kind()).or_default() += 1;
        }
        Shape {
            verdict: plan.verdict.as_ref().map(|verdict| verdict.host),
            end: format!("{:?}", std::mem::discriminant(&plan.end)),
            acts,
        }
    }

    /// In a sentence.
    pub(crate) fn text(&self, words: &dyn Words) -> String {
        let judged = self.verdict.map_or(Judged::NoWord, Judged::of);
        words.came_to(words.judged(judged), self.acts.values().sum())
    }
}

/// A recording.
pub(crate) struct Recording<'a> {
    pub(crate) folder: &'a str,
    pub(crate) host: &'a str,
    /// How many answers, and their bytes.
    pub(crate) size: (u64, u64),
    /// Each playbook with what it came to.
    pub(crate) looks: Vec<(&'a str, &'a Shape)>,
    /// How many names became pseudonyms; `None` where all stayed as it was.
    pub(crate) pseudonyms: Option<usize>,
}

/// For people.
pub(crate) fn text(recording: &Recording<'_>, style: &Style) -> String {
    let words = style.words();
    let (answers, bytes) = recording.size;
    let (folder, host) = (plain(recording.folder), plain(recording.host));
    let mut out = format!("{}\n", words.recorded(&folder, &host, answers, bytes.div_ceil(1024)));
    for (playbook, look) in &recording.looks {
        out.push_str(&format!("  {}\n", words.of(&plain(playbook), &look.text(words))));
    }
    out.push_str(&match recording.pseudonyms {
        Some(names) => format!(
            "{}\n{}\n",
            words.pseudonyms(names as u64),
            words.read_before_passing_on()
        ),
        None => format!("{}\n", words.recorded_raw()),
    });
    out
}

/// For programs.
pub(crate) fn json(recording: &Recording<'_>) -> Value {
    let looks = recording.looks.iter();
    let looks = looks.map(|(playbook, look)| {
        let verdict = look.verdict.map(|verdict| verdict.to_string());
        json!({"playbook": playbook, "verdict": verdict, "actions": look.acts})
    });
    json!({
        "host": recording.host,
        "folder": recording.folder,
        "answers": recording.size.0,
        "bytes": recording.size.1,
        "pseudonyms": recording.pseudonyms,
        "looks": looks.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn what_was_recorded() {
        let plan = sample::plan();
        let shapes: Vec<Shape> = plan.hosts().map(Shape::of).collect();
        let unjudged = Shape {
            verdict: None,
            ..shapes[0].clone()
        };
        let recording = |pseudonyms| Recording {
            folder: "hosts/web-1",
            host: "web-1\u{1b}[2J",
            size: (1, 1025),
            looks: vec![("linux-miner", &shapes[0]), ("own.yml", &unjudged)],
            pseudonyms,
        };
        let all = |style| text(&recording(Some(12)), style) + &text(&recording(None), style);
        insta::assert_snapshot!("recording", all(&Style::PLAIN));
        insta::assert_snapshot!("recording_zh", all(&Style::CHINESE));
    }
}
