//! English words of whether a run's directory is as it was written.

use super::super::audit::{AuditWords, Unsound};
use super::English;
use super::things::counted;

impl AuditWords for English {
    fn audited(&self, run: &str, chains: u64, lines: u64, sound: u64) -> String {
        format!(
            "run {run}: {} with {}; {} of the vault read back.",
            counted(chains, "journal", "journals"),
            counted(lines, "line that holds", "lines that hold"),
            counted(sound, "content", "contents"),
        )
    }

    fn does_not_hold(&self) -> &'static str {
        "DOES NOT HOLD"
    }

    fn unsound(&self, what: &Unsound<'_>) -> String {
        match *what {
            Unsound::Broken { chain, line, why } => format!("journal of {chain}, line {line}: {why}"),
            Unsound::Torn { chain, bytes } => {
                format!("journal of {chain}: {bytes} bytes of a line at its end; a crash leaves that")
            }
            Unsound::Stranger(chain) => format!("journal of {chain}: of another run, or a second one"),
            Unsound::NoChain(host) => format!("{host} is of the run and has no journal"),
            Unsound::Stray(file) => format!("journal/{file} is no journal of this run"),
            Unsound::Short(host) => format!("journal of {host}: lines that it had are missing"),
            Unsound::Plan {
                expected,
                found: Some(found),
            } => format!("the plan: the run began with {expected}, here is {found}"),
            Unsound::Plan { expected, found: None } => {
                format!("the plan: the run began with {expected}, here is none that can be read")
            }
            Unsound::HostPlan(host) => format!("the plan for {host} is not the one that was carried out"),
            Unsound::Approval => "the approval is not there, or not the one that was checked".to_owned(),
            Unsound::Signed(file) => {
                format!("approvals/{file} is not there, or not the one that was checked")
            }
            Unsound::Damaged { file, why } => format!("{file}: {why}"),
            Unsound::Missing(sha256) => format!("the vault lacks content {sha256}"),
            Unsound::Manifest(line) => format!("the vault's manifest, line {line}, cannot be read"),
            Unsound::Unlisted { sha256, host } => {
                format!("the vault's manifest does not say of content {sha256} what the journal of {host} says")
            }
            Unsound::Claimed { sha256, host } => {
                format!("the vault's manifest has content {sha256} of {host}, of which no journal knows")
            }
            Unsound::Head(head) => {
                format!("no journal of this run has, or had, the head {head}: something was cut off")
            }
        }
    }

    fn all_holds(&self) -> &'static str {
        "All of it fits together. That nothing was written anew is proven by a head that was printed or kept elsewhere."
    }

    fn head_of_journals(&self, head: &str) -> String {
        format!("Journals end at {head}: kept elsewhere, it proves them unchanged.")
    }

    fn may_grow(&self) -> &'static str {
        "The run is not through: its journals may grow."
    }
}
