//! How busy the host is: two looks at the kernel's counters, a sample apart (proc_stat(5), proc_diskstats(5)), and what
//! `/sys` tells of sensors and devices.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use super::Scene;
use super::file::{open_without_atime, system_file};
use super::gaps::Gaps;
use super::procfs::Proc;
use super::walk;
use crate::query::{GapReason, HostError, Observed, Resources, limits};
use crate::text::HostBytes;

mod cpu;
mod disk;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gpu;
mod memory;
mod sensor;

/// The entries of one directory of `/sys` that are looked at.
const ENTRIES: usize = 4096;

/// The longest of the small files.
const FILE_BYTES: usize = 64 << 10;

/// The longest table: `/proc/stat` of a machine with thousands of CPUs and interrupts.
const TABLE_BYTES: usize = 4 << 20;

/// The counters at one moment.
struct Moment {
    at: Instant,
    cpu: cpu::CpuTimes,
    disks: BTreeMap<Vec<u8>, disk::DiskTimes>,
    holders: BTreeMap<u32, gpu::Held>,
}

/// Answers `Resources`.
///
/// # Errors
/// When `/proc` is none.
pub(super) fn resources(scene: &Arc<Scene>, sample_ms: u64) -> Result<Observed<Resources>, HostError> {
    let mut gaps = Gaps::default();
    let proc = Arc::new(Proc::open(&mut gaps)?);
    let majors = gpu::device_majors(&system_file("/proc/devices", FILE_BYTES).unwrap_or_default());
    let take = |gaps: &mut Gaps| -> Result<Moment, HostError> {
        Ok(Moment {
            at: Instant::now(),
            cpu: cpu::parse_stat(&table("/proc/stat", "cpu", gaps)),
            disks: disk::parse_diskstats(&table("/proc/diskstats", "disk", gaps)),
            holders: gpu::holders(scene, &proc, &majors, gaps)?,
        })
    };
    let sample_ms = sample_ms.min(limits::WATCH_MS);
    let before = match sample_ms {
        0 => None,
        _ => {
            let before = take(&mut Gaps::default())?;
            std::thread::sleep(Duration::from_millis(sample_ms));
            Some(before)
        }
    };
    let after = take(&mut gaps)?;
    let elapsed_ms = before.as_ref().map_or(0, |before| {
        u64::try_from(after.at.duration_since(before.at).as_millis()).unwrap_or(u64::MAX)
    });
    let (cpu, cores) = cpu::used(before.as_ref().map(|before| &before.cpu), &after.cpu);
    let resources = Resources {
        sample_ms: elapsed_ms,
        cpu,
        cores,
        load_centi: super::facts::load_centi(&mut gaps),
        memory: memory::memory(&mut gaps),
        disks: disk::used(before.as_ref().map(|before| &before.disks), &after.disks, elapsed_ms),
        file_systems: disk::file_systems(scene, &mut gaps),
        temperatures: sensor::temperatures(scene, &mut gaps),
        gpus: gpu::gpus(scene, &mut gaps),
        gpu_holders: gpu::shares(before.as_ref().map(|before| &before.holders), after.holders, elapsed_ms),
    };
    Ok(Observed {
        value: resources,
        coverage: gaps.into_coverage(),
    })
}

/// A table of the kernel, empty where it cannot be read.
fn table(path: &str, subject: &str, gaps: &mut Gaps) -> Vec<u8> {
    system_file(path, TABLE_BYTES).unwrap_or_else(|errno| {
        match errno {
            Errno::NOENT => gaps.note(subject, path, GapReason::Unsupported),
            errno => gaps.errno(subject, path, errno),
        }
        Vec::new()
    })
}

/// A small file of `/sys`, blanks around it taken off; `None` where there is none or it has nothing to say now.
fn small(path: &str) -> Option<Vec<u8>> {
    let bytes = system_file(path, FILE_BYTES).ok()?;
    let text = bytes.trim_ascii();
    (!text.is_empty()).then(|| text.to_vec())
}

/// The names in a directory of `/sys`, sorted; none where there is no such directory. Names there are the kernel's own;
/// one that is no UTF-8 is none of its.
fn names(path: &str) -> Vec<String> {
    let opened = open_without_atime(CWD, path.as_bytes(), OFlags::DIRECTORY);
    let listed = opened.and_then(|fd| walk::names(fd, ENTRIES));
    let names = listed.map(|(names, _)| names).unwrap_or_default();
    names
        .into_iter()
        .filter_map(|name: CString| name.into_string().ok())
        .collect()
}

/// Text of the kernel as it travels, bounded.
fn text(bytes: &[u8]) -> HostBytes {
    HostBytes::new(&bytes[..bytes.len().min(256)])
}

/// A share of a whole in hundredths of a per cent.
fn share(part: u64, whole: u64) -> u32 {
    let centi = u128::from(part) * 10_000 / u128::from(whole.max(1));
    u32::try_from(centi).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use crate::platform::linux::look::Look;
    use crate::query::{Answer, Query};

    #[test]
    fn this_host() {
        let told = Look::new().answer(&Query::Resources { sample_ms: 50 }).unwrap();
        let Answer::Resources(told) = told.value else {
            panic!("another answer");
        };
        assert!(told.sample_ms >= 50);
        assert!(!told.cores.is_empty() && told.cpu.busy_centi <= 10_000);
        assert!(told.memory.total.0 > 0 && told.memory.available.0 <= told.memory.total.0);
        assert!(!told.file_systems.is_empty());
        let idle = Look::new().answer(&Query::Resources { sample_ms: 0 }).unwrap().value;
        let Answer::Resources(idle) = idle else {
            panic!("another answer");
        };
        assert_eq!((idle.sample_ms, idle.cpu.busy_centi), (0, 0));
    }
}
