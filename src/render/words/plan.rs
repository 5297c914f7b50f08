//! Words of a plan.

use deminer_worker::many::Loss;

use super::super::plan::Judged;

/// See the module.
pub(crate) trait PlanWords {
    /// The first line: which playbook, on how many hosts, how long it took or when it was planned, and what they are.
    fn headline(
        &self,
        playbook: &str,
        hosts: u64,
        took_ms: Option<u64>,
        planned: &str,
        judged: &[(usize, Judged)],
    ) -> String;

    /// A component that needs a yes of its own, and the word for it.
    fn own_yes(&self, host: &str, component: u32, loss: Loss, many: &str) -> String;

    /// What is touched though it is protected: the host, the action, and [`Self::overrides`].
    fn override_of(&self, host: &str, action: &str, why: &str) -> String;

    /// By which rule something is protected, and why it is touched all the same.
    fn overrides(&self, rule: &str, because: &str) -> String;

    /// How many changes are new since an earlier plan, stood there too, and stood only there.
    fn since(&self, earlier: &str, counts: [u64; 3]) -> String;

    /// An override that met nothing, by the digits of the id.
    fn overrides_nothing(&self, action: &str) -> String;

    /// Which hosts of a plan are shown, of how many.
    fn part(&self, shown: u64, all: u64, hosts: &str) -> String;

    /// So many hosts for which the same is planned: how many actions each, and their names.
    fn equal(&self, hosts: u64, actions: u64, names: &str) -> String;

    /// The first of several equal hosts; `more` is at least 1.
    fn and_more_hosts(&self, first: &str, more: usize) -> String;

    /// Where the playbook failed; nothing is proposed.
    fn failed_at(&self, place: &str, why: &str) -> String;

    /// A clean host.
    fn nothing_found(&self) -> &'static str;

    /// A host of which too little was seen, and what was not; empty where that is not said.
    fn not_enough_seen(&self, gaps: &str) -> String;

    /// A suspected host without a process that stands out.
    fn only_a_suspicion(&self) -> &'static str;

    /// An infected host of which the findings name no process.
    fn names_no_process(&self) -> &'static str;

    /// A host that no step judged.
    fn not_judged(&self) -> &'static str;

    /// Further findings for a person.
    fn more_to_look_at(&self, more: usize) -> String;

    /// What is said of several hosts, of which the first is named.
    fn on_many_hosts(&self, hosts: usize, first: &str, said: &str) -> String;

    /// What no worker can see.
    fn hidden_by_kernels(&self) -> &'static str;

    /// What is done in another way where a kernel lacks this system call.
    fn without_call(&self, call: &str) -> String;

    /// That a host's clock is ahead of ours by so many milliseconds, or behind where they are negative.
    fn clock_differs(&self, ahead_ms: i64) -> String;

    /// A program of the host that looking runs.
    fn runs_to_look(&self, command: &str) -> String;

    /// What applying takes on a host.
    fn footprint(&self, processes: u64, bytes: u64) -> String;

    /// The worker that is sent to a host.
    fn sent_worker(&self, bytes: u64, below: &str) -> String;

    /// Until when a plan may be approved, and how many minutes that is.
    fn good_until(&self, time: &str, minutes: u64) -> String;

    /// A plan whose time is over.
    fn was_good_until(&self, time: &str) -> String;

    /// What to add to the command where components need a yes of their own.
    fn add_each_many(&self) -> &'static str;

    /// That nothing would be changed, and why.
    fn nothing_to_do(&self, why: &str) -> String;

    /// The answer to an apply of a plan that changes nothing.
    fn plan_is_empty(&self) -> &'static str;

    /// Why nothing would be changed where all hosts are clean.
    fn there_is_no_miner(&self) -> &'static str;

    /// That nothing can be said: no host was reached.
    fn no_host_was_looked_at(&self) -> &'static str;

    /// Why nothing would be changed on so many hosts; `only_looks` where no playbook of this kind changes anything.
    fn why_nothing(&self, hosts: usize, judged: Judged, only_looks: bool) -> String;

    /// That the playbook has no phase that changes, and what it found.
    fn playbook_only_looks(&self, found: &str) -> String;

    /// What the command does that removes what was found.
    fn plans_removal(&self) -> &'static str;

    /// The lead of what would be changed.
    fn would_change(&self) -> &'static str;

    /// How much would be changed, and on which hosts; on `hosts` of them where those are too many to be named. `ends` says
    /// whether a process is ended.
    fn changes(&self, actions: u64, on: &[(String, usize)], hosts: usize, ends: bool) -> String;

    /// The processes that would be killed, by host.
    fn kills(&self, all: usize, on: &[(String, Vec<String>)]) -> String;

    /// Changes of one kind on a host, or on each of so many equal ones, whose names `on` has.
    fn changes_on(&self, kind: &'static str, number: usize, on: &str, hosts: usize, objects: &str) -> String;

    /// What is kept before anything is destroyed.
    fn kept_first(&self, items: &str) -> String;

    /// Processes that the envelope admits: by executable.
    fn births_by_executable(&self, sha256: &str) -> String;

    /// Processes that the envelope admits: by descent and command line.
    fn births_by_descent(&self, exe: &str, argv: &str) -> String;

    /// The envelope; `births` is empty where it admits nothing.
    fn envelope(&self, births: &str, at_most: u32) -> String;

    /// Why the last look waits.
    fn may_still_fire(&self, scheduler: &str, path: &str) -> String;

    /// That the last look waits.
    fn waits(&self, because: &str, hosts: &str) -> String;

    /// A process by name, how busy it is, and what it is.
    fn subject(&self, name: &str, busy: Option<&str>, said: Option<&str>) -> String;

    /// What is said of a busy process that is no miner.
    fn busy_and_explained(&self) -> &'static str;

    /// What is in a verdict's points beside the reasons that are shown: so many further signals, and what none says.
    fn the_rest_of_the_points(&self, more: usize) -> String;

    /// Processes by pid; `more` of them are not named.
    fn pids(&self, pids: &[String], more: usize) -> String;

    /// What a process runs, and as what.
    fn runs(&self, exe: &str, deleted: bool, argv: Option<&str>) -> String;

    /// That a process stays of which another of its component is killed.
    fn brings_back(&self) -> &'static str;

    /// Processes that are not shown with their reasons.
    fn more_processes(&self, more: u64, stand_below: bool) -> String;

    /// What starts something and is not shown with its reason.
    fn more_starters(&self, more: usize) -> String;
}
