//! Answers about files.

use std::collections::BTreeMap;

use super::state::State;
use super::tree::plain;
use crate::query::{Coverage, Entry, FileKind, FileSpans, FileStat, FileText, GapReason, Observed, Span, limits};
use crate::text::{HostBytes, HostPath};

impl State {
    /// What paths are; what cannot be hashed stands without its digest, and is noted.
    pub(super) fn entries(&self, paths: &[HostPath], digest: bool) -> Observed<Vec<Entry>> {
        let mut coverage = Coverage::whole();
        let value = paths
            .iter()
            .map(|path| self.entry(path, digest, &mut coverage))
            .collect();
        Observed { value, coverage }
    }

    fn entry(&self, path: &HostPath, digest: bool, coverage: &mut Coverage) -> Entry {
        if self.hidden_from_above(path) {
            coverage.note("file", path, GapReason::Denied);
            return Entry::Hidden {
                path: path.clone(),
                why: GapReason::Denied,
            };
        }
        let hidden = self.hidden(path);
        let Some(mut stat) = self.tree.stat(path, digest) else {
            return Entry::Absent { path: path.clone() };
        };
        if let Some(why) = hidden.filter(|_| stat.sha256.is_some()) {
            stat.sha256 = None;
            coverage.note("file", path, why);
        }
        Entry::Present(stat)
    }

    /// The entries of a directory; where there is none, that.
    pub(super) fn list(&self, path: &HostPath) -> Observed<Vec<Entry>> {
        let mut coverage = Coverage::whole();
        let value = if let Some(why) = self.hidden(path) {
            coverage.note("directory", path, why);
            vec![Entry::Hidden {
                path: path.clone(),
                why,
            }]
        } else if self
            .tree
            .lookup(path)
            .is_some_and(|inode| inode.kind == FileKind::Directory)
        {
            let children = self.tree.children(path);
            children
                .iter()
                .map(|child| self.entry(child, false, &mut coverage))
                .collect()
        } else {
            vec![Entry::Absent { path: path.clone() }]
        };
        Observed { value, coverage }
    }

    /// What lies below the roots. A root that is no directory is its own only entry, one that is not there gives none.
    pub(super) fn walk(&self, roots: &[HostPath], max_depth: u32, max_entries: u32) -> Observed<Vec<FileStat>> {
        let mut coverage = Coverage::whole();
        let mut found = BTreeMap::new();
        for root in roots {
            let root = plain(root);
            let Some(stat) = self.tree.stat(&root, false) else {
                continue;
            };
            if stat.kind != FileKind::Directory {
                found.insert(root, stat);
                continue;
            }
            let mut waiting = vec![(root, 0)];
            while let Some((directory, depth)) = waiting.pop() {
                if let Some(why) = self.hidden(&directory) {
                    coverage.note("directory", &directory, why);
                    continue;
                }
                // The last name first, so that directories are entered in the order of their names.
                for child in self.tree.children(&directory).into_iter().rev() {
                    let Some(entry) = self.tree.stat(&child, false) else {
                        continue;
                    };
                    if entry.mount != stat.mount {
                        continue;
                    }
                    if entry.kind == FileKind::Directory && depth < max_depth {
                        waiting.push((child.clone(), depth + 1));
                    }
                    found.insert(child, entry);
                }
            }
        }
        if let Some(first) = found.keys().nth(max_entries as usize) {
            coverage.note("directory", first.parent().unwrap_or_default(), GapReason::TooMany);
        }
        Observed {
            value: found.into_values().take(max_entries as usize).collect(),
            coverage,
        }
    }

    pub(super) fn read(&self, path: &HostPath, max_bytes: u32) -> Observed<Vec<FileText>> {
        let mut coverage = Coverage::whole();
        let value = self.text(path, max_bytes.min(limits::READ_BYTES), &mut coverage);
        Observed {
            value: value.into_iter().collect(),
            coverage,
        }
    }

