//! Who holds a file: every process's descriptors, mappings, executable, working directory and root, compared by device
//! and inode (proc_pid_fd(5), proc_pid_map_files(5)).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::file::{Depth, Meta, entries};
use super::gaps::{Gaps, pid_object};
use super::process::maps::parse_maps;
use super::process::stat::{parse_stat, parse_status};
use super::procfs::{PidDir, Proc, TABLE_BYTES, for_each_name, number, read_link};
use crate::query::{Answer, Entry, FileId, GapReason, Hold, Holder, HostError, Observed, limits};
use crate::text::{HostBytes, HostPath, Wide};

/// What a process is, and how it holds what is looked for.
struct Found {
    start_ticks: u64,
    uid: u32,
    comm: Vec<u8>,
    holds: BTreeMap<FileId, BTreeSet<Hold>>,
}

/// Answers `Holders`. A file that is not there has no holder and is no gap.
///
/// # Errors
/// When `/proc` is none or cannot be listed.
pub(super) fn holders(scene: &Arc<Scene>, files: &[HostPath]) -> Result<Observed<Vec<Holder>>, HostError> {
    let mut gaps = Gaps::default();
    let proc = Arc::new(Proc::open(&mut gaps)?);
    let pids = proc.pids(&mut gaps)?;
    if files.len() > limits::HOLDER_FILES {
        gaps.note("file", "", GapReason::TooMany);
    }
    let files = &files[..files.len().min(limits::HOLDER_FILES)];
    let stats = entries(scene, files, Depth::Outside);
    let Answer::Entries(stats) = stats.value else {
        return Ok(Observed::whole(Vec::new()));
    };
    let mut wanted: Vec<(HostPath, FileId)> = Vec::new();
    for entry in stats {
        match entry {
            Entry::Present(stat) => wanted.push((stat.path, stat.id)),
            Entry::Absent { .. } => {}
            Entry::Hidden { path, why } => gaps.note("file", path, why),
        }
    }
    let ids: Arc<HashSet<FileId>> = Arc::new(wanted.iter().map(|(_, id)| *id).collect());
    let mut found: BTreeMap<u32, Found> = BTreeMap::new();
    if !ids.is_empty() {
        let reading = proc.clone();
        let harvest = scene.crew.run(
            pids.clone(),
            move |pid: &u32, report: &Report<(Option<Found>, Gaps)>| {
                let mut gaps = Gaps::default();
                let told = process(&reading, *pid, &ids, &mut gaps, &|| report.beat());
                match told {
                    Ok(found) => report.give((found, gaps)),
                    Err(Errno::NOENT | Errno::SRCH) => {}
                    Err(errno) => {
                        gaps.errno("process", pid_object(*pid), errno);
                        report.give((None, gaps));
                    }
                }
            },
        );
        for (at, (told, own)) in harvest.given {
            gaps.unite(own);
            found.extend(told.map(|told| (pids[at], told)));
        }
        for at in harvest.stuck {
            gaps.note("process", pid_object(pids[at]), GapReason::TimedOut);
        }
    }
    let mut rows = Vec::new();
    for (file, id) in &wanted {
        for (pid, told) in &found {
            let Some(holds) = told.holds.get(id) else { continue };
            rows.push(Holder {
                file: file.clone(),
                id: *id,
                pid: *pid,
                start_ticks: Wide(told.start_ticks),
                uid: told.uid,
                comm: HostBytes::new(told.comm.as_slice()),
                holds: holds.iter().copied().collect(),
            });
        }
    }
    Ok(Observed {
        value: rows,
        coverage: gaps.into_coverage(),
    })
}

