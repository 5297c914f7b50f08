//! English words of the account of a run.

use deminer_engine::ask::ReplyMeans;
use deminer_engine::event::Seen;
use deminer_engine::report::{Entry, UndoWay};
use deminer_engine::status::Status;
use deminer_worker::action::Role;
use deminer_worker::frame::{Part, Spared};

use super::super::report::{Advice, ChainsEnd, Names, Obstacle, Outcome, ReportWords};
use super::super::{Label, Noun, Removed, Things};
use super::English;
use super::things::counted;

impl English {
    /// `web-1 and web-2 are`.
    fn names(&self, hosts: &Names, one: &str, several: &str) -> String {
        let verb = if hosts.all == 1 { one } else { several };
        match hosts.named.is_empty() {
            true => format!("{} hosts {verb}", hosts.all),
            false => format!("{} {verb}", self.and(&hosts.named)),
        }
    }
}

impl ReportWords for English {
    fn not_through(&self, open: Option<&Names>) -> String {
        let hosts = open.map(|open| format!(" {} not through.", self.names(open, "is", "are")));
        format!(
            "This run is not through: it still runs, or was cut.{} What its journals do not hold is not known.",
            hosts.unwrap_or_default()
        )
    }

    fn before_commit(&self, hosts: &Names) -> String {
        let hosts = self.names(hosts, "ended", "ended");
        format!("{hosts} before the commit: nothing was changed there.")
    }

    fn not_begun_there(&self, hosts: &Names) -> String {
        let hosts = self.names(hosts, "was", "were");
        format!("{hosts} not begun: nothing was changed there.")
    }

    fn found_by_looking(&self, host: &str, actions: usize, [done, not_done, unknown]: [usize; 3]) -> String {
        let actions = self.count(actions as u64, Noun::Action);
        format!(
            "{host}: what became of {actions} was not heard at once but found by looking: {done} done, {not_done} not \
             done, {unknown} not known."
        )
    }

    fn found_back_by_looking(&self, host: &str, actions: usize, [back, left, unknown]: [usize; 3]) -> String {
        let actions = self.count(actions as u64, Noun::Action);
        format!(
            "{host}: whether {actions} were taken back was not heard at once but found by looking: {back} taken back, \
             {left} not, {unknown} not known."
        )
    }

    fn journal_does_not_hold(&self, host: &str, why: &str) -> String {
        format!("{host}: its journal does not hold: {why}. No good word rests on it.")
    }

    fn run_journal_broken(&self, line: u64, why: &str) -> String {
        format!("The run's own journal is broken at line {line}: {why}. What comes after it is not used.")
    }

    fn run(&self, name: Option<&str>) -> String {
        match name {
            Some(name) => format!("run {name}"),
            None => "a run without a name".to_owned(),
        }
    }

