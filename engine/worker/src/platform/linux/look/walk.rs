//! Directories: their entries, and what lies below them.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::file::{Depth, Meta, Place, describe, open_quietly, open_without_atime};
use super::gaps::{Gaps, reason};
use super::procfs::for_each_name;
use crate::query::{Answer, Entry, FileKind, FileStat, GapReason, Observed};
use crate::text::HostPath;

/// The entries of one directory that `List` gives at most.
const LIST_ENTRIES: usize = 100_000;

/// How deep a walk goes whatever is asked: each level holds a descriptor.
const DEEPEST: u32 = 128;

/// The names in a directory, sorted, and whether these are all.
pub(super) fn names(fd: OwnedFd, at_most: usize) -> Result<(Vec<CString>, bool), Errno> {
    let mut names = Vec::new();
    let mut whole = true;
    for_each_name(fd, |name| {
        whole = names.len() < at_most;
        if whole {
            names.extend(CString::new(name));
        }
        whole
    })?;
    names.sort_unstable();
    Ok((names, whole))
}

/// Why a directory cannot be listed to its end.
enum Unlisted {
    Absent,
    Hidden(GapReason),
}

impl From<Errno> for Unlisted {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Unlisted::Absent,
            Errno::NOTDIR => Unlisted::Hidden(GapReason::Malformed),
            _ => Unlisted::Hidden(reason(errno)),
        }
    }
}

/// Answers `List`. The directory may be a link; its entries are not followed. One that is not there is its own single
/// [`Entry::Absent`], one that cannot be listed its own single [`Entry::Hidden`].
pub(super) fn list(scene: &Arc<Scene>, path: &HostPath) -> Observed<Answer> {
    let looking = scene.clone();
    let harvest = scene.crew.run(
        vec![path.clone()],
        move |path: &HostPath, report: &Report<(Entry, Gaps)>| {
            let entry = match list_into(&looking, path, report) {
                Ok(()) => return,
                Err(Unlisted::Absent) => Entry::Absent { path: path.clone() },
                Err(Unlisted::Hidden(why)) => Entry::Hidden {
                    path: path.clone(),
                    why,
                },
            };
            let mut gaps = Gaps::default();
            if let Entry::Hidden { why, .. } = &entry {
                gaps.note("directory", path, *why);
            }
            report.give((entry, gaps));
        },
    );
    let mut gaps = Gaps::default();
    if !harvest.stuck.is_empty() {
        gaps.note("directory", path, GapReason::TimedOut);
    }
    let mut entries = Vec::with_capacity(harvest.given.len());
    for (_, (entry, own)) in harvest.given {
        gaps.unite(own);
        entries.push(entry);
    }
    Observed {
        value: Answer::Entries(entries),
        coverage: gaps.into_coverage(),
    }
}

fn list_into(scene: &Scene, path: &HostPath, report: &Report<(Entry, Gaps)>) -> Result<(), Unlisted> {
    let place = Place::of(path)?;
    let dir = open_without_atime(&place.dir, &place.name, OFlags::DIRECTORY)?;
    let listing = dir.try_clone().map_err(|_| Errno::MFILE)?;
    let (names, whole) = names(listing, LIST_ENTRIES)?;
    report.beat();
    for name in names {
        let mut gaps = Gaps::default();
        let path = path.join(name.to_bytes());
        let beat = || report.beat();
        let entry = match describe(
            scene,
            dir.as_fd(),
            name.to_bytes(),
            &path,
            Depth::Outside,
            &mut gaps,
            &beat,
        ) {
            Ok(stat) => Entry::Present(stat),
            Err(errno) => {
                gaps.errno("file", &path, errno);
                Entry::Hidden {
                    path,
                    why: reason(errno),
                }
            }
        };
        report.give((entry, gaps));
    }
    if whole {
        Ok(())
    } else {
        Err(Unlisted::Hidden(GapReason::TooMany))
    }
}

/// Answers `Walk`. A root that is a link or a file is itself the only entry; one that is not there gives none.
pub(super) fn walk(
    scene: &Arc<Scene>,
    roots: &[HostPath],
    max_depth: u32,
    max_entries: u32,
) -> Observed<Vec<FileStat>> {
    let job = Job {
        scene: scene.clone(),
        deepest: max_depth.min(DEEPEST),
        cut_below: max_depth > DEEPEST,
        room: AtomicU32::new(max_entries),
    };
    let harvest = scene.crew.run(
        roots.to_vec(),
        move |root: &HostPath, report: &Report<(Vec<FileStat>, Gaps)>| {
            let mut gaps = Gaps::default();
            if let Err(errno) = job.root(root, report, &mut gaps)
                && !matches!(errno, Errno::NOENT | Errno::NOTDIR)
            {
                gaps.errno("directory", root, errno);
            }
            report.give((Vec::new(), gaps));
        },
    );
    let mut gaps = Gaps::default();
    let mut found = Vec::new();
    for (_, (stats, own)) in harvest.given {
        found.extend(stats);
        gaps.unite(own);
    }
    for root in harvest.stuck {
        gaps.note("directory", &roots[root], GapReason::TimedOut);
    }
    found.sort_by(|a: &FileStat, b| a.path.cmp(&b.path));
    found.dedup_by(|a, b| a.path == b.path);
    Observed {
        value: found,
        coverage: gaps.into_coverage(),
    }
}

