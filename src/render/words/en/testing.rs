//! English words of the tests of playbooks, and of recordings.

use super::super::testing::{CaseEnd, TestWords};
use super::super::things::Things;
use super::English;
use super::things::counted;
use crate::commands::test::{Aspect, Branch, Side};

impl TestWords for English {
    fn case_end(&self, end: CaseEnd) -> &'static str {
        match end {
            CaseEnd::Right => "ok",
            CaseEnd::New => "new",
            CaseEnd::Differs => "DIFF",
            CaseEnd::Wrong => "WRONG",
        }
    }

    fn seconds(&self, seconds: &str) -> String {
        format!("{seconds} s")
    }

    fn snapshot_written(&self, file: &str) -> String {
        format!("written: {file}")
    }

    fn cases(&self, all: usize, wrong: usize, took: &str) -> String {
        let cases = if all == 1 { "case" } else { "cases" };
        let right = all - wrong;
        match wrong {
            0 => format!("{all} {cases}: {right} right; {took}"),
            wrong => format!("{all} {cases}: {right} right, {wrong} wrong; {took}"),
        }
    }

    fn covered(&self, playbook: &str, [steps, of_steps]: [usize; 2], [branches, of_branches]: [usize; 2]) -> String {
        format!("{playbook}: steps {steps} of {of_steps}, branches {branches} of {of_branches}")
    }

    fn branch(&self, step: &str, branch: Branch) -> String {
        let way = match branch {
            Branch::Stops => "stops",
            Branch::GoesOn => "goes on",
            Branch::Holds => "when it holds",
            Branch::HoldsNot => "when it does not",
            Branch::FailsAndGoesOn => "fails and goes on",
        };
        format!("{step}: {way}")
    }

    fn accepts(&self) -> &'static str {
        "takes what came out, or `cargo insta review` one by one"
    }

    fn not_recorded(&self, host: &str, query: &str) -> String {
        format!("host `{host}` was asked what is not recorded: {query}; record it anew: `deminer record`")
    }

    fn no_plan_of(&self, host: &str, why: &str) -> String {
        format!("host `{host}` has no plan: {why}")
    }

    fn no_snapshot(&self, shot: &str, file: &str) -> String {
        format!("{shot}: there is no {file} yet")
    }

    fn aspect(&self, aspect: &Aspect) -> String {
        match aspect {
            Aspect::Verdict(host) => format!("verdict of {host}"),
            Aspect::Status(host) => format!("status of {host}"),
            Aspect::Actions(kind) => format!("actions of the kind {kind}"),
            Aspect::Finding(signal) => format!("a finding {signal}"),
            Aspect::Below(path) => format!("what is done below {path}"),
            Aspect::Stopped(host) => format!("why {host} was stopped"),
            Aspect::Refused => "it is refused".to_owned(),
        }
    }

    fn side(&self, side: &Side) -> String {
        match side {
            Side::Word(word) => word.clone(),
            Side::None => "none".to_owned(),
            Side::Yes => "yes".to_owned(),
            Side::No => "no".to_owned(),
            Side::Nothing => "nothing".to_owned(),
            Side::Acts(acts) => {
                let acts: Vec<String> = acts.iter().map(|(kind, path)| self.act(kind, path)).collect();
                self.commas(&acts)
            }
            Side::Through => "it went through".to_owned(),
            Side::Failed { place, why } => format!("it failed: {place}: {why}"),
            Side::NotRefused => "it was not refused".to_owned(),
        }
    }

    fn recorded(&self, folder: &str, host: &str, answers: u64, kib: u64) -> String {
        format!("{folder}: {answers} answers of {host}, {kib} KiB")
    }

    fn came_to(&self, judged: &str, actions: u64) -> String {
        format!("{judged}, {}", counted(actions, "action", "actions"))
    }

    fn pseudonyms(&self, names: u64) -> String {
        format!("{names} names, addresses and keys became pseudonyms; what it answers was tried and comes to the same.")
    }

    fn read_before_passing_on(&self) -> &'static str {
        "Read it before you pass it on: free text may say more than a program can know."
    }

    fn recorded_raw(&self) -> &'static str {
        "Nothing was changed: names, addresses and keys of the host stand in it."
    }
}
