//! All that can be seen of files: to compare a host with itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use deminer_worker::text::Digest;

/// The objects below some directories of a host, by their paths on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Object>);

/// One object: all but the times of looking at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// With the kind of the object.
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) links: u64,
    pub(crate) mtime_ns: i128,
    /// By name.
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// As chattr(1) has them; `None` for what has none.
    pub(crate) flags: Option<u32>,
    pub(crate) content: Content,
}

/// What an object holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    File(Digest),
    Link(Vec<u8>),
    /// Directories, sockets, pipes, devices.
    None,
}

impl Snapshot {
    /// Looks at these directories and all below them, but not at those of `without`.
    ///
    /// # Panics
    /// When a file that is there cannot be read.
    pub(super) fn of(root: &Path, roots: &[&str], without: &[&str]) -> Snapshot {
        let mut objects = BTreeMap::new();
        let mut waiting: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
        while let Some(path) = waiting.pop() {
            if without.iter().any(|left_out| path.starts_with(left_out)) {
                continue;
            }
            let below = path.strip_prefix("/").expect("an absolute path");
            let at = root.join(below);
            // What goes while one looks is not there.
            let Some(object) = Object::of(&at) else { continue };
            if object.mode & 0o170_000 == 0o040_000 {
                let entries = fs::read_dir(&at).into_iter().flatten().flatten();
                waiting.extend(entries.map(|entry| path.join(entry.file_name())));
            }
            objects.insert(path, object);
        }
        Snapshot(objects)
    }

    /// Of each path at which the other differs, a line that says how.
    pub(crate) fn changes(&self, later: &Snapshot) -> Vec<String> {
        let gone = self.0.keys().filter(|path| !later.0.contains_key(*path));
        let mut lines: Vec<String> = gone.map(|path| format!("{}: gone", path.display())).collect();
        for (path, now) in &later.0 {
            match self.0.get(path) {
                None => lines.push(format!("{}: new", path.display())),
                Some(before) if before != now => lines.push(format!("{}: {before:?} -> {now:?}", path.display())),
                Some(_) => {}
            }
        }
        lines
    }

    /// The object at a path.
    pub(crate) fn at(&self, path: &str) -> Option<&Object> {
        self.0.get(Path::new(path))
    }

    /// How many objects it holds.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Object {
    /// # Panics
    /// When a file that is there cannot be read.
    pub(crate) fn of(at: &Path) -> Option<Object> {
        let meta = fs::symlink_metadata(at).ok()?;
        let kind = meta.file_type();
        let special = kind.is_socket() || kind.is_fifo() || kind.is_block_device() || kind.is_char_device();
        let opened = if special || kind.is_symlink() {
            None
        } else {
            File::open(at).ok()
        };
        let content = if kind.is_file() {
            let content = fs::read(at).unwrap_or_else(|error| panic!("{}: {error}", at.display()));
            Content::File(Digest::of(&content))
        } else if kind.is_symlink() {
            Content::Link(fs::read_link(at).ok()?.into_os_string().into_vec())
        } else {
            Content::None
        };
        Some(Object {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            links: meta.nlink(),
            mtime_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
            xattrs: xattrs(at),
            flags: opened
                .and_then(|file| rustix::fs::ioctl_getflags(file.as_fd()).ok())
                .map(|flags| flags.bits()),
            content,
        })
    }
}

fn xattrs(at: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0_u8; 64 << 10];
    let length = rustix::fs::llistxattr(at, &mut names).unwrap_or(0);
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .filter_map(|name| {
            let mut value = vec![0_u8; 64 << 10];
            let length = rustix::fs::lgetxattr(at, std::ffi::OsStr::from_bytes(name), &mut value).ok()?;
            value.truncate(length);
            Some((name.to_vec(), value))
        })
        .collect()
}
