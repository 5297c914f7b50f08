//! The mounts of a namespace, from `/proc/PID/mountinfo` (proc(5)).

use rustix::fs::{CWD, Mode, OFlags, makedev, openat};

use super::gaps::Gaps;
use super::procfs::{TABLE_BYTES, number, read_up_to, wide};
use crate::query::{GapReason, Mount};
use crate::text::{HostBytes, HostPath, Wide};

/// One line of mountinfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountRow {
    /// The kernel's number of the mount, as statx(2) has it.
    pub(super) id: u64,
    /// What travels.
    pub(super) mount: Mount,
    /// Options of the file system itself.
    pub(super) super_options: Vec<u8>,
}

/// The mounts, in the kernel's order: a later one lies over an earlier one.
#[derive(Debug, Clone, Default)]
pub(super) struct MountTable {
    rows: Vec<MountRow>,
}

impl MountTable {
    /// Of the worker's own namespace. A line that cannot be read is a gap.
    pub(super) fn read(gaps: &mut Gaps) -> Self {
        let mut bytes = Vec::new();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = "/proc/self/mountinfo";
        let read = openat(CWD, path, flags, Mode::empty()).and_then(|fd| read_up_to(&fd, TABLE_BYTES, &mut bytes));
        match read {
            Ok(true) => {}
            Ok(false) => gaps.note("mounts", path, GapReason::Cut),
            Err(errno) => gaps.errno("mounts", path, errno),
        }
        Self::parse(&bytes, gaps)
    }

    /// From the text of a mountinfo file.
    pub(super) fn parse(bytes: &[u8], gaps: &mut Gaps) -> Self {
        let mut rows = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match parse_line(line) {
                Some(row) => rows.push(row),
                None => gaps.note(
                    "mounts",
                    HostBytes::new(&line[..line.len().min(256)]),
                    GapReason::Malformed,
                ),
            }
        }
        Self { rows }
    }

    /// The mounts as they travel.
    pub(super) fn into_mounts(self) -> Vec<Mount> {
        self.rows.into_iter().map(|row| row.mount).collect()
    }

    /// The same mounts, their points seen below `root`.
    pub(super) fn below(mut self, root: &str) -> Self {
        for row in &mut self.rows {
            let point = row
                .mount
                .point
                .as_bytes()
                .strip_suffix(b"/")
                .unwrap_or(row.mount.point.as_bytes());
            row.mount.point = HostPath::new([root.as_bytes(), point].concat());
        }
        self
    }

    /// Every mount point.
    pub(super) fn points(&self) -> impl Iterator<Item = &HostPath> {
        self.rows.iter().map(|row| &row.mount.point)
    }

    /// Every mount.
    pub(super) fn mounts(&self) -> impl Iterator<Item = &Mount> {
        self.rows.iter().map(|row| &row.mount)
    }

    /// What is mounted at `/`; the last of several. `None` where the table does not tell.
    pub(super) fn root(&self) -> Option<&MountRow> {
        self.rows.iter().rev().find(|row| row.mount.point.as_bytes() == b"/")
    }

    /// The mount of an object: by the kernel's number where that is known, else the last one that has the device and
    /// holds the path.
    pub(super) fn of(&self, id: Option<u64>, dev: u64, path: &HostPath) -> Option<&Mount> {
        if let Some(id) = id {
            return self.rows.iter().find(|row| row.id == id).map(|row| &row.mount);
        }
        self.rows
            .iter()
            .map(|row| &row.mount)
            .filter(|mount| mount.dev.0 == dev && path.is_below(&mount.point))
            .max_by_key(|mount| mount.point.as_bytes().len())
    }

    /// Whether `/proc` shows a user only their own processes (`hidepid`, proc(5)).
    pub(super) fn hides_processes(&self) -> bool {
        let proc = self
            .rows
            .iter()
            .rev()
            .find(|row| row.mount.point.as_bytes() == b"/proc");
        proc.is_some_and(|row| {
            row.super_options
                .split(|byte| *byte == b',')
                .filter_map(|option| option.strip_prefix(b"hidepid="))
                .any(|value| value != b"0" && value != b"off")
        })
    }
}

