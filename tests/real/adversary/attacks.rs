//! What an intruder plants against us, each beside the innocent object that it is meant to hit.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::Attack;
use crate::infected::case::Case;
use crate::infected::look_alike::LookAlike;
use crate::infected::processes::{POOL, WORDS, mining, start};
use crate::world::host::Host;
use crate::world::part::{Part, TRAILER};

/// More than any disk of a test has.
pub(super) const GIANT: u64 = 900 << 30;

/// How many files hide another.
pub(super) const DECOYS: usize = 10_000;

/// How many files that start the miner are too many for anybody to read; each of them is read by us.
pub(super) const DROPPERS: usize = 1_000;

const PERL: &str = "/usr/bin/perl";

/// A miner in perl: it logs in at the pool of its second argument, and works a little for ten minutes at most.
const MINES: &str = r#"use IO::Socket::INET;
my $pool = IO::Socket::INET->new(PeerAddr => $ARGV[1]) or die;
print $pool "{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"stand-in\"}}\n";
for (1 .. 6000) { 1 for 1 .. 20000; select undef, undef, undef, 0.1 }
"#;

/// Runs its arguments and keeps them running: whatever stops its child, it goes on. ptrace(2) by its number on x86-64.
const KEEPS: &str = r#"my $child = fork;
if (!$child) { exec { $ARGV[0] } @ARGV; die }
select undef, undef, undef, 0.5;
syscall(101, 0x4206, $child, 0, 0) == 0 or die;
while (waitpid($child, 0x40000000) > 0) {
    last if ($? & 0xff) != 0x7f;
    syscall(101, 7, $child, 0, 0);
}
"#;

/// A report of an administrator's, in the interpreter that the miner uses too.
fn report(host: &Host<'_>, path: &str) -> LookAlike {
    host.write(path, "sleep 600;\n", 0o644);
    start(host, &format!("{PERL} {path}"));
    LookAlike::running("a report in perl", PERL).told(path).with(path)
}

/// The configuration and the script of a miner name a customer's database and a backup; the miner holds the one open.
pub(super) fn log_file(host: &Host<'_>) -> Attack {
    let (miner, config, script) = ("/tmp/.a/xmrig", "/tmp/.a/config.json", "/tmp/.a/run.sh");
    let (database, backup) = ("/srv/db/customers.ibd", "/srv/backup/x.tar");
    host.write(database, "rows of a customer\n".repeat(1000), 0o640);
    host.write(backup, "an archive\n".repeat(1000), 0o600);
    mining().write(host, miner);
    host.write(
        config,
        format!(
            "{{\"autosave\": true, \"log-file\": \"{database}\",\n\
             \"pools\": [{{\"url\": \"{POOL}\", \"user\": \"stand-in\", \"coin\": \"monero\"}}]}}\n"
        ),
        0o644,
    );
    host.write(
        script,
        format!("#!/bin/sh\n# {backup}\nLOG={database}\n{miner} {WORDS} >>$LOG 2>&1 &\nwhile :; do sleep 1; done\n"),
        0o755,
    );
    start(host, &format!("sh {script}"));
    host.wait("the database in the miner's hands", || {
        let mut held = host.running(miner).into_iter();
        held.any(|seen| {
            let link = std::fs::read_link(format!("/proc/{}/fd/1", seen.process.pid));
            link.is_ok_and(|link| link.ends_with("srv/db/customers.ibd"))
        })
    });
    let server = LookAlike::start(host, "a database", "/opt/db/dbd", &Part::busy(2), "--data /srv/db");
    Attack::new(Case::new("log-file").process("miner", miner).file(miner).file(config))
        .guarded("/usr/bin/dash", script)
        .beside(server.with(database).with(backup))
}

/// A good program under a miner's arguments.
pub(super) fn arguments(host: &Host<'_>) -> Attack {
    let server = "/opt/erp/server";
    Part::busy(12).write(host, server);
    let words = "minergate-cli -user a@example.org -xmr 4";
    host.sh(&format!(
        "setsid --fork bash -c 'exec -a \"{words}\" {server}' >/dev/null 2>&1 </dev/null"
    ));
    Attack::new(Case::new("arguments")).beside(LookAlike::running("a server", server).told(words))
}

/// The system's programs under a name in a temporary place, and a miner in one of them.
pub(super) fn bind_mount(host: &Host<'_>) -> Attack {
    let (place, script) = ("/tmp/.x", "/tmp/.b/m.pl");
    host.write(script, MINES, 0o644);
    host.sh(&format!("mkdir {place}; mount --bind /usr/bin {place}"));
    start(host, &format!("{place}/perl {script} {WORDS}"));
    Attack::new(Case::new("bind mount").process("miner", "/tmp/.x/perl"))
        .beside(report(host, "/opt/report/month.pl").with("/usr/bin/dash"))
}

