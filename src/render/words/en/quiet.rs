//! English words of what is contained after one yes.

use super::super::quiet::QuietWords;
use super::super::things::{Noun, Things};
use super::English;
use super::things::counted;

impl QuietWords for English {
    fn nothing_to_contain(&self) -> &'static str {
        "Nothing to contain was found. Nothing was changed."
    }

    fn would_contain(&self, changes: u64) -> String {
        format!(
            "{} would be made, and nothing else: nothing is ended, removed or kept. All of it can be taken back at once.",
            counted(changes, "change", "changes")
        )
    }

    fn type_yes(&self, hosts: u64) -> String {
        format!("Type `yes` to do this on {}: ", self.count(hosts, Noun::Host))
    }

    fn to_do_it(&self, command: &str) -> String {
        format!("Nothing was changed. To do it: {command}")
    }

    fn nothing_was_changed(&self) -> &'static str {
        "Nothing was changed."
    }

    fn to_take_it_back(&self, command: &str) -> String {
        format!("To take it back: {command}")
    }

    fn holds_packets(&self, table: &str, ms: u64) -> String {
        format!(
            "nftables `{table}` holds packets back for {} at most, whatever becomes of us; its rules then match nothing, and \
             stay until the next apply or undo there",
            self.span(ms)
        )
    }
}
