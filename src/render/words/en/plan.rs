//! English words of a plan.

use deminer_worker::many::{Loss, MANY_FILES, MANY_STARTERS};

use super::super::{Noun, PlanWords, Things};
use super::English;
use super::things::counted;
use crate::render::plan::Judged;

const DAY_MS: u64 = 86_400_000;

impl PlanWords for English {
    fn headline(
        &self,
        playbook: &str,
        hosts: u64,
        took_ms: Option<u64>,
        planned: &str,
        judged: &[(usize, Judged)],
    ) -> String {
        let words: Vec<String> = judged
            .iter()
            .map(|(number, judged)| format!("{number} {}", judged.code()))
            .collect();
        let seen = match words.is_empty() {
            true => String::new(),
            false => format!(": {}", words.join(", ")),
        };
        let hosts = self.count(hosts, Noun::Host);
        match took_ms {
            Some(took) => format!(
                "{playbook} on {hosts} in {}{seen}. Nothing has been changed.",
                self.span(took)
            ),
            None => format!("{playbook} on {hosts}, planned {planned}{seen}."),
        }
    }

    fn own_yes(&self, host: &str, component: u32, loss: Loss, many: &str) -> String {
        let starters = loss.starters as u64;
        format!(
            "{host} component {component}: {} and {}; one approval covers {MANY_FILES} and {MANY_STARTERS}. Read them, then \
             add --many {many}",
            self.count(loss.files as u64, Noun::File),
            counted(
                starters,
                "line, link or file that starts something",
                "lines, links and files that start something"
            )
        )
    }

    fn override_of(&self, host: &str, action: &str, why: &str) -> String {
        format!("{host} {action}: {why}")
    }

    fn overrides(&self, rule: &str, because: &str) -> String {
        format!("PROTECTED ({rule}), and touched all the same: {because}")
    }

    fn since(&self, earlier: &str, [new, same, gone]: [u64; 3]) -> String {
        format!("Since plan {earlier}: {new} new, {same} as before, {gone} no more.")
    }

    fn overrides_nothing(&self, action: &str) -> String {
        format!(
            "note: --override {action} met nothing: the plan has no protected object of that id that may be overridden"
        )
    }

    fn part(&self, shown: u64, all: u64, hosts: &str) -> String {
        format!(
            "Shown: {shown} of {}, {hosts}. The hash is of the whole plan.",
            self.count(all, Noun::Host)
        )
    }

    fn equal(&self, hosts: u64, actions: u64, names: &str) -> String {
        let hosts = self.count(hosts, Noun::Host);
        match actions {
            0 => format!("{hosts}: same verdict, no actions: {names}"),
            actions => format!("{hosts}: same {}: {names}", self.count(actions, Noun::Action)),
        }
    }

    fn and_more_hosts(&self, first: &str, more: usize) -> String {
        format!("{first} and {more} more")
    }

    fn failed_at(&self, place: &str, why: &str) -> String {
        format!("at {place}: {why}; nothing is proposed")
    }

