//! Which components have so many targets that a reviewer must say yes to them by name.
//!
//! Ten thousand decoys would hide one bad act in a review. Counted from the actions themselves, by the controller and once
//! more on the host.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Act, Action};
use crate::text::HostPath;

/// Files in one component; with more, it needs a yes of its own.
pub const MANY_FILES: usize = 20;

/// Lines and files in one component that start something; with more, it needs a yes of its own.
pub const MANY_STARTERS: usize = 5;

/// Directories whose files start or load something without anybody asking.
const STARTING_DIRECTORIES: [&str; 23] = [
    "/etc/apt/apt.conf.d",
    "/etc/crontabs",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/init.d",
    "/etc/ld.so.conf.d",
    "/etc/network",
    "/etc/profile.d",
    "/etc/rc.d",
    "/etc/systemd",
    "/etc/udev/rules.d",
    "/etc/update-motd.d",
    "/etc/xdg/autostart",
    "/lib/systemd",
    "/run/systemd",
    "/usr/lib/systemd",
    "/usr/local/lib/systemd",
    "/var/spool/at",
    "/var/spool/cron",
    "/var/spool/fcron",
];

/// Files that do so, wherever a user's home is, by name or by their last two components.
const STARTING_NAMES: [&str; 10] = [
    ".bash_login",
    ".bash_profile",
    ".bashrc",
    ".profile",
    ".zshenv",
    ".zshrc",
    "authorized_keys",
    "authorized_keys2",
    ".ssh/environment",
    ".ssh/rc",
];

/// Single files that do so.
const STARTING_FILES: [&str; 8] = [
    "/etc/anacrontab",
    "/etc/bash.bashrc",
    "/etc/crontab",
    "/etc/environment",
    "/etc/inittab",
    "/etc/ld.so.preload",
    "/etc/profile",
    "/etc/rc.local",
];

/// Whether a file at this path starts or loads something without anybody asking.
pub fn is_starting_place(path: &HostPath) -> bool {
    let bytes = path.as_bytes();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    STARTING_FILES.iter().any(|file| bytes == file.as_bytes())
        || STARTING_DIRECTORIES
            .iter()
            .any(|dir| path.is_below(&HostPath::from(*dir)))
        || STARTING_NAMES.iter().any(|name| {
            let rest = bytes.strip_suffix(name.as_bytes());
            rest.is_some_and(|rest| rest.ends_with(b"/"))
        })
        || has(b"/.config/systemd/")
        || has(b"/.config/autostart/")
}

/// What a component would lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Files that are removed or edited.
    pub files: usize,
    /// Lines, links and files that start something.
    pub starters: usize,
}

/// What each component would lose, by its number; one that loses nothing is not in it.
pub fn losses<'a>(actions: impl IntoIterator<Item = &'a Action>) -> BTreeMap<u32, Loss> {
    let mut losses: BTreeMap<u32, Loss> = BTreeMap::new();
    for action in actions {
        let (files, starters) = match &action.act {
            Act::RemoveFile { file } => (1, usize::from(is_starting_place(&file.path))),
            Act::EditLines { remove, .. } => (1, remove.len()),
            Act::RemoveStarter { .. } => (1, 1),
            Act::RemoveLink { .. } => (0, 1),
            _ => continue,
        };
        let loss = losses.entry(action.component).or_default();
        loss.files += files;
        loss.starters += starters;
    }
    losses
}

/// The components that would lose more than [`MANY_FILES`] files or [`MANY_STARTERS`] lines, links and files that start
/// something: each needs a yes of its own.
pub fn many_targets<'a>(actions: impl IntoIterator<Item = &'a Action>) -> BTreeSet<u32> {
    losses(actions)
        .into_iter()
        .filter(|(_, loss)| loss.files > MANY_FILES || loss.starters > MANY_STARTERS)
        .map(|(component, _)| component)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_places() {
        let rows = [
            ("/var/spool/cron/crontabs/deploy", true),
            ("/etc/cron.d/.0hourly", true),
            ("/etc/cron.dirty", false),
            ("/etc/crontab", true),
            ("/etc/ld.so.preload", true),
            ("/etc/systemd/system/x.service", true),
            ("/home/a/.config/systemd/user/x.service", true),
            ("/home/a/.bashrc", true),
            ("/home/a/my.bashrc", false),
            ("/root/.ssh/authorized_keys", true),
            ("/var/tmp/.x/watch", false),
        ];
        for (path, expected) in rows {
            assert_eq!(is_starting_place(&HostPath::from(path)), expected, "{path}");
        }
    }
}
