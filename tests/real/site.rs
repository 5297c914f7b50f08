//! A host from which others are reached over SSH, and what is left of us on those.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::common::command::Deminer;
use crate::common::machine::{Process, wait_until};
use crate::infected::processes;
use crate::world::World;
use crate::world::host::Host;

/// How long a cut link may take to be noticed, and a transaction to end, on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// How long a worker may take to end by itself.
const SOON: Duration = Duration::from_secs(20);

/// Hosts that start at once.
const BOOTING: usize = 4;

/// Where a worker, its keeper or a journal may have been.
const PLACES: [&str; 7] = [
    "/dev/shm",
    "/run",
    "/tmp",
    "/var/tmp",
    "/root",
    "/run/user/0",
    "/var/lib",
];

/// A host from which others are reached, and what it reaches.
pub(crate) struct Site<'w> {
    pub(crate) control: Host<'w>,
    pub(crate) hosts: Vec<Host<'w>>,
}

impl<'w> Site<'w> {
    /// Boots the hosts, and one more that may log in to all of them as root and knows their keys.
    pub(crate) fn open(world: &'w World, names: &[&str]) -> Site<'w> {
        let mut control = world.host("control");
        control.boot();
        control.sh("mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519");
        let key = control.text("/root/.ssh/id_ed25519.pub");
        let mut known = String::new();
        let mut hosts: Vec<Host<'w>> = names.iter().map(|name| world.host(name)).collect();
        for some in hosts.chunks_mut(BOOTING) {
            std::thread::scope(|scope| {
                for host in some {
                    scope.spawn(|| host.boot());
                }
            });
        }
        for host in &hosts {
            host.write("/root/.ssh/authorized_keys", &key, 0o600);
            let own = host.text("/etc/ssh/ssh_host_ed25519_key.pub");
            let own: Vec<&str> = own.split_whitespace().take(2).collect();
            known.push_str(&format!("{} {}\n", host.address, own.join(" ")));
        }
        control.write("/root/.ssh/known_hosts", known, 0o600);
        Site { control, hosts }
    }

    /// The hosts as the command names them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.hosts.iter().map(|host| format!("root@{}", host.address)).collect()
    }

    /// Plans all hosts; gives the plan's hash and what the command answered.
    pub(crate) fn plan(&self, deminer: &Deminer) -> (String, Value) {
        let names = self.names();
        let pools = format!("pools=[\"{}\"]", processes::POOL);
        let mut words = vec!["plan", "linux-miner"];
        words.extend(names.iter().map(String::as_str));
        words.extend(["--set", "sample=2s", "--set", &pools, "--format", "json"]);
        let json = deminer.start(&words).answer_within(LONG).expect(0).json();
        (json["hash"].as_str().expect("a hash")[..16].to_owned(), json)
    }
}

/// The processes on a host that run something of ours.
pub(crate) fn of_us(host: &Host<'_>) -> Vec<Process> {
    let processes = host.processes().into_iter().map(|seen| seen.process);
    let ours = processes.filter(|process| {
        let exe = process.exe.as_deref().unwrap_or(Path::new("")).to_string_lossy();
        exe.contains("deminer") || exe.starts_with("/memfd:worker")
    });
    ours.collect()
}

/// What is left of us on a host: files of a worker, programs of ours. A worker that was let go may need a moment to end.
pub(crate) fn left_of_us(host: &Host<'_>) -> Vec<String> {
    wait_until(SOON, || of_us(host).is_empty());
    let mut left = Vec::new();
    for place in PLACES {
        let said = host.run(["find", place, "-xdev", "-maxdepth", "2", "-name", "*deminer*"]);
        left.extend(said.out.lines().map(str::to_owned));
    }
    let ours = of_us(host).into_iter();
    left.extend(ours.map(|process| format!("pid {} runs {:?}", process.pid, process.exe)));
    let frozen = host.processes().into_iter().filter(|seen| seen.process.state == 'T');
    left.extend(frozen.map(|seen| format!("pid {} stands still", seen.pid)));
    left
}

/// Waits until nothing of ours runs on a host, and nothing stands still.
#[track_caller]
pub(crate) fn worker_ends(host: &Host<'_>) {
    let ended = || !left_of_us(host).iter().any(|left| left.starts_with("pid"));
    assert!(wait_until(LONG, ended), "{:?}", left_of_us(host));
}

pub(crate) fn status<'r>(report: &'r Value, host: &str) -> &'r Value {
    let mut hosts = report["hosts"].as_array().expect("a list").iter();
    let found = hosts.find(|told| told["host"] == host);
    &found.unwrap_or_else(|| panic!("{host} is not told: {report:#}"))["status"]
}
