//! Holding units: what their manager starts in them stands still before its first instruction.
//!
//! A manager puts a process into the unit's cgroup before that runs a command (exec_child and cg_attach in
//! `systemd/systemd: src/core/execute.c`). In a frozen cgroup it goes no further: no timer, no restart and nothing that is
//! to run as a process ends gets to run, however long the rest takes. A cgroup of a unit in which nothing runs is made and
//! frozen; where the manager removes it, it is made again. Only the unified hierarchy can do this, and only a manager that
//! does not wait for what it starts can bear it; elsewhere the freeze must be short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::identity::{own_chain, parse_stat};
use super::keeper::Message;
use super::{Hands, group, mounts};
use crate::action::ServiceManager;
use crate::platform::linux::systemd;
use crate::query::HostError;
use crate::text::HostBytes;

/// How often it is looked whether a cgroup still stands: a manager that removed one starts nothing in it at once.
const LOOK: Duration = Duration::from_millis(2);
/// The processes of one unit that are told apart.
const PROCESSES: usize = 10_000;
/// What a start time of `/proc/PID/stat` counts in (proc_pid_stat(5)); a tick has the same length on all that we are built
/// for.
const TICK_NS: i64 = 10_000_000;

/// The units that are held.
#[derive(Default)]
pub(super) struct Holding {
    units: Vec<UnitHold>,
    watch: Option<Watch>,
}

/// One unit that is held.
struct UnitHold {
    manager: ServiceManager,
    name: HostBytes,
    group: PathBuf,
    /// Who was in it when it was held, and when that was, in ticks since the start of the host.
    before: BTreeSet<u32>,
    since: u64,
    /// Folders that we made for it, outermost first.
    made: Vec<PathBuf>,
}

/// Keeps cgroups there and frozen, on a thread of its own, as long as it is kept.
struct Watch {
    groups: Arc<Mutex<Vec<PathBuf>>>,
    over: Arc<AtomicBool>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Whoever lets go holds the list: no group is frozen after this.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Watch {
    fn start() -> Option<Watch> {
        let watch = Watch {
            groups: Arc::default(),
            over: Arc::default(),
        };
        let (groups, over) = (watch.groups.clone(), watch.over.clone());
        let look = move || {
            while !over.load(Ordering::Relaxed) {
                for group in groups.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                    keep_frozen(group);
                }
                std::thread::sleep(LOOK);
            }
        };
        std::thread::Builder::new().spawn(look).ok()?;
        Some(watch)
    }
}

/// Makes a cgroup where it is gone, and freezes it where it is not.
fn keep_frozen(group: &Path) {
    let freezer = group.join("cgroup.freeze");
    match fs::read(&freezer) {
        Ok(state) if state.starts_with(b"1") => {}
        Ok(_) => drop(fs::write(&freezer, "1")),
        Err(_) => {
            // What cannot be made now is tried again.
            if fs::create_dir(group).is_ok() {
                let _ = fs::write(&freezer, "1");
            }
        }
    }
}

impl Hands {
    /// Holds units: those in which nothing runs, or with `running` all of them. Gives how many are held.
    ///
    /// # Errors
    /// When the keeper is not there to let go of them.
    pub fn hold_units(&self, manager: ServiceManager, units: &[HostBytes], running: bool) -> Result<u32, HostError> {
        let own = own_chain("hold units")?;
        for name in units {
            let known = |hold: &UnitHold| hold.manager == manager && hold.name == *name;
            if self.holding().units.iter().any(known) {
                continue;
            }
            let Some(group) = group_of(manager, name) else { continue };
            let since = ticks();
            let before = processes_in(&group);
            if !before.is_empty() && !running || before.iter().any(|pid| own.contains(pid)) {
                continue;
            }
            self.standing().tell(&Message::Unit { path: group.clone() }, None)?;
            let Some(made) = freeze(&group) else { continue };
            let mut holding = self.holding();
            if holding.watch.is_none() {
                holding.watch = Watch::start();
            }
            if let Some(watch) = &holding.watch {
                watch
                    .groups
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(group.clone());
            }
            holding.units.push(UnitHold {
                manager,
                name: name.clone(),
                group,
                before,
                since,
                made,
            });
        }
        Ok(u32::try_from(self.holding().units.len()).unwrap_or(u32::MAX))
    }

    /// Whom a manager started in held units since they are held: nobody of them ran yet.
    pub fn newborns(&self, manager: ServiceManager) -> Vec<u32> {
        let holding = self.holding();
        let born = holding
            .units
            .iter()
            .filter(|unit| unit.manager == manager)
            .flat_map(|unit| {
                let mut now = processes_in(&unit.group);
                now.retain(|pid| !unit.before.contains(pid) && unit.is_newborn(*pid));
                now
            });
        born.collect()
    }

