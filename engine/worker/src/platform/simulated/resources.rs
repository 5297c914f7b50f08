//! Answers about what the host uses, who holds what, and what its programs say.

use super::process::Running;
use super::state::State;
use super::tree::plain;
use crate::action::{Done, FileTarget, Undo};
use crate::argv;
use crate::query::{
    CommandEnd, CommandOutput, CommandQuery, CoreUse, Coverage, CpuUse, Entry, FileSystem, GapReason, Gpu, GpuHolder,
    Hold, Holder, HostError, MemoryUse, Observed, ProcessRoot, Resources, limits,
};
use crate::text::{HostBytes, HostPath, Wide};

/// Devices of GPUs, by the beginning of their path.
const GPU_DEVICES: [&str; 4] = ["/dev/nvidia", "/dev/dri/", "/dev/kfd", "/dev/accel/"];

/// All of one CPU, or of all together.
const WHOLE: u32 = 10_000;

impl State {
    /// What is used: by the CPU use of the processes, and by what the world says of devices.
    pub(super) fn resources(&mut self, sample_ms: u64) -> Observed<Resources> {
        let used = |state: &State| -> u64 { state.processes.values().map(|p| p.cpu_ms(state.uptime_ms)).sum() };
        let before = used(self);
        self.advance(sample_ms);
        let spent = used(self).saturating_sub(before);
        let cpus = self.world.cpus.max(1);
        let mut centi = match sample_ms {
            0 => 0,
            ms => u32::try_from(spent.saturating_mul(u64::from(WHOLE)) / ms).unwrap_or(u32::MAX),
        }
        .min(WHOLE.saturating_mul(cpus));
        let busy = |centi: u32| CpuUse {
            busy_centi: centi,
            user_centi: centi,
            ..CpuUse::default()
        };
        let cpu = busy(centi / cpus);
        let core = |number: u32| {
            let own = centi.min(WHOLE);
            centi -= own;
            CoreUse {
                cpu: number,
                used: busy(own),
            }
        };
        let cores = (0..cpus).map(core).collect();
        let memory = self.world.memory;
        let world = &self.world;
        let gpus = world.gpus.iter().map(|gpu| Gpu {
            address: gpu.address.clone(),
            id: gpu.id.clone(),
            driver: gpu.driver.clone(),
            model: gpu.model.clone(),
            cards: Vec::new(),
            busy_centi: gpu.busy_percent.map(|percent| percent.min(100) * 100),
            memory_total: None,
            memory_used: None,
            milli_celsius: None,
        });
        let mut coverage = Coverage::whole();
        for gpu in world.gpus.iter().filter(|gpu| gpu.busy_percent.is_none()) {
            coverage.note("gpu", gpu.address.clone(), GapReason::Unsupported);
        }
        let half = Wide(memory / 2);
        let root = FileSystem {
            point: HostPath::from("/"),
            kind: "ext4".to_owned(),
            source: HostBytes::from("/dev/vda1"),
            size: Wide(64 << 30),
            used: Wide(16 << 30),
            available: Wide(48 << 30),
            inodes: Wide(4 << 20),
            inodes_free: Wide(3 << 20),
        };
        let value = Resources {
            sample_ms,
            cpu,
            cores,
            load_centi: world.load_centi,
            memory: MemoryUse {
                total: Wide(memory),
                free: half,
                available: half,
                ..MemoryUse::default()
            },
            disks: Vec::new(),
            file_systems: vec![root],
            temperatures: Vec::new(),
            gpus: gpus.collect(),
            gpu_holders: self.gpu_holders(&mut coverage),
        };
        Observed { value, coverage }
    }

    fn gpu_holders(&self, coverage: &mut Coverage) -> Vec<GpuHolder> {
        let mut holders = Vec::new();
        for process in self.processes.values().filter(|process| process.is_alive()) {
            let devices: Vec<HostPath> = process
                .about
                .fds
                .iter()
                .filter(|open| {
                    GPU_DEVICES
                        .iter()
                        .any(|device| open.link.as_bytes().starts_with(device.as_bytes()))
                })
                .map(|open| HostPath::new(open.link.as_bytes()))
                .collect();
            if devices.is_empty() {
                continue;
            }
            if self.unreadable_pids.contains(&process.pid) {
                coverage.note("fds", process.pid.to_string().as_str(), GapReason::Denied);
                continue;
            }
            holders.push(GpuHolder {
                pid: process.pid,
                start_ticks: Wide(process.start_ticks()),
                uid: process.about.uid,
                comm: process.comm(),
                devices,
                busy_centi: None,
                memory: None,
            });
        }
        holders
    }

    /// Who holds these files: what runs, opens or maps them, or works in them.
    pub(super) fn holders(&self, files: &[HostPath]) -> Observed<Vec<Holder>> {
        let mut coverage = Coverage::whole();
        let entries = self.entries(files, false);
        coverage.unite(&entries.coverage);
        let mut rows = Vec::new();
        for entry in entries.value {
            let Entry::Present(stat) = entry else { continue };
            for process in self.processes.values().filter(|process| process.is_alive()) {
                if self.unreadable_pids.contains(&process.pid) {
                    coverage.note("process", process.pid.to_string().as_str(), GapReason::Denied);
                    continue;
                }
                let mut holds = Vec::new();
                if process
                    .executable(&self.tree, false)
                    .is_some_and(|exe| exe.id == stat.id)
                {
                    holds.push(Hold::Exe {});
                }
                let descriptors = self
                    .open_files(process)
                    .into_iter()
                    .filter(|open| open.id == Some(stat.id));
                holds.extend(descriptors.map(|open| Hold::Descriptor {
                    fd: open.fd,
                    writes: open.writes,
                }));
                let mapped = self.mapped_files(process).into_iter().filter(|map| map.id == stat.id);
                holds.extend(mapped.map(|map| Hold::Map {
                    executable: map.executable,
                }));
                if !process.about.kernel_thread && plain(&process.about.cwd) == plain(&stat.path) {
                    holds.push(Hold::Cwd {});
                }
                holds.sort_unstable();
                if !holds.is_empty() {
                    rows.push(holder(&stat.path, stat.id, process, holds));
                }
            }
        }
        Observed { value: rows, coverage }
    }

