//! The processes as a tree: who started whom, who lost his parent, who belongs to a session.
//!
//! Made from the rows of `process.list`, on every system that gives them. A process whose parent ended hangs under pid 1 or
//! whatever adopts orphans, as the kernel has it; that is marked, since what a miner's dropper leaves behind looks so, and
//! so does every daemon of the old kind. Handbook: `ps ajfx`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use deminer_engine::finding::Verdict;
use deminer_engine::module::{About, Analyzer, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Process;
use deminer_worker::text::{HostBytes, HostPath};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::process_row::ProcessRow;

/// `process.tree`.
pub struct ProcessTree;

/// What to make a tree of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The processes, from `process.list`.
    pub processes: Vec<ProcessRow>,
    /// Pids of which only the branches are wanted: their ancestors, themselves and all below. Empty is all:
    /// `"{{ steps.verdict.rows | map(attribute='pid') | list }}"`.
    #[serde(default)]
    pub of: Vec<u32>,
}

/// The tree.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In the order of the tree: each process stands right before its children, children by pid.
    pub rows: Vec<TreeRow>,
}

/// One process in the tree.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TreeRow {
    /// The pid.
    pub pid: u32,
    /// The parent's pid.
    pub ppid: u32,
    /// How deep in the tree; 0 has no parent that was seen.
    pub depth: u32,
    /// The process group: what `kill -PGID` reaches.
    pub pgid: u32,
    /// The session.
    pub session: u32,
    /// The children, by pid.
    pub children: Vec<u32>,
    /// How many processes are below it, children of children too.
    pub below: u32,
    /// Its user.
    pub user: String,
    /// Its name.
    pub comm: HostBytes,
    /// What it runs; `None` for a kernel thread.
    pub exe: Option<HostPath>,
    /// Its arguments.
    pub argv: Vec<HostBytes>,
    /// What is remarkable of it.
    pub marks: Vec<Mark>,
}

/// What is remarkable of a process in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Asked for.
    Wanted,
    /// The kernel made it.
    Kernel,
    /// Whoever started it is gone: another adopted it, while its session or group is still that of someone who ended.
    Orphan,
    /// What it runs has no name any more.
    Deleted,
    /// What it runs was made in memory.
    Memory,
    /// It ended, and its parent has not asked how.
    Zombie,
    /// It was stopped.
    Stopped,
    /// Another process traces it.
    Traced,
    /// It lives in a container.
    Container,
    /// It leads its session.
    SessionLeader,
}

#[async_trait]
impl Analyzer for ProcessTree {
    const ABOUT: About = About {
        name: "process.tree",
        summary: "Makes a tree of the processes: depth, session, group, children, orphans.",
        effect: Effect::Read,
        phases: &[Phase::Gather, Phase::Decide, Phase::Locate],
        handbook: "2.1.3.5",
        not_seen: "who really started a process whose parent ended; what process.list does not see",
        example: "{id: tree, use: process.tree, with: {processes: \"{{ steps.processes.rows }}\"}}",
    };
    type Params = Params;
    type Output = Output;

    async fn judge(&self, params: Params) -> Result<(Outcome<Output>, Option<Verdict>), ModuleError> {
        let rows = tree(&params.processes, &params.of);
        Ok((Outcome::of(Output { rows }), None))
    }
}

fn tree(processes: &[ProcessRow], of: &[u32]) -> Vec<TreeRow> {
    let by_pid: BTreeMap<u32, &ProcessRow> = processes.iter().map(|row| (row.process.pid, row)).collect();
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (pid, row) in &by_pid {
        let parent = row.process.ppid;
        match by_pid.contains_key(&parent) && parent != *pid {
            true => children.entry(parent).or_default().push(*pid),
            false => roots.push(*pid),
        }
    }
    // Rows that were read one after the other may name each other in a circle: whoever is in one has no root.
    let mut reached = BTreeSet::new();
    let mut order: Vec<(u32, u32)> = Vec::with_capacity(by_pid.len());
    let mut pending: Vec<u32> = by_pid.keys().rev().copied().collect();
    let mut todo: Vec<(u32, u32)> = roots.iter().rev().map(|pid| (*pid, 0)).collect();
    loop {
        while let Some((pid, depth)) = todo.pop() {
            if !reached.insert(pid) {
                continue;
            }
            order.push((pid, depth));
            let below = children.get(&pid).into_iter().flatten().rev();
            todo.extend(below.map(|child| (*child, depth + 1)));
        }
        match pending.pop() {
            Some(pid) if reached.contains(&pid) => {}
            Some(pid) => todo.push((pid, 0)),
            None => break,
        }
    }
    let mut below: BTreeMap<u32, u32> = BTreeMap::new();
    for (pid, depth) in order.iter().rev() {
        let own = below.get(pid).copied().unwrap_or(0);
        if *depth > 0 {
            let parent = below.entry(by_pid[pid].process.ppid).or_default();
            *parent = parent.saturating_add(own).saturating_add(1);
        }
    }
    let mut rows: Vec<TreeRow> = Vec::with_capacity(order.len());
    for (pid, depth) in &order {
        let row = by_pid[pid];
        let process = &row.process;
        rows.push(TreeRow {
            pid: *pid,
            ppid: process.ppid,
            depth: *depth,
            pgid: process.pgid,
            session: process.session,
            children: children.get(pid).cloned().unwrap_or_default(),
            below: below.get(pid).copied().unwrap_or(0),
            user: row.user.clone(),
            comm: process.comm.clone(),
            exe: process.exe.as_ref().map(|exe| exe.path.clone()),
            argv: process.argv.clone(),
            marks: marks(row, &by_pid, of),
        });
    }
    match of.is_empty() {
        true => rows,
        false => branches(rows, of),
    }
}

