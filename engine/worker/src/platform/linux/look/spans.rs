//! Parts of a file: the end of a long log, records by their number.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread, retry_on_intr};

use super::Scene;
use super::crew::Report;
use super::file::{Depth, Meta, Place, describe, open_quietly};
use super::gaps::Gaps;
use crate::query::{FileKind, FileSpans, GapReason, Observed, Span, limits};
use crate::text::{HostBytes, HostPath};

/// Answers `ReadSpans`.
pub(super) fn read(scene: &Arc<Scene>, path: &HostPath, spans: &[Span]) -> Observed<Option<FileSpans>> {
    let looking = scene.clone();
    let (wanted, whole) = limits::spans(spans);
    let mut harvest = scene.crew.run(
        vec![path.clone()],
        move |path: &HostPath, report: &Report<(Option<FileSpans>, Gaps)>| {
            let mut gaps = Gaps::default();
            let file = match parts(&looking, path, wanted.clone(), &mut gaps, &|| report.beat()) {
                Ok(file) => Some(file),
                Err(Errno::NOENT | Errno::NOTDIR) => None,
                Err(errno) => {
                    gaps.errno("file", path, errno);
                    None
                }
            };
            report.give((file, gaps));
        },
    );
    let (file, mut gaps) = harvest.given.pop().map_or_else(
        || {
            let mut gaps = Gaps::default();
            gaps.note("file", path, GapReason::TimedOut);
            (None, gaps)
        },
        |(_, told)| told,
    );
    if !whole {
        gaps.note("file", path, GapReason::TooMany);
    }
    Observed {
        value: file,
        coverage: gaps.into_coverage(),
    }
}

fn parts(
    scene: &Scene,
    path: &HostPath,
    wanted: Vec<Span>,
    gaps: &mut Gaps,
    beat: &dyn Fn(),
) -> Result<FileSpans, Errno> {
    let place = Place::of(path)?;
    let dir = place.dir.as_fd();
    let stat = describe(scene, dir, &place.name, path, Depth::Outside, gaps, beat)?;
    if stat.kind != FileKind::Regular {
        return Err(Errno::OPNOTSUPP);
    }
    let found = Meta::at(dir, &place.name)?;
    let fd = open_quietly(dir, &place.name, &found)?;
    if found.id != stat.id {
        gaps.note("file", path, GapReason::Changed);
    }
    let mut spans = Vec::with_capacity(wanted.len());
    for span in wanted {
        spans.push(HostBytes::new(part(fd.as_fd(), span)?));
        beat();
    }
    Ok(FileSpans { stat, spans })
}

/// The bytes of one span, as far as the file goes.
fn part(fd: BorrowedFd<'_>, span: Span) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(span.bytes as usize);
    while bytes.len() < span.bytes as usize {
        let Some(from) = span.from.0.checked_add(bytes.len() as u64) else {
            break;
        };
        if i64::try_from(from).is_err() {
            break;
        }
        if retry_on_intr(|| pread(fd, spare_capacity(&mut bytes), from))? == 0 {
            break;
        }
    }
    bytes.truncate(span.bytes as usize);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::linux::look::Look;
    use crate::query::{Answer, Query};
    use crate::text::Wide;

    fn ask(path: &std::path::Path, spans: &[(u64, u32)]) -> (Option<Vec<String>>, usize) {
        let query = Query::ReadSpans {
            path: HostPath::new(path.as_os_str().as_encoded_bytes()),
            spans: (spans.iter())
                .map(|(from, bytes)| Span {
                    from: Wide(*from),
                    bytes: *bytes,
                })
                .collect(),
        };
        let observed = Look::new().answer(&query).expect("an answer");
        let Answer::Spans(file) = observed.value else {
            panic!("spans")
        };
        let texts = file.map(|file| file.spans.iter().map(HostBytes::to_string).collect());
        (texts, observed.coverage.gaps.len())
    }

    #[test]
    fn parts_of_a_sparse_file() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("log");
        std::fs::write(&path, "0123456789").expect("a file");
        let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let spans = [(8, 4), (0, 2), (10, 1), (u64::MAX, 1), (3, 0)];
        assert_eq!(ask(&path, &spans), (texts(&["89", "01", "", "", ""]), 0));
        let file = std::fs::File::options().write(true).open(&path).expect("ours");
        file.set_len(1 << 40).expect("sparse");
        assert_eq!(ask(&path, &[((1 << 40) - 1, 9)]), (texts(&["\\x00"]), 0));
        assert_eq!(
            ask(&path, &[(0, limits::READ_BYTES), (0, 1)]).1,
            1,
            "more than is read at once"
        );
        assert_eq!(ask(&home.path().join("none"), &[(0, 1)]), (None, 0));
        assert_eq!(ask(home.path(), &[(0, 1)]), (None, 1));
    }
}