    /// The beginning of a regular file; `None` where there is none or it cannot be read, which is then noted.
    fn text(&self, path: &HostPath, max_bytes: u32, coverage: &mut Coverage) -> Option<FileText> {
        if let Some(why) = self.hidden(path) {
            if self.hidden_from_above(path) || self.tree.lookup(path).is_some() {
                coverage.note("file", path, why);
            }
            return None;
        }
        let inode = self.tree.lookup(path)?;
        if inode.kind != FileKind::Regular {
            coverage.note("file", path, GapReason::Unsupported);
            return None;
        }
        let kept = inode.content.len().min(max_bytes as usize);
        let cut = kept < inode.content.len();
        Some(FileText {
            stat: self.tree.stat(path, !cut)?,
            content: HostBytes::new(&inode.content[..kept]),
            cut,
        })
    }

    pub(super) fn spans(&self, path: &HostPath, asked: &[Span]) -> Observed<Option<FileSpans>> {
        let (asked, whole) = limits::spans(asked);
        let mut coverage = Coverage::whole();
        if !whole {
            coverage.note("file", path, GapReason::TooMany);
        }
        let text = self.text(path, u32::MAX, &mut coverage);
        let value = text.map(|file| {
            let content = file.content.as_bytes();
            let part = |span: Span| {
                let from = usize::try_from(span.from.0).unwrap_or(usize::MAX).min(content.len());
                let to = from.saturating_add(span.bytes as usize).min(content.len());
                HostBytes::new(&content[from..to])
            };
            FileSpans {
                stat: FileStat {
                    sha256: None,
                    ..file.stat.clone()
                },
                spans: asked.into_iter().map(part).collect(),
            }
        });
        Observed { value, coverage }
    }

    pub(super) fn read_tree(
        &self,
        patterns: &[HostPath],
        max_files: u32,
        max_file_bytes: u32,
    ) -> Observed<Vec<FileText>> {
        let mut coverage = Coverage::whole();
        let mut found = BTreeMap::new();
        for pattern in patterns {
            for path in self.matching(pattern, &mut coverage) {
                let kind = self.tree.lookup(&path).map(|inode| inode.kind);
                if kind == Some(FileKind::Link) && self.hidden(&path).is_none() {
                    // Not followed: what it is, without content.
                    let link = self.tree.stat(&path, false).map(|stat| FileText {
                        stat,
                        content: HostBytes::default(),
                        cut: false,
                    });
                    found.extend(link.map(|link| (path, link)));
                    continue;
                }
                if kind != Some(FileKind::Regular) && !self.hidden_from_above(&path) {
                    continue;
                }
                if let Some(text) = self.text(&path, max_file_bytes.min(limits::READ_BYTES), &mut coverage) {
                    found.insert(path, text);
                }
            }
        }
        if let Some(first) = found.keys().nth(max_files as usize) {
            coverage.note("file", first.parent().unwrap_or_default(), GapReason::TooMany);
        }
        Observed {
            value: found.into_values().take(max_files as usize).collect(),
            coverage,
        }
    }

    /// The paths that a pattern may mean; directories that cannot be listed are noted.
    fn matching(&self, pattern: &HostPath, coverage: &mut Coverage) -> Vec<HostPath> {
        let mut paths = vec![HostPath::from("/")];
        for part in pattern.as_bytes().split(|b| *b == b'/').filter(|part| !part.is_empty()) {
            if !part.iter().any(|b| matches!(b, b'*' | b'?')) {
                for path in &mut paths {
                    *path = path.join(part);
                }
                continue;
            }
            let mut next = Vec::new();
            for directory in paths {
                if let Some(why) = self.hidden(&directory) {
                    coverage.note("directory", &directory, why);
                    continue;
                }
                let children = self.tree.children(&directory);
                next.extend(children.into_iter().filter(|child| is_match(part, child.file_name())));
            }
            paths = next;
        }
        paths
    }
}

/// Whether a name matches a pattern of `*` and `?`.
fn is_match(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut star) = ((0, 0), None);
    while at.1 < name.len() {
        match pattern.get(at.0) {
            Some(b'*') => {
                star = Some(at);
                at.0 += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[at.1] => at = (at.0 + 1, at.1 + 1),
            _ => match star {
                Some((p, n)) => {
                    star = Some((p, n + 1));
                    at = (p + 1, n + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at.0..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_within_a_name() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", ".hidden", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*.service", "x.service", true),
            ("*.service", "x.service.d", false),
            ("?b*d?", "abxxde", true),
            ("?", "", false),
            ("a", "ab", false),
            ("**a**", "bab", true),
        ] {
            assert_eq!(
                is_match(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
