//! What people said of the incident: told before the run, or answered in it.

use deminer_engine::ask::Answered;
use deminer_engine::incident::Incident;

use super::plain::{cut, plain};
use super::unit::time;
use super::words::Words;

/// Columns of what somebody said.
const SAID: usize = 400;

/// Indicators that are named.
const INDICATORS: usize = 8;

/// What was told, one clause each; none where nothing was said.
pub(crate) fn told(incident: &Incident, words: &dyn Words) -> Vec<String> {
    let said = |text: &Option<String>| text.as_ref().map(|text| cut(&plain(text), SAID).into_owned());
    let mut told = Vec::new();
    told.extend(said(&incident.source).map(|source| words.alarm_from(&source)));
    if !incident.indicators.is_empty() {
        let named = incident.indicators.iter().take(INDICATORS);
        let mut named: Vec<String> = named.map(|word| cut(&plain(word), SAID).into_owned()).collect();
        if let more @ 1.. = incident.indicators.len() - named.len() {
            named.push(words.further(more as u64));
        }
        told.push(words.indicators(&words.list(&named)));
    }
    told.extend(said(&incident.appeared).map(|at| words.said_to_appear(&at)));
    told.extend(said(&incident.found).map(|at| words.found(&at)));
    told.extend(said(&incident.handled).map(|at| words.handled(&at)));
    told.extend(said(&incident.done_already).map(|done| words.done_already(&done)));
    told.extend(said(&incident.way_in).map(|name| words.said_way_in(&name)));
    told.extend(said(&incident.topology).map(|network| words.topology(&network)));
    told
}

/// A question of the playbook with its answer.
pub(crate) fn answered(answered: &Answered, words: &dyn Words) -> String {
    let question = plain(words.authored(&answered.question));
    let question = cut(question.trim_end_matches([':', '：', '.', '。']), SAID).into_owned();
    words.answered(
        &question,
        &plain(&answered.answer),
        &plain(&answered.by),
        answered.means,
        &time(answered.at_ms.0),
    )
}
