//! Regular files by pattern, links followed by one step: daemons follow them, so what stands behind one counts.

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{Coverage, FileKind, FileStat, FileText, GapReason};
use deminer_worker::text::{HostBytes, HostPath};

use crate::command_words::resolved;
use crate::questions;

/// The links that are followed.
const LINKS: usize = 64;

/// Where a link leads by its own words; `None` for anything but a link.
pub(crate) fn leads_to(stat: &FileStat) -> Option<HostPath> {
    if stat.kind != FileKind::Link {
        return None;
    }
    let target = stat.link_target.as_ref()?;
    let path = resolved(target.as_bytes(), stat.path.parent().as_ref(), true);
    Some(HostPath::new(path.as_bytes())).filter(|path| path.as_bytes().first() == Some(&b'/'))
}

/// The regular files that these patterns match, each under the path by which it was found: of a link its own, while the file
/// names where it really lies. A link to a link is a gap.
pub(crate) async fn read(
    host: &dyn HostView,
    patterns: Vec<HostPath>,
    max_files: u32,
    max_file_bytes: u32,
    subject: &str,
    coverage: &mut Coverage,
) -> Result<Vec<(HostPath, FileText)>, ModuleError> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let seen = questions::read_tree(host, patterns, max_files, max_file_bytes).await;
    let texts = questions::or_gap(seen, subject, coverage, Vec::new)?;
    let mut files = Vec::new();
    let mut links = 0;
    for text in texts {
        let path = text.stat.path.clone();
        match (text.stat.kind, &text.stat.link_target) {
            (FileKind::Regular, _) => files.push((path, text)),
            (FileKind::Link, Some(_)) if links == LINKS => {
                coverage.note(subject, HostBytes::from("links"), GapReason::TooMany);
            }
            (FileKind::Link, Some(target)) => {
                links += 1;
                let target = resolved(target.as_bytes(), path.parent().as_ref(), true);
                let target = HostPath::new(target.as_bytes());
                let seen = questions::read(host, target, max_file_bytes).await;
                match questions::or_gap(seen, subject, coverage, || None)? {
                    Some(text) if text.stat.kind == FileKind::Regular => files.push((path, text)),
                    Some(text) if text.stat.kind == FileKind::Link => {
                        coverage.note(subject, path, GapReason::Unsupported);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(files)
}