fn marks(row: &ProcessRow, by_pid: &BTreeMap<u32, &ProcessRow>, of: &[u32]) -> Vec<Mark> {
    let process = &row.process;
    let exe = process.exe.as_ref();
    let all = [
        (of.contains(&process.pid), Mark::Wanted),
        (process.kernel_thread, Mark::Kernel),
        (is_orphan(process, by_pid), Mark::Orphan),
        (exe.is_some_and(|exe| exe.deleted && !exe.memfd), Mark::Deleted),
        (exe.is_some_and(|exe| exe.memfd), Mark::Memory),
        (process.has_ended(), Mark::Zombie),
        (matches!(&*process.state, "T" | "t"), Mark::Stopped),
        (process.tracer != 0, Mark::Traced),
        (row.container.is_some(), Mark::Container),
        (process.session == process.pid, Mark::SessionLeader),
    ];
    all.into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, mark)| mark)
        .collect()
}

/// Whether its session or its group is led by someone who is not there any more, and its parent is of another session.
fn is_orphan(process: &Process, by_pid: &BTreeMap<u32, &ProcessRow>) -> bool {
    let gone = |leader: u32| leader != 0 && leader != process.pid && !by_pid.contains_key(&leader);
    let parent = by_pid.get(&process.ppid);
    let adopted = parent.is_none_or(|parent| parent.process.session != process.session);
    !process.kernel_thread && adopted && (gone(process.session) || gone(process.pgid))
}

/// The rows that are asked for, what is above them and what is below.
fn branches(rows: Vec<TreeRow>, of: &[u32]) -> Vec<TreeRow> {
    let mut kept = BTreeSet::new();
    let mut above: Vec<(u32, u32)> = Vec::new();
    let mut inside: Option<u32> = None;
    for row in &rows {
        above.retain(|(_, depth)| *depth < row.depth);
        if inside.is_some_and(|depth| row.depth <= depth) {
            inside = None;
        }
        if inside.is_some() || of.contains(&row.pid) {
            kept.insert(row.pid);
            kept.extend(above.iter().map(|(pid, _)| *pid));
            inside = inside.or(Some(row.depth));
        }
        above.push((row.pid, row.depth));
    }
    rows.into_iter().filter(|row| kept.contains(&row.pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example_rows::Row;
    use proptest::prelude::*;

    fn row(pid: u32, ppid: u32, session: u32) -> ProcessRow {
        let mut row = Row::runs(pid, "/bin/x", &["x"]).child_of(ppid).build();
        (row.process.session, row.process.pgid) = (session, session);
        row
    }

    fn shown(rows: &[TreeRow]) -> Vec<String> {
        rows.iter()
            .map(|row| {
                format!(
                    "{}{} {} {:?}",
                    " ".repeat(row.depth as usize),
                    row.pid,
                    row.below,
                    row.marks
                )
            })
            .collect()
    }

    #[test]
    fn a_tree_with_an_orphan_and_a_strange_parent() {
        let rows = [
            row(1, 0, 1),
            row(40, 1, 40),
            row(41, 40, 40),
            row(60, 1, 50),
            row(70, 999, 70),
        ];
        let told = shown(&tree(&rows, &[]));
        let expected = [
            "1 3 [SessionLeader]",
            " 40 1 [SessionLeader]",
            "  41 0 []",
            " 60 0 [Orphan]",
            "70 0 [SessionLeader]",
        ];
        assert_eq!(told, expected);
        let told = shown(&tree(&rows, &[40]));
        let expected = ["1 3 [SessionLeader]", " 40 1 [Wanted, SessionLeader]", "  41 0 []"];
        assert_eq!(told, expected, "what is above it and what is below");
    }

    #[test]
    fn a_job_of_a_living_shell_is_no_orphan() {
        let rows = [row(1, 0, 1), row(40, 1, 40), row(41, 40, 40)];
        assert!(tree(&rows, &[]).iter().all(|row| !row.marks.contains(&Mark::Orphan)));
    }

    proptest! {
        #[test]
        fn every_process_stands_once(links in prop::collection::vec((1_u32..12, 0_u32..12, 0_u32..12), 0..14), of in prop::collection::vec(0_u32..12, 0..3)) {
            let rows: Vec<ProcessRow> = links.iter().map(|(pid, ppid, session)| row(*pid, *ppid, *session)).collect();
            let pids: BTreeSet<u32> = links.iter().map(|(pid, _, _)| *pid).collect();
            let told = tree(&rows, &[]);
            prop_assert_eq!(told.len(), pids.len());
            prop_assert_eq!(told.iter().map(|row| row.pid).collect::<BTreeSet<_>>(), pids);
            prop_assert!(tree(&rows, &of).len() <= told.len());
        }
    }
}
