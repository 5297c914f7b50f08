//! What processes take for `/`: the root link and the mount that lies there (proc_pid_root(5), proc_pid_mountinfo(5)).

use std::sync::Arc;

use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::gaps::{Gaps, pid_object};
use super::mounts::{MountTable, unescape_octal};
use super::process::stat::parse_stat;
use super::procfs::{Proc, TABLE_BYTES};
use crate::query::{GapReason, HostError, Observed, ProcessRoot, limits};
use crate::text::{HostBytes, HostPath, Wide};

/// Answers `Roots`, by pid.
///
/// # Errors
/// When `/proc` is none.
pub(super) fn roots(scene: &Arc<Scene>, pids: &[u32]) -> Result<Observed<Vec<ProcessRoot>>, HostError> {
    let mut gaps = Gaps::default();
    let proc = Arc::new(Proc::open(&mut gaps)?);
    let mut pids: Vec<u32> = pids.iter().copied().take(limits::PROCESSES).collect();
    pids.sort_unstable();
    pids.dedup();
    let harvest = scene.crew.run(
        pids.clone(),
        move |pid: &u32, report: &Report<Result<(ProcessRoot, Gaps), Errno>>| report.give(root(&proc, *pid)),
    );
    let mut roots = Vec::new();
    for (at, told) in harvest.given {
        match told {
            Ok((root, own)) => {
                gaps.unite(own);
                roots.push(root);
            }
            Err(errno) => gaps.errno("process", pid_object(pids[at]), errno),
        }
    }
    for at in harvest.stuck {
        gaps.note("process", pid_object(pids[at]), GapReason::TimedOut);
    }
    roots.sort_by_key(|root| root.pid);
    Ok(Observed {
        value: roots,
        coverage: gaps.into_coverage(),
    })
}

fn root(proc: &Proc, pid: u32) -> Result<(ProcessRoot, Gaps), Errno> {
    let mut gaps = Gaps::default();
    let dir = proc.shared(pid)?;
    let mut bytes = Vec::new();
    dir.read_piece(c"stat", 4096, &mut bytes)?;
    let stat = parse_stat(&bytes).ok_or(Errno::INVAL)?;
    let link = dir.link(c"root")?;
    if !dir.read(c"mountinfo", TABLE_BYTES, &mut bytes)? {
        gaps.note("mounts", pid_object(pid), GapReason::Cut);
    }
    // What is odd in that table hides nothing of the root.
    let table = MountTable::parse(&bytes, &mut Gaps::default());
    let row = table.root();
    let root = ProcessRoot {
        pid,
        start_ticks: Wide(stat.start_ticks),
        root: HostPath::new(link),
        kind: row.map_or_else(String::new, |row| row.mount.kind.clone()),
        source: row.map_or_else(HostBytes::default, |row| row.mount.source.clone()),
        upper: row
            .filter(|row| row.mount.kind == "overlay")
            .and_then(|row| upper_of(&row.super_options)),
    };
    Ok((root, gaps))
}

/// `upperdir=` among the options of an overlay, absolute.
pub(super) fn upper_of(options: &[u8]) -> Option<HostPath> {
    let value = options
        .split(|byte| *byte == b',')
        .find_map(|option| option.strip_prefix(b"upperdir="))?;
    let path = unescape_octal(value);
    path.starts_with(b"/").then(|| HostPath::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::look::Look;
    use crate::query::{Answer, Query};
    use proptest::prelude::*;

    #[test]
    fn the_layer_that_takes_what_is_written() {
        let captured =
            b"rw,lowerdir=/var/lib/docker/overlay2/l/AA:/var/lib/docker/overlay2/l/BB,upperdir=/var/lib/docker/\
            overlay2/4f\\0402/diff,workdir=/var/lib/docker/overlay2/4f/work";
        let upper = upper_of(captured).unwrap();
        assert_eq!(upper, HostPath::from("/var/lib/docker/overlay2/4f 2/diff"));
        assert_eq!(upper_of(b"rw,lowerdir=/a"), None);
        assert_eq!(upper_of(b"rw,upperdir=relative"), None);
    }

    #[test]
    fn own_root() {
        let pids = vec![std::process::id(), u32::MAX];
        let told = Look::new().answer(&Query::Roots { pids }).unwrap();
        let Answer::Roots(roots) = told.value else {
            panic!("another answer");
        };
        assert_eq!(roots.len(), 1);
        assert_eq!(roots[0].root, HostPath::from("/"));
        assert!(!roots[0].kind.is_empty());
        assert_eq!(told.coverage.gaps[0].why, GapReason::Gone);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = upper_of(&bytes);
        }
    }
}
