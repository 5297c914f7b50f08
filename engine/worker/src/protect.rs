//! What is never touched, whatever a plan says: asked when a plan is made and again on the host, by the same rules.
//!
//! Protection goes by device, inode and content, never only by path: a bind mount or a copied interpreter gives an
//! innocent file another name.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Act, FileTarget, ProcessTarget};
use crate::order::Birth;
use crate::query::{Answer, FileId, Ownership, Process, ProcessesQuery, Query};
use crate::text::HostPath;

/// What must be known of a host to say what is protected there.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Our own processes and their ancestors.
    pub own_chain: BTreeSet<u32>,
    /// All processes, executables hashed.
    pub processes: Vec<Process>,
    /// What the package database says of the files that acts would touch, by path.
    pub ownership: BTreeMap<HostPath, Ownership>,
    /// Paths that the site lists, with all below them.
    pub site: Vec<HostPath>,
    /// Mount points: never removed, never edited.
    pub mounts: BTreeSet<HostPath>,
}

impl Facts {
    /// The queries whose answers [`Self::learn`] wants for these acts.
    pub fn questions<'a>(acts: impl IntoIterator<Item = &'a Act>) -> Vec<Query> {
        let mut files: Vec<HostPath> = acts
            .into_iter()
            .filter(|act| !matches!(act, Act::Keep { .. }))
            .filter_map(|act| act.file().map(|file| file.path.clone()))
            .collect();
        files.sort();
        files.dedup();
        vec![
            Query::Host {},
            Query::Processes(ProcessesQuery {
                digest: true,
                maps: true,
                ..ProcessesQuery::default()
            }),
            Query::Mounts {},
            Query::Packages { files },
        ]
    }

    /// Takes in the answer to one of the questions.
    pub fn learn(&mut self, question: &Query, answer: Answer) {
        match (question, answer) {
            (_, Answer::Host(facts)) => self.own_chain = facts.own_chain.into_iter().collect(),
            (_, Answer::Processes(processes)) => self.processes = processes,
            (_, Answer::Mounts(mounts)) => self.mounts = mounts.into_iter().map(|mount| mount.point).collect(),
            (Query::Packages { files }, Answer::Packages(owners)) => {
                self.ownership = files.iter().cloned().zip(owners).collect();
            }
            _ => {}
        }
    }
}

/// Why an act must not be carried out; `None` where nothing protects its target.
///
/// `condemned` are the processes of the plan, by pid and start time: what only they run or map is not protected by use.
pub fn protection(act: &Act, condemned: &BTreeSet<(u32, u64)>, facts: &Facts) -> Option<String> {
    match act {
        Act::Keep { .. } => None,
        Act::Freeze { process } | Act::Kill { process } => protected_process(process, facts),
        Act::Throttle { process } => protected_process(process, facts),
        Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => {
            protected_place(&file.path, facts).or_else(|| protected_file(file, condemned, facts))
        }
        Act::EditLines { file, .. } | Act::ClearFlags { file, .. } => protected_place(&file.path, facts),
        Act::RemoveLink { link } => protected_place(&link.path, facts),
        Act::RunArgv { program, .. } => protected_place(&program.path, facts),
        Act::ReloadUnits { .. } | Act::LockAccount { .. } | Act::BlockAddress { .. } | Act::Isolate { .. } => None,
    }
}

/// Why a process must be neither frozen nor ended; `None` where nothing protects it. Asked for those that a plan names and
/// for those that take their place, before they are frozen.
pub fn protected_process(target: &ProcessTarget, facts: &Facts) -> Option<String> {
    if target.pid == 1 {
        return Some("pid 1 is the host's own".to_owned());
    }
    if facts.own_chain.contains(&target.pid) {
        return Some("it is our own session, from the worker up to what started it".to_owned());
    }
    let alive = facts
        .processes
        .iter()
        .find(|p| p.pid == target.pid && p.start_ticks == target.start_ticks);
    if alive.is_some_and(|alive| alive.kernel_thread) {
        return Some("it is a kernel thread".to_owned());
    }
    let exe = alive.and_then(|alive| alive.exe.as_ref()).map(|exe| &exe.path);
    let script = alive.and_then(|alive| alive.script.as_ref()).map(|script| &script.path);
    let runs = [Some(&target.exe_path), exe, script];
    runs.into_iter().flatten().find_map(|path| listed_by_site(path, facts))
}

fn listed_by_site(path: &HostPath, facts: &Facts) -> Option<String> {
    let listed = facts.site.iter().find(|listed| path.is_below(listed))?;
    Some(format!("the site lists {listed}"))
}

fn protected_place(path: &HostPath, facts: &Facts) -> Option<String> {
    if let Some(why) = listed_by_site(path, facts) {
        return Some(why);
    }
    if facts.mounts.contains(path) {
        return Some("it is a mount point".to_owned());
    }
    None
}

