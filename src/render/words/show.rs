//! Words of one action, with all that it rests on.

use deminer_worker::action::{FileTarget, LinkTarget, ProcessTarget};

/// What must hold on the host when an act is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The process is the same.
    Process,
    /// The file is the same.
    File,
    /// The lines are still there.
    Lines,
    /// The text without the lines must still be valid sudoers(5).
    Sudoers,
    /// What is read has the identity.
    Object,
    /// The link is the same.
    Link,
    /// The files of the units are gone.
    UnitsGone,
    /// The account's line is the same.
    Account,
    /// It does not hold our own session.
    Network,
    /// The program has this content.
    Program,
}

/// How one act is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WayBack {
    /// A copy changes nothing.
    Copy,
    /// A manager that reads its units anew changes nothing.
    Reload,
    /// The process runs again.
    Thaw,
    /// Not at all.
    None,
    /// So many bytes are written back.
    File(u64),
    /// So many lines are put back.
    Lines(u64),
    /// The flags are set again.
    Flags,
    /// So many bytes are written back where nothing reads them.
    Starter(u64),
    /// The link is made again where nothing reads it.
    Link,
    /// The account can log in again.
    Account,
    /// Packets pass again.
    Network,
    /// The process is scheduled as before.
    Scheduling,
    /// This command is run; `None` where the plan states none.
    Command(Option<String>),
}

/// A process, and what was seen of it beside its identity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessIdentity<'a> {
    pub(crate) process: &'a ProcessTarget,
    pub(crate) name: &'a str,
    pub(crate) boot: &'a str,
    pub(crate) parent: Option<u32>,
    pub(crate) deleted: bool,
}

/// See the module.
pub(crate) trait ShowWords {
    /// That the actions of equal hosts are listed of one, and how those of another are.
    fn listed_of(&self, host: &str, equal: &str) -> String;

    /// The first line of an action.
    fn action(&self, id: &str, kind: &'static str, way_back: &str, component: u32, plan: &str) -> String;

    /// Lines by number, of how many the file has.
    fn lines_of_all(&self, numbers: &[u32], all: u32) -> String;

    /// In the place of a line that may hold a secret.
    fn withheld(&self) -> &'static str;

    /// That nothing is shown of what stands around lines.
    fn nothing_around(&self) -> &'static str;

    /// The weight of a finding.
    fn points(&self, points: i32) -> String;

    /// A source of evidence.
    fn source(&self, source: &str, sha256: Option<&str>) -> String;

    /// A process, with all that identifies it.
    fn process_identity(&self, identity: &ProcessIdentity<'_>) -> String;

    /// A file, with all that identifies it; `flags` are those that hold it, `changed` is when its content last changed.
    fn file_identity(&self, file: &FileTarget, flags: Option<&str>, changed: &str) -> String;

    /// A link, with all that identifies it; `shown` is where it is and where it points.
    fn link_identity(&self, shown: &str, link: &LinkTarget) -> String;

    /// An account, with all that identifies it.
    fn account_identity(&self, account: &str, line_sha256: &str) -> String;

    /// A command, with its program and after how many milliseconds it is ended.
    fn command_identity(&self, command: &str, timeout_ms: u64, program: &str) -> String;

    /// What must hold on the host.
    fn only_if(&self, condition: Condition) -> &'static str;

    /// What must be done before.
    fn done_before(&self, actions: &[String]) -> String;

    /// How it is taken back.
    fn taken_back(&self, way: WayBack) -> String;

    /// How it is left out of an apply.
    fn leave_out(&self, id: &str) -> String;
}