/// The package's perl under another name.
pub(super) fn copied_perl(host: &Host<'_>) -> Attack {
    let (copy, script) = ("/tmp/.p/sysstatd", "/tmp/.p/m");
    host.write(script, MINES, 0o644);
    host.sh(&format!("cp {PERL} {copy}"));
    start(host, &format!("{copy} {script} {WORDS}"));
    // An installation of its own, as those who build software have it: the same bytes, at work.
    let own = "/opt/build/perl";
    host.sh(&format!("mkdir -p /opt/build; cp {PERL} {own}"));
    host.write("/opt/build/make.pl", "sleep 600;\n", 0o644);
    start(host, &format!("{own} /opt/build/make.pl"));
    Attack::new(Case::new("copied perl").process("miner", copy))
        .beside(LookAlike::running("a perl of a build", own).with("/opt/build/make.pl"))
        .beside(report(host, "/opt/report/week.pl"))
}

/// A tracer continues its child whenever that is stopped.
pub(super) fn tracer(host: &Host<'_>) -> Attack {
    let (miner, script) = ("/tmp/.t/xmrig", "/tmp/.t/keep.pl");
    mining().write(host, miner);
    host.write(script, KEEPS, 0o644);
    start(host, &format!("{PERL} {script} {miner} {WORDS}"));
    let (debugged, debugger) = ("/opt/shop/shopd", "/opt/shop/debug.pl");
    Part::busy(3).write(host, debugged);
    host.write(debugger, KEEPS, 0o644);
    start(host, &format!("{PERL} {debugger} {debugged}"));
    host.wait("both tracers", || is_traced(host, miner) && is_traced(host, debugged));
    // Its script names nothing: it is for a person to look at, and goes on while its child is struck.
    Attack::new(Case::new("tracer").process("miner", miner).file(miner))
        .ending(script)
        .beside(LookAlike::running("a program in a debugger", debugged))
        .beside(LookAlike::running("its debugger", PERL).told(debugger).with(debugger))
}

/// Whether somebody traces who runs this.
fn is_traced(host: &Host<'_>, exe: &str) -> bool {
    let mut running = host.running(exe).into_iter();
    running.any(|seen| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", seen.process.pid)).unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|pid| pid.trim() != "0")
    })
}

/// Starts the storms.
pub(super) const GO: &str = "/tmp/.f/go";

/// Where the miner's writes down each birth.
pub(super) const BIRTHS: &str = "/tmp/.f/births";

/// A script that starts something two hundred times in a few seconds, from the moment on at which the plan is applied.
fn storming(before: &str, started: &str) -> String {
    format!(
        "#!/bin/sh\n{before}\nwhile [ ! -e {GO} ]; do sleep 0.2; done\ni=0\n\
         while [ $i -lt 200 ]; do i=$((i + 1)); {started} & sleep 0.05; done\nwhile :; do sleep 1; done\n"
    )
}

/// A miner is born again and again, each for a moment.
pub(super) fn storm(host: &Host<'_>) -> Attack {
    let (miner, copy, script) = ("/tmp/.f/minerd", "/tmp/.f/xmrig", "/tmp/.f/storm.sh");
    mining().write(host, miner);
    host.sh(&format!("cp {miner} {copy}"));
    let born = format!("{{ echo >> {BIRTHS}; timeout 0.1 {copy} {WORDS}; }}");
    host.write(script, storming(&format!("{miner} {WORDS} &"), &born), 0o755);
    start(host, &format!("sh {script}"));
    let build = "/opt/build/all.sh";
    host.write(build, storming("", "timeout 0.1 sleep 1"), 0o755);
    start(host, &format!("sh {build}"));
    Attack::new(Case::new("fork storm").process("miner", miner).file(miner).file(copy))
        .guarded("/usr/bin/dash", script)
        .beside(LookAlike::running("a build", "/usr/bin/dash").told(build).with(build))
}

/// A good server was handed the miner's file.
pub(super) fn holder(host: &Host<'_>) -> Attack {
    let miner = "/tmp/.h/xmrig";
    mining().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    let server = "/opt/web/webd";
    Part::busy(2).write(host, server);
    host.sh(&format!("setsid --fork {server} 7<{miner} >/dev/null 2>&1 </dev/null"));
    Attack::new(Case::new("holder").process("miner", miner).file(miner))
        .beside(LookAlike::running("a web server", server))
}

/// A key that a worm is known to leave, under an administrator's comment.
const OUTLAW: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAABJQAAAQEArDp4cun2lhr4KUhBGE7VvAcwdli2a8dbnrTOrbMz1+5O73fcBOx8NVbUT0bUanUV\
                      9tJ2/9p7+vD0EpZ3Tz/+0kX34uAx1RV/75GVOmNx+9EuWOnvNoaJe0QXxziIg9eLBHpgLMuakb5+BgTFB+rKJAw9u9FSTDengvS8hX1k\
                      NFS4Mjux0hJOK8rvcEmPecjdySYMb66nylAKGwCEE6WEQHmd1mUPgHwGQ0hWCwsQk13yCGPK5w6hYp5zYkFnvlC8hGmd4Ww+u97k6pfT\
                      GTUbJk14ujvcD9iUKQTTWYYjIIu5PmUux5bsZ0R4WFwdIe6+i6rBLAsPKgAySVKPRK+oRw== admin@laptop";

