//! What runs there are.

use deminer_engine::event::Purpose;
use deminer_engine::report::Report;
use serde_json::{Value, json};

use super::Style;
use super::plain::plain;
use super::table::Table;
use super::words::{Label, Words};

/// A run in a list.
pub(crate) struct Row<'r> {
    run: &'r str,
    report: &'r Report,
    /// Whether a process works on it now.
    is_at_work: bool,
}

impl<'r> Row<'r> {
    /// Of a run and its report.
    pub(crate) fn of(run: &'r str, report: &'r Report, is_at_work: bool) -> Row<'r> {
        Row {
            run,
            report,
            is_at_work,
        }
    }

    /// Whether it was cut: nobody works on it, and it is not through.
    fn is_open(&self) -> bool {
        self.report.unfinished() && !self.is_at_work
    }

    /// How its hosts ended: `2 eradicated, 1 clean`.
    fn ended(&self, words: &dyn Words) -> String {
        let state = match (self.is_at_work, self.is_open()) {
            (true, _) => Some(words.at_work().to_owned()),
            (false, true) => Some(words.cut_short().to_owned()),
            (false, false) => None,
        };
        let statuses = &self.report.headline.statuses;
        let statuses = statuses
            .iter()
            .map(|(status, hosts)| words.so_many_are(*hosts, *status));
        let parts: Vec<String> = state.into_iter().chain(statuses).collect();
        parts.join(", ")
    }
}

/// For people.
pub(crate) fn text(rows: &[Row<'_>], style: &Style) -> String {
    let words = style.words();
    if rows.is_empty() {
        return style.hang("", words.no_runs());
    }
    let mut table =
        Table::new(&[Label::Run, Label::Purpose, Label::Playbook, Label::Status].map(|label| words.label(label)));
    for row in rows {
        table.row(vec![
            row.run.to_owned(),
            row.report
                .purpose
                .map_or(String::new(), |purpose| words.purpose(purpose).to_owned()),
            plain(&row.report.playbook).into_owned(),
            row.ended(words),
        ]);
    }
    table.text(style)
}

/// For programs.
pub(crate) fn json(rows: &[Row<'_>]) -> Value {
    let rows = rows.iter().map(|row| {
        json!({
            "run": row.run,
            "purpose": row.report.purpose,
            "playbook": row.report.playbook,
            "plan": row.report.plan,
            "started_ms": row.report.started_ms,
            "finished_ms": row.report.finished_ms,
            "statuses": row.report.headline.statuses,
            "unfinished": row.report.unfinished(),
            "at_work": row.is_at_work,
            "can_be_undone": row.report.purpose == Some(Purpose::Apply) && row.report.counts.changes.done > 0,
        })
    });
    json!({"runs": rows.collect::<Vec<_>>()})
}
