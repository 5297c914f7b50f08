//! Disks, from `/proc/diskstats` (Linux `admin-guide/iostats`), and what is free on mounted file systems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, fstatvfs, openat};
use rustix::io::Errno;

use super::share;
use crate::platform::linux::look::Scene;
use crate::platform::linux::look::crew::Report;
use crate::platform::linux::look::gaps::Gaps;
use crate::platform::linux::look::procfs::wide;
use crate::query::{Disk, FileSystem, GapReason, Mount};
use crate::text::{HostBytes, HostPath, Wide};

/// The unit of diskstats, whatever the disk's own is.
const SECTOR: u64 = 512;

/// Disks, and file systems, that are told at most.
const DISKS: usize = 1024;

/// What is no disk, by the beginning of its name.
const NO_DISKS: [&[u8]; 4] = [b"loop", b"ram", b"zram", b"fd"];

/// A device's counters since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DiskTimes {
    read: u64,
    written: u64,
    busy_ms: u64,
}

/// Reads the lines of devices, whole ones and partitions.
pub(super) fn parse_diskstats(bytes: &[u8]) -> BTreeMap<Vec<u8>, DiskTimes> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let read = |line: &[u8]| {
        let words: Vec<&[u8]> = line
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty())
            .take(14)
            .collect();
        let field = |at: usize| words.get(at).copied().and_then(wide);
        let name = words.get(2)?;
        if name.contains(&b'/') || NO_DISKS.iter().any(|no| name.starts_with(no)) {
            return None;
        }
        let times = DiskTimes {
            read: field(5)?,
            written: field(9)?,
            busy_ms: field(12)?,
        };
        Some((name.to_vec(), times))
    };
    lines.filter_map(read).take(DISKS * 16).collect()
}

/// What whole disks did between two looks, by name.
pub(super) fn used(
    before: Option<&BTreeMap<Vec<u8>, DiskTimes>>,
    after: &BTreeMap<Vec<u8>, DiskTimes>,
    elapsed_ms: u64,
) -> Vec<Disk> {
    let whole = after.iter().filter(|(name, _)| !is_partition(name));
    whole
        .take(DISKS)
        .map(|(name, now)| {
            let then = before.and_then(|before| before.get(name)).unwrap_or(now);
            let per_s = |then: u64, now: u64| {
                let bytes = u128::from(now.saturating_sub(then)) * u128::from(SECTOR) * 1000;
                Wide(u64::try_from(bytes / u128::from(elapsed_ms.max(1))).unwrap_or(u64::MAX))
            };
            Disk {
                name: HostBytes::new(name.as_slice()),
                read_per_s: per_s(then.read, now.read),
                written_per_s: per_s(then.written, now.written),
                busy_centi: share(now.busy_ms.saturating_sub(then.busy_ms), elapsed_ms).min(10_000),
            }
        })
        .collect()
}

/// Whether a block device is a part of another.
fn is_partition(name: &[u8]) -> bool {
    let path = [b"/sys/class/block/", name, b"/partition"].concat();
    rustix::fs::statat(CWD, path.as_slice(), rustix::fs::AtFlags::empty()).is_ok()
}

/// The mounted file systems that hold files. One that does not answer is a gap.
pub(super) fn file_systems(scene: &Arc<Scene>, gaps: &mut Gaps) -> Vec<FileSystem> {
    let mut met = BTreeSet::new();
    // Asking an automount point would mount what is behind it.
    let mounts = scene.mounts.mounts().filter(|mount| mount.kind != "autofs");
    let mounts: Vec<Mount> = mounts.filter(|mount| met.insert(mount.dev)).cloned().collect();
    if mounts.len() > DISKS {
        gaps.note("file_system", "", GapReason::TooMany);
    }
    let asked: Vec<Mount> = mounts.into_iter().take(DISKS).collect();
    let points: Vec<HostPath> = asked.iter().map(|mount| mount.point.clone()).collect();
    let harvest = scene.crew.run(
        asked,
        |mount: &Mount, report: &Report<Result<Option<FileSystem>, Errno>>| report.give(file_system(mount)),
    );
    let mut found = Vec::new();
    for (at, told) in harvest.given {
        match told {
            Ok(file_system) => found.extend(file_system),
            Err(errno) => gaps.errno("file_system", &points[at], errno),
        }
    }
    for at in harvest.stuck {
        gaps.note("file_system", &points[at], GapReason::TimedOut);
    }
    found.sort_by(|a, b| a.point.cmp(&b.point));
    found
}

/// What a file system says of itself; `None` where it has no blocks, as those that the kernel makes up.
fn file_system(mount: &Mount) -> Result<Option<FileSystem>, Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let told = fstatvfs(openat(CWD, mount.point.as_bytes(), flags, Mode::empty())?)?;
    if told.f_blocks == 0 {
        return Ok(None);
    }
    let bytes = |blocks: u64| Wide(blocks.saturating_mul(told.f_frsize));
    Ok(Some(FileSystem {
        point: mount.point.clone(),
        kind: mount.kind.clone(),
        source: mount.source.clone(),
        size: bytes(told.f_blocks),
        used: bytes(told.f_blocks.saturating_sub(told.f_bfree)),
        available: bytes(told.f_bavail),
        inodes: Wide(told.f_files),
        inodes_free: Wide(told.f_ffree),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEFORE: &[u8] = b" 259       0 nvme9n1 100 0 2000 30 50 0 4000 20 0 40 50 0 0 0 0 0 0\n   7       0 loop0 9 0 9 9 9 0 9 9 0 9 9\n";
    const AFTER: &[u8] = b" 259       0 nvme9n1 200 0 4048 60 90 0 4000 20 0 540 90 0 0 0 0 0 0\n 252 0 zram0 1 1 1 1 1 1 1 1 1 1 1\n   8      16 sdz 1 0 8 0 0 0 0 0 0 1 0\n";

    #[test]
    fn rates_over_a_sample() {
        let disks = used(Some(&parse_diskstats(BEFORE)), &parse_diskstats(AFTER), 1000);
        let told: Vec<String> = disks
            .iter()
            .map(|d| format!("{} {} {} {}", d.name, d.read_per_s, d.written_per_s, d.busy_centi))
            .collect();
        assert_eq!(told, ["nvme9n1 1048576 0 5000", "sdz 0 0 0"]);
        assert_eq!(used(None, &parse_diskstats(AFTER), 0)[0].busy_centi, 0);
        assert!(parse_diskstats(b"8 0 sda\n8 0 a/b 1 1 1 1 1 1 1 1 1 1 1\nx\n").is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, line in "[0-9]{1,3} [0-9]{1,3} sd[a-z]( [0-9]{1,20}){8,14}", elapsed: u64) {
            let (before, after) = (parse_diskstats(&bytes), parse_diskstats(line.as_bytes()));
            for disk in used(Some(&before), &after, elapsed).into_iter().chain(used(Some(&after), &before, 0)) {
                prop_assert!(disk.busy_centi <= 10_000);
            }
        }
    }
}
