//! The file systems of a simulated host: names, objects, mounts.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use super::mounts::{MountPoint, described};
use super::world::{self, World};
use crate::query::{FileId, FileKind, FileStat, Xattr};
use crate::text::{Digest, HostPath, Wide};

/// The flag that forbids every change of an object.
pub(super) const IMMUTABLE: u32 = 0x10;
/// The flag that forbids every change but adding to its end.
pub(super) const APPEND_ONLY: u32 = 0x20;

/// As many links are followed on one way (path_resolution(7)).
const LINKS: u32 = 40;

/// One object.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) id: FileId,
    pub(super) kind: FileKind,
    pub(super) content: Vec<u8>,
    pub(super) sha256: Digest,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) links: u32,
    pub(super) mtime_ns: u64,
    pub(super) ctime_ns: u64,
    pub(super) btime_ns: u64,
    pub(super) flags: u32,
    pub(super) xattrs: Vec<Xattr>,
    pub(super) target: Option<HostPath>,
}

/// What a new object is, besides its content.
#[derive(Debug, Clone)]
pub(super) struct Traits {
    pub(super) kind: FileKind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime_ns: u64,
    pub(super) flags: u32,
    pub(super) xattrs: Vec<Xattr>,
    pub(super) target: Option<HostPath>,
}

impl Traits {
    pub(super) fn regular(mode: u32, uid: u32, now_ns: u64) -> Self {
        Self {
            kind: FileKind::Regular,
            mode,
            uid,
            gid: uid,
            mtime_ns: now_ns,
            flags: 0,
            xattrs: Vec::new(),
            target: None,
        }
    }

    fn directory(path: &HostPath, now_ns: u64) -> Self {
        let shared = [&b"/tmp"[..], b"/var/tmp", b"/dev/shm"].contains(&path.as_bytes());
        Self {
            kind: FileKind::Directory,
            mode: if shared { 0o1777 } else { 0o755 },
            ..Self::regular(0, 0, now_ns)
        }
    }
}

/// All names and objects. A name is kept by its own path, binds resolved; a path that is asked for may lead over links.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    names: BTreeMap<HostPath, u64>,
    inodes: BTreeMap<u64, Inode>,
    next: u64,
    pub(super) mounts: Vec<MountPoint>,
}

