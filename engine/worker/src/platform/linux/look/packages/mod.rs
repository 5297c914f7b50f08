//! Which package owns a file: by path, and by content. Testimony of the host's own database, which an intruder may
//! have changed.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::digest::{Hashed, Md5Sum};
use super::facts::own_namespace;
use super::file::{Meta, Place, open_quietly, open_without_atime, path_of};
use super::gaps::Gaps;
use super::process::maps::DELETED;
use super::process::open_executable;
use super::procfs::{Proc, number};
use crate::query::{FileKind, GapReason, Observed, Ownership};
use crate::text::HostPath;

mod dpkg;
mod index;

pub(super) use index::Index;

/// Where dpkg keeps its database.
const DPKG: &str = "/var/lib/dpkg";

/// Answers `Packages`. The index of the database is made once and again when the database has changed.
pub(super) fn ownership(
    scene: &Arc<Scene>,
    memory: &Mutex<Option<Arc<Index>>>,
    files: &[HostPath],
) -> Observed<Vec<Ownership>> {
    let mut gaps = Gaps::default();
    let index = match current(memory, &mut gaps) {
        Ok(index) => index,
        Err(errno) => {
            match errno {
                Errno::NOENT | Errno::NOTDIR => gaps.note("packages", "", GapReason::Unsupported),
                _ => gaps.errno("packages", DPKG, errno),
            }
            return Observed {
                value: vec![Ownership::Unknown; files.len()],
                coverage: gaps.into_coverage(),
            };
        }
    };
    let looking = scene.clone();
    let harvest = scene.crew.run(
        files.to_vec(),
        move |path: &HostPath, report: &Report<(Ownership, Gaps)>| {
            let mut gaps = Gaps::default();
            let owner = owner(&looking, &index, path, &mut gaps, &|| report.beat()).unwrap_or_else(|errno| {
                gaps.errno("file", path, errno);
                Ownership::Unknown
            });
            report.give((owner, gaps));
        },
    );
    let mut owners = vec![Ownership::Unknown; files.len()];
    for (at, (owner, own)) in harvest.given {
        owners[at] = owner;
        gaps.unite(own);
    }
    for at in harvest.stuck {
        gaps.note("file", &files[at], GapReason::TimedOut);
    }
    Observed {
        value: owners,
        coverage: gaps.into_coverage(),
    }
}

fn current(memory: &Mutex<Option<Arc<Index>>>, gaps: &mut Gaps) -> Result<Arc<Index>, Errno> {
    let stamp = index::stamp(DPKG)?;
    let known = memory.lock().ok().and_then(|memory| memory.clone());
    if let Some(index) = known.filter(|index| index.stamp == stamp && index.gaps.is_empty()) {
        return Ok(index);
    }
    let index = Arc::new(Index::read(DPKG, stamp)?);
    for (object, why) in &index.gaps {
        gaps.note("packages", object.clone(), *why);
    }
    if let Ok(mut memory) = memory.lock() {
        *memory = Some(index.clone());
    }
    Ok(index)
}

/// A file, and the paths under which a package may list it.
struct Subject {
    /// `None` for what has no content: a link, a directory.
    content: Option<OwnedFd>,
    size: u64,
    /// Empty where the path is one of another mount namespace.
    paths: Vec<HostPath>,
}

fn owner(scene: &Scene, index: &Index, path: &HostPath, gaps: &mut Gaps, beat: &dyn Fn()) -> Result<Ownership, Errno> {
    let subject = match executable_of(path) {
        Some(pid) => running(pid)?,
        None => named(path)?,
    };
    beat();
    let listed = subject.paths.iter().find_map(|path| index.package_of(path));
    let Some(fd) = subject.content else {
        return Ok(listed.map_or(Ownership::Unowned, |package| Ownership::Listed { package }));
    };
    let sum = match scene.digests.md5(fd.as_fd(), beat)? {
        Hashed::Whole(sum) => sum,
        Hashed::Changed(sum) => {
            gaps.note("file", path, GapReason::Changed);
            sum
        }
        Hashed::TooLong => {
            gaps.note("file", path, GapReason::Cut);
            return Ok(Ownership::Unknown);
        }
    };
    Ok(by_content(index, &subject.paths, listed, subject.size, &sum))
}

fn by_content(index: &Index, paths: &[HostPath], listed: Option<String>, size: u64, sum: &Md5Sum) -> Ownership {
    let mut known = false;
    for path in paths {
        for (package, packaged) in index.sums_of(path) {
            if packaged == *sum {
                return Ownership::Owned { package };
            }
            known = true;
        }
    }
    match listed {
        Some(package) if known => Ownership::Modified { package },
        Some(package) => Ownership::Listed { package },
        // Nothing says nothing: an empty file is a copy of no other.
        None if size == 0 => Ownership::Unowned,
        None => match index.packaged_as(sum) {
            Some((package, original)) => Ownership::Copied { package, original },
            None => Ownership::Unowned,
        },
    }
}

/// The pid of `/proc/PID/exe`.
fn executable_of(path: &HostPath) -> Option<u32> {
    number(path.as_bytes().strip_prefix(b"/proc/")?.strip_suffix(b"/exe")?)
}

/// What a process runs. A file that is gone keeps the path that it had: what lies there now is another.
fn running(pid: u32) -> Result<Subject, Errno> {
    let proc = Proc::open(&mut Gaps::default()).map_err(|_| Errno::ACCESS)?;
    let dir = proc.shared(pid)?;
    let link = dir.link(c"exe")?;
    let fd = open_executable(&dir)?;
    let found = Meta::of_fd(fd.as_fd())?;
    if found.kind != FileKind::Regular {
        return Err(Errno::INVAL);
    }
    let here = dir.namespace(c"ns/mnt") == own_namespace("mnt");
    let path = link.strip_suffix(DELETED).filter(|_| found.links == 0).unwrap_or(&link);
    Ok(Subject {
        content: Some(fd),
        size: found.size,
        paths: if here { vec![HostPath::new(path)] } else { Vec::new() },
    })
}

/// A file by its name, links not followed; its path as given and with the links on the way resolved.
fn named(path: &HostPath) -> Result<Subject, Errno> {
    let place = Place::of(path)?;
    let found = Meta::at(&place.dir, &place.name)?;
    let resolved = path_of(place.dir.as_fd()).map(|dir| dir.join(&place.name));
    let mut paths: Vec<HostPath> = resolved.into_iter().collect();
    if !paths.contains(path) {
        paths.push(path.clone());
    }
    let content = (found.kind == FileKind::Regular)
        .then(|| open_quietly(&place.dir, &place.name, &found))
        .transpose()?;
    Ok(Subject {
        content,
        size: found.size,
        paths,
    })
}

/// A file of the database, whole.
fn database_file(path: &[u8]) -> Result<Vec<u8>, Errno> {
    const FILE_BYTES: usize = 256 << 20;
    let found = Meta::at(CWD, path)?;
    if found.kind != FileKind::Regular {
        return Err(Errno::INVAL);
    }
    let fd = open_without_atime(CWD, path, OFlags::NOFOLLOW)?;
    let mut bytes = Vec::new();
    if super::procfs::read_up_to(&fd, FILE_BYTES, &mut bytes)? {
        Ok(bytes)
    } else {
        Err(Errno::FBIG)
    }
}

#[cfg(test)]
mod tests;