    fn nothing_found(&self) -> &'static str {
        "nothing was found by what its kernel showed"
    }

    fn not_enough_seen(&self, gaps: &str) -> String {
        match gaps.is_empty() {
            true => "not enough was seen for a word".to_owned(),
            false => format!("not enough was seen for a word: {gaps}"),
        }
    }

    fn only_a_suspicion(&self) -> &'static str {
        "a person must look; nothing is proposed on a suspicion"
    }

    fn names_no_process(&self) -> &'static str {
        "the findings that say so name no process"
    }

    fn not_judged(&self) -> &'static str {
        "no step of the playbook judged it"
    }

    fn more_to_look_at(&self, more: usize) -> String {
        format!("and {more} more to look at")
    }

    fn on_many_hosts(&self, hosts: usize, first: &str, said: &str) -> String {
        format!("{hosts} hosts, {first} among them: {said}")
    }

    fn hidden_by_kernels(&self) -> &'static str {
        "on every host: what its kernel hides"
    }

    fn without_call(&self, call: &str) -> String {
        match call {
            "pidfd_open" => "no pidfd_open: a process is stopped, read again and killed while it stands".to_owned(),
            "openat2" => "no openat2: paths are walked directory by directory, no link followed".to_owned(),
            "renameat2" => "no renameat2: a file that takes a place in the same moment is lost".to_owned(),
            other => format!("no {other}"),
        }
    }

    fn clock_differs(&self, ahead_ms: i64) -> String {
        let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
        let apart = match ahead_ms.unsigned_abs() {
            ms if ms < 2 * DAY_MS => self.span(ms),
            ms => format!("{} days", (ms + DAY_MS / 2) / DAY_MS),
        };
        format!("its clock is {apart} {side} ours: times that it tells are by that clock, what expires does so by ours")
    }

    fn runs_to_look(&self, command: &str) -> String {
        format!("looking runs a program of the host, which may lie or do more: {command}")
    }

    fn footprint(&self, processes: u64, bytes: u64) -> String {
        format!(
            "a host: at most {} and {}, in one directory; gone at the end, or at the next contact after a lost link",
            self.count(processes, Noun::Process),
            self.size(bytes)
        )
    }

    fn sent_worker(&self, bytes: u64, below: &str) -> String {
        format!(
            "the worker, sent over SSH: {} in a fresh directory below {below}; file and directory are gone once it runs",
            self.size(bytes)
        )
    }

    fn good_until(&self, time: &str, minutes: u64) -> String {
        format!("good until {time} ({minutes} min)")
    }

    fn was_good_until(&self, time: &str) -> String {
        format!("was good until {time}: hosts change, plan again")
    }

    fn brings_back(&self) -> &'static str {
        "ATTENTION: others of its component are killed, and it can start them again"
    }

    fn add_each_many(&self) -> &'static str {
        "with each --many from above whose targets you read, or with --exclude for what is to stay"
    }

    fn nothing_to_do(&self, why: &str) -> String {
        format!("nothing to do: {why}")
    }

    fn plan_is_empty(&self) -> &'static str {
        "Nothing to do: the plan changes nothing on any host. Nothing was changed."
    }

    fn there_is_no_miner(&self) -> &'static str {
        "by what their own kernels showed, there is no miner"
    }

    fn no_host_was_looked_at(&self) -> &'static str {
        "nothing can be said: no host was looked at"
    }

    fn why_nothing(&self, hosts: usize, judged: Judged, only_looks: bool) -> String {
        let why = match judged {
            Judged::Infected if only_looks => "",
            Judged::Infected => " with nothing that may be touched: a person must look",
            Judged::Suspected => ": a person must look",
            Judged::CannotSay => ": look again when it can be seen",
            Judged::Failed => ": the step above failed; mend that and plan again",
            Judged::NoWord => ": the playbook has no step that judges",
            Judged::Clean => "",
        };
        format!("{hosts} {}{why}", judged.code())
    }

    fn playbook_only_looks(&self, found: &str) -> String {
        format!("nothing is proposed, this playbook only looks: {found}")
    }

    fn plans_removal(&self) -> &'static str {
        "looks again and proposes the removal, with the options of this plan; nothing is changed by it"
    }

    fn would_change(&self) -> &'static str {
        "would change: "
    }

    fn changes(&self, actions: u64, on: &[(String, usize)], hosts: usize, ends: bool) -> String {
        let hosts = match on {
            [(host, _)] => format!(" on {host}"),
            [] => format!(" on {hosts} hosts"),
            on => on
                .iter()
                .map(|(host, number)| format!(", {number} on {host}"))
                .collect(),
        };
        let actions = self.count(actions, Noun::Action);
        let frozen = if ends { "; what is killed is frozen first" } else { "" };
        format!("{actions}{hosts}{frozen}")
    }

    fn kills(&self, all: usize, on: &[(String, Vec<String>)]) -> String {
        let words = on.iter().map(|(host, pids)| format!("{host} {}", self.pids(pids, 0)));
        format!("kill {all}: {}", words.collect::<Vec<_>>().join(", "))
    }

    fn changes_on(&self, kind: &'static str, number: usize, on: &str, hosts: usize, objects: &str) -> String {
        match hosts {
            1 => format!("{kind} {number} on {on}: {objects}"),
            hosts => format!("{kind} {number} on each of {hosts} hosts, {on}: {objects}"),
        }
    }

    fn kept_first(&self, items: &str) -> String {
        format!("{items}, in the vault and read back")
    }

    fn births_by_executable(&self, sha256: &str) -> String {
        format!("new pids that run sha256 {sha256}")
    }

    fn births_by_descent(&self, exe: &str, argv: &str) -> String {
        format!("new pids born of a condemned one that run sha256 {exe} with the arguments of sha256 {argv}")
    }

    fn envelope(&self, births: &str, at_most: u32) -> String {
        match births.is_empty() {
            true => "empty: nothing but the above may be done".to_owned(),
            false => format!("may be ended too: {births}; at most {at_most} for each component of a host"),
        }
    }

    fn may_still_fire(&self, scheduler: &str, path: &str) -> String {
        format!("`{scheduler}` may still fire {path}")
    }

    fn waits(&self, because: &str, hosts: &str) -> String {
        format!("past the next full minute before the last look: {because} on {hosts}")
    }

    fn subject(&self, name: &str, busy: Option<&str>, said: Option<&str>) -> String {
        let busy = busy.map(|busy| format!(", {busy}")).unwrap_or_default();
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        format!("`{name}`{busy}{said}")
    }

    fn the_rest_of_the_points(&self, more: usize) -> String {
        let rare = "signals of one kind count less together, and few processes are miners";
        match more {
            0 => rare.to_owned(),
            1 => format!("1 more signal; {rare}"),
            more => format!("{more} more signals; {rare}"),
        }
    }

    fn busy_and_explained(&self) -> &'static str {
        "busy, and explained"
    }

    fn pids(&self, pids: &[String], more: usize) -> String {
        match (pids, more) {
            ([pid], 0) => format!("pid {pid}"),
            (pids, 0) => format!("pids {}", pids.join(" ")),
            (pids, more) => format!("pids {} and {more} more", pids.join(" ")),
        }
    }

    fn runs(&self, exe: &str, deleted: bool, argv: Option<&str>) -> String {
        let deleted = if deleted { " (deleted)" } else { "" };
        let argv = argv.map(|argv| format!(", as {argv}")).unwrap_or_default();
        format!("{exe}{deleted}{argv}")
    }

    fn more_processes(&self, more: u64, stand_below: bool) -> String {
        let below = if stand_below { ", below" } else { "" };
        format!("and {}{below}", counted(more, "more process", "more processes"))
    }

    fn more_starters(&self, more: usize) -> String {
        format!("and {more} more, below")
    }
}
