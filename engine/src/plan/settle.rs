//! Whether a stroke must wait for the next full minute: something condemned fires by the clock, and something would fire it.

use deminer_worker::action::Act;
use deminer_worker::order::Settle;
use deminer_worker::query::Process;
use deminer_worker::text::HostPath;

use super::SettleReason;
use super::merge::Wants;
use crate::finding::{Artifact, Bearing, Finding};

/// The programs that fire by the minute, by the name of their executable.
const SCHEDULERS: [&[u8]; 7] = [
    b"anacron",
    b"atd",
    b"cron",
    b"crond",
    b"dcron",
    b"fcron",
    b"systemd-cron",
];

/// Where their tables lie, beside what in `/etc` begins with `cron`.
const TABLES: [&str; 9] = [
    "/etc/anacrontab",
    "/etc/periodic",
    "/var/cron",
    "/var/spool/anacron",
    "/var/spool/at",
    "/var/spool/atjobs",
    "/var/spool/atspool",
    "/var/spool/cron",
    "/var/spool/fcron",
];

/// What to wait for, and why.
pub(super) fn settle(wants: &Wants, findings: &[Finding], processes: &[Process]) -> (Settle, SettleReason) {
    let planned = wants.values().filter_map(|want| match &want.act {
        Act::RemoveFile { file } | Act::EditLines { file, .. } | Act::RemoveStarter { file, .. } => Some(&file.path),
        _ => None,
    });
    let condemned = findings.iter().filter(|finding| finding.bearing == Bearing::Condemns);
    let condemned = condemned.filter_map(|finding| match &finding.artifact {
        Artifact::File { file } | Artifact::Line { file, .. } => Some(&file.path),
        _ => None,
    });
    let Some(trigger) = planned.chain(condemned).find(|path| is_timed_place(path)) else {
        return (Settle::AtOnce, SettleReason::NoTimedTrigger {});
    };
    let path = trigger.clone();
    match processes.iter().find(|process| is_scheduler(process)) {
        Some(process) => (
            Settle::NextMinute,
            SettleReason::TimedTrigger {
                path,
                scheduler: process.pid,
                comm: process.comm.clone(),
            },
        ),
        None => (Settle::AtOnce, SettleReason::NoScheduler { path }),
    }
}

/// Whether what stands in a file at this path fires by the clock.
fn is_timed_place(path: &HostPath) -> bool {
    path.as_bytes().starts_with(b"/etc/cron") || TABLES.iter().any(|dir| path.is_below(&HostPath::from(*dir)))
}

/// Whether a process fires by the minute. One whose executable could not be told goes by its name: waiting harms nobody.
fn is_scheduler(process: &Process) -> bool {
    if process.kernel_thread {
        return false;
    }
    let Some(exe) = &process.exe else {
        return SCHEDULERS.contains(&process.comm.as_bytes());
    };
    let name = exe.path.file_name();
    let applet = |at: usize| {
        let word = process.argv.get(at).map_or(&b""[..], |word| word.as_bytes());
        word.rsplit(|b| *b == b'/').next() == Some(b"crond")
    };
    SCHEDULERS.contains(&name) || (name == b"busybox" && (applet(0) || applet(1)))
}

#[cfg(test)]
mod tests {
    use super::super::bench;
    use super::*;

    #[test]
    fn timed_places() {
        let rows = [
            ("/var/spool/cron/crontabs/deploy", true),
            ("/var/spool/cron/root", true),
            ("/etc/crontab", true),
            ("/etc/cron.d/.x", true),
            ("/etc/cron.daily/x", true),
            ("/etc/crontabs/root", true),
            ("/etc/anacrontab", true),
            ("/var/spool/at/a0000201d0a1b2", true),
            ("/etc/ld.so.preload", false),
            ("/home/a/etc/crontab", false),
            ("/var/spool/cronies/x", false),
        ];
        for (path, expected) in rows {
            assert_eq!(is_timed_place(&HostPath::from(path)), expected, "{path}");
        }
    }

    #[test]
    fn schedulers() {
        let rows: [(&str, &[&str], bool); 6] = [
            ("/usr/sbin/cron", &["/usr/sbin/cron", "-f"], true),
            ("/usr/sbin/crond", &["crond"], true),
            ("/bin/busybox", &["crond", "-f"], true),
            ("/bin/busybox", &["busybox", "crond"], true),
            ("/bin/busybox", &["sh"], false),
            ("/usr/bin/bash", &["cron"], false),
        ];
        for (exe, argv, expected) in rows {
            let process = bench::process(655, exe, argv);
            assert_eq!(is_scheduler(&process), expected, "{exe} {argv:?}");
        }
        let mut hidden = bench::process(655, "/usr/sbin/cron", &[]);
        hidden.exe = None;
        hidden.comm = "cron".into();
        assert!(is_scheduler(&hidden), "by its name where the executable is not told");
    }
}
