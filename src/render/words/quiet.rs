//! Words of what is contained after one yes.

/// See the module.
pub(crate) trait QuietWords {
    /// That nothing to contain was found.
    fn nothing_to_contain(&self) -> &'static str;

    /// How many changes would be made, and that it is nothing else.
    fn would_contain(&self, changes: u64) -> String;

    /// The question, on so many hosts; the one answer is `yes`.
    fn type_yes(&self, hosts: u64) -> String;

    /// How it is done where nobody can be asked.
    fn to_do_it(&self, command: &str) -> String;

    /// That the answer was no yes.
    fn nothing_was_changed(&self) -> &'static str;

    /// How it is taken back.
    fn to_take_it_back(&self, command: &str) -> String;

    /// A table that holds packets back: for how long at most, and what stays of it.
    fn holds_packets(&self, table: &str, ms: u64) -> String;
}
