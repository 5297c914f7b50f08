//! Which package owns a file: by path, and by content. Testimony of the host's own databases (dpkg, RPM), which an
//! intruder may have changed.

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
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod index;
mod rpm;

pub(super) use index::Index;
use index::Sources;

/// Where dpkg keeps its database.
const DPKG: &str = "/var/lib/dpkg";

/// What a package says that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sum {
    Md5(Md5Sum),
    Sha256([u8; 32]),
}

impl Sum {
    fn is_md5(&self) -> bool {
        matches!(self, Sum::Md5(_))
    }

    fn is_sha256(&self) -> bool {
        matches!(self, Sum::Sha256(_))
    }
}

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
    let sources = Sources::find(DPKG, rpm::find())?;
    let known = memory.lock().ok().and_then(|memory| memory.clone());
    if let Some(index) = known.filter(|index| index.sources == sources && index.gaps.is_empty()) {
        return Ok(index);
    }
    let index = Arc::new(Index::read(sources)?);
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
    let mut sums = Vec::new();
    if index.keeps(Sum::is_md5) {
        match whole(scene.digests.md5(fd.as_fd(), beat)?, path, gaps) {
            Some(sum) => sums.push(Sum::Md5(sum)),
            None => return Ok(Ownership::Unknown),
        }
    }
    if index.keeps(Sum::is_sha256) {
        match whole(scene.digests.sha256(fd.as_fd(), beat)?, path, gaps) {
            Some(digest) => sums.push(Sum::Sha256(digest.0)),
            None => return Ok(Ownership::Unknown),
        }
    }
    Ok(by_content(index, &subject.paths, listed, subject.size, &sums))
}

/// A digest, and a gap where it is none of a settled content; `None` where the content is too long for one.
fn whole<T>(hashed: Hashed<T>, path: &HostPath, gaps: &mut Gaps) -> Option<T> {
    match hashed {
        Hashed::Whole(sum) => Some(sum),
        Hashed::Changed(sum) => {
            gaps.note("file", path, GapReason::Changed);
            Some(sum)
        }
        Hashed::TooLong => {
            gaps.note("file", path, GapReason::Cut);
            None
        }
    }
}

fn by_content(index: &Index, paths: &[HostPath], listed: Option<String>, size: u64, sums: &[Sum]) -> Ownership {
    let mut known = false;
    for path in paths {
        for (package, packaged) in index.sums_of(path) {
            if sums.contains(&packaged) {
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
        None => match sums.iter().find_map(|sum| index.packaged_as(sum)) {
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
