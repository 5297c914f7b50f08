//! Words of what can be taken back.

use deminer_engine::undo::NoWay;

/// What a step of an undo gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivesBack {
    Nothing,
    Running,
    File { armed: bool },
    Starter { armed: bool },
    Lines { armed: bool },
    Link { armed: bool },
    Flags,
    Login,
    Network,
    CpuTime,
    ByCommand,
}

/// See the module.
pub(crate) trait UndoWords {
    /// How much of which run can be taken back, and how many programs of hosts are run for it.
    fn can_be_taken_back(&self, changes: u64, programs: u64, run: &str) -> String;

    /// What a step gives back.
    fn gives_back(&self, what: GivesBack) -> &'static str;

    /// Why something cannot be taken back.
    fn no_way(&self, why: NoWay) -> &'static str;

    /// That what starts something will start it again, and why that is wanted.
    fn armed(&self, because: &str) -> String;

    /// How what starts something comes back.
    fn disarmed(&self) -> &'static str;
}
