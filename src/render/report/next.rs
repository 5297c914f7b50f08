//! What to do next, as commands to paste.

use deminer_engine::event::Purpose;
use deminer_engine::report::{Next, NextStep, Report};

use super::super::Style;
use super::super::paste::{Paste, REMOVES};
use super::super::plain::{plain, shell_word};
use super::super::style::{padded, visible_width};
use super::super::words::{Advice, Label, Words};
use super::NAMED;

/// In the place of an environment that somebody is to choose.
const ENVIRONMENT: &str = "NAME";

/// A step: what to paste, where a command does it, and why.
pub(super) struct Step {
    pub(super) command: Option<String>,
    pub(super) why: String,
}

/// The steps, the most urgent first.
pub(super) fn steps(report: &Report, words: &dyn Words, paste: &Paste<'_>) -> Vec<Step> {
    let paste = Paste {
        asked: report.asked.as_ref(),
        ..*paste
    };
    report
        .next
        .iter()
        .map(|next| step(report, next, words, &paste))
        .collect()
}

fn step(report: &Report, next: &Next, words: &dyn Words, paste: &Paste<'_>) -> Step {
    let named = super::folded(next.hosts.iter().map(String::as_str));
    let shown = match named.len() > NAMED {
        true => words.many_hosts(next.hosts.len()),
        false => words.and(&named),
    };
    let is_signed = report.approval.as_ref().is_some_and(|yes| !yes.signed.is_empty());
    let apply = || {
        let hash = report.plan.as_ref()?.short();
        Some(paste.command(&match is_signed {
            true => format!("deminer apply {hash} --approval FILE..."),
            false => format!("deminer apply {hash} --approve {hash}"),
        }))
    };
    // `linux-miner 1`: the name, without the version.
    let name = report
        .playbook
        .rsplit_once(' ')
        .map_or(&*report.playbook, |(name, _)| name);
    let name = (!name.is_empty()).then_some(name);
    let plan = || Some(paste.plan(Err(name?), &next.hosts));
    let further = || {
        let asked = report.asked.clone().map(|asked| asked.elsewhere(ENVIRONMENT));
        let paste = Paste {
            asked: asked.as_ref(),
            ..*paste
        };
        Some(paste.plan(Err(name?), &next.hosts))
    };
    let of_run = |verb: &str| {
        let command = || paste.command(&format!("deminer {verb} {}", shell_word(&plain(&report.run))));
        (!report.run.is_empty()).then(command)
    };
    let is_apply = report.purpose == Some(Purpose::Apply);
    let (command, advice) = match next.step {
        NextStep::Resume if is_apply => (of_run("resume"), Advice::Ask),
        NextStep::Resume => (None, Advice::TakeUp),
        NextStep::Later => (of_run("resume"), Advice::Later),
        NextStep::Watch => (of_run("verify"), Advice::Watch),
        NextStep::PlanAgain => (plan(), Advice::Look),
        NextStep::PlanFurther => (further(), Advice::Further),
        NextStep::PlanRemoval => (Some(paste.plan(Ok(REMOVES), &next.hosts)), Advice::Removal),
        NextStep::Apply if report.plan.is_some() => (apply(), Advice::Apply),
        NextStep::Apply => (plan(), Advice::Plan),
        NextStep::Again if is_apply => (of_run("resume"), Advice::Again),
        NextStep::Again => (plan(), Advice::Again),
        NextStep::Review => (None, Advice::Review),
    };
    Step {
        command,
        why: words.advice(advice, &shown),
    }
}

/// The steps, for people: commands are never wrapped.
pub(super) fn text(report: &Report, style: &Style, paste: &Paste<'_>) -> String {
    let words = style.words();
    let label = words.label(Label::Next);
    let column = visible_width(label) + 2;
    let mut out = String::new();
    if report.next.is_empty() && !report.run.is_empty() {
        let run = shell_word(&plain(&report.run));
        let command = paste.command(&format!("deminer report {run} --format markdown"));
        return format!("{}{command}\n", padded(label, column));
    }
    for (at, step) in steps(report, words, paste).into_iter().enumerate() {
        let lead = padded(if at == 0 { label } else { "" }, column);
        match step.command {
            Some(command) => {
                out.push_str(&format!("{lead}{command}\n"));
                out.push_str(&style.hang(&padded("", column + 2), &step.why));
            }
            None => out.push_str(&style.hang(&lead, &step.why)),
        }
    }
    out
}
