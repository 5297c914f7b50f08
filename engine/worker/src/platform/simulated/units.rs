//! Service managers of a simulated host: what they have in memory, start again, and forget at a reload.
//!
//! A unit stays in memory when its file goes, as with systemd: only a reload forgets it, and until then it is started
//! again and what it runs as it ends runs.

use serde::{Deserialize, Serialize};

use super::state::{Start, State};
use super::tree::{Traits, plain};
use super::world::{Content, World};
use crate::action::{Done, ServiceManager, Undo};
use crate::query::{HostError, LoadedUnit};
use crate::text::{HostBytes, HostPath};

/// A unit that a service manager has in memory as the world begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Its full name.
    pub name: HostBytes,
    /// Which manager has it.
    #[serde(default = "system")]
    pub manager: ServiceManager,
    /// The file that it was read from.
    pub file: HostPath,
    /// The additions that were read with it.
    #[serde(default)]
    pub drop_ins: Vec<HostPath>,
    /// Its main process, among the described ones.
    #[serde(default)]
    pub process: Option<u32>,
    /// How long after its end the process is started again; without it, it is not.
    #[serde(default)]
    pub restarts_after_ms: Option<u64>,
    /// How often a timer starts the process where it does not run.
    #[serde(default)]
    pub every_ms: Option<u64>,
    /// The file that gets a line as the process ends (`ExecStopPost=`).
    #[serde(default)]
    pub writes_at_end: Option<HostPath>,
}

/// A program that each reload of the system's manager runs, where it is executable (systemd.generator(7)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// The program.
    pub file: HostPath,
    /// The file that it writes.
    pub writes: HostPath,
    /// What it writes there.
    pub content: Content,
}

fn system() -> ServiceManager {
    ServiceManager::System {}
}

/// What became of a unit.
#[derive(Debug)]
pub(super) struct Having {
    loaded: bool,
    drop_ins: Vec<HostPath>,
    /// Whether the end of its process was noticed.
    ended: bool,
    restart_ms: Option<u64>,
    timer_ms: Option<u64>,
}

impl Having {
    pub(super) fn all(world: &World) -> Vec<Having> {
        let having = |unit: &Unit| Having {
            loaded: true,
            drop_ins: unit.drop_ins.clone(),
            ended: false,
            restart_ms: None,
            timer_ms: unit.every_ms.map(|every| world.uptime_ms.saturating_add(every.max(1))),
        };
        world.units.iter().map(having).collect()
    }

    /// When it next does something.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let both = [self.restart_ms, self.timer_ms];
        both.into_iter().flatten().min().filter(|_| self.loaded)
    }
}

impl State {
    /// Lets the managers see which processes ended.
    pub(super) fn notice_ends(&mut self) {
        for index in 0..self.world.units.len() {
            let unit = &self.world.units[index];
            let Some(role) = unit.process else { continue };
            let alive = self.in_place_of(role).is_some();
            let having = &mut self.having[index];
            if alive {
                having.ended = false;
                having.restart_ms = None;
            } else if !having.ended {
                having.ended = true;
                if having.loaded {
                    having.restart_ms = unit
                        .restarts_after_ms
                        .map(|after| self.uptime_ms.saturating_add(after.max(1)));
                    if let Some(path) = unit.writes_at_end.clone() {
                        self.add_line(&path);
                    }
                }
            }
        }
    }

    fn add_line(&mut self, path: &HostPath) {
        let path = plain(path);
        let now_ns = self.now_ns();
        let before = self.tree.regular(&path).map(|inode| inode.content.clone());
        let content = [before.unwrap_or_default(), b"ran\n".to_vec()].concat();
        if let Some(parent) = path.parent() {
            self.tree.make_directories(&parent, now_ns);
        }
        self.tree.put(&path, content, Traits::regular(0o644, 0, now_ns));
    }

    /// Starts what a unit runs, where it does not run.
    pub(super) fn run_unit(&mut self, index: usize) {
        let unit = self.world.units[index].clone();
        let now_ms = self.uptime_ms;
        let having = &mut self.having[index];
        having.restart_ms = None;
        if let Some(timer_ms) = &mut having.timer_ms
            && *timer_ms <= now_ms
        {
            *timer_ms = now_ms.saturating_add(unit.every_ms.unwrap_or(0).max(1));
        }
        let Some(role) = unit.process.filter(|role| self.in_place_of(*role).is_none()) else {
            return;
        };
        let described = self.world.processes.iter().find(|process| process.pid == role);
        let Some(exe) = described.and_then(|process| process.exe.clone()) else {
            return;
        };
        self.start(Start {
            exe: &exe,
            from: None,
            content: None,
            like: Some(role),
            parent: 1,
            unlink_after: false,
        });
    }

    /// What the managers have in memory.
    pub(super) fn units(&self) -> Vec<LoadedUnit> {
        let mut units: Vec<LoadedUnit> = self
            .world
            .units
            .iter()
            .zip(&self.having)
            .map(|(unit, having)| {
                let alive = unit.process.is_some_and(|role| self.in_place_of(role).is_some());
                let states = match alive {
                    true => ("active", "running"),
                    false => ("inactive", "dead"),
                };
                LoadedUnit {
                    manager: unit.manager,
                    name: unit.name.clone(),
                    load_state: if having.loaded { "loaded" } else { "not-found" }.into(),
                    active_state: states.0.into(),
                    sub_state: states.1.into(),
                    fragment: having.loaded.then(|| unit.file.clone()),
                    source: None,
                    drop_ins: having.drop_ins.clone(),
                    needs_reload: having.loaded && self.tree.regular(&unit.file).is_none(),
                }
            })
            .collect();
        units.sort_by(|a, b| (a.manager, &a.name).cmp(&(b.manager, &b.name)));
        units
    }

    pub(super) fn reload_units(&mut self, manager: ServiceManager, names: &[HostBytes]) -> Result<Done, HostError> {
        let of_it = |unit: &Unit| unit.manager == manager;
        let system = manager == ServiceManager::System {};
        if !system && !self.world.units.iter().any(of_it) {
            return Ok(Done::Gone);
        }
        let generators = if system {
            self.world.generators.clone()
        } else {
            Vec::new()
        };
        for Generator { file, writes, content } in generators {
            let runs = self.tree.regular(&file).is_some_and(|inode| inode.mode & 0o111 != 0);
            if let Some(content) = self.world.bytes(&content).ok().filter(|_| runs) {
                let now_ns = self.now_ns();
                let writes = plain(&writes);
                if let Some(parent) = writes.parent() {
                    self.tree.make_directories(&parent, now_ns);
                }
                self.tree.put(&writes, content, Traits::regular(0o644, 0, now_ns));
            }
        }
        for (unit, having) in self.world.units.iter().zip(&mut self.having) {
            if unit.manager == manager {
                having.loaded = self.tree.regular(&unit.file).is_some();
                having.drop_ins = unit
                    .drop_ins
                    .iter()
                    .filter(|path| self.tree.regular(path).is_some())
                    .cloned()
                    .collect();
            }
        }
        let mut left = self
            .units()
            .into_iter()
            .filter(|unit| unit.manager == manager && names.contains(&unit.name));
        match left.find(|unit| unit.fragment.is_some()) {
            Some(unit) => Err(HostError::Failed {
                doing: format!("reload the {manager} manager: look at {}", unit.name),
                why: format!("the manager has it from {}", unit.fragment.unwrap_or_default()),
            }),
            None => Ok(Done::Changed { undo: Undo::None }),
        }
    }
}
