//! Leaving a process next to no CPU time, in the way that this host has, and giving it back.
//!
//! - Where cgroups of version 1 hold the CPU: a group of our own below the one that the process is in. Service managers go
//!   by another hierarchy and notice nothing.
//! - Where those of version 2 do, and the process has a group for itself: a limit of that group. A group of our own could
//!   only be made elsewhere; its service manager would take the process for ended.
//! - Else each thread may run on one CPU only, and as root behind everybody (setpriority(2)): another user could not give
//!   that back.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, getpriority_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::identity::Seen;
use super::{Hands, failed, group, mounts, refused};
use crate::action::{Done, ProcessTarget, Scheduling, ThreadScheduling, Undo};
use crate::query::HostError;
use crate::text::{HostBytes, HostPath};

/// What is left of one CPU: 5 milliseconds of each 100.
const QUOTA_US: &str = "5000";
const PERIOD_US: &str = "100000";

/// The lowest priority of setpriority(2).
const LAST: i32 = 19;

/// The threads of one process that are set back; with more it is not begun.
const THREADS: usize = 4096;

/// How often new threads are looked for.
const ROUNDS: u32 = 8;

impl Hands {
    /// Leaves a process next to no CPU time.
    pub(super) fn throttle(&self, target: &ProcessTarget) -> Result<Done, HostError> {
        let doing = format!("throttle process {} `{}`", target.pid, target.comm);
        let Some(seen) = self.identify(target, &doing)? else {
            return Ok(Done::Gone);
        };
        let way = match by_group(&seen, &doing)? {
            Some(way) => Some(way),
            None => match by_limit(&seen, &doing)? {
                Some(way) => Some(way),
                None => by_threads(&seen, &doing)?,
            },
        };
        Ok(match way {
            None => Done::Gone,
            Some(Way::Already) => Done::Already,
            Some(Way::Made(former)) => Done::Changed {
                undo: Undo::Unthrottle {
                    process: Box::new(target.clone()),
                    former,
                },
            },
        })
    }

    /// Gives a process back how it was scheduled. One that is gone needs nothing; a group of ours goes.
    pub(super) fn unthrottle(&self, target: &ProcessTarget, former: &Scheduling) -> Result<Done, HostError> {
        let doing = format!("unthrottle process {} `{}`", target.pid, target.comm);
        if let Scheduling::Group { group } = former {
            let group = path(group);
            let there = group::is_ours(&group) && group.exists();
            group::dissolve(&group).map_err(|error| failed(&doing, &error))?;
            return Ok(match there {
                true => Done::Changed { undo: Undo::None },
                false => Done::Gone,
            });
        }
        let Some(seen) = self.identify(target, &doing)? else {
            return Ok(Done::Gone);
        };
        match former {
            Scheduling::Group { .. } => {}
            Scheduling::Limit { group, former } => {
                let group = path(group);
                if limited_group(&seen, &doing)?.as_ref() != Some(&group) {
                    return Ok(Done::Gone);
                }
                let former = String::from_utf8_lossy(former.as_bytes()).into_owned();
                group::write(&group, "cpu.max", &former).map_err(|error| failed(&doing, &error))?;
            }
            Scheduling::Threads { threads } => give_back(&seen, threads, &doing)?,
        }
        Ok(Done::Changed { undo: Undo::None })
    }
}

/// What was met.
enum Way {
    /// It is throttled.
    Already,
    /// It was like this.
    Made(Scheduling),
}

fn path(group: &HostPath) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(group.as_bytes()))
}

fn host_path(group: &Path) -> HostPath {
    HostPath::new(group.as_os_str().as_bytes())
}

/// The group of ours, in the hierarchy that holds the CPU, that a process is in.
pub(super) fn group_around(seen: &Seen) -> Option<PathBuf> {
    let cgroup = seen.read("cgroup", 64 << 10, "read its groups").ok()??;
    cpu_group(&cgroup, &mounts::read()).filter(|group| group::is_ours(group))
}

/// The group of version 1 that holds the CPU time of a process, by its `/proc/PID/cgroup` (cgroups(7)).
pub(super) fn cpu_group(cgroup: &[u8], mounts: &[mounts::MountPoint]) -> Option<PathBuf> {
    let path = cgroup.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = line.splitn(3, |b| *b == b':');
        let mut controllers = fields.nth(1)?.split(|b| *b == b',');
        controllers
            .any(|controller| controller == b"cpu")
            .then(|| fields.next())
            .flatten()
    })?;
    mounts
        .iter()
        .filter(|mount| mount.kind == b"cgroup")
        .filter_map(|mount| group::within(mount, path))
        .find(|group| group.join("cpu.shares").exists())
}

