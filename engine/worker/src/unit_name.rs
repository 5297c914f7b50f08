//! Which unit of which service manager a process belongs to, by its cgroup.
//!
//! systemd gives each unit a cgroup of its name, below slices, and those of a user below that user's manager. A process of
//! root may move itself: the name says where a process is, not who started it. Source: `cg_path_get_unit` and
//! `cg_path_get_user_unit` in `systemd/systemd: src/basic/cgroup-util.c`; systemd.unit(5).

use serde::{Deserialize, Serialize};

use crate::action::ServiceManager;
use crate::text::HostBytes;

/// The kinds of unit, as the ends of their names.
pub const UNIT_KINDS: [&str; 11] = [
    "service",
    "socket",
    "target",
    "device",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
];

/// The longest name of a unit.
const NAME_BYTES: usize = 255;

/// A unit that a process belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OwnUnit {
    /// Which manager it is a unit of.
    #[serde(flatten)]
    pub manager: ServiceManager,
    /// Its full name: `cron.service`, `session-4.scope`.
    pub name: HostBytes,
}

/// The path that systemd goes by, of `/proc/PID/cgroup` (cgroups(7)): in the unified hierarchy, on older hosts in systemd's
/// own, else in the first that is listed.
pub fn cgroup_path(table: &[u8]) -> &[u8] {
    let lines = || table.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let unified = lines().find(|line| line.starts_with(b"0::"));
    let own = lines().find(|line| line.splitn(3, |byte| *byte == b':').nth(1) == Some(b"name=systemd"));
    let lower = unified.filter(|line| path_of(line) != b"/").or(own).or(unified);
    lower.or_else(|| lines().next()).map_or(b"", path_of)
}

fn path_of(line: &[u8]) -> &[u8] {
    line.splitn(3, |byte| *byte == b':').nth(2).unwrap_or_default()
}

/// Whether a name is that of a unit: `NAME.KIND`, of the letters that systemd allows.
pub fn is_unit_name(name: &[u8]) -> bool {
    let kind = name
        .iter()
        .rposition(|b| *b == b'.')
        .map(|at| (&name[..at], &name[at + 1..]));
    let Some((stem, kind)) = kind else { return false };
    let letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\' | b'@');
    !stem.is_empty()
        && stem.first() != Some(&b'@')
        && name.len() <= NAME_BYTES
        && stem.iter().all(letter)
        && UNIT_KINDS.iter().any(|known| known.as_bytes() == kind)
}

/// The unit of a cgroup path: of a user's manager where it lies below one, else of the system's. `None` where it is below
/// no unit but slices: the kernel's threads, or a host that systemd does not run.
pub fn unit_of_cgroup(path: &[u8]) -> Option<OwnUnit> {
    let mut names = path.split(|b| *b == b'/').filter(|name| !name.is_empty());
    let first = names.by_ref().map(unescaped).find(|name| !is_slice(name))?;
    if !is_unit_name(first) {
        return None;
    }
    let uid = first
        .strip_prefix(b"user@")
        .and_then(|rest| rest.strip_suffix(b".service"))
        .and_then(|uid| std::str::from_utf8(uid).ok()?.parse().ok());
    let own = uid.and_then(|uid| {
        let name = names
            .map(unescaped)
            .find(|name| !is_slice(name))
            .filter(|name| is_unit_name(name))?;
        Some((ServiceManager::User { uid }, name))
    });
    let (manager, name) = own.unwrap_or((ServiceManager::System {}, first));
    Some(OwnUnit {
        manager,
        name: HostBytes::new(name),
    })
}

/// The name of a cgroup without the mark that sets it apart from the kernel's own files.
fn unescaped(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"_").unwrap_or(name)
}

fn is_slice(name: &[u8]) -> bool {
    name.ends_with(b".slice") && is_unit_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_of_cgroups() {
        let system = |name: &str| Some((ServiceManager::System {}, name.to_owned()));
        let user = |uid, name: &str| Some((ServiceManager::User { uid }, name.to_owned()));
        let rows = [
            ("/system.slice/cron.service", system("cron.service")),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                system("getty@tty1.service"),
            ),
            ("/init.scope", system("init.scope")),
            ("/user.slice/user-1000.slice/session-4.scope", system("session-4.scope")),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/miner.service",
                user(1000, "miner.service"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/miner.service",
                user(1000, "miner.service"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service",
                system("user@1000.service"),
            ),
            (
                "/user.slice/user-1000.slice/user@x.service/a.service",
                system("user@x.service"),
            ),
            ("/system.slice/docker.service/payload", system("docker.service")),
            ("/system.slice/_cpu.service", system("cpu.service")),
            ("/system.slice/docker-0123.scope", system("docker-0123.scope")),
            ("/docker/0123", None),
            ("/system.slice", None),
            ("/", None),
            ("", None),
            ("/a b.service", None),
            ("/@.service", None),
        ];
        for (path, expected) in rows {
            let found = unit_of_cgroup(path.as_bytes()).map(|unit| (unit.manager, unit.name.to_string()));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn cgroups() {
        let rows: [(&[u8], &[u8]); 7] = [
            (b"0::/user.slice/a:b\n", b"/user.slice/a:b"),
            (b"1:cpu,cpuacct:/docker/x\n0::/system.slice\n", b"/system.slice"),
            (b"1:cpu:/y\n2:name=systemd:/init\n", b"/init"),
            (
                b"1:name=systemd:/system.slice/a.service\n0::/\n",
                b"/system.slice/a.service",
            ),
            (b"9:cpu:/y\n0::/\n", b"/"),
            (b"", b""),
            (b"broken\n", b""),
        ];
        for (text, expected) in rows {
            assert_eq!(cgroup_path(text), expected);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, like in "(/[a-z@_.]{0,9}(slice|service|scope)?){0,5}") {
            let _ = (unit_of_cgroup(&bytes), cgroup_path(&bytes));
            if let Some(unit) = unit_of_cgroup(like.as_bytes()) {
                prop_assert!(is_unit_name(unit.name.as_bytes()));
            }
        }
    }
}
