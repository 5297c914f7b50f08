//! A host on which every kind of act is proposed.

use deminer_engine::finding::{Artifact, Bearing, Finding, HostVerdict};
use deminer_worker::action::{
    AccountTarget, Act, FileTarget, LinkTarget, ProcessTarget, Role, ServiceManager, StarterKind, Syntax,
};
use deminer_worker::query::{FileId, Peer};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use super::host::Host;
use super::{condemned, file, line, of_file, of_line, process};

const MINER: &str = "/usr/local/lib/.sysd/sysd";

fn starts(file: &FileTarget) -> Finding {
    of_file(
        file,
        "serves_condemned",
        "every command in it starts {served} or puts it in its place",
    )
    .field("served", MINER)
}

fn starter(path: &str, inode: u64, starter: StarterKind) -> (Act, Finding) {
    let file = file(path, inode, 0);
    let because = starts(&file);
    (Act::RemoveStarter { file, starter }, because)
}

fn link(path: &str, inode: u64, target: &str) -> LinkTarget {
    LinkTarget {
        mount: "/".into(),
        path: path.into(),
        id: FileId {
            dev: Wide(2049),
            inode: Wide(inode),
        },
        target: target.into(),
        uid: 0,
        gid: 0,
        mtime_ns: Wide(0),
    }
}

fn of_process(process: &ProcessTarget, act: Act) -> (Act, Finding) {
    (act, condemned(process, 66))
}

/// A miner that has dug itself in everywhere.
pub(super) fn entrenched(name: &str) -> Host {
    let miner = process(701, Role::Miner, "sysd", MINER);
    let program = file(MINER, 88, 0x10);
    let sudoers = file("/etc/sudoers.d/90-sysd", 202, 0);
    let sudo_line = line(1, "sysd ALL=(ALL) NOPASSWD: ALL", "sysd");
    let crontab = file("/etc/crontab", 203, 0);
    let cron_lines = vec![
        line(9, "*/5 * * * * root /usr/local/lib/.sysd/sysd", MINER),
        line(14, "@reboot root /usr/local/lib/.sysd/sysd", MINER),
    ];
    let unit_link = link(
        "/etc/systemd/system/multi-user.target.wants/sysd.service",
        301,
        "/etc/systemd/system/sysd.service",
    );
    let twin = AccountTarget {
        name: "sysd".into(),
        uid: 0,
        line_sha256: Digest::of(b"sysd"),
    };
    let unit = file("/etc/systemd/system/sysd.service", 210, 0);
    let peer = Peer {
        address: "198.51.100.23".to_owned(),
        port: 3333,
    };
    let connected = Finding::new(
        Artifact::Remote { peer },
        "remote_connected",
        Bearing::Condemns,
        "{owners} has a connection to {remote}",
    )
    .field("owners", "pid 701")
    .field("remote", "198.51.100.23:3333");
    let uid_zero = Finding::new(
        Artifact::Account { account: twin.clone() },
        "uid_zero_twin",
        Bearing::Condemns,
        "a second account with user id 0",
    );
    let helper = file("/usr/sbin/atrm", 400, 0);
    let acts = [
        of_process(&miner, Act::Kill { process: miner.clone() }),
        of_process(&miner, Act::Throttle { process: miner.clone() }),
        starter("/etc/systemd/system-generators/zz", 211, StarterKind::Generator),
        (
            Act::RemoveStarter {
                file: unit.clone(),
                starter: StarterKind::Unit,
            },
            starts(&unit),
        ),
        starter("/etc/systemd/system/cron.service.d/x.conf", 212, StarterKind::DropIn),
        starter("/etc/profile.d/z.sh", 213, StarterKind::ShellFile),
        starter("/var/spool/cron/atjobs/a000010", 214, StarterKind::AtJob),
        (Act::RemoveLink { link: unit_link }, starts(&unit)),
        (
            Act::ReloadUnits {
                manager: ServiceManager::System {},
                units: vec!["sysd.service".into()],
            },
            starts(&unit),
        ),
        (
            Act::EditLines {
                file: sudoers.clone(),
                remove: vec![sudo_line.clone()],
                syntax: Some(Syntax::Sudoers),
            },
            of_line(&sudoers, &sudo_line),
        ),
        (
            Act::EditLines {
                file: crontab.clone(),
                remove: cron_lines.clone(),
                syntax: None,
            },
            of_line(&crontab, &cron_lines[0]),
        ),
        (Act::LockAccount { account: twin }, uid_zero),
        (
            Act::BlockAddress {
                address: "198.51.100.23".to_owned(),
                for_s: 86_400,
            },
            connected.clone(),
        ),
        (
            Act::Isolate {
                for_s: 5_400,
                keep: vec!["192.0.2.0/24".parse().expect("a network")],
            },
            connected,
        ),
        (Act::RemoveFile { file: program.clone() }, starts(&program)),
        (
            Act::RunArgv {
                program: Box::new(helper.clone()),
                argv: vec!["atrm".into(), "16".into()],
                timeout_ms: 10_000,
                undo: None,
            },
            starts(&helper),
        ),
        (
            Act::RunArgv {
                program: Box::new(file("/usr/sbin/sysctl", 401, 0)),
                argv: vec!["sysctl".into(), "-w".into(), "vm.nr_hugepages=0".into()],
                timeout_ms: 10_000,
                undo: Some(vec!["sysctl".into(), "-w".into(), "vm.nr_hugepages=1280".into()]),
            },
            starts(&helper),
        ),
    ];
    let host = acts
        .into_iter()
        .fold(
            Host::new(name, HostVerdict::Infected).rests(condemned(&miner, 66)),
            |host, (act, because)| host.act(1, act, because),
        )
        .around(
            "/etc/crontab",
            14,
            &[
                (7, Some("17 * * * * root cd / && run-parts --report /etc/cron.hourly")),
                (8, Some("")),
                (10, Some("25 6 * * * root run-parts --report /etc/cron.daily")),
                (11, Some("")),
                (12, Some("# managed by hand")),
                (13, Some("#")),
            ],
        )
        .shows(&miner, vec![HostBytes::from(&HostPath::from(MINER))]);
    Host {
        without: vec!["pidfd_open".to_owned(), "openat2".to_owned()],
        programs: vec![["/usr/bin/docker", "ps", "--no-trunc"].map(str::to_owned).to_vec()],
        ..host
    }
}
