//! English words of what can be taken back.

use deminer_engine::undo::NoWay;

use super::super::undo::{GivesBack, UndoWords};
use super::English;
use super::things::counted;

impl UndoWords for English {
    fn can_be_taken_back(&self, changes: u64, programs: u64, run: &str) -> String {
        let changes = counted(changes, "change", "changes");
        let started = match programs {
            0 => "nothing is started by it".to_owned(),
            programs => format!(
                "it runs {}, and starts nothing else",
                counted(programs, "program", "programs")
            ),
        };
        format!("{changes} of run {run} can be taken back. Nothing has been changed; {started}.")
    }

    fn gives_back(&self, what: GivesBack) -> &'static str {
        match what {
            GivesBack::Nothing => "nothing",
            GivesBack::Running => "lets it run",
            GivesBack::File { armed: true } | GivesBack::Starter { armed: true } => "the file",
            GivesBack::File { armed: false } => "the file, not executable",
            GivesBack::Starter { armed: false } => "the file, disarmed",
            GivesBack::Lines { armed: true } => "the lines",
            GivesBack::Lines { armed: false } => "the lines, as comments",
            GivesBack::Link { armed: true } => "the link",
            GivesBack::Link { armed: false } => "the link, disarmed",
            GivesBack::Flags => "its flags",
            GivesBack::Login => "the login",
            GivesBack::Network => "the network",
            GivesBack::CpuTime => "its CPU time",
            GivesBack::ByCommand => "by its command",
        }
    }

    fn no_way(&self, why: NoWay) -> &'static str {
        match why {
            NoWay::None => "there is no way back; what it ran or held is in the vault",
            NoWay::Unknown => "it is not known whether it was done: look at the host",
            NoWay::DoesNotFit => {
                "what the host says of the way back does not fit the plan: restore it by hand from the vault"
            }
            NoWay::NotKept => "this host gave no copy of it",
        }
    }

    fn armed(&self, because: &str) -> String {
        format!("what starts something will start it again: {because}")
    }

    fn disarmed(&self) -> &'static str {
        "what could start the intruder comes back where nothing reads it: lines as comments, files as `.NAME.disarmed`, \
         programs without their execute bits"
    }
}
