//! The processes of a simulated host while it lives.

use super::tree::Tree;
use super::world;
use crate::query::{Executable, limits};
use crate::text::{Digest, HostBytes, HostPath, Wide};

/// Clock ticks a second.
pub(super) const TICKS_PER_SECOND: u32 = 100;

/// What a throttled process gets of one CPU.
const THROTTLED_PERCENT: u32 = 5;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Running,
    /// It was stopped.
    Frozen,
    /// It ended.
    Dead,
}

/// One process, living or dead.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) pid: u32,
    pub(super) ppid: u32,
    /// The described process whose place it has; a behaviour of that one is now its own.
    pub(super) role: u32,
    pub(super) started_ms: u64,
    /// What it runs: the path as it was started, and the object.
    pub(super) exe: Option<(HostPath, u64)>,
    pub(super) about: world::Process,
    pub(super) life: Life,
    /// Uptime of the last change of `life`.
    pub(super) since_ms: u64,
    /// CPU time that it used until `counted_ms`.
    used_ms: u64,
    counted_ms: u64,
    /// Whether it gets next to no CPU time.
    pub(super) throttled: bool,
}

impl Running {
    pub(super) fn new(about: world::Process, exe: Option<(HostPath, u64)>, role: u32, started_ms: u64) -> Self {
        Self {
            pid: about.pid,
            ppid: about.ppid,
            role,
            started_ms,
            exe,
            about,
            life: Life::Running,
            since_ms: started_ms,
            used_ms: 0,
            counted_ms: started_ms,
            throttled: false,
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.life != Life::Dead
    }

    /// Whether it can do something.
    pub(super) fn is_active(&self) -> bool {
        self.life == Life::Running
    }

    pub(super) fn start_ticks(&self) -> u64 {
        self.started_ms / (1000 / u64::from(TICKS_PER_SECOND))
    }

    pub(super) fn set_life(&mut self, life: Life, now_ms: u64) {
        self.count(now_ms);
        if self.life != life {
            self.life = life;
            self.since_ms = now_ms;
        }
    }

    /// Throttles it, or lets it go on as before; whether that is another state.
    pub(super) fn set_throttled(&mut self, throttled: bool, now_ms: u64) -> bool {
        self.count(now_ms);
        std::mem::replace(&mut self.throttled, throttled) != throttled
    }

    fn count(&mut self, now_ms: u64) {
        self.used_ms = self.cpu_ms(now_ms);
        self.counted_ms = now_ms;
    }

    /// CPU time that it used until now.
    pub(super) fn cpu_ms(&self, now_ms: u64) -> u64 {
        let now = match self.life {
            Life::Running => now_ms.saturating_sub(self.counted_ms),
            Life::Frozen | Life::Dead => 0,
        };
        let percent = match self.throttled {
            true => self.about.cpu_percent.min(THROTTLED_PERCENT),
            false => self.about.cpu_percent,
        };
        self.used_ms + now.saturating_mul(u64::from(percent)) / 100
    }

    pub(super) fn comm(&self) -> HostBytes {
        let name = match (&self.about.comm, &self.exe) {
            (Some(comm), _) => comm.as_bytes(),
            (None, Some((path, _))) => path.file_name(),
            (None, None) => b"",
        };
        HostBytes::new(&name[..name.len().min(15)])
    }

    pub(super) fn argv(&self) -> Vec<HostBytes> {
        match (&self.about.argv, &self.exe) {
            (Some(argv), _) => argv.clone(),
            (None, Some((path, _))) => vec![HostBytes::from(path)],
            (None, None) => Vec::new(),
        }
    }

    /// The command line as `/proc/PID/cmdline` has it.
    pub(super) fn cmdline(&self) -> Vec<u8> {
        joined(&self.argv())
    }

    /// What it runs, as the kernel shows it.
    pub(super) fn executable(&self, tree: &Tree, digest: bool) -> Option<Executable> {
        let (path, number) = self.exe.as_ref()?;
        let inode = tree.inode(*number)?;
        Some(Executable {
            path: path.clone(),
            deleted: inode.links == 0,
            memfd: path.as_bytes().starts_with(b"/memfd:"),
            id: inode.id,
            size: Wide(inode.content.len() as u64),
            sha256: digest.then_some(inode.sha256),
        })
    }

    pub(super) fn exe_sha256(&self, tree: &Tree) -> Option<Digest> {
        let (_, number) = self.exe.as_ref()?;
        tree.inode(*number).map(|inode| inode.sha256)
    }
}

/// Strings as the kernel shows a command line or an environment: each ended by a zero byte.
pub(super) fn joined(strings: &[HostBytes]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for string in strings {
        bytes.extend_from_slice(string.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// As many of the strings as [`limits::ARGV_BYTES`] allow, the last one cut, and whether something was left out.
pub(super) fn bounded(strings: Vec<HostBytes>) -> (Vec<HostBytes>, bool) {
    let mut left = limits::ARGV_BYTES;
    let mut kept = Vec::new();
    for string in strings {
        if left == 0 {
            return (kept, true);
        }
        if string.len() > left {
            kept.push(HostBytes::new(&string.as_bytes()[..left]));
            return (kept, true);
        }
        left = left.saturating_sub(string.len() + 1);
        kept.push(string);
    }
    (kept, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_command_lines_are_bounded() {
        let long = HostBytes::new(vec![b'a'; 3000]);
        for (name, argv, kept, cut) in [
            (
                "short",
                vec![HostBytes::from("a"), HostBytes::from("")],
                vec![1, 0],
                false,
            ),
            (
                "the second is cut",
                vec![long.clone(), long.clone()],
                vec![3000, 1095],
                true,
            ),
            (
                "the third is left out",
                vec![long.clone(), long.clone(), long],
                vec![3000, 1095],
                true,
            ),
        ] {
            let (bounded, was_cut) = bounded(argv);
            let lengths: Vec<usize> = bounded.iter().map(HostBytes::len).collect();
            assert_eq!((lengths, was_cut), (kept, cut), "{name}");
        }
    }

    #[test]
    fn only_a_running_process_uses_the_cpu() {
        let about = world::Process {
            cpu_percent: 200,
            ..world::Process::new(7, "/bin/x")
        };
        let mut process = Running::new(about, None, 7, 1000);
        assert_eq!(process.cpu_ms(2000), 2000);
        process.set_life(Life::Frozen, 2000);
        assert_eq!(process.cpu_ms(9000), 2000);
        process.set_life(Life::Running, 9000);
        assert!(process.set_throttled(true, 9500));
        assert!(!process.set_throttled(true, 9500));
        process.set_life(Life::Dead, 10_500);
        assert_eq!(process.cpu_ms(20_000), 3050);
    }
}