/// A path in its shortest absolute form; `..` at the root stays there.
pub(super) fn plain(path: &HostPath) -> HostPath {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.as_bytes().split(|b| *b == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let mut out = HostPath::from("/");
    for name in names {
        out = out.join(name);
    }
    out
}

impl Tree {
    /// The described mounts and files, everything else still to be made.
    pub(super) fn new(world: &World) -> Self {
        let mounts = described(world);
        let mut tree = Self {
            names: BTreeMap::new(),
            inodes: BTreeMap::new(),
            next: 101,
            mounts: Vec::new(),
        };
        // A bind shows what its source was when it was made, so only earlier mounts count for it.
        for mount in mounts {
            let bind = mount.bind.map(|bind| tree.own_name(&bind));
            tree.mounts.push(MountPoint { bind, ..mount });
        }
        let old_ns = ns(world.host_time_ms.saturating_sub(30 * 86_400_000));
        tree.put(
            &HostPath::from("/"),
            Vec::new(),
            Traits::directory(&HostPath::from("/"), old_ns),
        );
        for file in &world.files {
            tree.describe(world, file, old_ns);
        }
        for mount in tree.mounts.clone() {
            tree.make_own_directories(mount.point.clone(), old_ns);
            tree.make_directories(&mount.point, old_ns);
        }
        tree
    }

    fn describe(&mut self, world: &World, file: &world::File, old_ns: u64) {
        let kind = file.kind();
        let content = file.content.as_ref().and_then(|content| world.bytes(content).ok());
        let usual = match kind {
            FileKind::Directory => 0o755,
            FileKind::Link => 0o777,
            _ => 0o644,
        };
        let traits = Traits {
            kind,
            mode: file.mode.unwrap_or(usual) & 0o7777,
            uid: file.uid,
            gid: file.gid,
            mtime_ns: file.mtime_ms.map_or(old_ns, ns),
            flags: file.flags,
            xattrs: file.xattrs.clone(),
            target: file.target.clone(),
        };
        let path = plain(&file.path);
        let content = if kind == FileKind::Regular {
            content.unwrap_or_default()
        } else {
            Vec::new()
        };
        self.make_parents(&path, old_ns);
        let number = self.put(&path, content, traits);
        for other in &file.also {
            let other = plain(other);
            self.make_parents(&other, old_ns);
            self.link_own(self.own_name(&other), number);
        }
    }

    fn make_parents(&mut self, path: &HostPath, now_ns: u64) {
        if let Some(parent) = path.parent() {
            self.make_directories(&parent, now_ns);
        }
    }

    /// Makes a directory with all above it, where there is nothing yet.
    pub(super) fn make_directories(&mut self, path: &HostPath, now_ns: u64) {
        let own = self.own_name(path);
        self.make_own_directories(own, now_ns);
    }

    /// The same for a path without binds.
    fn make_own_directories(&mut self, own: HostPath, now_ns: u64) {
        let mut at = own;
        let mut missing = Vec::new();
        while !self.names.contains_key(&at) {
            missing.push(at.clone());
            match at.parent() {
                Some(parent) => at = parent,
                None => break,
            }
        }
        for own in missing.into_iter().rev() {
            let traits = Traits::directory(&own, now_ns);
            let number = self.make(self.holder_of(&own).dev, Vec::new(), traits);
            self.link_own(own, number);
        }
    }

    /// The path without links on the way, the last one followed only if asked; `None` where something is missing.
    pub(super) fn resolve(&self, path: &HostPath, follow_last: bool) -> Option<HostPath> {
        let parts = |path: &HostPath| -> Vec<Vec<u8>> {
            path.as_bytes()
                .split(|b| *b == b'/')
                .filter(|name| !matches!(*name, b"" | b"."))
                .map(<[u8]>::to_vec)
                .collect()
        };
        let mut at = HostPath::from("/");
        let mut rest: VecDeque<Vec<u8>> = parts(path).into();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == b".." {
                at = at.parent().unwrap_or(at);
                continue;
            }
            let next = at.join(&name);
            let inode = self.inodes.get(self.names.get(&self.own_name(&next))?)?;
            match (&inode.target, inode.kind) {
                (Some(target), FileKind::Link) if follow_last || !rest.is_empty() => {
                    links += 1;
                    if links > LINKS {
                        return None;
                    }
                    if target.as_bytes().starts_with(b"/") {
                        at = HostPath::from("/");
                    }
                    for part in parts(target).into_iter().rev() {
                        rest.push_front(part);
                    }
                    continue;
                }
                (_, FileKind::Directory) => {}
                _ if rest.is_empty() => {}
                _ => return None,
            }
            at = next;
        }
        Some(at)
    }

    /// The object at a path, links on the way followed, the last one not.
    pub(super) fn lookup(&self, path: &HostPath) -> Option<&Inode> {
        let at = self.resolve(path, false)?;
        self.inodes.get(self.names.get(&self.own_name(&at))?)
    }

    /// The object at a path if it is a regular file, links followed.
    pub(super) fn regular(&self, path: &HostPath) -> Option<&Inode> {
        let at = self.resolve(path, true)?;
        let inode = self.inodes.get(self.names.get(&self.own_name(&at))?)?;
        (inode.kind == FileKind::Regular).then_some(inode)
    }

    /// An object by number, with or without a name.
    pub(super) fn inode(&self, number: u64) -> Option<&Inode> {
        self.inodes.get(&number)
    }

    /// An object by number, to be changed.
    pub(super) fn inode_mut(&mut self, number: u64) -> Option<&mut Inode> {
        self.inodes.get_mut(&number)
    }

    /// All names with their objects, by path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&HostPath, &Inode)> {
        self.names
            .iter()
            .filter_map(|(path, number)| Some((path, self.inodes.get(number)?)))
    }

    /// The names in a directory, by name, as paths below the path asked for.
    pub(super) fn children(&self, directory: &HostPath) -> Vec<HostPath> {
        let Some(at) = self.resolve(directory, true) else {
            return Vec::new();
        };
        let own = self.own_name(&at);
        let start = own.join(b"");
        let below = self.names.range(start.clone()..).map(|(path, _)| path);
        below
            .take_while(|path| path.as_bytes().starts_with(start.as_bytes()))
            .filter(|path| **path != own && !path.as_bytes()[start.as_bytes().len()..].contains(&b'/'))
            .map(|path| directory.join(path.file_name()))
            .collect()
    }

    /// What the object at a path is; `path` stays as it was asked for.
    pub(super) fn stat(&self, path: &HostPath, digest: bool) -> Option<FileStat> {
        let at = self.resolve(path, false)?;
        let inode = self.inodes.get(self.names.get(&self.own_name(&at))?)?;
        Some(self.stat_of(inode, path.clone(), self.mount_of(&at).point.clone(), digest))
    }

    fn stat_of(&self, inode: &Inode, path: HostPath, mount: HostPath, digest: bool) -> FileStat {
        let size = match &inode.target {
            Some(target) => target.as_bytes().len(),
            None if inode.kind == FileKind::Directory => 4096,
            None => inode.content.len(),
        };
        let keeps = self.keeps_flags(inode);
        FileStat {
            path,
            mount,
            kind: inode.kind,
            id: inode.id,
            size: Wide(size as u64),
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            links: inode.links,
            mtime_ns: Wide(inode.mtime_ns),
            ctime_ns: Wide(inode.ctime_ns),
            btime_ns: keeps.then_some(Wide(inode.btime_ns)),
            flags: (keeps && matches!(inode.kind, FileKind::Regular | FileKind::Directory)).then_some(inode.flags),
            xattrs: inode.xattrs.clone(),
            link_target: inode.target.clone(),
            sha256: (digest && inode.kind == FileKind::Regular).then_some(inode.sha256),
        }
    }

    /// Whether the file system of an object has inode flags and birth times.
    fn keeps_flags(&self, inode: &Inode) -> bool {
        let mount = self
            .mounts
            .iter()
            .find(|mount| mount.dev == inode.id.dev.0 && mount.bind.is_none());
        mount.is_some_and(|mount| matches!(mount.kind.as_str(), "ext4" | "ext3" | "xfs" | "btrfs" | "overlay"))
    }

    /// Gives a path a new object; whatever had the name loses it.
    pub(super) fn put(&mut self, path: &HostPath, content: Vec<u8>, traits: Traits) -> u64 {
        let number = self.make_unlinked(path, content, traits);
        self.link_own(self.own_name(path), number);
        number
    }

    /// Makes an object without a name, in memory.
    pub(super) fn make_nameless(&mut self, content: Vec<u8>, traits: Traits) -> u64 {
        self.make(1, content, traits)
    }

    /// Makes an object without a name on the file system of a path.
    pub(super) fn make_unlinked(&mut self, path: &HostPath, content: Vec<u8>, traits: Traits) -> u64 {
        let dev = self.holder_of(&self.own_name(path)).dev;
        self.make(dev, content, traits)
    }

    fn make(&mut self, dev: u64, content: Vec<u8>, traits: Traits) -> u64 {
        let number = self.next;
        self.next += 1;
        let inode = Inode {
            id: FileId {
                dev: Wide(dev),
                inode: Wide(number),
            },
            kind: traits.kind,
            sha256: Digest::of(&content),
            content,
            mode: traits.mode,
            uid: traits.uid,
            gid: traits.gid,
            links: 0,
            mtime_ns: traits.mtime_ns,
            ctime_ns: traits.mtime_ns,
            btime_ns: traits.mtime_ns,
            flags: traits.flags,
            xattrs: traits.xattrs,
            target: traits.target,
        };
        self.inodes.insert(number, inode);
        number
    }

    fn link_own(&mut self, own: HostPath, number: u64) {
        if let Some(old) = self.names.insert(own, number)
            && let Some(old) = self.inodes.get_mut(&old)
        {
            old.links = old.links.saturating_sub(1);
        }
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.links += 1;
        }
    }

    /// Takes a name away. The object stays while something runs it.
    pub(super) fn unlink(&mut self, path: &HostPath, now_ns: u64) {
        let own = self.own_name(path);
        let number = self.names.remove(&own);
        if let Some(inode) = number.and_then(|number| self.inodes.get_mut(&number)) {
            inode.links = inode.links.saturating_sub(1);
            inode.ctime_ns = now_ns;
        }
        self.touch_parent(&own, now_ns);
    }

    /// The directory of a name has changed.
    pub(super) fn touch_parent(&mut self, path: &HostPath, now_ns: u64) {
        let own = self.own_name(path);
        let number = own.parent().and_then(|parent| self.names.get(&parent).copied());
        if let Some(inode) = number.and_then(|number| self.inodes.get_mut(&number)) {
            inode.mtime_ns = now_ns;
            inode.ctime_ns = now_ns;
        }
    }

    /// Writes new content into an object.
    pub(super) fn write(&mut self, number: u64, content: Vec<u8>, now_ns: u64) {
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.sha256 = Digest::of(&content);
            inode.content = content;
            inode.mtime_ns = now_ns;
            inode.ctime_ns = now_ns;
        }
    }

    /// Why a name cannot be taken away or given to another object; `None` where it can.
    pub(super) fn holds_fast(&self, path: &HostPath) -> Option<&'static str> {
        let fixed = |inode: &Inode| inode.flags & (IMMUTABLE | APPEND_ONLY) != 0;
        let parent = path.parent().and_then(|parent| self.lookup(&parent));
        if self.is_read_only(path) {
            Some("read-only file system")
        } else if self.lookup(path).is_some_and(fixed) || parent.is_some_and(fixed) {
            Some("flags")
        } else {
            None
        }
    }
}