/// How one process holds what is looked for; `None` where it holds nothing of it.
fn process(
    proc: &Proc,
    pid: u32,
    wanted: &HashSet<FileId>,
    gaps: &mut Gaps,
    beat: &dyn Fn(),
) -> Result<Option<Found>, Errno> {
    let dir = proc.shared(pid)?;
    let mut holds: BTreeMap<FileId, BTreeSet<Hold>> = BTreeMap::new();
    let mut add = |id: FileId, hold: Hold| {
        holds.entry(id).or_default().insert(hold);
    };
    for (link, hold) in [
        (&b"exe"[..], Hold::Exe {}),
        (b"cwd", Hold::Cwd {}),
        (b"root", Hold::Root {}),
    ] {
        match Meta::behind(&dir, link) {
            Ok(found) if wanted.contains(&found.id) => add(found.id, hold),
            // A kernel thread runs no file.
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        beat();
    }
    descriptors(&dir, wanted, &mut add)?;
    beat();
    mappings(&dir, pid, wanted, &mut add, gaps)?;
    if holds.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    dir.read_piece(c"stat", 4096, &mut bytes)?;
    let stat = parse_stat(&bytes).ok_or(Errno::INVAL)?;
    dir.read_piece(c"status", 64 << 10, &mut bytes)?;
    Ok(Some(Found {
        start_ticks: stat.start_ticks,
        uid: parse_status(&bytes).uid.ok_or(Errno::INVAL)?,
        comm: stat.comm,
        holds,
    }))
}

fn descriptors(dir: &PidDir, wanted: &HashSet<FileId>, add: &mut dyn FnMut(FileId, Hold)) -> Result<(), Errno> {
    let table = dir.list(c"fd")?;
    for_each_name(&table, |name| {
        let Ok(c_name) = std::ffi::CString::new(name) else {
            return true;
        };
        let leads_to_file = read_link(&table, &c_name).is_ok_and(|link| link.starts_with(b"/"));
        if let (true, Some(fd)) = (leads_to_file, number(name))
            && let Ok(found) = Meta::behind(&table, name)
            && wanted.contains(&found.id)
        {
            // The owner's bits of the link are the descriptor's mode (proc_pid_fd(5)).
            let writes = Meta::at(&table, name).is_ok_and(|link| link.mode & 0o200 != 0);
            add(found.id, Hold::Descriptor { fd, writes });
        }
        true
    })
}

/// Mappings by the table of the process. The table has the device of the file system, which on an overlay or a volume of
/// btrfs is not that of the file: where only the inode fits, the mapping itself is asked.
fn mappings(
    dir: &PidDir,
    pid: u32,
    wanted: &HashSet<FileId>,
    add: &mut dyn FnMut(FileId, Hold),
    gaps: &mut Gaps,
) -> Result<(), Errno> {
    let mut bytes = Vec::new();
    if !dir.read(c"maps", TABLE_BYTES, &mut bytes)? {
        gaps.note("maps", pid_object(pid), GapReason::Cut);
    }
    let mut doubtful: HashMap<u64, bool> = HashMap::new();
    for file in parse_maps(&bytes, |_, _| false) {
        if wanted.contains(&file.id) {
            let executable = file.executable;
            add(file.id, Hold::Map { executable });
        } else if wanted.iter().any(|id| id.inode == file.id.inode) {
            *doubtful.entry(file.id.inode.0).or_default() |= file.executable;
        }
    }
    if doubtful.is_empty() {
        return Ok(());
    }
    let asked = dir.list(c"map_files").and_then(|table| {
        for_each_name(&table, |name| {
            if let Ok(found) = Meta::behind(&table, name)
                && wanted.contains(&found.id)
                && let Some(executable) = doubtful.get(&found.id.inode.0)
            {
                let executable = *executable;
                add(found.id, Hold::Map { executable });
            }
            true
        })
    });
    if let Err(errno) = asked {
        gaps.errno("maps", pid_object(pid), errno);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::beside::write_program;
    use crate::platform::linux::look::Look;
    use crate::query::Query;
    use std::fs;
    use std::time::{Duration, Instant};

    fn ask(files: &[HostPath]) -> Observed<Vec<Holder>> {
        let told = Look::new().answer(&Query::Holders { files: files.to_vec() }).unwrap();
        told.map(|answer| match answer {
            Answer::Holders(holders) => holders,
            _ => panic!("another answer"),
        })
    }

    #[test]
    fn a_file_is_held_by_whoever_runs_opens_or_maps_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| HostPath::new(dir.path().join(name).as_os_str().as_encoded_bytes());
        let program = dir.path().join("harmless");
        write_program(&program, &fs::read("/bin/sleep").unwrap());
        fs::hard_link(&program, dir.path().join("other-name")).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        fs::write(dir.path().join("nobody"), "x").unwrap();
        let mut child = std::process::Command::new(&program)
            .arg("60")
            .current_dir(dir.path())
            .stdout(log)
            .spawn()
            .unwrap();
        let asked = [
            path("other-name"),
            path("log"),
            path("nobody"),
            path("absent"),
            HostPath::new(dir.path().as_os_str().as_encoded_bytes()),
        ];
        // The child is there before it has begun its program, and that before it is mapped.
        let end = Instant::now() + Duration::from_secs(20);
        let by_child = loop {
            let told = ask(&asked);
            let by_child: Vec<Holder> = told.value.into_iter().filter(|h| h.pid == child.id()).collect();
            let holds = |hold: &Hold| by_child.iter().any(|h| h.holds.contains(hold));
            if holds(&Hold::Exe {}) && holds(&Hold::Map { executable: true }) {
                break by_child;
            }
            assert!(Instant::now() < end, "{by_child:?}");
        };
        child.kill().unwrap();
        child.wait().unwrap();
        let told: Vec<(&[u8], Vec<Hold>)> = by_child.iter().map(|h| (h.file.file_name(), h.holds.clone())).collect();
        let descriptor = Hold::Descriptor { fd: 1, writes: true };
        let map = Hold::Map { executable: true };
        let name = dir.path().file_name().unwrap().as_encoded_bytes();
        let expected: [(&[u8], Vec<Hold>); 3] = [
            (b"other-name", vec![Hold::Exe {}, map]),
            (b"log", vec![descriptor]),
            (name, vec![Hold::Cwd {}]),
        ];
        assert_eq!(
            told, expected,
            "a hard link is the same file; what nobody holds has no holder"
        );
        assert_eq!(by_child[0].comm, HostBytes::from("harmless"));
    }
}