    fn only_looks(&self) -> &'static str {
        "which only looks"
    }

    fn takes_back(&self) -> &'static str {
        "which takes back"
    }

    fn plan(&self, hash: &str) -> String {
        format!("plan {hash}")
    }

    fn approved(&self, by: &str, means: &str, at: &str, left_out: usize) -> String {
        let left_out = match left_out {
            0 => String::new(),
            excluded => format!(", {} left out", self.count(excluded as u64, Noun::Action)),
        };
        format!("approved by `{by}` ({means}) {at}{left_out}")
    }

    fn unsigned(&self, means: &str) -> String {
        format!("{means}, unsigned")
    }

    fn means<'m>(&self, means: &'m str) -> &'m str {
        means
    }

    fn verify(&self, seen: Seen, covered_ms: u64, window_ms: u64, entry: Entry) -> String {
        let (covered, window) = (self.span(covered_ms), self.span(window_ms));
        match seen {
            Seen::Clean => match entry {
                Entry::Unknown => format!("clean over {window}"),
                Entry::Open => format!("clean over {window}, entry OPEN: it will return"),
                Entry::Closed => format!("clean over {window}, entry CLOSED"),
            },
            Seen::Returned => format!("returned, {covered} of {window}"),
            Seen::CannotSay => format!("cannot_say, {covered} of {window}"),
        }
    }

    fn kept(&self, items: u64, bytes: u64) -> String {
        format!("{}, {}", self.count(items, Noun::Item), self.size(bytes))
    }

    fn removed(&self, what: Removed, number: u64) -> String {
        let (one, several) = match what {
            Removed::Killed(Role::Miner) => ("miner", "miners"),
            Removed::Killed(Role::Guardian) => ("guardian", "guardians"),
            Removed::Killed(Role::Companion) => ("companion", "companions"),
            Removed::Born => ("process born within the envelope", "processes born within the envelope"),
            Removed::Kind("edit_lines") => ("line", "lines"),
            Removed::Kind("remove_file") => ("file", "files"),
            Removed::Kind("clear_flags") => ("file whose flags were cleared", "files whose flags were cleared"),
            Removed::Kind("remove_unit") => ("unit file", "unit files"),
            Removed::Kind("remove_starter") => ("file that starts something", "files that start something"),
            Removed::Kind("remove_link") => ("link", "links"),
            Removed::Kind("block_address") => ("address blocked both ways", "addresses blocked both ways"),
            Removed::Kind("isolate") => ("host isolated", "hosts isolated"),
            Removed::Kind("throttle") => ("process throttled", "processes throttled"),
            Removed::Kind("lock_account") => ("account locked", "accounts locked"),
            Removed::Kind("run_argv") => ("command run", "commands run"),
            Removed::Kind(other) => (other, other),
        };
        counted(number, one, several)
    }

    fn fact(&self, label: Label, fact: &str) -> String {
        match label {
            Label::Watched => format!("Watched {fact}"),
            label => {
                let word = self.label(label);
                format!("{}{}: {fact}", word[..1].to_uppercase(), &word[1..])
            }
        }
    }

    fn sentence(&self, text: &str) -> String {
        format!("{text}.")
    }

    fn facts(&self, facts: &[String]) -> String {
        facts.join(" ")
    }

    fn stayed_quiet(&self, watched_ms: u64, alone: bool) -> String {
        let alone = if alone {
            ", then left alone, with no login of ours"
        } else {
            ""
        };
        format!("{} at least{alone}: nothing came back.", self.span(watched_ms))
    }

    fn stayed_partly_quiet(&self, watched_ms: u64, quiet: usize, changed: usize, returned: usize) -> String {
        format!(
            "{} at least, where it was watched: {quiet} of {} stayed clean, {returned} returned.",
            self.span(watched_ms),
            counted(changed as u64, "changed host", "changed hosts"),
        )
    }

    fn way_in(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Unknown => "Way in: not known, so it may return.",
            Entry::Open => "Way in: OPEN, it will return.",
            Entry::Closed => "Way in: the one that was named is CLOSED.",
        }
    }

    fn way_in_open(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Open => "a known way in still stands: it will return",
            Entry::Unknown | Entry::Closed => "way in not known, so it may return",
        }
    }

    fn door_stands(&self, door: &str) -> String {
        format!("OPEN: {door}")
    }

    fn door_is_shut(&self, door: &str) -> String {
        format!("closed: {door}")
    }

    fn said_way_in(&self, name: &str) -> String {
        format!("way in by {name}")
    }

    fn frozen_now(&self, frozen: u32) -> String {
        format!("Frozen now: {frozen}.")
    }

    fn by_own_kernels(&self) -> &'static str {
        "Shown by these hosts' own kernels."
    }

    fn what_kernels_showed(&self) -> &'static str {
        "what these hosts' own kernels showed"
    }

    fn appeared(&self, time: &str, path: &str) -> String {
        format!("appeared {time} (oldest file, {path}, by its host's clock)")
    }

    fn found(&self, time: &str) -> String {
        format!("found {time}")
    }

    fn handled(&self, time: &str) -> String {
        format!("handled {time}")
    }

    fn alarm_from(&self, source: &str) -> String {
        format!("alarm from {source}")
    }

    fn indicators(&self, indicators: &str) -> String {
        format!("it named {indicators}")
    }

    fn said_to_appear(&self, time: &str) -> String {
        format!("appeared {time}")
    }

    fn done_already(&self, said: &str) -> String {
        format!("done already: {said}")
    }

    fn topology(&self, said: &str) -> String {
        format!("network: {said}")
    }

    fn answered(&self, question: &str, answer: &str, by: &str, means: ReplyMeans, at: &str) -> String {
        let how = match means {
            ReplyMeans::Terminal => "on a terminal",
            ReplyMeans::File => "in a file",
            ReplyMeans::Default => "nobody answered, it is the default",
        };
        format!("{question}: `{answer}` ({by}, {how}, {at})")
    }

    fn journal_stays(&self, path: &str) -> String {
        format!("the journal {path} until the next contact")
    }

    fn block_stays(&self, address: &str, until: &str) -> String {
        format!("the block of {address} until {until} at the latest")
    }

    fn isolation_stays(&self, until: &str) -> String {
        format!("the isolation of the network until {until} at the latest")
    }

    fn throttle_stays(&self, process: &str) -> String {
        format!("{process}, throttled until it is taken back or ends")
    }

    fn on_hosts(&self, what: &str, hosts: &Names) -> String {
        format!("{what}, on {}.", self.names(hosts, "", "").trim_end())
    }

    fn undo_not_heard(&self) -> &'static str {
        "not known; nothing was heard of it"
    }

    fn still_holds(&self, process: &str, path: &str) -> String {
        format!("{process} still holds {path}: start it again")
    }

    fn evidence(&self, part: Part, pid: Option<u32>, path: &str) -> String {
        let part = match part {
            Part::Content => "content",
            Part::Exe => "executable",
            Part::Argv => "arguments",
            Part::Environ => "environment",
            Part::Maps => "memory map",
            Part::Fds => "open files",
        };
        let of = pid.map(|pid| format!("pid {pid}, ")).unwrap_or_default();
        format!("{part} of {of}{path}")
    }

    fn born(&self, process: &str, exe: Option<&str>, component: u32) -> String {
        let exe = exe.map(|exe| format!(", running {exe}")).unwrap_or_default();
        format!("{process}{exe}, born within the envelope of component {component}")
    }

    fn returned_unsaid(&self) -> &'static str {
        "something came back; no finding says what"
    }

    fn outcome(&self, outcome: Outcome<'_>, looked: bool) -> String {
        let said = match outcome {
            Outcome::LeftOut => return "left out by the approval".to_owned(),
            Outcome::NothingHeard => return "nothing was heard of it".to_owned(),
            Outcome::Begun => return "begun; its end was not heard".to_owned(),
            Outcome::Skipped(needs) => return format!("left alone, since {needs} was not done"),
            Outcome::Drifted => return "left alone, since its component drifted".to_owned(),
            Outcome::Unknown(why) => return format!("not known: {why}"),
            Outcome::Done => "done".to_owned(),
            Outcome::Gone => "was gone already".to_owned(),
            Outcome::Already => "was so already".to_owned(),
            Outcome::WouldNotStop => "would not stop".to_owned(),
            Outcome::Ran(end) => format!("ran, {end}"),
            Outcome::NotDone(Some(why)) => format!("not done: {why}"),
            Outcome::NotDone(None) => "not done".to_owned(),
        };
        format!("{said}{}", if looked { ", found by looking" } else { "" })
    }

    fn expected_found(&self, expected: &str, found: &str) -> String {
        format!("expected {expected}, found {found}")
    }

    fn drift(&self, what: &str, why: &str, component: u32) -> String {
        format!("{what}: {why}; what is left of component {component} was left as it is")
    }

    fn spared(&self, why: &Spared) -> String {
        match why {
            Spared::Older {} => "it ran before the host was looked at".to_owned(),
            Spared::Owned { package } => format!("what it runs is of package {package}"),
            Spared::NotTold {} => "what must be known of it could not be told".to_owned(),
            Spared::Protected { rule } => rule.clone(),
            Spared::Beyond { limit } => format!("{limit} were taken already, as many as the plan admits"),
        }
    }

    fn obstacle(&self, obstacle: Obstacle<'_>) -> String {
        match obstacle {
            Obstacle::NotReached(why) => format!("not reached: {why}"),
            Obstacle::Lost(why) => format!("the link was lost: {why}"),
            Obstacle::Blocked(why) => format!("stopped by the host's own security: {why}"),
            Obstacle::Failed { place, why } => format!("at {place}: {why}"),
            Obstacle::Refused(why) => format!("the host refused to begin or to go on: {why}"),
            Obstacle::NotOrdered(action) => format!("it told of action {action}, which it was not to carry out"),
            Obstacle::Spared { pid, comm, why } => {
                format!("left alone though the envelope fits it: process {pid} `{comm}`, since {why}")
            }
            Obstacle::Cancelled => "the operator ended the run".to_owned(),
            Obstacle::Expired(why) => format!("not begun, since what was approved is good no longer: {why}"),
            Obstacle::Closed { windows, opens } => {
                format!("not begun, since something may be removed only {windows}; the next time begins {opens}")
            }
        }
    }

    fn not_said(&self) -> &'static str {
        "not said"
    }

    fn advice(&self, advice: Advice, hosts: &str) -> String {
        match advice {
            Advice::Ask => format!("asks {hosts} what was done; not known until then"),
            Advice::TakeUp => format!("take the run up again on {hosts}: something is half done or not known"),
            Advice::Later => format!("strikes {hosts} when something may be removed there again"),
            Advice::Watch => format!("watches {hosts}: that nothing comes back was not seen yet"),
            Advice::Look => format!("looks at {hosts} anew; changes nothing"),
            Advice::Apply => format!("when the plan for {hosts} was read"),
            Advice::Plan => format!("plans {hosts} anew, to be read and approved"),
            Advice::Further => format!(
                "plans {hosts} under an environment and a policy that let something be removed: this plan only holds it"
            ),
            Advice::Removal => format!("plans the removal on {hosts}, to be read and approved"),
            Advice::Again => format!("{hosts} once more, when what stood in the way is gone"),
            Advice::Review => format!("a person looks at {hosts}; nothing is proposed there"),
        }
    }

    fn many_hosts(&self, hosts: usize) -> String {
        format!("{hosts} hosts")
    }

    fn settled(&self, run: &str) -> String {
        format!("run {run} was left open by a process that ended; this is what was done:")
    }

    fn not_asked_yet(&self) -> &'static str {
        "could not be asked yet; unknown until then"
    }

    fn not_begun_here(&self) -> &'static str {
        "not begun; nothing was changed"
    }

    fn settled_host(&self, done: usize, of: usize, left: usize, unknown: usize) -> String {
        format!("{done} of {of} changes done, {left} not done, {unknown} unknown")
    }

    fn settled_undo(&self, back: usize, of: usize, left: usize, unknown: usize) -> String {
        format!("{back} of {of} changes taken back, {left} not taken back, {unknown} unknown")
    }

    fn says_more(&self, command: &str) -> String {
        format!("{command} says more")
    }

    fn title_hosts(&self, status: Status, hosts: &str) -> String {
        match status {
            Status::Eradicated => format!("miner removed from {hosts}"),
            Status::Proposed => format!("miner found on {hosts}, nothing changed there"),
            Status::Returned => format!("miner returned on {hosts}"),
            other => format!("{hosts} {other}"),
        }
    }

    fn title_quiet(&self, watched_ms: u64) -> String {
        format!("no return in {}", self.span(watched_ms))
    }

    fn title_way_in(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Unknown => "way in not known",
            Entry::Open => "way in OPEN: it will return",
            Entry::Closed => "way in closed",
        }
    }

    fn title_nobody(&self) -> &'static str {
        "no host was heard of"
    }

    fn title(&self, hosts: &[String], facts: &[String], through: bool) -> String {
        let parts: Vec<String> = hosts.iter().chain(facts).cloned().collect();
        let mut title = parts.join("; ");
        if !through {
            title.push_str("; not through");
        }
        if title.starts_with("miner") {
            title.replace_range(..1, "M");
        }
        title
    }

    fn below(&self, count: &str) -> String {
        format!("{count}, below")
    }

    fn kept_read_back(&self, items: u64, bytes: u64) -> String {
        format!("{}, read back", self.kept(items, bytes))
    }

    fn next_heading(&self) -> &'static str {
        "Next"
    }

    fn hosts_heading(&self) -> &'static str {
        "Hosts"
    }

    fn rests_heading(&self) -> &'static str {
        "What this rests on"
    }

    fn nothing_further(&self) -> &'static str {
        "Nothing further."
    }

    fn why_lead(&self) -> &'static str {
        "Why:"
    }

    fn version(&self, heading: &str, version: &str) -> String {
        let mut text = heading.to_owned();
        if let Some(first) = text.get(..1).map(str::to_uppercase) {
            text.replace_range(..1, &first);
        }
        format!("{text}. Deminer {version}.")
    }

    fn the_run(&self) -> &'static str {
        "the run"
    }

    fn chains_end(&self, end: ChainsEnd) -> String {
        match end {
            ChainsEnd::NotUsed => "not used".to_owned(),
            ChainsEnd::Whole => "whole".to_owned(),
            ChainsEnd::Torn(bytes) => format!("torn, {} dropped", self.size(bytes)),
            ChainsEnd::Broken(line) => format!("broken at line {line}"),
        }
    }

    fn undo_way(&self, way: UndoWay) -> &'static str {
        match way {
            UndoWay::Nothing => "-",
            UndoWay::None => "none",
            UndoWay::AtOnce => "at once",
            UndoWay::FromVault => "from the vault",
            UndoWay::ByCommand => "by command",
        }
    }
}
