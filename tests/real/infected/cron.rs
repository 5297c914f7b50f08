//! Miners that a clock starts: lines of crontabs, a script of every hour, a job of at(1), a line of anacron.

use super::case::Case;
use super::look_alike::LookAlike;
use super::processes::{WORDS, mining, start};
use crate::world::host::Host;
use crate::world::part::Part;

/// Lines that stay. The first shows that cron works.
const HEARTBEAT: &str = "* * * * * date >> /var/log/heartbeat\n";
const GOOD: [&str; 3] = [
    "*/30 * * * * curl -fsS https://backup.example/ping | logger -t backup",
    "15 3 * * * echo L3Nydi9iYWNrdXAK | base64 -d | xargs du -sh",
    "0 4 * * 0 curl -fsS -o /srv/feed.json https://feeds.example/today",
];

pub(crate) const LOG: &str = "/var/log/heartbeat";

/// Crontabs: of a person, of the host, of a package that nobody knows.
pub(crate) fn crontabs(host: &Host<'_>) -> Case {
    let miner = "/var/lib/.dbus-1/dbusd";
    mining().alone().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    let (first, bad, last) = (GOOD[0], format!("* * * * * {miner} {WORDS} >/dev/null 2>&1"), GOOD[1]);
    let crontab = "/var/spool/cron/crontabs/deploy";
    host.write(crontab, format!("{first}\n{bad}\n{last}\n"), 0o600);
    host.sh("chown deploy:crontab /var/spool/cron/crontabs/deploy");
    // Every minute, as a busy administrator has it: what is left of a script would show itself.
    host.sh("sed -i 's/^17 \\*/* */' /etc/crontab");
    let system = host.text("/etc/crontab");
    host.write(
        "/etc/crontab",
        format!("{system}* * * * * root {miner} {WORDS}\n"),
        0o644,
    );
    let number = u32::try_from(system.lines().count()).expect("a short file") + 1;
    let piece = "/etc/cron.d/0systat";
    host.write(
        piece,
        format!("SHELL=/bin/sh\n# once a minute\n* * * * * root {miner} {WORDS} >/dev/null 2>&1\n"),
        0o644,
    );
    Case::new("crontabs")
        .process("miner", miner)
        .file(miner)
        .lines(crontab, &[2], &format!("{first}\n{last}\n"))
        .lines("/etc/crontab", &[number], &system)
        .lines(piece, &[3], "SHELL=/bin/sh\n# once a minute\n")
}

/// What cron, at(1) and anacron start by files of their own.
pub(crate) fn jobs(host: &Host<'_>) -> Case {
    let miner = "/usr/local/lib/.sysinfo/sysinfo";
    mining().alone().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    let script = "/etc/cron.hourly/sysinfo";
    host.write(script, format!("#!/bin/sh\n{miner} {WORDS} >/dev/null 2>&1 &\n"), 0o755);
    let anacrontab = host.text("/etc/anacrontab");
    host.write(
        "/etc/anacrontab",
        format!("{anacrontab}1\t1\tsysinfo\t{miner} {WORDS}\n"),
        0o644,
    );
    let number = u32::try_from(anacrontab.lines().count()).expect("a short file") + 1;
    host.sh(&format!("echo {miner} {WORDS} | at now + 30 minutes"));
    let job = host.sh("ls /var/spool/cron/atjobs/a*").trim().to_owned();
    Case::new("cron script, at job and anacrontab")
        .process("miner", miner)
        .file(miner)
        .removed("remove_starter", script)
        .removed("remove_starter", &job)
        .lines("/etc/anacrontab", &[number], &anacrontab)
}

/// Good lines, and a clock that goes.
pub(crate) fn look_alikes(host: &Host<'_>) -> Vec<LookAlike> {
    let crontab = "/var/spool/cron/crontabs/root";
    host.write(crontab, format!("{HEARTBEAT}{}\n", GOOD.join("\n")), 0o600);
    host.sh("chown root:crontab /var/spool/cron/crontabs/root");
    host.write(
        "/etc/cron.d/feeds",
        format!("0 5 * * * deploy {}\n", &GOOD[2][10..]),
        0o644,
    );
    host.write("/opt/app/worker", Part::idle().program(), 0o755);
    host.sh("ln /opt/app/worker /opt/app/worker-2; ln /opt/app/worker /tmp/worker-link; chattr +i /etc/resolv.conf");
    start(host, "/opt/app/worker-2");
    vec![
        LookAlike::files("good cron lines", &[crontab, "/etc/cron.d/feeds"]),
        LookAlike::running("hard links", "/opt/app/worker-2")
            .with("/opt/app/worker")
            .with("/tmp/worker-link"),
        LookAlike::files("an immutable resolv.conf", &["/etc/resolv.conf"]),
    ]
}
