//! The mounts of our own namespace, as `/proc/self/mountinfo` has them (proc_pid_mountinfo(5)).

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountPoint {
    /// Where it is mounted.
    pub(super) point: Vec<u8>,
    /// The directory of its file system that is mounted there.
    pub(super) root: Vec<u8>,
    /// The file system's type.
    pub(super) kind: Vec<u8>,
}

/// Reads the table; a line that is not of its form is left out.
pub(super) fn parse(bytes: &[u8]) -> Vec<MountPoint> {
    bytes.split(|b| *b == b'\n').filter_map(parse_line).collect()
}

/// `36 35 98:0 /root /point options tag... - kind source options`
fn parse_line(line: &[u8]) -> Option<MountPoint> {
    let mut fields = line.split(|b| *b == b' ');
    let root = fields.nth(3)?;
    let point = fields.next()?;
    fields.find(|field| *field == b"-")?;
    Some(MountPoint {
        point: unescape(point),
        root: unescape(root),
        kind: fields.next()?.to_vec(),
    })
}

/// The kernel writes blank, tab, line feed and backslash as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut at = 0;
    while at < field.len() {
        let octal = field
            .get(at + 1..at + 4)
            .filter(|digits| field[at] == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)))
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(field[at]);
                at += 1;
            }
        }
    }
    out
}

/// The table now; empty where it cannot be read.
pub(super) fn read() -> Vec<MountPoint> {
    parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
}

/// The mount point that a real path lies below: the longest one.
pub(super) fn point_of<'a>(mounts: &'a [MountPoint], path: &[u8]) -> Option<&'a [u8]> {
    mounts
        .iter()
        .map(|mount| &mount.point[..])
        .filter(|point| {
            let point = point.strip_suffix(b"/").unwrap_or(point);
            path.strip_prefix(point)
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        })
        .max_by_key(|point| point.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_table() {
        let table = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            30 22 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            31 22 8:1 /usr/bin /tmp/.\\040x rw shared:2 master:3 - ext4 /dev/sda1 rw\nnonsense\n";
        let mounts = parse(table);
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[1].kind, b"cgroup2");
        assert_eq!(
            (&mounts[2].root[..], &mounts[2].point[..]),
            (&b"/usr/bin"[..], &b"/tmp/. x"[..])
        );
        let rows: [(&[u8], &[u8]); 4] = [
            (b"/tmp/. x/python3", b"/tmp/. x"),
            (b"/tmp/. xy", b"/"),
            (b"/sys/fs/cgroup/unified", b"/sys/fs/cgroup/unified"),
            (b"/", b"/"),
        ];
        for (path, point) in rows {
            assert_eq!(point_of(&mounts, path), Some(point), "{}", path.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_table_is_read_without_harm(bytes: Vec<u8>) {
            let _ = point_of(&parse(&bytes), b"/tmp");
        }

        #[test]
        fn any_backslashes_are_read_without_harm(field in "[\\\\0-9 a]{0,12}") {
            let _ = unescape(field.as_bytes());
        }
    }
}