    /// What these processes take for their root.
    pub(super) fn roots(&self, pids: &[u32]) -> Observed<Vec<ProcessRoot>> {
        let mut coverage = Coverage::whole();
        let mut asked = pids.to_vec();
        asked.sort_unstable();
        asked.dedup();
        let mut rows = Vec::new();
        for pid in asked {
            let object = pid.to_string();
            match self.living(pid) {
                None => coverage.note("process", object.as_str(), GapReason::Gone),
                Some(_) if self.unreadable_pids.contains(&pid) => {
                    coverage.note("process", object.as_str(), GapReason::Denied);
                }
                Some(process) => {
                    let (kind, source) = match process.about.upper {
                        Some(_) => ("overlay", "overlay"),
                        None => ("ext4", "/dev/vda1"),
                    };
                    rows.push(ProcessRoot {
                        pid,
                        start_ticks: Wide(process.start_ticks()),
                        root: HostPath::from("/"),
                        kind: kind.to_owned(),
                        source: HostBytes::from(source),
                        upper: process.about.upper.clone(),
                    });
                }
            }
        }
        Observed { value: rows, coverage }
    }

    /// What a described program says to exactly these arguments; every other is not there.
    pub(super) fn command(&mut self, query: &CommandQuery) -> Result<Observed<CommandOutput>, HostError> {
        let Some(named) = query.argv.first() else {
            return Err(HostError::Unsupported {
                doing: "run a program of the host".to_owned(),
                why: "no program is named".to_owned(),
            });
        };
        let path = HostPath::new(named.as_bytes());
        let doing = format!("run `{path}`");
        let Some(program) = self
            .world
            .commands
            .iter()
            .find(|program| program.argv == query.argv)
            .cloned()
        else {
            return Err(HostError::Gone { doing });
        };
        let Some(file) = self.tree.regular(&path) else {
            return Err(HostError::Gone { doing });
        };
        let (id, sha256) = (file.id, file.sha256);
        let bounded = |text: &HostBytes| {
            let most = query.max_bytes as usize;
            let kept = &text.as_bytes()[..text.len().min(most)];
            (HostBytes::new(kept), text.len() > most)
        };
        let (stdout, stdout_cut) = bounded(&program.stdout);
        let (stderr, stderr_cut) = bounded(&program.stderr);
        let took_ms = program.takes_ms.min(query.timeout_ms);
        self.advance(took_ms);
        let end = match (program.takes_ms > query.timeout_ms, stdout_cut || stderr_cut) {
            (true, _) => CommandEnd::TimedOut {},
            (false, true) => CommandEnd::TooMuch {},
            (false, false) => CommandEnd::Exited { code: program.exit },
        };
        let mut coverage = Coverage::whole();
        coverage.note("command", &path, GapReason::Testimony);
        let value = CommandOutput {
            program: path,
            id,
            sha256: Some(sha256),
            end,
            stdout,
            stdout_cut,
            stderr,
            stderr_cut,
            took_ms,
        };
        Ok(Observed { value, coverage })
    }

    /// Runs a described program, if it is the one meant; what it changes is not described.
    pub(super) fn run_argv(
        &mut self,
        program: &FileTarget,
        argv: &[HostBytes],
        timeout_ms: u64,
        undo: Option<&[HostBytes]>,
    ) -> Result<Done, HostError> {
        let doing = format!("run `{}`", program.path);
        if let Some(why) = argv::fault(&program.path, argv) {
            let why = why.to_owned();
            return Err(HostError::Protected { doing, why });
        }
        let place = self.inode_at(program, &doing)?;
        let Some(inode) = place.and_then(|number| self.tree.inode(number)) else {
            return Err(HostError::Gone { doing });
        };
        if inode.sha256 != program.sha256 {
            let (expected, found) = (program.sha256.short(), inode.sha256.short());
            return Err(HostError::Changed { doing, expected, found });
        }
        let query = CommandQuery {
            argv: argv.to_vec(),
            timeout_ms,
            max_bytes: limits::RAN_BYTES,
        };
        let ran = self.command(&query)?.value;
        let undo = undo.map_or(Undo::None, |argv| Undo::RunArgv {
            program: Box::new(program.clone()),
            argv: argv.to_vec(),
            timeout_ms,
        });
        Ok(Done::Ran {
            end: match ran.end {
                CommandEnd::TooMuch {} => CommandEnd::Exited { code: 0 },
                end => end,
            },
            stdout: ran.stdout,
            stderr: ran.stderr,
            cut: ran.stdout_cut || ran.stderr_cut,
            undo: Box::new(undo),
        })
    }
}

fn holder(file: &HostPath, id: crate::query::FileId, process: &Running, holds: Vec<Hold>) -> Holder {
    Holder {
        file: file.clone(),
        id,
        pid: process.pid,
        start_ticks: Wide(process.start_ticks()),
        uid: process.about.uid,
        comm: process.comm(),
        holds,
    }
}
