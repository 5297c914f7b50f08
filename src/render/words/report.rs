//! Words of the account of a run.

use deminer_engine::ask::ReplyMeans;
use deminer_engine::event::Seen;
use deminer_engine::report::{Entry, UndoWay};
use deminer_engine::status::Status;
use deminer_worker::frame::{Part, Spared};

use super::{Label, Removed};

/// Hosts in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// Their names; none where there are too many to be named.
    pub(crate) named: Vec<String>,
    /// How many there are.
    pub(crate) all: usize,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    LeftOut,
    NothingHeard,
    Begun,
    Done,
    Gone,
    Already,
    WouldNotStop,
    /// A program ran, and ended so, as it is written everywhere: `exit status 0`.
    Ran(&'a str),
    NotDone(Option<&'a str>),
    Skipped(&'a str),
    Drifted,
    Unknown(&'a str),
}

/// What stood in the way of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle<'a> {
    NotReached(&'a str),
    Lost(&'a str),
    Blocked(&'a str),
    Failed {
        place: &'a str,
        why: &'a str,
    },
    Refused(&'a str),
    NotOrdered(&'a str),
    /// A process that fits the envelope was left alone.
    Spared {
        pid: u32,
        comm: &'a str,
        why: &'a str,
    },
    Cancelled,
    /// The time of what was approved is over.
    Expired(&'a str),
    /// Nothing may be removed outside these windows, and when one opens.
    Closed {
        windows: &'a str,
        opens: &'a str,
    },
}

/// What to do next about hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Ask what was done.
    Ask,
    /// Take the run up again.
    TakeUp,
    /// Take the run up when something may be removed.
    Later,
    /// Watch what was struck.
    Watch,
    /// Look anew.
    Look,
    /// Apply the plan, when it was read.
    Apply,
    /// Make a plan.
    Plan,
    /// Make a plan that may remove what is contained.
    Further,
    /// Make a plan that removes.
    Removal,
    /// Do the same once more.
    Again,
    /// Let a person look.
    Review,
}

/// How a chain of a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChainsEnd {
    NotUsed,
    Whole,
    Torn(u64),
    Broken(u64),
}

/// See the module.
pub(crate) trait ReportWords {
    /// That the run is not through, and with which hosts.
    fn not_through(&self, open: Option<&Names>) -> String;

    /// That hosts ended before the commit.
    fn before_commit(&self, hosts: &Names) -> String;

    /// That hosts were not begun.
    fn not_begun_there(&self, hosts: &Names) -> String;

    /// What looking showed of actions whose outcome was not heard: done, not done, not known.
    fn found_by_looking(&self, host: &str, actions: usize, found: [usize; 3]) -> String;

    /// The same of actions that were to be taken back: taken back, not, not known.
    fn found_back_by_looking(&self, host: &str, actions: usize, found: [usize; 3]) -> String;

    /// That a host's journal does not hold.
    fn journal_does_not_hold(&self, host: &str, why: &str) -> String;

    /// That the run's own journal is broken.
    fn run_journal_broken(&self, line: u64, why: &str) -> String;

    /// The run by name.
    fn run(&self, name: Option<&str>) -> String;

    /// What a run is for.
    fn only_looks(&self) -> &'static str;

    /// What a run is for.
    fn takes_back(&self) -> &'static str;

    /// The plan.
    fn plan(&self, hash: &str) -> String;

    /// Who said yes, how and when, and how many actions were left out.
    fn approved(&self, by: &str, means: &str, at: &str, left_out: usize) -> String;

    /// How a yes was given that nobody signed.
    fn unsigned(&self, means: &str) -> String;

    /// How a yes was given: `command line`, `terminal`, `signature`.
    fn means<'m>(&self, means: &'m str) -> &'m str;

    /// A verify's word, with what of its window was watched.
    fn verify(&self, seen: Seen, covered_ms: u64, window_ms: u64, entry: Entry) -> String;

    /// How much is kept.
    fn kept(&self, items: u64, bytes: u64) -> String;

    /// How many of them were removed.
    fn removed(&self, what: Removed, number: u64) -> String;

    /// A fact with its word before it, as a line of its own.
    fn fact(&self, label: Label, fact: &str) -> String;

    /// A sentence with its end.
    fn sentence(&self, text: &str) -> String;

    /// Facts on one line.
    fn facts(&self, facts: &[String]) -> String;

    /// That nothing came back while it was watched.
    fn stayed_quiet(&self, watched_ms: u64, alone: bool) -> String;

    /// How many of the changed hosts stayed clean, and how many did not.
    fn stayed_partly_quiet(&self, watched_ms: u64, quiet: usize, changed: usize, returned: usize) -> String;

    /// What is known of the way in, as a line.
    fn way_in(&self, entry: Entry) -> &'static str;

    /// The same, as something to do.
    fn way_in_open(&self, entry: Entry) -> &'static str;

    /// A known way in that stands.
    fn door_stands(&self, door: &str) -> String;

    /// One that was shut.
    fn door_is_shut(&self, door: &str) -> String;

    /// What somebody named as the way in.
    fn said_way_in(&self, name: &str) -> String;

    /// How many processes are frozen now.
    fn frozen_now(&self, frozen: u32) -> String;

    /// Whose word all of it is, as a line.
    fn by_own_kernels(&self) -> &'static str;

    /// The same, as an entry.
    fn what_kernels_showed(&self) -> &'static str;

    /// When the oldest file was made.
    fn appeared(&self, time: &str, path: &str) -> String;

    /// When it was found.
    fn found(&self, time: &str) -> String;

    /// When it was handled.
    fn handled(&self, time: &str) -> String;

    /// Where the alarm came from, as somebody said.
    fn alarm_from(&self, source: &str) -> String;

    /// What the alarm named.
    fn indicators(&self, indicators: &str) -> String;

    /// When it appeared, as somebody said.
    fn said_to_appear(&self, time: &str) -> String;

    /// What was done before the run, as somebody said.
    fn done_already(&self, said: &str) -> String;

    /// What somebody said of the network.
    fn topology(&self, said: &str) -> String;

    /// A question and its answer: by whom, how and when.
    fn answered(&self, question: &str, answer: &str, by: &str, means: ReplyMeans, at: &str) -> String;

    /// A journal that is left on hosts.
    fn journal_stays(&self, path: &str) -> String;

    /// The block of an address that stays, and until when at the latest.
    fn block_stays(&self, address: &str, until: &str) -> String;

    /// The isolation that stays, and until when at the latest.
    fn isolation_stays(&self, until: &str) -> String;

    /// A process that stays throttled.
    fn throttle_stays(&self, process: &str) -> String;

    /// Something that is so on hosts.
    fn on_hosts(&self, what: &str, hosts: &Names) -> String;

    /// An undo of which nothing was heard.
    fn undo_not_heard(&self) -> &'static str;

    /// Who still holds a removed file.
    fn still_holds(&self, process: &str, path: &str) -> String;

    /// A piece of evidence.
    fn evidence(&self, part: Part, pid: Option<u32>, path: &str) -> String;

    /// A process beyond the plan.
    fn born(&self, process: &str, exe: Option<&str>, component: u32) -> String;

    /// That something came back, but no finding says what.
    fn returned_unsaid(&self) -> &'static str;

    /// What became of a change; `looked` where looking at the host told it.
    fn outcome(&self, outcome: Outcome<'_>, looked: bool) -> String;

    /// What was expected and what was found.
    fn expected_found(&self, expected: &str, found: &str) -> String;

    /// A difference between plan and host.
    fn drift(&self, what: &str, why: &str, component: u32) -> String;

    /// What stood in the way.
    fn obstacle(&self, obstacle: Obstacle<'_>) -> String;

    /// Why a process that fits the envelope was left alone.
    fn spared(&self, why: &Spared) -> String;

    /// Why something was left that no version of ours has words for.
    fn not_said(&self) -> &'static str;

    /// What to do next, and about which hosts.
    fn advice(&self, advice: Advice, hosts: &str) -> String;

    /// So many hosts, where they are not named.
    fn many_hosts(&self, hosts: usize) -> String;

    /// A run that was left open, looked at again.
    fn settled(&self, run: &str) -> String;

    /// A host of such a run that could not be asked.
    fn not_asked_yet(&self) -> &'static str;

    /// A host of such a run that was not begun.
    fn not_begun_here(&self) -> &'static str;

    /// What looking at such a host showed.
    fn settled_host(&self, done: usize, of: usize, left: usize, unknown: usize) -> String;

    /// The same of a host on which changes were to be taken back.
    fn settled_undo(&self, back: usize, of: usize, left: usize, unknown: usize) -> String;

    /// Where more is told.
    fn says_more(&self, command: &str) -> String;

    /// The hosts of a status, in the title.
    fn title_hosts(&self, status: Status, hosts: &str) -> String;

    /// For how long nothing came back, in the title.
    fn title_quiet(&self, watched_ms: u64) -> String;

    /// What is known of the way in, in the title.
    fn title_way_in(&self, entry: Entry) -> &'static str;

    /// That nothing is known of any host, in the title.
    fn title_nobody(&self) -> &'static str;

    /// The title.
    fn title(&self, hosts: &[String], facts: &[String], through: bool) -> String;

    /// Things that stand further down.
    fn below(&self, count: &str) -> String;

    /// What is kept, and that it was read back.
    fn kept_read_back(&self, items: u64, bytes: u64) -> String;

    /// Heading of what to do.
    fn next_heading(&self) -> &'static str;

    /// Heading of the hosts.
    fn hosts_heading(&self) -> &'static str;

    /// Heading of the journals.
    fn rests_heading(&self) -> &'static str;

    /// Of a host of which there is no more to say.
    fn nothing_further(&self) -> &'static str;

    /// Lead of the findings.
    fn why_lead(&self) -> &'static str;

    /// The heading once more, with the version.
    fn version(&self, heading: &str, version: &str) -> String;

    /// The run's own journal.
    fn the_run(&self) -> &'static str;

    /// How a journal ends.
    fn chains_end(&self, end: ChainsEnd) -> String;

    /// How a change is taken back, in a table.
    fn undo_way(&self, way: UndoWay) -> &'static str;
}
