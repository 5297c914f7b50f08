//! The mounts of a simulated host, and what a path means below them.

use super::tree::{Tree, plain};
use super::world::World;
use crate::query::Mount;
use crate::text::{HostBytes, HostPath, Wide};

/// A place in the tree where another file system, or a directory, is shown.
#[derive(Debug, Clone)]
pub(super) struct MountPoint {
    pub(super) point: HostPath,
    pub(super) bind: Option<HostPath>,
    pub(super) kind: String,
    pub(super) dev: u64,
    pub(super) source: HostBytes,
    pub(super) options: Vec<String>,
}

/// The described mounts with `/` first, each with a device of its own.
pub(super) fn described(world: &World) -> Vec<MountPoint> {
    let root = MountPoint {
        point: HostPath::from("/"),
        bind: None,
        kind: "ext4".to_owned(),
        dev: 0,
        source: HostBytes::from("/dev/vda1"),
        options: vec!["rw".to_owned()],
    };
    let mut mounts = vec![root];
    for mount in &world.mounts {
        let described = MountPoint {
            point: plain(&mount.point),
            bind: mount.bind.as_ref().map(plain),
            kind: mount.kind.clone(),
            dev: 0,
            source: mount.source.clone(),
            options: mount.options.clone(),
        };
        match mounts.iter_mut().find(|m| m.point == described.point) {
            // The root cannot show a part of itself: there would be no file system at all.
            Some(earlier) if earlier.point.file_name().is_empty() => {
                *earlier = MountPoint {
                    bind: None,
                    ..described
                };
            }
            Some(earlier) => *earlier = described,
            None => mounts.push(described),
        }
    }
    for (minor, mount) in (1..).zip(mounts.iter_mut()) {
        // Major 253 is that of disks made by software (devices.txt).
        mount.dev = 253 << 8 | minor;
    }
    mounts
}

impl Tree {
    /// The innermost mount that a path lies below.
    pub(super) fn mount_of(&self, path: &HostPath) -> &MountPoint {
        self.mounts
            .iter()
            .filter(|mount| path.is_below(&mount.point))
            .max_by_key(|mount| mount.point.as_bytes().len())
            .unwrap_or(&self.mounts[0])
    }

    /// The file system that a path without binds lies on.
    pub(super) fn holder_of(&self, own: &HostPath) -> &MountPoint {
        self.mounts
            .iter()
            .filter(|mount| mount.bind.is_none() && own.is_below(&mount.point))
            .max_by_key(|mount| mount.point.as_bytes().len())
            .unwrap_or(&self.mounts[0])
    }

    /// The path without binds. What is bound elsewhere below a bound directory does not show there (mount(8)).
    pub(super) fn own_name(&self, path: &HostPath) -> HostPath {
        let mount = self.mount_of(path);
        match &mount.bind {
            Some(bind) => plain(&HostPath::new(
                [bind.as_bytes(), b"/", below(path, &mount.point)].concat(),
            )),
            None => path.clone(),
        }
    }

    /// The mounts, as the kernel lists them.
    pub(super) fn mounts(&self) -> Vec<Mount> {
        let listed = self.mounts.iter().map(|mount| {
            let own = self.own_name(&mount.point);
            let holder = self.holder_of(&own);
            Mount {
                point: mount.point.clone(),
                root: plain(&HostPath::new(below(&own, &holder.point))),
                kind: holder.kind.clone(),
                dev: Wide(holder.dev),
                source: holder.source.clone(),
                options: mount.options.clone(),
            }
        });
        listed.collect()
    }

    /// Whether a path lies on a mount that cannot be written to.
    pub(super) fn is_read_only(&self, path: &HostPath) -> bool {
        self.mount_of(path).options.iter().any(|option| option == "ro")
    }
}

/// What of a path lies below one of its directories.
fn below<'a>(path: &'a HostPath, directory: &HostPath) -> &'a [u8] {
    let taken = directory.as_bytes().len().min(path.as_bytes().len());
    &path.as_bytes()[taken..]
}
