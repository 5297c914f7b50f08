//! A block over SSH: the pool is out of reach both ways, everybody else is not, and it ends by itself where nobody was left to
//! say that it lets us in.

use std::time::{Duration, Instant};

use crate::common::command::Running;
use crate::common::machine::{Process, wait_until};
use crate::infected::case::Case;
use crate::infected::processes;
use crate::site::{LONG, Site, left_of_us, of_us, status};
use crate::world::World;
use crate::world::host::Host;
use crate::world::pool::{HONEST, PATIENCE, POOL, Pool};

/// How long a block stands at most that nobody confirmed.
const TRIAL: Duration = Duration::from_secs(60);

/// The firewall of somebody else.
const FOREIGN: &str = "nft 'table inet shop { set admins { type ipv4_addr; elements = { 192.0.2.7 }; }; \
    chain input { type filter hook input priority filter; policy accept; ip saddr @admins tcp dport 22 accept; }; }'";

/// Whether a host's own connection to an address comes about.
fn reaches(host: &Host<'_>, address: std::net::Ipv4Addr) -> bool {
    let connect = format!("exec 3<>/dev/tcp/{address}/3333");
    let limit = PATIENCE.as_secs().to_string();
    host.run(["timeout", &limit, "bash", "-c", &connect]).code == Some(0)
}

/// What holds packets back on a host by our hand.
fn held(host: &Host<'_>) -> String {
    host.run(["nft", "list", "table", "inet", "deminer"]).out
}

fn is_blocked(host: &Host<'_>) -> bool {
    held(host).contains(&POOL.to_string())
}

/// What somebody else's table is.
fn foreign(host: &Host<'_>) -> String {
    host.sh("nft list table inet shop; nft --json list table inet shop")
}

/// Waits until both sides of a plan's host can reach each other, and the miner is there.
fn begin<'w>(host: &Host<'w>, pool: &Pool<'w>) -> Case {
    let case = processes::plain(host);
    host.wait("the miner", || case.missing(host).is_empty());
    host.sh(FOREIGN);
    assert!(
        reaches(host, POOL) && pool.reaches(&host.address, 22),
        "before the block"
    );
    case
}

/// A plan for one host, and the words that contain it.
fn planned(site: &Site<'_>, host: &Host<'_>) -> (crate::common::command::Deminer, String) {
    let deminer = site.control.deminer_with(&format!("runs-{}", host.name));
    let name = format!("root@{}", host.address);
    let pools = format!("pools=[\"{}\"]", processes::POOL);
    let words = [
        "plan",
        "linux-miner",
        &name,
        "--set",
        "sample=1s",
        "--set",
        &pools,
        "--format",
        "json",
    ];
    let plan = deminer.start(&words).answer_within(LONG).expect(0).json();
    let hash = plan["hash"].as_str().expect("a hash")[..16].to_owned();
    (deminer, hash)
}

#[test]
fn the_pool_is_out_of_reach_both_ways_and_nobody_else_is() {
    let Some(world) = World::new("contained") else { return };
    let pool = world.pool();
    let site = Site::open(&world, &["web-1"]);
    let host = &site.hosts[0];
    let case = begin(host, &pool);
    let before = foreign(host);
    // A session of ours that stands before the block does.
    site.control.sh(&format!(
        "mkfifo /run/said; sleep 300 > /run/said 2>/dev/null & \
         setsid ssh root@{} 'while read -r line; do echo \"heard $line\"; done' < /run/said > /run/heard 2>&1 &",
        host.address
    ));
    let answers = |word: &str| {
        site.control.sh(&format!("echo {word} > /run/said"));
        wait_until(PATIENCE, || {
            let heard = site.control.read("/run/heard").unwrap_or_default();
            String::from_utf8_lossy(&heard).contains(&format!("heard {word}"))
        })
    };
    host.wait("our session", || answers("before"));

    let (deminer, hash) = planned(&site, host);
    let words = [
        "apply",
        &hash,
        "--approve",
        &hash,
        "--only",
        "contain",
        "--format",
        "json",
    ];
    let report = deminer.start(&words).answer_within(LONG).expect(0).json();
    assert_eq!(*status(&report, &host.address), "contained", "{report:#}");
    assert!(is_blocked(host), "{}", held(host));
    assert!(!reaches(host, POOL), "the host does not reach the pool");
    assert!(!pool.reaches(&host.address, 22), "the pool does not reach the host");
    assert!(reaches(host, HONEST), "an honest server on the same port is reached");
    assert!(answers("after"), "our session goes on");
    let login = format!(
        "ssh -o ConnectTimeout={} root@{} echo in",
        PATIENCE.as_secs(),
        host.address
    );
    assert_eq!(site.control.sh(&login).trim(), "in", "a new login gets in");
    assert_eq!(foreign(host), before, "somebody else's table is as it was");
    assert!(case.missing(host).is_empty(), "nothing is destroyed");
    assert_eq!(left_of_us(host), Vec::<String>::new());
}