/// Makes a group of ours below and moves the process into it. `None` where there is no such hierarchy, or it takes none.
fn by_group(seen: &Seen, doing: &str) -> Result<Option<Way>, HostError> {
    let cgroup = seen.read("cgroup", 64 << 10, doing)?.unwrap_or_default();
    let Some(around) = cpu_group(&cgroup, &mounts::read()) else {
        return Ok(None);
    };
    if group::is_ours(&around) {
        return Ok(Some(Way::Already));
    }
    let own = around.join(group::own_name());
    if std::fs::create_dir(&own).is_err() {
        return Ok(None);
    }
    let moved = group::write(&own, "cpu.cfs_period_us", PERIOD_US)
        .and_then(|()| group::write(&own, "cpu.cfs_quota_us", QUOTA_US))
        .and_then(|()| group::write(&own, "cgroup.procs", &seen.key.pid.to_string()));
    // A number that another process had by then, or a process that ended: what is in the group goes back.
    let is_in = group_around(seen).as_ref() == Some(&own) && !seen.is_over(doing)?;
    if moved.is_err() || !is_in {
        group::dissolve(&own).map_err(|error| failed(doing, &error))?;
        return Ok(None);
    }
    let group = host_path(&own);
    Ok(Some(Way::Made(Scheduling::Group { group })))
}

/// The group of version 2 that a process has for itself and that can be limited.
fn limited_group(seen: &Seen, doing: &str) -> Result<Option<PathBuf>, HostError> {
    let cgroup = seen.read("cgroup", 64 << 10, doing)?.unwrap_or_default();
    let alone = |group: &PathBuf| {
        let members = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        has_for_itself(&members, seen.key.pid) && group.join("cpu.max").exists()
    };
    Ok(group::group_of(&cgroup, &mounts::read()).filter(alone))
}

fn has_for_itself(members: &str, pid: u32) -> bool {
    members.split_ascii_whitespace().eq([pid.to_string()])
}

/// Limits the group that the process has for itself. `None` where it has none.
fn by_limit(seen: &Seen, doing: &str) -> Result<Option<Way>, HostError> {
    let Some(group) = limited_group(seen, doing)? else {
        return Ok(None);
    };
    let file = group.join("cpu.max");
    let former = std::fs::read_to_string(&file).map_err(|error| failed(doing, &error))?;
    let former = former.trim().to_owned();
    let limit = format!("{QUOTA_US} {PERIOD_US}");
    if former == limit {
        return Ok(Some(Way::Already));
    }
    if group::write(&group, "cpu.max", &limit).is_err() {
        return Ok(None);
    }
    Ok(Some(Way::Made(Scheduling::Limit {
        group: host_path(&group),
        former: HostBytes::new(former),
    })))
}

/// Sets back every thread, also those that begin meanwhile. `None` when the process is gone.
fn by_threads(seen: &Seen, doing: &str) -> Result<Option<Way>, HostError> {
    let root = rustix::process::geteuid().is_root();
    let mut met: BTreeMap<u32, ThreadScheduling> = BTreeMap::new();
    let mut changed = false;
    for _ in 0..ROUNDS {
        let tasks = seen.tasks(doing)?;
        if tasks.len() > THREADS {
            let limit = THREADS as u64;
            let doing = format!("{doing}: set back its threads");
            put_back(seen, met.values(), &doing)?;
            return Err(HostError::TooLarge { doing, limit });
        }
        let fresh: Vec<u32> = tasks
            .iter()
            .map(|(task, _)| *task)
            .filter(|task| !met.contains_key(task))
            .collect();
        if fresh.is_empty() {
            break;
        }
        for task in fresh {
            let set_back = set_back(task, root);
            // The number may be somebody else's by now: then that one gets back what it had.
            let is_its = seen.tasks(doing)?.iter().any(|(now, _)| *now == task);
            match set_back {
                Ok((former, was_changed)) if is_its => {
                    changed |= was_changed;
                    met.insert(task, former);
                }
                Ok((former, _)) => restore(task, &former, root),
                Err(Errno::SRCH) => {}
                Err(errno) if is_its => {
                    put_back(seen, met.values(), doing)?;
                    return Err(refused(doing, errno));
                }
                Err(_) => {}
            }
        }
    }
    if met.is_empty() {
        return Ok(None);
    }
    Ok(Some(match changed {
        false => Way::Already,
        true => Way::Made(Scheduling::Threads {
            threads: met.into_values().collect(),
        }),
    }))
}

