//! The files that a process maps, from `/proc/PID/maps` (proc(5)).

use std::collections::HashMap;

use rustix::fs::makedev;

use crate::platform::linux::look::mounts::unescape_octal;
use crate::platform::linux::look::procfs::wide;
use crate::query::{FileId, MappedFile};
use crate::text::{HostPath, Wide};

/// The kernel's mark of a name that is gone.
pub(in crate::platform::linux::look) const DELETED: &[u8] = b" (deleted)";

/// One mapping of a file.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    executable: bool,
    id: FileId,
    path: Vec<u8>,
}

/// Every mapped file once, by path. `exists` tells whether a path, as the process sees it, is that object: a file may
/// really be called `x (deleted)`.
pub(in crate::platform::linux::look) fn parse_maps(
    bytes: &[u8],
    mut exists: impl FnMut(&[u8], FileId) -> bool,
) -> Vec<MappedFile> {
    let mut merged: HashMap<(FileId, Vec<u8>), bool> = HashMap::new();
    for mapping in bytes.split(|byte| *byte == b'\n').filter_map(parse_line) {
        *merged.entry((mapping.id, mapping.path)).or_default() |= mapping.executable;
    }
    let mut files: Vec<MappedFile> = merged
        .into_iter()
        .map(|((id, path), executable)| {
            let stripped = path.strip_suffix(DELETED).filter(|_| !exists(&path, id));
            MappedFile {
                path: HostPath::new(stripped.unwrap_or(&path)),
                id,
                executable,
                deleted: stripped.is_some(),
            }
        })
        .collect();
    files.sort_by(|a, b| (&a.path, a.id).cmp(&(&b.path, b.id)));
    files
}

/// A line of a file; `None` for anonymous memory and for what is no line.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let _addresses = fields.next()?;
    let permissions = fields.next()?;
    let _offset = fields.next()?;
    let mut device = fields.next()?.split(|byte| *byte == b':');
    let dev = makedev(hexadecimal(device.next()?)?, hexadecimal(device.next()?)?);
    let inode = wide(fields.next()?)?;
    let name = fields.next()?;
    let start = name.iter().position(|byte| *byte != b' ')?;
    let path = name[start..]
        .strip_prefix(b"/")
        .map(|_| unescape_line_feeds(&name[start..]))?;
    Some(Mapping {
        executable: permissions.get(2) == Some(&b'x'),
        id: FileId {
            dev: Wide(dev),
            inode: Wide(inode),
        },
        path,
    })
}

/// In maps only the line feed is escaped.
fn unescape_line_feeds(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.windows(4).position(|four| four == b"\\012") {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&unescape_octal(&rest[at..at + 4]));
        rest = &rest[at + 4..];
    }
    out.extend_from_slice(rest);
    out
}

pub(in crate::platform::linux::look) fn hexadecimal(text: &[u8]) -> Option<u32> {
    if !(1..=8).contains(&text.len()) {
        return None;
    }
    text.iter()
        .try_fold(0_u32, |sum, byte| Some(sum << 4 | char::from(*byte).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPTURED: &[u8] = b"55d0c8a00000-55d0c8a02000 r--p 00000000 fe:00 1835045                    /usr/bin/cat\n\
        55d0c8a02000-55d0c8a07000 r-xp 00002000 fe:00 1835045                    /usr/bin/cat\n\
        55d0ca000000-55d0ca021000 rw-p 00000000 00:00 0                          [heap]\n\
        7f5d00000000-7f5d00021000 rw-p 00000000 00:00 0 \n\
        7f5d10000000-7f5d10001000 r-xp 00000000 00:01 1025                       /memfd:x y (deleted)\n\
        7f5d20000000-7f5d20001000 r--p 00000000 fe:00 42                         /tmp/a\\012b (deleted)\n\
        7f5d30000000-7f5d30001000 r--p 00000000 fe:00 43                         /tmp/real (deleted)\n\
        ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

    #[test]
    fn captured_lines() {
        let files = parse_maps(CAPTURED, |_, id| id.inode.0 == 43);
        let told: Vec<(&[u8], u64, bool, bool)> = files
            .iter()
            .map(|f| (f.path.as_bytes(), f.id.inode.0, f.executable, f.deleted))
            .collect();
        let expected: [(&[u8], u64, bool, bool); 4] = [
            (b"/memfd:x y", 1025, true, true),
            (b"/tmp/a\nb", 42, false, true),
            (b"/tmp/real (deleted)", 43, false, false),
            (b"/usr/bin/cat", 1_835_045, true, false),
        ];
        assert_eq!(told, expected);
        assert_eq!(files[3].id.dev.0, makedev(0xfe, 0));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse_maps(&bytes, |_, _| true);
        }

        #[test]
        fn any_path_is_read_back(name in proptest::collection::vec(1_u8.., 0..40)) {
            let path = [b"/".as_slice(), &name].concat();
            prop_assume!(!path.windows(4).any(|four| four == b"\\012"));
            let shown: Vec<u8> = path.iter().flat_map(|b| match b { b'\n' => b"\\012".to_vec(), b => vec![*b] }).collect();
            let line = [b"1-2 r--p 0 00:01 7    ".as_slice(), &shown, b"\n"].concat();
            let files = parse_maps(&line, |_, _| true);
            prop_assert_eq!(files[0].path.as_bytes(), &path[..]);
        }
    }
}
