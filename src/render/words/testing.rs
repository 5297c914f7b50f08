//! Words of the tests of playbooks, and of recordings.

use crate::commands::test::{Aspect, Branch, Side};

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseEnd {
    /// All is as it must be.
    Right,
    /// So it is, and a snapshot was written anew.
    New,
    /// A snapshot differs.
    Differs,
    /// Something else is not as it must be.
    Wrong,
}

/// See the module.
pub(crate) trait TestWords {
    /// The word before a case; at most five columns.
    fn case_end(&self, end: CaseEnd) -> &'static str;

    /// A time in seconds, with so many digits behind the point as it has.
    fn seconds(&self, seconds: &str) -> String;

    /// That a snapshot was written.
    fn snapshot_written(&self, file: &str) -> String;

    /// How many cases there were, how many of them are right, and how long they took.
    fn cases(&self, all: usize, wrong: usize, took: &str) -> String;

    /// How many steps and branches of a playbook were taken, each of how many.
    fn covered(&self, playbook: &str, steps: [usize; 2], branches: [usize; 2]) -> String;

    /// A way that a step can go.
    fn branch(&self, step: &str, branch: Branch) -> String;

    /// What the command does that takes what came out.
    fn accepts(&self) -> &'static str;

    /// That a recorded host was asked what it does not answer.
    fn not_recorded(&self, host: &str, query: &str) -> String;

    /// That a host has no plan.
    fn no_plan_of(&self, host: &str, why: &str) -> String;

    /// That there is no such snapshot.
    fn no_snapshot(&self, shot: &str, file: &str) -> String;

    /// What is compared. Its values are as they were found: who shows it makes it harmless.
    fn aspect(&self, aspect: &Aspect) -> String;

    /// What was wanted, or came; its values too are as they were found.
    fn side(&self, side: &Side) -> String;

    /// What was recorded of a host.
    fn recorded(&self, folder: &str, host: &str, answers: u64, kib: u64) -> String;

    /// What a playbook came to: the word, and how many actions it proposes.
    fn came_to(&self, judged: &str, actions: u64) -> String;

    /// That so many names became pseudonyms.
    fn pseudonyms(&self, names: u64) -> String;

    /// What a program cannot know of a recording.
    fn read_before_passing_on(&self) -> &'static str;

    /// That all stands in a recording as the host has it.
    fn recorded_raw(&self) -> &'static str;
}