/// Begins to contain a host; gives the moment at which its block stood and nobody had confirmed it.
fn contains(site: &Site<'_>, host: &Host<'_>) -> (Running, Process, Instant) {
    let (deminer, hash) = planned(site, host);
    let words = [
        "apply",
        &hash,
        "--approve",
        &hash,
        "--only",
        "contain",
        "--format",
        "json",
    ];
    let mut running = deminer.start(&words);
    let mut controller = None;
    host.wait("the command", || {
        let says = |seen: &Process| seen.argv.iter().any(|word| *word == hash.as_bytes());
        controller = of_us(&site.control).into_iter().find(says);
        controller.is_some()
    });
    let stands = || {
        let runs = std::fs::read_dir(deminer.runs()).into_iter().flatten().flatten();
        let mut chains = runs.flat_map(|run| {
            std::fs::read_dir(run.path().join("journal"))
                .into_iter()
                .flatten()
                .flatten()
        });
        chains.any(|chain| {
            std::fs::read_to_string(chain.path()).is_ok_and(|text| text.contains("\"event\":\"contained\""))
        })
    };
    let end = Instant::now() + LONG;
    while !stands() {
        if running.has_ended() {
            panic!("`{}`: nothing is contained: {}", host.name, running.answer());
        }
        assert!(Instant::now() < end, "`{}`: nothing is contained", host.name);
        std::thread::sleep(Duration::from_millis(2));
    }
    (running, controller.expect("it was just there"), Instant::now())
}

#[test]
fn a_block_that_nobody_confirmed_is_taken_back_in_a_minute() {
    let Some(world) = World::new("unconfirmed") else { return };
    let pool = world.pool();
    let site = Site::open(&world, &["web-1", "web-2"]);
    let [alone, dead] = &site.hosts[..] else {
        panic!("two hosts")
    };
    // A login takes a while: the second one, which would confirm the block, is not over before its block was seen.
    for host in [alone, dead] {
        host.sh("sed -i '1i account optional pam_exec.so /bin/sleep 4' /etc/pam.d/sshd");
    }
    // The command is killed: its worker takes back what stands on trial.
    begin(alone, &pool);
    let before = foreign(alone);
    let (running, controller, stood) = contains(&site, alone);
    controller.kill();
    alone.wait("the end of the block", || !is_blocked(alone));
    assert!(stood.elapsed() < TRIAL, "{:?}", stood.elapsed());
    running.answer_within(LONG);
    assert!(reaches(alone, POOL) && pool.reaches(&alone.address, 22));
    assert_eq!(foreign(alone), before);

    // Everything of ours is killed, here and there: what is left is the kernel's own clock.
    begin(dead, &pool);
    let before = foreign(dead);
    let (running, controller, stood) = contains(&site, dead);
    for ours in of_us(dead).into_iter().chain([controller]) {
        ours.kill();
    }
    assert!(is_blocked(dead), "the block stands on trial: {}", held(dead));
    assert!(!reaches(dead, POOL), "and holds");
    running.answer_within(LONG);
    let over = wait_until(TRIAL + 4 * PATIENCE, || !is_blocked(dead));
    assert!(over, "after {:?}: {}", stood.elapsed(), held(dead));
    assert!(reaches(dead, POOL) && pool.reaches(&dead.address, 22));
    assert_eq!(foreign(dead), before);
}
