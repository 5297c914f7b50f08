//! What to do next, as commands to paste.

use deminer_engine::event::Purpose;
use deminer_engine::report::{Next, NextStep, Report};

use super::super::Style;
use super::super::plain::{plain, shell_word};
use super::super::style::padded;
use super::super::unit::and;
use super::NAMED;

/// The column of the commands.
const COLUMN: usize = 6;

/// A step: what to paste, where a command does it, and why.
pub(super) struct Step {
    pub(super) command: Option<String>,
    pub(super) why: String,
}

/// The steps, the most urgent first.
pub(super) fn steps(report: &Report) -> Vec<Step> {
    report.next.iter().map(|next| step(report, next)).collect()
}

fn step(report: &Report, next: &Next) -> Step {
    let hosts: Vec<String> = next.hosts.iter().map(|host| plain(host).into_owned()).collect();
    let shown = match hosts.len() > NAMED {
        true => format!("{} hosts", hosts.len()),
        false => and(&hosts),
    };
    let apply = || {
        report
            .plan
            .as_ref()
            .map(|plan| format!("deminer apply {0} --approve {0}", plan.short()))
    };
    let plan = || {
        // `linux-miner 1`: the name, without the version.
        let name = report
            .playbook
            .rsplit_once(' ')
            .map_or(report.playbook.as_str(), |(name, _)| name);
        let words = std::iter::once(shell_word(&plain(name))).chain(hosts.iter().map(|host| shell_word(host)));
        (!name.is_empty()).then(|| format!("deminer plan {}", words.collect::<Vec<_>>().join(" ")))
    };
    let is_apply = report.purpose == Some(Purpose::Apply);
    let (command, why) = match next.step {
        NextStep::Resume if is_apply => {
            let command = format!("deminer report {}", shell_word(&plain(&report.run)));
            let why = format!("asks {shown} what was done; not known until then");
            ((!report.run.is_empty()).then_some(command), why)
        }
        NextStep::Resume => (
            None,
            format!("take the run up again on {shown}: something is half done or not known"),
        ),
        NextStep::PlanAgain => (plan(), format!("looks at {shown} anew; changes nothing")),
        NextStep::Apply if report.plan.is_some() => (apply(), format!("when the plan for {shown} was read")),
        NextStep::Apply => (plan(), format!("plans {shown} anew, to be read and approved")),
        NextStep::Again if is_apply => (
            apply(),
            format!("{shown} once more, when what stood in the way is gone"),
        ),
        NextStep::Again => (plan(), format!("{shown} once more, when what stood in the way is gone")),
        NextStep::Review => (None, format!("a person looks at {shown}; nothing is proposed there")),
    };
    Step { command, why }
}

/// The steps, for people: commands are never wrapped.
pub(super) fn text(report: &Report, style: &Style) -> String {
    let mut out = String::new();
    if report.next.is_empty() && !report.run.is_empty() {
        let run = shell_word(&plain(&report.run));
        return format!("{}deminer report {run} --format markdown\n", padded("next", COLUMN));
    }
    for (at, step) in steps(report).into_iter().enumerate() {
        let lead = padded(if at == 0 { "next" } else { "" }, COLUMN);
        match step.command {
            Some(command) => {
                out.push_str(&format!("{lead}{command}\n"));
                out.push_str(&style.hang(&padded("", COLUMN + 2), &step.why));
            }
            None => out.push_str(&style.hang(&lead, &step.why)),
        }
    }
    out
}