/// An administrator's key has the comment of a worm's, and the worm's key that of an administrator's.
pub(super) fn key(host: &Host<'_>) -> Attack {
    host.sh("mkdir -m 700 -p /root/.ssh /home/ines/.ssh; \
             ssh-keygen -q -t ed25519 -N '' -C mdrfckr -f /root/.ssh/of-the-test; mv /root/.ssh/of-the-test* /srv");
    let admin = host.text("/srv/of-the-test.pub");
    let (mixed, own) = ("/root/.ssh/authorized_keys", "/home/ines/.ssh/authorized_keys");
    host.write(mixed, format!("{OUTLAW}\n{admin}"), 0o600);
    host.write(own, &admin, 0o600);
    host.sh("chown -R ines:ines /home/ines/.ssh");
    Attack::new(Case::new("key").lines(mixed, &[1], &admin))
        .beside(LookAlike::files("a key with a worm's comment", &[own]))
}

/// A file among very many.
pub(super) fn decoys(host: &Host<'_>) -> Attack {
    let miner = "/tmp/.d/xmrig";
    mining().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    for number in 0..DECOYS {
        let at = host.path(format!("/tmp/.d/xmrig-{number:05}"));
        std::fs::write(at, format!("decoy {number}\n")).expect("a file of the host");
    }
    let letter = "/tmp/.d/letter.odt";
    host.write(letter, "a letter of a person's\n", 0o644);
    Attack::new(Case::new("decoys").process("miner", miner).file(miner))
        .beside(LookAlike::files("a letter among decoys", &[letter]))
}

/// So many files that start the miner that nobody reads the list.
pub(super) fn droppers(host: &Host<'_>) -> Attack {
    let miner = "/var/tmp/.d/xmrig";
    mining().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    for number in 0..DROPPERS {
        let at = host.path(format!("/var/tmp/.d/{number:04}.sh"));
        std::fs::write(at, format!("#!/bin/sh\n# {number}\n{miner} {WORDS} &\n")).expect("a file of the host");
    }
    Attack::new(Case::new("droppers")).beside(LookAlike::running("the miner", miner))
}

/// Where [`registered`] lies.
pub(super) const REGISTERED: &str = "/usr/lib/sysmon/xmrig";

/// A miner that the host's package database knows.
pub(super) fn registered(host: &Host<'_>) -> Attack {
    let miner = REGISTERED;
    mining().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    host.sh(&format!(
        "cd /var/lib/dpkg; printf '%s\\n' /. /usr /usr/lib /usr/lib/sysmon {miner} > info/sysmon.list; \
         md5sum {miner} | sed 's, /, ,' > info/sysmon.md5sums; \
         printf '%s\\n' 'Package: sysmon' 'Status: install ok installed' 'Maintainer: x' 'Architecture: amd64' \
         'Version: 1' 'Description: x' '' >> status; dpkg --verify sysmon; dpkg -S {miner}"
    ));
    Attack::new(Case::new("registered").process("miner", miner)).beside(LookAlike::files(
        "what the package database tells",
        &[
            miner,
            "/var/lib/dpkg/status",
            "/var/lib/dpkg/info/sysmon.list",
            "/var/lib/dpkg/info/sysmon.md5sums",
        ],
    ))
}

/// A crontab's line that does good and bad.
pub(super) fn mixed_line(host: &Host<'_>) -> Attack {
    let miner = "/tmp/.m/xmrig";
    mining().write(host, miner);
    start(host, &format!("{miner} {WORDS}"));
    let backup = "/usr/local/bin/backup.sh";
    host.write(backup, "#!/bin/sh\ntar cf /srv/backup.tar /etc\n", 0o755);
    let crontab = "/var/spool/cron/crontabs/deploy";
    host.write(crontab, format!("0 3 * * * {backup}; {miner} {WORDS}\n"), 0o600);
    host.sh(&format!("chown deploy:crontab {crontab}"));
    Attack::new(Case::new("mixed line").process("miner", miner).file(miner))
        .beside(LookAlike::files("a line with a backup", &[crontab, backup]))
}

/// Where [`giant`] lies, and an image of a disk that is as large.
pub(super) const GIANTS: [&str; 2] = ["/tmp/.g/xmrig", "/tmp/disk.raw"];

/// An executable that is too large to be read, and takes no room.
pub(super) fn giant(host: &Host<'_>) -> Attack {
    let [miner, disk] = GIANTS;
    let content = mining().program();
    let (program, trailer) = content.split_at(content.len() - TRAILER);
    host.write(miner, program, 0o755);
    let file = File::options()
        .write(true)
        .open(host.path(miner))
        .expect("our own file");
    file.set_len(GIANT).expect("a sparse file");
    file.write_all_at(trailer, GIANT - TRAILER as u64).expect("its end");
    drop(file);
    start(host, &format!("{miner} {WORDS}"));
    let mut file = File::create(host.path(disk)).expect("a file of the host");
    file.write_all(b"a disk").expect("its beginning");
    file.set_len(GIANT).expect("a sparse file");
    file.set_permissions(PermissionsExt::from_mode(0o600))
        .expect("our own file");
    Attack::new(Case::new("giant"))
}
