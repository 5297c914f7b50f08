//! English words of approvals.

use deminer_engine::approval::Needed;

use super::super::approval::{ApprovalWords, Approved, by_effect};
use super::super::{Noun, Things};
use super::English;
use super::things::counted;

impl ApprovalWords for English {
    fn needs(&self, people: Needed, unsigned: bool, list: Option<&str>) -> String {
        let list = list.map(|list| format!(", by the list {list}")).unwrap_or_default();
        match (unsigned, people.most()) {
            (true, _) => format!("one yes, signed or not{list}"),
            (false, _) if people.least() < people.most() => {
                let [keep, contain, destroy] = by_effect(people);
                format!(
                    "signed approvals of different people: {keep} to keep, {contain} to contain, {destroy} to destroy{list}"
                )
            }
            (false, 1) => format!("1 signed approval{list}"),
            (false, more) => format!("{more} signed approvals of different people{list}"),
        }
    }

    fn approves(&self, approved: &Approved<'_>) -> String {
        let (actions, left_out) = approved.actions;
        let (hosts, names) = approved.hosts;
        let left_out = match left_out {
            0 => String::new(),
            left_out => format!("; {left_out} left out"),
        };
        format!(
            "{}: {} on {}, {names}{left_out}",
            approved.effects.join(", "),
            counted(actions, "action", "actions"),
            self.count(hosts, Noun::Host)
        )
    }

    fn signed_with(&self, file: &str, key: &str) -> String {
        format!("{file}, with {key}")
    }

    fn not_signed_yet(&self) -> &'static str {
        "none yet: it counts for nothing until it is signed"
    }

    fn counts_not_here(&self) -> &'static str {
        "The approval is written. By the policy here it would not count."
    }

    fn approved_too_rarely(&self, hosts: &str) -> String {
        format!("Not approved by enough, left alone: {hosts}")
    }

    fn signed_by(&self, signer: &str, key: &str, at: &str) -> String {
        format!("signed by `{signer}` with {key} {at}")
    }

    fn head_is_signed(&self, file: &str, namespace: &str) -> String {
        format!("signed as {namespace}: {file} and {file}.sig; keep them where this run is not")
    }
}