/// Nanoseconds of a time in milliseconds.
pub(super) fn ns(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        Tree::new(&World::from_json(json).expect("a world"))
    }

    #[test]
    fn paths_lead_over_links_and_binds() {
        let tree = tree(
            r#"{"files": [
                {"path": "/usr/bin/perl", "content": "perl"},
                {"path": "/bin", "target": "usr/bin"},
                {"path": "/etc/alt", "target": "/bin/perl"},
                {"path": "/loop", "target": "/loop"}],
              "mounts": [{"point": "/tmp/.x", "bind": "/usr/bin"}, {"point": "/dev/shm", "kind": "tmpfs", "source": "tmpfs"}]}"#,
        );
        let perl = tree.lookup(&"/usr/bin/perl".into()).expect("described").id;
        for (name, path, found) in [
            ("through a linked directory", "/bin/perl", Some(FileKind::Regular)),
            ("through a bind", "/tmp/.x/perl", Some(FileKind::Regular)),
            ("a link itself", "/etc/alt", Some(FileKind::Link)),
            ("over ..", "/etc/../bin/perl", Some(FileKind::Regular)),
            ("below a file", "/usr/bin/perl/x", None),
            ("a circle", "/loop/x", None),
            ("nothing", "/nothing", None),
        ] {
            let inode = tree.lookup(&path.into());
            assert_eq!(inode.map(|i| i.kind), found, "{name}");
            if found == Some(FileKind::Regular) {
                assert_eq!(inode.map(|i| i.id), Some(perl), "{name}");
            }
        }
        assert_eq!(tree.regular(&"/etc/alt".into()).map(|i| i.id), Some(perl));
        let seen = tree.stat(&"/tmp/.x/perl".into(), true).expect("there");
        assert_eq!(seen.mount, HostPath::from("/tmp/.x"));
        let bound = tree
            .mounts()
            .into_iter()
            .find(|m| m.point == "/tmp/.x".into())
            .expect("listed");
        assert_eq!((bound.root, bound.dev), (HostPath::from("/usr/bin"), perl.dev));
        assert_eq!(tree.children(&"/tmp/.x".into()), [HostPath::from("/tmp/.x/perl")]);
        assert_eq!(tree.stat(&"/dev/shm".into(), false).expect("made").mode, 0o1777);
    }
}