struct Job {
    scene: Arc<Scene>,
    deepest: u32,
    cut_below: bool,
    room: AtomicU32,
}

/// What a walk may not leave.
#[derive(Clone, Copy)]
struct Bounds {
    mount: Option<u64>,
    dev: u64,
}

impl Bounds {
    fn hold(self, found: &Meta) -> bool {
        match (self.mount, found.mount) {
            (Some(own), Some(other)) => own == other,
            _ => self.dev == found.id.dev.0,
        }
    }
}

impl Job {
    fn root(&self, root: &HostPath, report: &Report<(Vec<FileStat>, Gaps)>, gaps: &mut Gaps) -> Result<(), Errno> {
        let place = Place::of(root)?;
        let found = Meta::at(&place.dir, &place.name)?;
        if found.kind != FileKind::Directory {
            if self.take_room() {
                let beat = || report.beat();
                let stat = describe(
                    &self.scene,
                    place.dir.as_fd(),
                    &place.name,
                    root,
                    Depth::Outside,
                    gaps,
                    &beat,
                )?;
                report.give((vec![stat], Gaps::default()));
            } else {
                gaps.note("directory", root, GapReason::TooMany);
            }
            return Ok(());
        }
        let dir = open_quietly(&place.dir, &place.name, &found)?;
        let bounds = Bounds {
            mount: found.mount,
            dev: found.id.dev.0,
        };
        self.below(dir, root, bounds, 0, report, gaps)
    }

    fn below(
        &self,
        dir: OwnedFd,
        path: &HostPath,
        bounds: Bounds,
        depth: u32,
        report: &Report<(Vec<FileStat>, Gaps)>,
        gaps: &mut Gaps,
    ) -> Result<(), Errno> {
        let listing = dir.try_clone().map_err(|_| Errno::MFILE)?;
        let room = self.room.load(Ordering::Relaxed) as usize;
        let (names, whole) = names(listing, room)?;
        report.beat();
        if !whole {
            gaps.note("directory", path, GapReason::TooMany);
        }
        let mut stats = Vec::with_capacity(names.len().min(1024));
        let mut inner = Vec::new();
        for name in names {
            if !self.take_room() {
                gaps.note("directory", path, GapReason::TooMany);
                break;
            }
            let path = path.join(name.to_bytes());
            let beat = || report.beat();
            match describe(
                &self.scene,
                dir.as_fd(),
                name.to_bytes(),
                &path,
                Depth::Outside,
                gaps,
                &beat,
            ) {
                Ok(stat) => {
                    if stat.kind == FileKind::Directory {
                        inner.push((name, path));
                    }
                    stats.push(stat);
                    if stats.len() == 1024 {
                        report.give((std::mem::take(&mut stats), Gaps::default()));
                    }
                }
                Err(errno) => gaps.errno("file", &path, errno),
            }
        }
        report.give((stats, Gaps::default()));
        if depth == self.deepest {
            if let (true, Some((_, path))) = (self.cut_below, inner.first()) {
                gaps.note("directory", path, GapReason::Cut);
            }
            return Ok(());
        }
        for (name, path) in inner {
            match enter(dir.as_fd(), name.to_bytes(), bounds) {
                Ok(Some(child)) => {
                    if let Err(errno) = self.below(child, &path, bounds, depth + 1, report, gaps) {
                        gaps.errno("directory", &path, errno);
                    }
                }
                Ok(None) => {}
                Err(errno) => gaps.errno("directory", &path, errno),
            }
        }
        Ok(())
    }

    fn take_room(&self) -> bool {
        let less = |room: u32| room.checked_sub(1);
        self.room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// Opens a directory within the bounds; `None` where another mount begins.
fn enter(dir: BorrowedFd<'_>, name: &[u8], bounds: Bounds) -> Result<Option<OwnedFd>, Errno> {
    let found = Meta::at(dir, name)?;
    if !bounds.hold(&found) {
        return Ok(None);
    }
    open_quietly(dir, name, &found).map(Some)
}

#[cfg(test)]
mod tests;
