//! What a full eradication removed comes back as it was, and nothing is started by that.

use crate::common::plan::Planned;
use crate::infected::case::Moments;
use crate::infected::{cron, preload, processes, shell, units};
use crate::world::World;
use crate::world::host::Host;

/// What is compared; what a running host writes by itself is left out.
const ALL: [&str; 8] = ["/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/var"];
const BY_ITSELF: [&str; 3] = ["/var/log", "/var/lib/systemd", "/var/tmp"];

/// Of two snapshots the lines about what is no directory: the time of a directory is that of its last entry.
fn changes(host: &Host<'_>, before: &crate::world::snapshot::Snapshot) -> Vec<String> {
    let now = host.snapshot(&ALL, &BY_ITSELF);
    let mut changes = before.changes(&now);
    let is_directory = |line: &String| {
        let path = line.split(": ").next().unwrap_or_default();
        let of = |snapshot: &crate::world::snapshot::Snapshot| snapshot.at(path).map(|object| object.mode & 0o170_000);
        of(before) == Some(0o040_000) && of(&now) == Some(0o040_000)
    };
    changes.retain(|line| !is_directory(line));
    changes
}

#[test]
fn a_full_eradication_is_taken_back_to_the_byte() {
    let Some(world) = World::new("undo") else { return };
    let _pool = world.pool();
    let mut host = world.host("web-1");
    host.boot();
    let cases = [
        cron::crontabs(&host),
        preload::immutable(&host),
        units::service(&host),
        shell::shells(&host),
        processes::plain(&host),
    ];
    host.wait("all that was planted", || {
        cases.iter().all(|case| case.missing(&host).is_empty())
    });
    let marked = host.path("/tmp/xmrig");
    let (name, value, flags) = ("user.note", b"kept too", rustix::fs::XattrFlags::empty());
    rustix::fs::lsetxattr(&marked, name, value, flags).expect("an attribute of the user");
    let before = host.snapshot(&ALL, &BY_ITSELF);

    let deminer = host.deminer();
    let pools = format!("pools=[\"{}\"]", processes::POOL);
    let planned = Planned::on_a_host(&deminer, &["--set", "sample=2s", "--set", &pools]);
    let words = [planned.words("5s").to_vec(), planned.many()].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = deminer.run(&words).expect(0);
    for case in &cases {
        assert_eq!(case.left(&host, Moments::NEVER), Vec::<String>::new(), "{answer}");
    }
    assert!(!changes(&host, &before).is_empty());

    // What comes back armed is started by cron, in its own time; here it is not to be.
    host.sh("systemctl stop cron");
    let because = ["--armed", "--because", "a test of the way back"];
    let list = deminer
        .run(&[&["undo"], &because[..], &["--format", "json"]].concat())
        .expect(0)
        .json();
    let hash = list["hash"].as_str().expect("a hash");
    let words = [&["undo"], &because[..], &["--approve", hash, "--format", "json"]].concat();
    let undone = deminer.run(&words).expect(0).json();
    assert_eq!(undone["hosts"][0]["status"], "undone", "{undone:#}");
    assert_eq!(changes(&host, &before), Vec::<String>::new(), "{undone:#}");
    let started: Vec<&String> = cases
        .iter()
        .flat_map(|case| &case.programs)
        .filter(|exe| !host.running(exe).is_empty())
        .collect();
    assert_eq!(started, Vec::<&String>::new());
}