    /// Lets go of all units: what still is in them runs.
    pub fn free_units(&self) {
        let Holding { units, watch } = std::mem::take(&mut *self.holding());
        drop(watch);
        for unit in units {
            thaw(&unit.group);
            for folder in unit.made.iter().rev() {
                // One in which something runs by now is the manager's.
                let _ = fs::remove_dir(folder);
            }
        }
        // Without a keeper there is nobody to tell.
        let _ = self.standing().tell(&Message::NoUnits, None);
    }
}

impl UnitHold {
    /// Whether a process in the cgroup was started there by the manager, and not moved there by somebody else.
    fn is_newborn(&self, pid: u32) -> bool {
        let Some(stat) = fs::read(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|stat| parse_stat(&stat))
        else {
            return false;
        };
        stat.start_ticks >= self.since && (stat.ppid == 1 || self.manager != ServiceManager::System {})
    }
}

/// Where the manager runs, or would run, what is in a unit; `None` where that is not the unified hierarchy, or no unit that
/// can hold processes.
fn group_of(manager: ServiceManager, name: &HostBytes) -> Option<PathBuf> {
    let path = systemd::holdable_group(manager, name)?;
    let line = [b"0::", &path[..], b"\n"].concat();
    group::group_of(&line, &mounts::read()).filter(|group| {
        group
            .file_name()
            .is_some_and(|last| last.as_encoded_bytes() == name.as_bytes())
    })
}

/// Ticks since the start of the host.
fn ticks() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let ns = now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec);
    u64::try_from(ns / TICK_NS).unwrap_or(0)
}

/// Freezes a cgroup, made where it is not there; gives the folders that were made, `None` where there is no freezer.
fn freeze(group: &Path) -> Option<Vec<PathBuf>> {
    let missing: Vec<PathBuf> = group
        .ancestors()
        .take_while(|folder| !folder.exists())
        .map(Path::to_path_buf)
        .collect();
    let mut made = Vec::new();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(&folder) {
            Ok(()) => made.push(folder),
            // The manager made it meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(_) => break,
        }
    }
    if fs::write(group.join("cgroup.freeze"), "1").is_ok() {
        return Some(made);
    }
    for folder in made.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
    None
}

/// Thaws a cgroup that we froze. One that is gone is no error.
pub(super) fn thaw(group: &Path) {
    let _ = fs::write(group.join("cgroup.freeze"), "0");
}

/// The processes in a cgroup and those below it.
fn processes_in(group: &Path) -> BTreeSet<u32> {
    let mut pids = BTreeSet::new();
    let mut folders = vec![group.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let listed = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        pids.extend(listed.lines().filter_map(|pid| pid.parse::<u32>().ok()));
        if pids.len() >= PROCESSES {
            break;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    pids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::hands::bench;
    use crate::platform::linux::hands::identity::Seen;

    #[test]
    fn without_a_manager_there_is_nothing_to_hold() {
        let hands = Hands::new();
        let manager = ServiceManager::User { uid: u32::MAX };
        assert_eq!(hands.hold_units(manager, &["a.service".into()], true), Ok(0));
        assert!(hands.newborns(manager).is_empty());
        hands.free_units();
    }

    #[test]
    fn only_what_the_manager_started_since_is_a_newborn() {
        let sleeper = bench::Sleeper::start();
        let hold = |manager, since| UnitHold {
            manager,
            name: "a.service".into(),
            group: PathBuf::new(),
            before: BTreeSet::new(),
            since,
            made: Vec::new(),
        };
        let user = ServiceManager::User { uid: 0 };
        assert!(hold(user, 0).is_newborn(sleeper.pid()));
        assert!(
            !hold(user, ticks() + 1).is_newborn(sleeper.pid()),
            "it was there before"
        );
        assert!(
            !hold(ServiceManager::System {}, 0).is_newborn(sleeper.pid()),
            "it is our child"
        );
        assert!(!hold(user, 0).is_newborn(u32::MAX));
    }

    #[test]
    fn a_group_that_goes_is_made_again_until_it_is_let_go() {
        let sleeper = bench::Sleeper::start();
        let seen = Seen::open(sleeper.pid(), "test").expect("ours").expect("it runs");
        let place = group::place_for(&seen, "test").expect("readable");
        let Some(group) = place.and_then(|place| Some(place.parent()?.join(format!("{}.service", group::own_name()))))
        else {
            return;
        };
        let Some(made) = freeze(&group) else {
            // Not root, or a hierarchy that may only be read.
            return;
        };
        assert_eq!(made, [group.clone()]);
        let watch = Watch::start().expect("a thread");
        watch.groups.lock().expect("no panic").push(group.clone());
        fs::write(group.join("cgroup.freeze"), "0").expect("ours");
        bench::until("it is frozen again", || {
            fs::read(group.join("cgroup.freeze")).is_ok_and(|state| state == b"1\n")
        });
        fs::remove_dir(&group).expect("empty");
        bench::until("it is made again", || {
            fs::read(group.join("cgroup.freeze")).is_ok_and(|state| state == b"1\n")
        });
        drop(watch);
        fs::remove_dir(&group).expect("empty");
        std::thread::sleep(5 * LOOK);
        assert!(!group.exists(), "it is let go");
    }
}
