//! Words of questions: the one before an apply, and those of playbooks.

/// See the module.
pub(crate) trait AskWords {
    /// A playbook's question.
    fn asks(&self, host: &str, step: &str, question: &str) -> String;

    /// What may be answered to it; any line where there are no words.
    fn answer_with(&self, answers: &[String], default: Option<&str>) -> String;

    /// That what was typed is no answer.
    fn no_answer(&self, answers: &[String], default: Option<&str>) -> String;

    /// What is left out of the plan that was just shown.
    fn leaves_out(&self, actions: &[String]) -> String;

    /// That only evidence is kept.
    fn only_preserves(&self) -> &'static str;

    /// That only evidence is kept and the hosts are quieted.
    fn only_contains(&self) -> &'static str;

    /// The question for the plan's hash.
    fn type_the_hash(&self, hosts: u64) -> String;

    /// The question for a component that needs a yes of its own.
    fn type_the_component(&self, name: &str) -> String;

    /// That it was approved, when, and how much that is.
    fn approved_here(&self, at: &str, actions: u64, hosts: u64) -> String;

    /// That it was not approved.
    fn not_approved(&self) -> &'static str;

    /// Where the plan is, for later.
    fn still_there(&self, command: &str) -> String;
}