/// Sets one thread back; gives how it was, and whether that was otherwise.
fn set_back(task: u32, root: bool) -> Result<(ThreadScheduling, bool), Errno> {
    let pid = pid_of(task)?;
    let former = ThreadScheduling {
        tid: task,
        nice: getpriority_process(Some(pid))?,
        cpus: cpu_list(&sched_getaffinity(Some(pid))?),
    };
    let mut one = CpuSet::new();
    let last = cpu_set(&former.cpus).and_then(|set| (0..CpuSet::MAX_CPU).rev().find(|cpu| set.is_set(*cpu)));
    one.set(last.ok_or(Errno::INVAL)?);
    sched_setaffinity(Some(pid), &one)?;
    if root && former.nice < LAST {
        setpriority_process(Some(pid), LAST)?;
    }
    let changed = cpu_list(&one) != former.cpus || (root && former.nice < LAST);
    Ok((former, changed))
}

/// Best effort: a thread that ended needs nothing.
fn restore(task: u32, former: &ThreadScheduling, root: bool) {
    let Ok(pid) = pid_of(task) else { return };
    if let Some(set) = cpu_set(&former.cpus) {
        let _ = sched_setaffinity(Some(pid), &set);
    }
    if root {
        let _ = setpriority_process(Some(pid), former.nice);
    }
}

fn put_back<'a>(
    seen: &Seen,
    threads: impl Iterator<Item = &'a ThreadScheduling>,
    doing: &str,
) -> Result<(), HostError> {
    let root = rustix::process::geteuid().is_root();
    let alive = seen.tasks(doing)?;
    for former in threads.filter(|former| alive.iter().any(|(task, _)| *task == former.tid)) {
        restore(former.tid, former, root);
    }
    Ok(())
}