/// Text from a host that is to be a string: the lossless form, so that no byte reaches a screen raw.
fn written(bytes: &[u8]) -> String {
    HostBytes::new(bytes).to_string()
}

fn parse_line(line: &[u8]) -> Option<MountRow> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = wide(fields.next()?)?;
    let _parent = fields.next()?;
    let mut device = fields.next()?.split(|byte| *byte == b':');
    let dev = makedev(number(device.next()?)?, number(device.next()?)?);
    let root = unescape_octal(fields.next()?);
    let point = unescape_octal(fields.next()?);
    let options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let kind = unescape_octal(fields.next()?);
    let source = unescape_octal(fields.next()?);
    let super_options = fields.next().unwrap_or_default().to_vec();
    Some(MountRow {
        id,
        mount: Mount {
            point: HostPath::new(point),
            root: HostPath::new(root),
            kind: written(&kind),
            dev: Wide(dev),
            source: HostBytes::new(source),
            options: options.split(|byte| *byte == b',').map(written).collect(),
        },
        super_options,
    })
}

/// Reads the `\040` of proc(5) back; a backslash that starts nothing stays.
pub(super) fn unescape_octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) = (byte, rest) {
            out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAPTURED: &[u8] = b"22 27 0:21 / /proc rw,relatime - proc proc rw\n\
        27 1 254:0 / / rw,relatime - ext4 /dev/root rw\n\
        36 27 8:1 /srv/a\\040b /mnt/x\\011y ro,noexec shared:7 master:2 - ext4 /dev/sd\\134a rw,errors=continue\n\
        40 27 0:44 / /proc/77 rw - tmpfs tmpfs rw\n";

    #[test]
    fn captured_lines() {
        let mut gaps = Gaps::default();
        let table = MountTable::parse(CAPTURED, &mut gaps);
        assert!(gaps.list().is_empty());
        let bound = &table.rows[2];
        assert_eq!(bound.id, 36);
        assert_eq!(bound.mount.root.as_bytes(), b"/srv/a b");
        assert_eq!(bound.mount.point.as_bytes(), b"/mnt/x\ty");
        assert_eq!(bound.mount.source.as_bytes(), b"/dev/sd\\a");
        assert_eq!(bound.mount.options, ["ro", "noexec"]);
        assert_eq!(bound.mount.kind, "ext4");
        assert_eq!(bound.mount.dev.0, makedev(8, 1));
        let found = |id, dev, path: &str| table.of(id, dev, &path.into()).map(|mount| mount.point.to_string());
        assert_eq!(found(Some(22), 0, "/x").as_deref(), Some("/proc"));
        assert_eq!(found(Some(99), 0, "/x"), None);
        assert_eq!(found(None, makedev(254, 0), "/etc/passwd").as_deref(), Some("/"));
        assert!(!table.hides_processes());
    }

    #[test]
    fn a_broken_line_is_a_gap_and_hidepid_is_seen() {
        let mut gaps = Gaps::default();
        let table = MountTable::parse(
            b"22 27 0:21 / /proc rw - proc proc rw,hidepid=invisible\nnonsense\n",
            &mut gaps,
        );
        assert_eq!(gaps.list().len(), 1);
        assert!(table.hides_processes());
    }

    #[test]
    fn the_live_table_has_a_root() {
        let mut gaps = Gaps::default();
        assert!(
            MountTable::read(&mut gaps)
                .points()
                .any(|point| point.as_bytes() == b"/")
        );
        assert!(gaps.list().is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = MountTable::parse(&bytes, &mut Gaps::default());
        }

        #[test]
        fn octal_reads_back(bytes: Vec<u8>) {
            let escaped: Vec<u8> = bytes.iter().flat_map(|byte| format!("\\{byte:03o}").into_bytes()).collect();
            prop_assert_eq!(unescape_octal(&escaped), bytes);
        }
    }
}
