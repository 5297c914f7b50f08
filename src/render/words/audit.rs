//! Words of whether a run's directory is as it was written.

/// What does not hold. Texts are harmless already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsound<'a> {
    /// A line does not follow the one before.
    Broken { chain: &'a str, line: u64, why: &'a str },
    /// A part of a line at the end.
    Torn { chain: &'a str, bytes: u64 },
    /// A chain of another run, or a second one.
    Stranger(&'a str),
    /// A host without a chain.
    NoChain(&'a str),
    /// A file that is no chain of the run.
    Stray(&'a str),
    /// A chain that lacks lines which it had.
    Short(&'a str),
    /// Another plan, or none.
    Plan { expected: &'a str, found: Option<&'a str> },
    /// A host's part of the plan.
    HostPlan(&'a str),
    /// Another approval, or none.
    Approval,
    /// A file of the signed approvals.
    Signed(&'a str),
    /// A damaged content.
    Damaged { file: &'a str, why: &'a str },
    /// A content that is not there.
    Missing(&'a str),
    /// A line of the vault's list.
    Manifest(u64),
    /// The vault's list does not say what a journal says.
    Unlisted { sha256: &'a str, host: &'a str },
    /// The vault's list says what no journal says.
    Claimed { sha256: &'a str, host: &'a str },
    /// No such head.
    Head(&'a str),
}

/// See the module.
pub(crate) trait AuditWords {
    /// What was looked at: chains, their lines, contents of the vault that are sound.
    fn audited(&self, run: &str, chains: u64, lines: u64, sound: u64) -> String;

    /// The word before what does not hold.
    fn does_not_hold(&self) -> &'static str;

    /// Something that does not hold.
    fn unsound(&self, what: &Unsound<'_>) -> String;

    /// That all holds, and what that rests on.
    fn all_holds(&self) -> &'static str;

    /// The head of a run's journals, and what holds the run against it.
    fn head_of_journals(&self, head: &str) -> String;

    /// That the run is not through.
    fn may_grow(&self) -> &'static str;
}