/// Gives every thread back what it had; one that began since, what the first thread had.
fn give_back(seen: &Seen, threads: &[ThreadScheduling], doing: &str) -> Result<(), HostError> {
    let root = rustix::process::geteuid().is_root();
    let first = threads
        .iter()
        .find(|former| former.tid == seen.key.pid)
        .or(threads.first());
    let Some(first) = first else { return Ok(()) };
    for (task, _) in seen.tasks(doing)? {
        let former = threads.iter().find(|former| former.tid == task).unwrap_or(first);
        restore(task, former, root);
        let now = pid_of(task).and_then(|pid| Ok((getpriority_process(Some(pid))?, sched_getaffinity(Some(pid))?)));
        match now {
            Ok((nice, cpus)) if (root && nice != former.nice) || cpu_list(&cpus) != former.cpus => {
                return Err(HostError::Failed {
                    doing: doing.to_owned(),
                    why: format!("thread {task} did not take back how it was scheduled"),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

fn pid_of(task: u32) -> Result<Pid, Errno> {
    let raw = i32::try_from(task).map_err(|_| Errno::SRCH)?;
    Pid::from_raw(raw).ok_or(Errno::SRCH)
}

/// CPUs as the kernel lists them: `0-3,7`.
pub(super) fn cpu_list(set: &CpuSet) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)) {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let parts = parts.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Reads such a list; `None` where it is none.
pub(super) fn cpu_set(list: &str) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= CpuSet::MAX_CPU {
            return None;
        }
        (first..=last).for_each(|cpu| set.set(cpu));
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::text::{Digest, Wide};

    fn nice_and_cpus(pid: u32) -> (i32, String) {
        let pid = pid_of(pid).expect("a pid");
        (
            getpriority_process(Some(pid)).expect("ours"),
            cpu_list(&sched_getaffinity(Some(pid)).expect("ours")),
        )
    }

    #[test]
    fn lists_of_cpus() {
        for (list, cpus) in [("0", &[0][..]), ("0-3,7", &[0, 1, 2, 3, 7]), ("1,3,5-6", &[1, 3, 5, 6])] {
            let set = cpu_set(list).expect(list);
            assert_eq!(cpu_list(&set), list);
            let found: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect();
            assert_eq!(found, cpus, "{list}");
        }
        for list in ["", "3-1", "a", "0,", "4096", "0--1"] {
            assert!(cpu_set(list).is_none(), "{list}");
        }
    }

    #[test]
    fn which_group_holds_the_cpu() {
        let home = tempfile::tempdir().expect("a folder");
        let group = home.path().join("system.slice/x.service");
        std::fs::create_dir_all(&group).expect("a folder");
        std::fs::write(group.join("cpu.shares"), "1024").expect("ours");
        let point = home.path().display();
        let table = mounts::parse(format!("1 0 0:1 / {point} rw - cgroup cgroup rw,cpu,cpuacct\n").as_bytes());
        let rows = [
            ("4:cpu,cpuacct:/system.slice/x.service\n0::/\n", true),
            ("4:cpuacct:/system.slice/x.service\n", false),
            ("4:cpu:/system.slice/y.service\n", false),
            ("4:cpu:/../x.service\n", false),
            ("0::/system.slice/x.service\n", false),
        ];
        for (cgroup, expected) in rows {
            let found = cpu_group(cgroup.as_bytes(), &table);
            assert_eq!(found.is_some(), expected, "{cgroup}");
            assert!(found.is_none_or(|found| found == group), "{cgroup}");
        }
        assert!(has_for_itself("7\n", 7) && !has_for_itself("7\n8\n", 7) && !has_for_itself("", 7));
    }

    #[test]
    fn threads_are_set_back_and_get_back_what_they_had() {
        let sleeper = bench::Sleeper::start();
        let seen = Seen::open(sleeper.pid(), "test").expect("ours").expect("it runs");
        let before = nice_and_cpus(sleeper.pid());
        let Some(Way::Made(Scheduling::Threads { threads })) = by_threads(&seen, "test").expect("ours") else {
            assert_eq!(
                before.1.split([',', '-']).count(),
                1,
                "only on one CPU there is nothing to do"
            );
            return;
        };
        let after = nice_and_cpus(sleeper.pid());
        assert!(
            before.1.ends_with(&after.1) && !after.1.contains(['-', ',']),
            "{after:?}"
        );
        if rustix::process::geteuid().is_root() {
            assert_eq!(after.0, LAST);
        }
        assert!(matches!(by_threads(&seen, "test"), Ok(Some(Way::Already))));
        give_back(&seen, &threads, "test").expect("ours");
        assert_eq!(nice_and_cpus(sleeper.pid()), before);
    }

    #[test]
    fn a_process_is_quiet_and_then_as_before() {
        let sleeper = bench::Sleeper::start();
        let hands = Hands::new();
        let target = sleeper.target();
        let groups = || std::fs::read_to_string(format!("/proc/{}/cgroup", sleeper.pid())).expect("ours");
        let before = (nice_and_cpus(sleeper.pid()), groups());
        let Ok(Done::Changed {
            undo: Undo::Unthrottle { process, former },
        }) = hands.throttle(&target)
        else {
            panic!("it is the one meant")
        };
        assert_ne!((nice_and_cpus(sleeper.pid()), groups()), before);
        assert_eq!(hands.throttle(&target), Ok(Done::Already));
        assert!(matches!(hands.unthrottle(&process, &former), Ok(Done::Changed { .. })));
        assert_eq!((nice_and_cpus(sleeper.pid()), groups()), before);
        if let Scheduling::Group { group } = &former {
            assert!(!path(group).exists());
            assert_eq!(hands.unthrottle(&process, &former), Ok(Done::Gone));
        }
    }

    #[test]
    fn a_group_of_ours_goes_with_what_was_in_it() {
        let sleeper = bench::Sleeper::start();
        let hands = Hands::new();
        let target = sleeper.target();
        hands.throttle(&target).expect("it is the one meant");
        let seen = Seen::open(sleeper.pid(), "test").expect("ours").expect("it runs");
        let group = group_around(&seen);
        assert_eq!(hands.kill(&target), Ok(Done::Changed { undo: Undo::None }));
        assert!(group.is_none_or(|group| !group.exists()));
    }

    #[test]
    fn another_process_is_left_alone() {
        let sleeper = bench::Sleeper::start();
        let before = nice_and_cpus(sleeper.pid());
        let hands = Hands::new();
        let mut reused = sleeper.target();
        reused.start_ticks = Wide(reused.start_ticks.0 - 1);
        assert_eq!(hands.throttle(&reused), Ok(Done::Gone));
        let mut other = sleeper.target();
        other.exe_sha256 = Digest::of(b"another program");
        assert!(matches!(hands.throttle(&other), Err(HostError::Changed { .. })));
        let init = hands.throttle(&bench::target_of(1));
        assert!(matches!(init, Err(HostError::Protected { .. })), "{init:?}");
        let own = hands.throttle(&bench::target_of(std::process::id()));
        assert!(matches!(own, Err(HostError::Protected { .. })), "{own:?}");
        assert_eq!(nice_and_cpus(sleeper.pid()), before);
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_readers(list: String, cgroup: Vec<u8>) {
            let _ = cpu_set(&list);
            let _ = cpu_group(&cgroup, &mounts::parse(b"1 0 0:1 / / rw - cgroup cgroup rw\n"));
        }

        #[test]
        fn sets_read_back(cpus in proptest::collection::btree_set(0..CpuSet::MAX_CPU, 1..64)) {
            let mut set = CpuSet::new();
            cpus.iter().for_each(|cpu| set.set(*cpu));
            prop_assert_eq!(cpu_set(&cpu_list(&set)), Some(set));
        }
    }
}
