//! What was not seen: united along references, bounded, and weighed where a host is called clean.

use std::collections::HashSet;

use deminer_worker::query::{Coverage, Gap, GapReason};
use deminer_worker::text::HostBytes;

/// The gaps that are kept of one step or host; then one more says that there were more.
const GAPS: usize = 10_000;

/// Gaps, each once, in the order met.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    coverage: Coverage,
    known: HashSet<Gap>,
}

impl Gaps {
    /// Takes over what another observation did not see.
    pub(super) fn unite(&mut self, other: &Coverage) {
        for gap in &other.gaps {
            if self.known.contains(gap) {
                continue;
            }
            if self.known.len() == GAPS {
                // What is left out may be the material one.
                let more = Gap {
                    subject: "process".to_owned(),
                    object: HostBytes::default(),
                    why: GapReason::TooMany,
                };
                if self.known.insert(more.clone()) {
                    self.coverage.gaps.push(more);
                }
                return;
            }
            if self.known.len() > GAPS {
                return;
            }
            self.known.insert(gap.clone());
            self.coverage.gaps.push(gap.clone());
        }
    }

    pub(super) fn into_coverage(self) -> Coverage {
        self.coverage
    }
}

/// What a process cannot be judged without; of a step that failed nobody knows what it would have shown.
const SUBJECTS: [&str; 8] = [
    "process",
    "processes",
    "executable",
    "argv",
    "kernel",
    "socket",
    "sockets",
    "step",
];

/// Where something is started from without anybody asking, and where miners are dropped; directories with all below,
/// files, or beginnings of names.
const PLACES: [&str; 26] = [
    "/dev/shm",
    "/etc/anacrontab",
    "/etc/cron",
    "/etc/environment",
    "/etc/init",
    "/etc/inittab",
    "/etc/ld.so",
    "/etc/modules",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/profile",
    "/etc/rc",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/sudoers",
    "/etc/systemd",
    "/etc/udev",
    "/etc/update-motd.d",
    "/etc/xdg/autostart",
    "/lib/systemd",
    "/run/systemd",
    "/tmp",
    "/usr/lib/systemd",
    "/usr/local/lib/systemd",
    "/var/spool/",
    "/var/tmp",
];

/// Names in a home directory that start something.
const HOME_NAMES: [&str; 8] = [
    "/.ssh",
    "/.bashrc",
    "/.bash_profile",
    "/.profile",
    "/.zshrc",
    "/.config/systemd",
    "/.config/autostart",
    "/.bash_logout",
];

/// Whether a host may not be called clean over this gap.
///
/// A place that nothing points to (a user's gvfs, a dead NFS mount) hides nothing that a process or a starter would not
/// show.
pub(super) fn forbids_clean(gap: &Gap) -> bool {
    if !gap.why.is_material() {
        return false;
    }
    match gap.subject.as_str() {
        // What pid 1 runs is the host's own and never a target; some sandboxes show it to nobody.
        "executable" if gap.object.as_bytes() == b"1" => false,
        "file" | "directory" => is_telling_place(gap.object.as_bytes()),
        subject => SUBJECTS.contains(&subject),
    }
}

fn is_telling_place(path: &[u8]) -> bool {
    // A cut walk names no place, or the root.
    path.is_empty()
        || path == b"/"
        || path == b"/etc"
        || PLACES.iter().any(|place| path.starts_with(place.as_bytes()))
        || HOME_NAMES
            .iter()
            .any(|name| path.windows(name.len()).any(|part| part == name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_hide_a_miner_forbids_clean() {
        let table = [
            ("executable", "/proc/9/exe", GapReason::Denied, true),
            ("process", "", GapReason::TooMany, true),
            ("process", "9120", GapReason::Gone, false),
            ("socket", "x", GapReason::Cut, true),
            ("directory", "/etc/cron.d", GapReason::Denied, true),
            ("directory", "/var/spool/cron/crontabs", GapReason::Denied, true),
            ("file", "/etc/ld.so.preload", GapReason::Denied, true),
            ("file", "/home/a/.ssh/authorized_keys", GapReason::Denied, true),
            ("directory", "/run/user/1000/gvfs", GapReason::Denied, false),
            ("directory", "/srv/share", GapReason::TimedOut, false),
            ("packages", "", GapReason::Unsupported, false),
            ("taint", "", GapReason::Denied, false),
            ("kernel", "reptile", GapReason::Untrusted, true),
            ("step", "units", GapReason::Failed, true),
        ];
        for (subject, object, why, forbids) in table {
            let gap = Gap {
                subject: subject.to_owned(),
                object: object.into(),
                why,
            };
            assert_eq!(forbids_clean(&gap), forbids, "{subject} {object} {why:?}");
        }
    }

    #[test]
    fn gaps_are_bounded_and_what_is_left_out_still_counts() {
        let mut many = Coverage::whole();
        many.gaps = (0..GAPS + 50)
            .map(|n| Gap {
                subject: "directory".to_owned(),
                object: format!("/srv/{n}").as_str().into(),
                why: GapReason::Denied,
            })
            .collect();
        let mut gaps = Gaps::default();
        gaps.unite(&many);
        gaps.unite(&many);
        let coverage = gaps.into_coverage();
        assert_eq!(coverage.gaps.len(), GAPS + 1);
        assert!(coverage.gaps.iter().any(forbids_clean));
    }
}
