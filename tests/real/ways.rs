//! Every way in at once, out of one inventory of Ansible: as root and by sudo from a plain account, with login shells of
//! their own kinds, past directories that run nothing, through a jump host, with no way to anywhere else.

use crate::infected::case::{Case, Moments};
use crate::infected::processes;
use crate::site::{LONG, Site, left_of_us, status};
use crate::world::World;
use crate::world::host::Host;

/// Groups, a range, children, a jump host for some of them, and another port than the usual one.
const INVENTORY: &str = "\
[near]
bash ansible_user=root

[far]
web-[1:3]

[far:vars]
ansible_user=deploy
ansible_become=true
ansible_port=2222
ansible_ssh_common_args='-o ProxyJump=root@JUMP'

[prod:children]
near
far

[prod:vars]
sample=1s
";

/// What a shell says before anything that it is told to do, in colours and without a line end.
const BANNER: &str = "printf '\\033[31mNOTICE: all is logged\\nno line end'\necho error >&2\n";

/// A plain account of the host's people gets in with our key, with this shell, and becomes root without a password.
fn lets_in(host: &Host<'_>, shell: &str, key: &str) {
    host.write("/home/deploy/.ssh/authorized_keys", key, 0o600);
    host.write("/etc/sudoers.d/deploy", "deploy ALL=(root) NOPASSWD: ALL\n", 0o440);
    host.sh(&format!(
        "chown -R deploy: /home/deploy/.ssh; usermod --shell {shell} deploy"
    ));
}

/// Nothing runs from where a worker would like to be.
fn runs_nothing(host: &Host<'_>, places: &[&str]) {
    for place in places {
        host.sh(&format!("mount -t tmpfs -o noexec,nosuid,mode=1777 tmpfs {place}"));
    }
}

#[test]
fn hosts_are_reached_in_every_way_and_from_nowhere_else() {
    let Some(world) = World::new("ways") else { return };
    let _pool = world.pool();
    let site = Site::open(&world, &["jump", "bash", "web-1", "web-2", "web-3"]);
    let [jump, bash, dash, banner, no_exec] = &site.hosts[..] else {
        panic!("five hosts")
    };
    let key = site.control.text("/root/.ssh/id_ed25519.pub");
    bash.sh("usermod --shell /bin/bash root");
    lets_in(dash, "/bin/dash", &key);
    // A shell of the site's own, which speaks first whatever it is started for.
    banner.write(
        "/usr/local/bin/site-shell",
        format!("#!/bin/bash\n{BANNER}exec /bin/bash \"$@\"\n"),
        0o755,
    );
    banner.write("/home/deploy/.bashrc", BANNER, 0o644);
    lets_in(banner, "/usr/local/bin/site-shell", &key);
    lets_in(no_exec, "/bin/bash", &key);
    runs_nothing(bash, &["/tmp", "/dev/shm"]);
    runs_nothing(no_exec, &["/tmp", "/dev/shm", "/var/tmp"]);
    no_exec.sh("mount -o remount,noexec /run");

    let known = site.control.text("/root/.ssh/known_hosts");
    let mut on_other_port = String::new();
    for host in [dash, banner, no_exec] {
        host.write("/etc/ssh/sshd_config.d/port.conf", "Port 2222\n", 0o644);
        host.sh(&format!(
            "systemctl restart ssh; nft add table inet gate; \
             nft add chain inet gate in '{{ type filter hook input priority 0; }}'; \
             nft add rule inet gate in ip saddr {} drop",
            site.control.address
        ));
        let line = known
            .lines()
            .find(|line| line.starts_with(&format!("{} ", host.address)));
        let (_, own) = line.and_then(|line| line.split_once(' ')).expect("its key");
        on_other_port.push_str(&format!("[{}]:2222 {own}\n", host.address));
    }
    site.control
        .write("/root/.ssh/known_hosts", known + &on_other_port, 0o600);
    site.control.sh("ip route del default; ! ip route get 203.0.113.53");
    site.control
        .write("/root/site/hosts", INVENTORY.replace("JUMP", &jump.address), 0o644);
    let infected = [bash, dash, banner, no_exec];
    for host in infected {
        let vars = format!("ansible_host: {}\n", host.address);
        site.control
            .write(&format!("/root/site/host_vars/{}.yml", host.name), vars, 0o644);
    }
    let cases: [Case; 4] = infected.map(|host| {
        // A plain miner lies in /tmp, from which nothing runs on two of them.
        processes::mining().write(host, "/opt/.x/xmrig");
        processes::start(host, &format!("/opt/.x/xmrig {}", processes::WORDS));
        Case::new("plain in /opt")
            .process("miner", "/opt/.x/xmrig")
            .file("/opt/.x/xmrig")
    });
    for (host, case) in infected.iter().zip(&cases) {
        host.wait("the miner", || case.missing(host).is_empty());
    }

    let deminer = site.control.deminer();
    let words = [
        "plan",
        "linux-miner",
        "prod",
        "-i",
        "/root/site/hosts",
        "--format",
        "json",
    ];
    let plan = deminer.start(&words).answer_within(LONG).expect(0).json();
    assert_eq!(plan["not_planned"], serde_json::json!([]), "{plan:#}");
    let hash = &plan["hash"].as_str().expect("a hash")[..16];
    let words = ["apply", hash, "--approve", hash, "--watch", "5s", "--format", "json"];
    let answer = deminer.start(&words).answer_within(LONG);
    let report = answer.expect(0).json();
    for (host, case) in infected.iter().zip(&cases) {
        assert_eq!(*status(&report, &host.name), "eradicated", "{report:#}");
        assert_eq!(case.left(host, Moments::NEVER), Vec::<String>::new());
        assert_eq!(left_of_us(host), Vec::<String>::new(), "`{}`", host.name);
    }
    assert_eq!(left_of_us(jump), Vec::<String>::new());
}