fn protected_file(file: &FileTarget, condemned: &BTreeSet<(u32, u64)>, facts: &Facts) -> Option<String> {
    match facts.ownership.get(&file.path) {
        Some(Ownership::Owned { package }) => return Some(format!("package {package} owns it, its digest matches")),
        Some(Ownership::Copied { package, original }) => {
            return Some(format!("its content is that of {original} of package {package}"));
        }
        Some(Ownership::Modified { package }) => {
            return Some(format!("package {package} owns its path: to be restored, not removed"));
        }
        Some(Ownership::Listed { package }) => return Some(format!("it is a configuration file of package {package}")),
        Some(Ownership::Unowned | Ownership::Unknown) | None => {}
    }
    let user = facts.processes.iter().find(|p| {
        !condemned.contains(&(p.pid, p.start_ticks.0))
            && p.exe.as_ref().is_some_and(|exe| same_file(exe.id, exe.sha256, file))
    });
    user.map(|p| format!("pid {} `{}`, which is not condemned, runs it", p.pid, p.comm))
}

fn same_file(id: FileId, sha256: Option<crate::text::Digest>, file: &FileTarget) -> bool {
    id == file.id || sha256 == Some(file.sha256)
}

/// The processes that acts would end, by pid and start time: those they name, and those that take their place by the
/// envelope.
pub fn condemned_processes<'a>(
    acts: impl IntoIterator<Item = &'a Act>,
    births: &[Birth],
    processes: &[Process],
) -> BTreeSet<(u32, u64)> {
    let named = acts.into_iter().filter_map(|act| match act {
        Act::Freeze { process } | Act::Kill { process } => Some((process.pid, process.start_ticks.0)),
        _ => None,
    });
    let born = processes.iter().filter_map(|process| {
        let content = process.exe.as_ref()?.sha256?;
        births
            .iter()
            .any(|birth| matches!(birth, Birth::Executable { sha256, .. } if *sha256 == content))
            .then_some((process.pid, process.start_ticks.0))
    });
    named.chain(born).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Role;
    use crate::platform::Platform;
    use crate::platform::simulated::{Simulated, infected};

    /// What the sample host answers, and its miner as a plan names it.
    fn asked(change: impl FnOnce(&mut Process)) -> (Facts, ProcessTarget) {
        let mut facts = Facts::default();
        let host = Simulated::new(infected());
        for question in Facts::questions(&[]) {
            let answer = host.answer(&question).expect("the sample host answers").value;
            facts.learn(&question, answer);
        }
        let miner = facts
            .processes
            .iter_mut()
            .find(|p| p.pid == 2101)
            .expect("the miner runs");
        let exe = miner.exe.clone().expect("it runs a file");
        let target = ProcessTarget {
            boot_id: "b".to_owned(),
            pid: miner.pid,
            start_ticks: miner.start_ticks,
            exe: exe.id,
            exe_path: exe.path,
            exe_sha256: exe.sha256.expect("it was hashed"),
            exe_size: exe.size,
            argv_sha256: miner.argv_sha256.expect("its arguments were read"),
            uid: miner.uid,
            comm: miner.comm.clone(),
            role: Role::Miner,
        };
        change(miner);
        (facts, target)
    }

    fn script(path: &str) -> crate::query::FileStat {
        let host = Simulated::new(infected());
        let query = Query::Stat {
            paths: vec!["/tmp/.x/config.json".into()],
            digest: false,
        };
        match host.answer(&query).expect("the sample host answers").value {
            Answer::Entries(entries) => match entries.into_iter().next() {
                Some(crate::query::Entry::Present(stat)) => crate::query::FileStat {
                    path: path.into(),
                    ..stat
                },
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_site_lists_is_neither_frozen_nor_ended() {
        type Change = fn(&mut Process);
        let nothing: Change = |_| {};
        let by_script: Change = |miner| miner.script = Some(script("/srv/app/job.pl"));
        let by_directory: Change = |miner| miner.cwd = Some("/srv/app".into());
        let moved: Change = |miner| {
            if let Some(exe) = &mut miner.exe {
                exe.path = "/srv/app/worker".into();
            }
        };
        let rows: [(&str, Change, &str, bool); 6] = [
            ("nothing that concerns it", nothing, "/srv", false),
            ("its executable", nothing, "/tmp/.x", true),
            ("a name that only begins so", nothing, "/tmp/.", false),
            ("its script", by_script, "/srv/app", true),
            ("where it stands", by_directory, "/srv/app", false),
            ("where its executable lies by now", moved, "/srv", true),
        ];
        for (name, change, listed, expected) in rows {
            let (mut facts, target) = asked(change);
            facts.site = vec![listed.into()];
            let why = protected_process(&target, &facts);
            assert_eq!(why.is_some(), expected, "{name}: {why:?}");
            let acts = [
                Act::Freeze {
                    process: target.clone(),
                },
                Act::Kill { process: target },
            ];
            for act in acts {
                assert_eq!(protection(&act, &BTreeSet::new(), &facts), why, "{name}");
            }
        }
    }
}
