//! Files by pattern: `*` and `?` match within one component, names that begin with a dot too.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::Scene;
use super::crew::Report;
use super::file::{Meta, open_quietly, open_without_atime, text};
use super::gaps::Gaps;
use super::walk::names;
use crate::query::{FileKind, FileText, GapReason, Observed};
use crate::text::HostPath;

/// The names of one directory that a pattern is held against.
const NAMES: usize = 1 << 20;

type Found = (Option<FileText>, Gaps);

/// Answers `ReadTree`. Components without `*` and `?` may be links and are followed; what a pattern matches is not. A
/// link that matches is given as what it is, without content.
pub(super) fn read_tree(
    scene: &Arc<Scene>,
    patterns: &[HostPath],
    max_files: u32,
    max_file_bytes: u32,
) -> Observed<Vec<FileText>> {
    let job = Job {
        scene: scene.clone(),
        room: AtomicU32::new(max_files),
        max_file_bytes,
    };
    let harvest = scene
        .crew
        .run(patterns.to_vec(), move |pattern: &HostPath, report: &Report<Found>| {
            let mut gaps = Gaps::default();
            if let Err(errno) = job.pattern(pattern, report, &mut gaps) {
                gaps.errno("directory", pattern, errno);
            }
            report.give((None, gaps));
        });
    let mut gaps = Gaps::default();
    let mut files = Vec::new();
    for (_, (file, own)) in harvest.given {
        files.extend(file);
        gaps.unite(own);
    }
    for pattern in harvest.stuck {
        gaps.note("directory", &patterns[pattern], GapReason::TimedOut);
    }
    files.sort_by(|a: &FileText, b| a.stat.path.cmp(&b.stat.path));
    files.dedup_by(|a, b| a.stat.path == b.stat.path);
    Observed {
        value: files,
        coverage: gaps.into_coverage(),
    }
}

struct Job {
    scene: Arc<Scene>,
    room: AtomicU32,
    max_file_bytes: u32,
}

impl Job {
    fn pattern(&self, pattern: &HostPath, report: &Report<Found>, gaps: &mut Gaps) -> Result<(), Errno> {
        let bytes = pattern.as_bytes();
        if !bytes.starts_with(b"/") || bytes.contains(&0) {
            return Err(Errno::INVAL);
        }
        let components: Vec<&[u8]> = bytes
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
            .collect();
        let root = openat(
            CWD,
            c"/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        self.descend(root, &HostPath::from("/"), &components, report, gaps)
    }

    /// Matches the components below a directory that is open, maybe only as a path.
    fn descend(
        &self,
        dir: OwnedFd,
        path: &HostPath,
        components: &[&[u8]],
        report: &Report<Found>,
        gaps: &mut Gaps,
    ) -> Result<(), Errno> {
        report.beat();
        let Some((component, rest)) = components.split_first() else {
            return Ok(());
        };
        if !is_pattern(component) {
            let below = path.join(component);
            if rest.is_empty() {
                return absent_is_nothing(self.file(&dir, component, &below, report, gaps));
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            return match openat(&dir, *component, flags, Mode::empty()) {
                Ok(next) => self.descend(next, &below, rest, report, gaps),
                Err(errno) => absent_is_nothing(Err(errno)),
            };
        }
        let listing = match open_without_atime(&dir, b".", OFlags::DIRECTORY) {
            Ok(listing) => listing,
            Err(errno) => {
                gaps.errno("directory", path, errno);
                return Ok(());
            }
        };
        let (names, whole) = names(listing, NAMES)?;
        if !whole {
            gaps.note("directory", path, GapReason::TooMany);
        }
        for name in names
            .iter()
            .map(|name| name.to_bytes())
            .filter(|name| matches(component, name))
        {
            let below = path.join(name);
            let told = if rest.is_empty() {
                self.file(&dir, name, &below, report, gaps)
            } else {
                self.directory(&dir, name, &below, rest, report, gaps)
            };
            if let Err(errno) = absent_is_nothing(told) {
                gaps.errno("file", &below, errno);
            }
        }
        Ok(())
    }

    fn directory(
        &self,
        dir: &OwnedFd,
        name: &[u8],
        path: &HostPath,
        rest: &[&[u8]],
        report: &Report<Found>,
        gaps: &mut Gaps,
    ) -> Result<(), Errno> {
        let found = Meta::at(dir, name)?;
        if found.kind != FileKind::Directory {
            return Ok(());
        }
        self.descend(open_quietly(dir, name, &found)?, path, rest, report, gaps)
    }

    fn file(
        &self,
        dir: &OwnedFd,
        name: &[u8],
        path: &HostPath,
        report: &Report<Found>,
        gaps: &mut Gaps,
    ) -> Result<(), Errno> {
        if !matches!(Meta::at(dir, name)?.kind, FileKind::Regular | FileKind::Link) {
            return Ok(());
        }
        let less = |room: u32| room.checked_sub(1);
        if self
            .room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_err()
        {
            gaps.note("file", path.parent().unwrap_or_default(), GapReason::TooMany);
            return Ok(());
        }
        let mut own = Gaps::default();
        let beat = || report.beat();
        let text = text(
            &self.scene,
            dir.as_fd(),
            name,
            path,
            self.max_file_bytes,
            &mut own,
            &beat,
        )?;
        report.give((Some(text), own));
        Ok(())
    }
}

/// A pattern that nothing matches has no answer, which is none missing.
fn absent_is_nothing(told: Result<(), Errno>) -> Result<(), Errno> {
    match told {
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        other => other,
    }
}

fn is_pattern(component: &[u8]) -> bool {
    component.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// Whether a name matches; `*` is any bytes, `?` is one. Takes time in the product of both lengths at most.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(b'?') => {
                at += 1;
                seen += 1;
            }
            Some(byte) if *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((after, taken)) = star else {
                    return false;
                };
                star = Some((after, taken + 1));
                at = after + 1;
                seen = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns() {
        let rows: [(&str, &str, bool); 12] = [
            ("*", "", true),
            ("*", ".hidden", true),
            ("?", "", false),
            ("?", "a", true),
            ("*.service", "x.service", true),
            ("*.service", "x.service.d", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("id_?sa", "id_rsa", true),
            ("**", "anything", true),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_all(name: Vec<u8>, pattern: Vec<u8>) {
            let _ = matches(&pattern, &name);
            prop_assert!(matches(b"*", &name));
            let any = vec![b'?'; name.len()];
            prop_assert!(matches(&any, &name));
            if !is_pattern(&name) {
                prop_assert!(matches(&name, &name));
            }
        }
    }
}
