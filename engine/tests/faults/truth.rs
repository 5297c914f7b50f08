//! What must be true whatever went wrong, by what the host itself holds.

use std::collections::BTreeMap;

use deminer_engine::report::{ChangeState, Progress, Report};
use deminer_engine::vault::Vault;
use deminer_worker::action::{Act, Action, Effect, Object};
use deminer_worker::platform::Platform;
use deminer_worker::platform::simulated::{Life, Simulated, Snapshot};
use deminer_worker::query::{Answer, Blocks, FileKind, Query};
use deminer_worker::text::{Digest, HostPath};
use deminer_worker::transaction::TRIAL_S;

use crate::host::Deeds;

/// One run of the plan, and everything it is held against.
pub(crate) struct Case<'c> {
    pub(crate) name: &'c str,
    pub(crate) host: &'c Simulated,
    pub(crate) before: &'c Snapshot,
    pub(crate) deeds: &'c Deeds,
    pub(crate) actions: &'c [Action],
}

/// What of the changes of a plan could not be told.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) done: usize,
    pub(crate) not_done: usize,
    pub(crate) unknown: usize,
}

impl Case<'_> {
    fn deeds(&self) -> Vec<Act> {
        self.deeds.lock().expect("no worker panics while it holds them").clone()
    }

    /// Nothing stands still, nobody holds the host, nobody stands by.
    pub(crate) fn assert_free(&self) {
        let after = self.host.snapshot();
        assert_eq!(after.frozen(), [] as [u32; 0], "{}: stands still", self.name);
        assert!(!after.locked && !after.keeper, "{}: still taken", self.name);
    }

    /// No act changed its target twice. What only contains or holds still is taken back when it was for nothing, and may be
    /// done anew; a manager that reads its units anew changes none.
    pub(crate) fn assert_once(&self) {
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for act in self.deeds() {
            let is_reading = matches!(act, Act::ReloadUnits { .. });
            if (act.effect() == Effect::Destroy && !is_reading) || matches!(act, Act::Throttle { .. }) {
                *times.entry(act.id("").to_string() + act.kind()).or_default() += 1;
            }
        }
        let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{}: done twice: {twice:?}", self.name);
    }

    /// Whatever is gone or changed is in the vault, byte for byte; and nothing is gone or changed that the plan does not name.
    pub(crate) fn assert_kept(&self, vault: &Vault) {
        let after = self.host.snapshot();
        let is_kept = |digest: &Digest| {
            vault
                .content(digest, 1 << 30)
                .is_ok_and(|bytes| Digest::of(&bytes) == *digest)
        };
        let names: Vec<&HostPath> = self.actions.iter().filter_map(|action| path(&action.act)).collect();
        // The accounts' files change as a whole: they stay, and how a password was is in the undo.
        let books = ["/etc/passwd", "/etc/shadow"].map(HostPath::from);
        for (path, was) in &self.before.files {
            let now = after.files.get(path);
            let is_same = now.is_some_and(|now| (&now.content, now.kind) == (&was.content, was.kind));
            if is_same || books.contains(path) {
                continue;
            }
            assert!(names.contains(&path), "{}: {path} is not in the plan", self.name);
            if was.kind == FileKind::Regular {
                let digest = Digest::of(was.content.as_bytes());
                assert!(is_kept(&digest), "{}: {path} is not kept", self.name);
            }
        }
        for (pid, was) in self.before.processes.iter().filter(|(_, was)| was.life != Life::Dead) {
            if after.processes.get(pid).is_some_and(|now| now.life == was.life) {
                continue;
            }
            let kill = self.actions.iter().find_map(|action| match &action.act {
                Act::Kill { process } if process.pid == *pid => Some(process),
                _ => None,
            });
            let kill = kill.unwrap_or_else(|| panic!("{}: pid {pid} is not in the plan", self.name));
            assert!(is_kept(&kill.exe_sha256), "{}: what {pid} ran is not kept", self.name);
        }
    }

    /// Every change has a word, and it is what the host shows.
    pub(crate) fn assert_told(&self, report: &Report) -> Told {
        let (after, deeds, blocks) = (self.host.snapshot(), self.deeds(), blocks(self.host));
        let [host] = &report.hosts[..] else {
            panic!("{}: one host", self.name)
        };
        assert!(host.finished && !report.unfinished(), "{}: left open", self.name);
        let mut told = Told::default();
        let changes = self.actions.iter().filter(|action| action.act.is_change());
        for action in changes {
            let change = host.changes.iter().find(|change| change.action == action.id);
            let state = &change
                .unwrap_or_else(|| panic!("{}: no word of {action:?}", self.name))
                .state;
            let kind = action.act.kind();
            let is_so = shows(&action.act, &after, &deeds, &blocks);
            match state {
                ChangeState::Done { .. } => {
                    told.done += 1;
                    assert!(is_so, "{}: {kind} is said to be done: {state:?}", self.name);
                }
                ChangeState::NotDone { .. } | ChangeState::Skipped { .. } | ChangeState::Drifted => {
                    told.not_done += 1;
                    assert!(!is_so, "{}: {kind} is done, said is {state:?}", self.name);
                }
                ChangeState::Unknown { .. } => {
                    told.unknown += 1;
                    let is_hidden = matches!(action.act, Act::Throttle { .. } | Act::RunArgv { .. });
                    assert!(is_hidden, "{}: a look could have told {kind}: {state:?}", self.name);
                }
                // Nothing was begun on a host that was not reached.
                ChangeState::Waiting if host.progress == Progress::Nothing => {
                    told.not_done += 1;
                    assert!(!is_so, "{}: {kind} is done, and the host was not reached", self.name);
                }
                ChangeState::Excluded | ChangeState::Waiting | ChangeState::Begun => {
                    panic!("{}: {kind} is left open: {state:?}", self.name)
                }
            }
        }
        assert_eq!(after.journals, [], "{}: its journal is left", self.name);
        told
    }

    /// All of the plan is done.
    pub(crate) fn assert_all(&self) {
        let (after, deeds, blocks) = (self.host.snapshot(), self.deeds(), blocks(self.host));
        for action in self.actions.iter().filter(|action| action.act.is_change()) {
            let is_so = shows(&action.act, &after, &deeds, &blocks);
            assert!(is_so, "{}: {} is not done", self.name, action.act.kind());
        }
    }
}

/// Whether the host is as an act would leave it. A new kind of act says here how that shows.
fn shows(act: &Act, after: &Snapshot, deeds: &[Act], blocks: &Blocks) -> bool {
    let there = |path: &HostPath| after.files.contains_key(path);
    let lasts = |left_ms: u64| left_ms > u64::from(TRIAL_S) * 1000;
    match act {
        Act::Kill { process } => !after.runs(process.pid),
        Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => !there(&file.path),
        Act::RemoveLink { link } => !there(&link.path),
        Act::ClearFlags { file, flags } => after.files.get(&file.path).is_none_or(|now| now.flags & flags == 0),
        Act::EditLines { file, remove, .. } => {
            let text = after.text(&file.path.to_string()).unwrap_or_default();
            let is_gone = |line: &str| !text.lines().any(|now| now == line);
            remove.iter().all(|line| is_gone(&line.line.to_string()))
        }
        Act::LockAccount { account } => {
            let shadow = after.text("/etc/shadow").unwrap_or_default();
            let name = format!("{}:", account.name);
            shadow
                .lines()
                .any(|line| line.starts_with(&name) && line[name.len()..].starts_with('!'))
        }
        Act::BlockAddress { address, .. } => {
            let mut blocked = blocks.addresses.iter();
            blocked.any(|blocked| blocked.address == *address && lasts(blocked.left_ms.0))
        }
        Act::Isolate { .. } => blocks.isolated_ms.is_some_and(|left| lasts(left.0)),
        Act::Throttle { process } => after.throttled.contains(&process.pid),
        // What only the host's manager, or the program itself, knows: whether it was done at all.
        Act::ReloadUnits { .. } | Act::RunArgv { .. } => deeds.contains(act),
        Act::Keep { .. } | Act::Freeze { .. } => unreachable!("no change"),
    }
}

/// The path of what an act changes or ends.
fn path(act: &Act) -> Option<&HostPath> {
    match act {
        Act::RemoveLink { link } => Some(&link.path),
        Act::Keep {
            object: Object::File { .. },
        } => None,
        act => act.file().map(|file| &file.path),
    }
}

pub(crate) fn blocks(host: &Simulated) -> Blocks {
    match host.answer(&Query::Blocks {}).expect("it tells").value {
        Answer::Blocks(blocks) => blocks,
        other => panic!("{other:?}"),
    }
}
