//! What is never touched, whatever a plan says: asked when a plan is made and again on the host, by the same rules.
//!
//! Protection goes by device, inode and content, never only by path: a bind mount or a copied interpreter gives an
//! innocent file another name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::action::{AccountTarget, Act, FileTarget, ProcessTarget};
use crate::network::{Net, Network, is_never_foreign};
use crate::order::{Birth, Override};
use crate::query::{Answer, FileId, Ownership, Process, ProcessesQuery, Query};
use crate::text::{HostBytes, HostPath};

/// What must be known of a host to say what is protected there.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Our own processes and their ancestors.
    pub own_chain: BTreeSet<u32>,
    /// The login names by which our own session came in.
    pub own_names: Vec<HostBytes>,
    /// All processes, executables hashed.
    pub processes: Vec<Process>,
    /// What the package database says of the files that acts would touch, by path.
    pub ownership: BTreeMap<HostPath, Ownership>,
    /// Paths that the site lists, with all below them.
    pub site: Vec<HostPath>,
    /// Mount points: never removed, never edited.
    pub mounts: BTreeSet<HostPath>,
    /// What the host is on its network; `None` where nobody asked, or it was not told: then nothing is blocked.
    pub network: Option<Network>,
    /// Networks that the site lists: never blocked.
    pub spare: Vec<Net>,
    /// Who holds the host's watchdog, by pid and start time; empty where nobody asked.
    pub watchdogs: BTreeSet<(u32, u64)>,
}

/// The watchdog's devices (Linux `watchdog/watchdog-api`): who opened one must write to it, or the host starts anew.
const WATCHDOGS: [&str; 4] = ["/dev/watchdog", "/dev/watchdog0", "/dev/watchdog1", "/dev/watchdog2"];

/// Who decides that a silent host is to be cut off; where root alone installs.
const CLUSTER_MANAGERS: [&[u8]; 14] = [
    b"corosync",
    b"pacemakerd",
    b"pacemaker-controld",
    b"pacemaker-execd",
    b"pacemaker-fenced",
    b"sbd",
    b"keepalived",
    b"heartbeat",
    b"wdmd",
    b"sanlock",
    b"watchdog",
    b"watchdogd",
    b"fenced",
    b"cmcld",
];
const ROOTS_PROGRAMS: [&str; 6] = ["/usr/sbin", "/usr/bin", "/usr/lib", "/usr/libexec", "/sbin", "/bin"];

impl Facts {
    /// The queries whose answers [`Self::learn`] wants for these acts.
    pub fn questions<'a>(acts: impl IntoIterator<Item = &'a Act>) -> Vec<Query> {
        let mut files: Vec<HostPath> = Vec::new();
        let (mut of_network, mut of_root) = (false, false);
        for act in acts {
            of_network |= act.is_of_network();
            of_root |= holding(act).is_some_and(|process| process.uid == 0);
            let changes = !matches!(act, Act::Keep { .. });
            files.extend(act.file().filter(|_| changes).map(|file| file.path.clone()));
        }
        files.sort();
        files.dedup();
        let mut questions = vec![
            Query::Host {},
            Query::Processes(ProcessesQuery {
                digest: true,
                maps: true,
                ..ProcessesQuery::default()
            }),
            Query::Mounts {},
            Query::Packages { files },
        ];
        questions.extend(of_network.then_some(Query::Network {}));
        // Only root opens a watchdog.
        questions.extend(of_root.then(|| Query::Holders {
            files: WATCHDOGS.map(HostPath::from).to_vec(),
        }));
        questions
    }

    /// Takes in the answer to one of the questions.
    pub fn learn(&mut self, question: &Query, answer: Answer) {
        match (question, answer) {
            (_, Answer::Host(facts)) => {
                self.own_chain = facts.own_chain.into_iter().collect();
                self.own_names = facts.own_names;
            }
            (_, Answer::Processes(processes)) => self.processes = processes,
            (_, Answer::Mounts(mounts)) => self.mounts = mounts.into_iter().map(|mount| mount.point).collect(),
            (Query::Holders { .. }, Answer::Holders(holders)) => {
                self.watchdogs = holders
                    .iter()
                    .map(|holder| (holder.pid, holder.start_ticks.0))
                    .collect();
            }
            (_, Answer::Network(network)) => self.network = Some(network),
            (Query::Packages { files }, Answer::Packages(owners)) => {
                self.ownership = files.iter().cloned().zip(owners).collect();
            }
            _ => {}
        }
    }
}

/// The process that an act stops or ends.
fn holding(act: &Act) -> Option<&ProcessTarget> {
    match act {
        Act::Freeze { process } | Act::Kill { process } | Act::Throttle { process } => Some(process),
        _ => None,
    }
}

/// Why an act must not be carried out; `None` where nothing protects its target.
///
/// `condemned` are the processes of the plan, by pid and start time: what only they run or map is not protected by use.
pub fn protection(act: &Act, condemned: &BTreeSet<(u32, u64)>, facts: &Facts) -> Option<String> {
    match act {
        Act::Keep { .. } => None,
        Act::Freeze { process } | Act::Kill { process } => protected_process(process, facts),
        Act::Throttle { process } => protected_process(process, facts),
        Act::RemoveFile { file } | Act::RemoveStarter { file, .. } => {
            protected_place(&file.path, facts).or_else(|| protected_file(file, condemned, facts))
        }
        Act::EditLines { file, .. } | Act::ClearFlags { file, .. } => protected_place(&file.path, facts),
        Act::RemoveLink { link } => protected_place(&link.path, facts),
        Act::RunArgv {
            program, argv, undo, ..
        } => protected_place(&program.path, facts)
            .or_else(|| crate::argv::fault(&program.path, argv).map(str::to_owned))
            .or_else(|| crate::argv::fault(&program.path, undo.as_deref()?).map(str::to_owned)),
        Act::BlockAddress { address, .. } => protected_address(address, facts),
        Act::Isolate { keep, .. } => protected_session(keep, facts),
        Act::LockAccount { account } => protected_account(account, condemned, facts),
        Act::ReloadUnits { .. } => None,
    }
}

/// Why an act must not be carried out, whoever asks for it; `None` where nothing protects its target, or only what a person
/// can override with a reason: the site's own list, a package's ownership, and that others run a file. Never overridden are pid
/// 1, kernel threads, our own session, mount points, the last ways in and the network that holds them.
pub fn firm_protection(act: &Act, condemned: &BTreeSet<(u32, u64)>, facts: &Facts) -> Option<String> {
    let mut bare = Facts {
        site: Vec::new(),
        ownership: BTreeMap::new(),
        ..facts.clone()
    };
    if act.file().is_some() {
        bare.processes.clear();
    }
    protection(act, condemned, &bare)
}

/// As [`protection`], but for what the plan overrides: then `None` where that very rule protects it and no firm one.
pub fn protection_unless(
    over: Option<&Override>,
    act: &Act,
    condemned: &BTreeSet<(u32, u64)>,
    facts: &Facts,
) -> Option<String> {
    let rule = protection(act, condemned, facts)?;
    match over {
        Some(over) if over.rule == rule => firm_protection(act, condemned, facts),
        _ => Some(rule),
    }
}

/// Why an address must not be blocked; `None` where nothing protects it. What cannot be told protects.
pub fn protected_address(address: &str, facts: &Facts) -> Option<String> {
    let Ok(parsed) = address.parse::<IpAddr>() else {
        return Some("it is no numeric address".to_owned());
    };
    let parsed = parsed.to_canonical();
    if let Some(why) = is_never_foreign(parsed) {
        return Some(why.to_owned());
    }
    if let Some(net) = facts.spare.iter().find(|net| net.contains(parsed)) {
        return Some(format!("the site lists {net}"));
    }
    let Some(network) = &facts.network else {
        return Some("the host's own addresses are not told".to_owned());
    };
    let session = || network.session.iter().any(|c| c.remote.ip().to_canonical() == parsed);
    let why = if network.own.contains(&parsed) {
        "it is the host's own address"
    } else if network.gateways.contains(&parsed) {
        "it is the host's way out"
    } else if network.resolvers.contains(&parsed) {
        "it is the host's name server"
    } else if session() {
        "our own session comes from there"
    } else if network.session.is_empty() && network.logins.contains(&parsed) {
        "somebody is logged in from there, and which login is ours is not told"
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// Why the host must not be cut off: our own session would be, or might be. A session that came over no network is on
/// the machine itself; where remote logins are there and none of them is known to be ours, all must be kept by name.
pub fn protected_session(keep: &[Net], facts: &Facts) -> Option<String> {
    let Some(network) = &facts.network else {
        return Some("the connections of our own session are not told".to_owned());
    };
    let left_out = network
        .logins
        .iter()
        .find(|login| !keep.iter().any(|net| net.contains(**login)));
    match (network.session.is_empty(), left_out) {
        (true, Some(login)) => Some(format!(
            "which remote login is ours is not told; {login} is one that would not be kept reachable"
        )),
        _ => None,
    }
}

/// Why a process must be neither frozen nor ended; `None` where nothing protects it. Asked for those that a plan names and
/// for those that take their place, before they are frozen.
pub fn protected_process(target: &ProcessTarget, facts: &Facts) -> Option<String> {
    if target.pid == 1 {
        return Some("pid 1 is the host's own".to_owned());
    }
    if facts.own_chain.contains(&target.pid) {
        return Some("it is our own session, from the worker up to what started it".to_owned());
    }
    let alive = facts
        .processes
        .iter()
        .find(|p| p.pid == target.pid && p.start_ticks == target.start_ticks);
    if alive.is_some_and(|alive| alive.kernel_thread) {
        return Some("it is a kernel thread".to_owned());
    }
    let exe = alive.and_then(|alive| alive.exe.as_ref()).map(|exe| &exe.path);
    let script = alive.and_then(|alive| alive.script.as_ref()).map(|script| &script.path);
    if facts.watchdogs.contains(&(target.pid, target.start_ticks.0)) {
        return Some("it holds the host's watchdog: were it still, the host would start anew".to_owned());
    }
    let is_roots = |path: &HostPath| {
        ROOTS_PROGRAMS
            .iter()
            .any(|place| path.is_below(&HostPath::from(*place)))
    };
    let manages = exe.filter(|path| is_roots(path) && CLUSTER_MANAGERS.contains(&path.file_name()));
    if let Some(path) = manages {
        return Some(format!(
            "{path} keeps a cluster together: were it still, the host would be cut off"
        ));
    }
    let runs = [Some(&target.exe_path), exe, script];
    runs.into_iter().flatten().find_map(|path| listed_by_site(path, facts))
}

/// The names under which the content that a process runs can be asked for: its path, and `/proc/PID/exe` where the path
/// does not lead to that content, or leads to it only in another mount namespace. Empty where nothing leads to it.
pub fn exe_names(process: &Process, processes: &[Process], own_chain: &BTreeSet<u32>) -> Vec<HostPath> {
    let Some(exe) = &process.exe else { return Vec::new() };
    let through_proc = HostPath::new(format!("/proc/{}/exe", process.pid));
    if exe.deleted || exe.memfd {
        return vec![through_proc];
    }
    let same_tree = process.mount_namespace.is_some()
        && processes
            .iter()
            .filter(|other| own_chain.contains(&other.pid))
            .all(|own| own.mount_namespace == process.mount_namespace);
    match same_tree {
        true => vec![exe.path.clone()],
        false => vec![exe.path.clone(), through_proc],
    }
}

/// Services in which anybody's processes run, not only the system's own.
const OPEN_SERVICES: [&[u8]; 6] = [b"cron", b"crond", b"cronie", b"atd", b"ssh", b"sshd"];

/// Why an account must stay open; `None` where nothing protects it. A twin of root under another name is not protected by
/// its number.
fn protected_account(account: &AccountTarget, condemned: &BTreeSet<(u32, u64)>, facts: &Facts) -> Option<String> {
    if account.name.as_bytes() == b"root" {
        return Some("root is the last way in".to_owned());
    }
    let own = |process: &&Process| facts.own_chain.contains(&process.pid);
    let same_number = |process: &Process| process.uid == account.uid && account.uid != 0;
    // Of accounts that share a number only the name tells which of them is ours.
    if facts.own_names.contains(&account.name) || facts.processes.iter().filter(own).any(same_number) {
        return Some("our own session came in by it".to_owned());
    }
    if account.uid == 0 {
        return None;
    }
    let served = facts.processes.iter().find(|process| {
        process.uid == account.uid
            && is_of_a_service(process.cgroup.as_bytes())
            && !condemned.contains(&(process.pid, process.start_ticks.0))
    })?;
    Some(format!(
        "pid {} `{}`, which is not condemned, runs as it in a service of the system",
        served.pid, served.comm
    ))
}

/// Whether a cgroup is that of a service of the system: `/system.slice/nginx.service`.
fn is_of_a_service(cgroup: &[u8]) -> bool {
    let Some(rest) = cgroup.strip_prefix(b"/system.slice/") else {
        return false;
    };
    let service = rest.split(|b| *b == b'/').find(|part| part.ends_with(b".service"));
    service.is_some_and(|service| {
        let name = service.split(|b| matches!(b, b'.' | b'@')).next().unwrap_or_default();
        !OPEN_SERVICES.contains(&name)
    })
}

fn listed_by_site(path: &HostPath, facts: &Facts) -> Option<String> {
    let listed = facts.site.iter().find(|listed| path.is_below(listed))?;
    Some(format!("the site lists {listed}"))
}

fn protected_place(path: &HostPath, facts: &Facts) -> Option<String> {
    if let Some(why) = listed_by_site(path, facts) {
        return Some(why);
    }
    if facts.mounts.contains(path) {
        return Some("it is a mount point".to_owned());
    }
    None
}

fn protected_file(file: &FileTarget, condemned: &BTreeSet<(u32, u64)>, facts: &Facts) -> Option<String> {
    match facts.ownership.get(&file.path) {
        Some(Ownership::Owned { package }) => return Some(format!("package {package} owns it, its digest matches")),
        Some(Ownership::Copied { package, original }) => {
            return Some(format!("its content is that of {original} of package {package}"));
        }
        Some(Ownership::Modified { package }) => {
            return Some(format!("package {package} owns its path: to be restored, not removed"));
        }
        Some(Ownership::Listed { package }) => return Some(format!("it is a configuration file of package {package}")),
        Some(Ownership::Unowned | Ownership::Unknown) | None => {}
    }
    let user = facts.processes.iter().find(|p| {
        !condemned.contains(&(p.pid, p.start_ticks.0))
            && p.exe.as_ref().is_some_and(|exe| same_file(exe.id, exe.sha256, file))
    });
    user.map(|p| format!("pid {} `{}`, which is not condemned, runs it", p.pid, p.comm))
}

fn same_file(id: FileId, sha256: Option<crate::text::Digest>, file: &FileTarget) -> bool {
    id == file.id || sha256 == Some(file.sha256)
}

/// The processes that acts would end, by pid and start time: those they name, and those that take their place by the
/// envelope.
pub fn condemned_processes<'a>(
    acts: impl IntoIterator<Item = &'a Act>,
    births: &[Birth],
    processes: &[Process],
) -> BTreeSet<(u32, u64)> {
    let named = acts.into_iter().filter_map(|act| match act {
        Act::Freeze { process } | Act::Kill { process } => Some((process.pid, process.start_ticks.0)),
        _ => None,
    });
    let born = processes.iter().filter_map(|process| {
        let content = process.exe.as_ref()?.sha256?;
        births
            .iter()
            .any(|birth| matches!(birth, Birth::Executable { sha256, .. } if *sha256 == content))
            .then_some((process.pid, process.start_ticks.0))
    });
    named.chain(born).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Role;
    use crate::platform::Platform;
    use crate::platform::simulated::{Simulated, infected};

    /// What the sample host answers, and its miner as a plan names it.
    fn asked(change: impl FnOnce(&mut Process)) -> (Facts, ProcessTarget) {
        let mut facts = Facts::default();
        let host = Simulated::new(infected());
        for question in Facts::questions(&[]) {
            let answer = host.answer(&question).expect("the sample host answers").value;
            facts.learn(&question, answer);
        }
        let miner = facts
            .processes
            .iter_mut()
            .find(|p| p.pid == 2101)
            .expect("the miner runs");
        let exe = miner.exe.clone().expect("it runs a file");
        let target = ProcessTarget {
            boot_id: "b".to_owned(),
            pid: miner.pid,
            start_ticks: miner.start_ticks,
            exe: exe.id,
            exe_path: exe.path,
            exe_sha256: exe.sha256.expect("it was hashed"),
            exe_size: exe.size,
            argv_sha256: miner.argv_sha256.expect("its arguments were read"),
            uid: miner.uid,
            comm: miner.comm.clone(),
            role: Role::Miner,
        };
        change(miner);
        (facts, target)
    }

    #[test]
    fn an_account_is_ours_or_serves_or_can_be_locked() {
        let host = Simulated::new(infected());
        let lock = |name: &str, uid: u32| Act::LockAccount {
            account: AccountTarget {
                name: name.into(),
                uid,
                line_sha256: crate::text::Digest::of(b""),
            },
        };
        let mut facts = Facts::default();
        for question in Facts::questions(&[lock("toor", 0)]) {
            let answer = host.answer(&question).expect("the sample host answers").value;
            facts.learn(&question, answer);
        }
        let chain: Vec<u32> = facts.own_chain.iter().copied().filter(|pid| *pid != 1).collect();
        let alter = |facts: &mut Facts, pid: u32, change: &dyn Fn(&mut Process)| {
            let process = facts.processes.iter_mut().find(|p| p.pid == pid);
            change(process.expect("it runs"));
        };
        facts.own_names = vec!["ops".into()];
        alter(&mut facts, 2101, &|miner| {
            miner.uid = 1_777;
            miner.cgroup = "/system.slice/app.service".into();
        });
        let miner = facts.processes.iter().find(|p| p.pid == 2101).expect("it runs");
        let condemned = BTreeSet::from([(miner.pid, miner.start_ticks.0)]);
        let rows = [
            ("root itself", lock("root", 0), &BTreeSet::new(), true),
            ("a twin of root", lock("toor", 0), &BTreeSet::new(), false),
            ("a twin that we came in by", lock("ops", 0), &BTreeSet::new(), true),
            ("who serves", lock("app", 1_777), &BTreeSet::new(), true),
            ("whose only process is condemned", lock("app", 1_777), &condemned, false),
            ("who runs nothing", lock("idle", 4_242), &BTreeSet::new(), false),
        ];
        for (name, act, condemned, expected) in rows {
            let why = protection(&act, condemned, &facts);
            assert_eq!(why.is_some(), expected, "{name}: {why:?}");
        }
        alter(&mut facts, chain[0], &|own| own.uid = 4_242);
        assert!(
            protection(&lock("idle", 4_242), &BTreeSet::new(), &facts).is_some(),
            "our own number"
        );
        for (cgroup, expected) in [
            ("/system.slice/nginx.service", true),
            ("/system.slice/system-app.slice/app@1.service", true),
            ("/system.slice/cron.service", false),
            ("/system.slice/ssh@3.service", false),
            ("/user.slice/user-1001.slice/session-3.scope", false),
            ("/", false),
        ] {
            assert_eq!(is_of_a_service(cgroup.as_bytes()), expected, "{cgroup}");
        }
    }

    fn script(path: &str) -> crate::query::FileStat {
        let host = Simulated::new(infected());
        let query = Query::Stat {
            paths: vec!["/tmp/.x/config.json".into()],
            digest: false,
        };
        match host.answer(&query).expect("the sample host answers").value {
            Answer::Entries(entries) => match entries.into_iter().next() {
                Some(crate::query::Entry::Present(stat)) => crate::query::FileStat {
                    path: path.into(),
                    ..stat
                },
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    /// A host with one session of ours and another login beside it.
    fn networked() -> Facts {
        let session = crate::network::Connection {
            local: "192.0.2.10:22".parse().expect("an end"),
            remote: "198.51.100.7:50312".parse().expect("an end"),
        };
        Facts {
            network: Some(Network {
                own: [address("192.0.2.10"), address("2001:db8::10")].into(),
                gateways: [address("192.0.2.1")].into(),
                resolvers: [address("192.0.2.53")].into(),
                session: vec![session],
                logins: [address("198.51.100.7"), address("203.0.113.66")].into(),
            }),
            spare: vec!["203.0.113.128/25".parse().expect("a network")],
            ..Facts::default()
        }
    }

    #[test]
    fn what_a_host_needs_is_never_blocked() {
        let rows = [
            ("198.51.100.23", None),
            ("203.0.113.66", None),
            ("10.0.0.7", None),
            ("pool.example", Some("numeric")),
            ("127.0.0.1", Some("loopback")),
            ("::ffff:127.0.0.1", Some("loopback")),
            ("169.254.169.254", Some("local link")),
            ("192.0.2.10", Some("own address")),
            ("2001:db8::10", Some("own address")),
            ("192.0.2.1", Some("way out")),
            ("192.0.2.53", Some("name server")),
            ("198.51.100.7", Some("our own session")),
            ("203.0.113.129", Some("the site lists")),
        ];
        for (text, expected) in rows {
            let why = protected_address(text, &networked());
            match expected {
                None => assert_eq!(why, None, "{text}"),
                Some(part) => assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{text}: {why:?}"),
            }
        }
        let mut without_session = networked();
        without_session.network.as_mut().expect("told").session.clear();
        for login in ["198.51.100.7", "203.0.113.66"] {
            assert!(protected_address(login, &without_session).is_some(), "{login}");
        }
        assert!(
            protected_address("198.51.100.23", &Facts::default()).is_some(),
            "nothing is told"
        );
    }

    #[test]
    fn a_host_is_not_cut_off_without_knowing_our_session() {
        let isolate = |keep: &[&str]| Act::Isolate {
            for_s: 60,
            keep: keep.iter().map(|net| net.parse().expect("a network")).collect(),
        };
        let why = |facts: &Facts, keep: &[&str]| protection(&isolate(keep), &BTreeSet::new(), facts);
        assert_eq!(why(&networked(), &[]), None);
        let mut facts = networked();
        let network = facts.network.as_mut().expect("told");
        network.session.clear();
        assert!(why(&facts, &[]).is_some());
        assert!(why(&facts, &["198.51.100.7"]).is_some(), "the other login may be ours");
        assert_eq!(why(&facts, &["198.51.100.7", "203.0.113.0/24"]), None);
        facts.network.as_mut().expect("told").logins.clear();
        assert_eq!(why(&facts, &[]), None, "nobody came over the network");
        assert!(why(&Facts::default(), &[]).is_some(), "nothing is told");
    }

    #[test]
    fn what_the_site_lists_is_neither_frozen_nor_ended() {
        type Change = fn(&mut Process);
        let nothing: Change = |_| {};
        let by_script: Change = |miner| miner.script = Some(script("/srv/app/job.pl"));
        let by_directory: Change = |miner| miner.cwd = Some("/srv/app".into());
        let moved: Change = |miner| {
            if let Some(exe) = &mut miner.exe {
                exe.path = "/srv/app/worker".into();
            }
        };
        let rows: [(&str, Change, &str, bool); 6] = [
            ("nothing that concerns it", nothing, "/srv", false),
            ("its executable", nothing, "/tmp/.x", true),
            ("a name that only begins so", nothing, "/tmp/.", false),
            ("its script", by_script, "/srv/app", true),
            ("where it stands", by_directory, "/srv/app", false),
            ("where its executable lies by now", moved, "/srv", true),
        ];
        for (name, change, listed, expected) in rows {
            let (mut facts, target) = asked(change);
            facts.site = vec![listed.into()];
            let why = protected_process(&target, &facts);
            assert_eq!(why.is_some(), expected, "{name}: {why:?}");
            let acts = [
                Act::Freeze {
                    process: target.clone(),
                },
                Act::Kill { process: target },
            ];
            for act in acts {
                assert_eq!(protection(&act, &BTreeSet::new(), &facts), why, "{name}");
            }
        }
    }

    #[test]
    fn who_holds_the_watchdog_or_a_cluster_is_neither_frozen_nor_ended() {
        let moved = |path: &'static str| {
            move |miner: &mut Process| {
                if let Some(exe) = &mut miner.exe {
                    exe.path = path.into();
                }
            }
        };
        let rows: [(&str, &'static str, bool, Option<&str>); 6] = [
            ("a miner", "/tmp/.x/xmrig", false, None),
            (
                "a miner that holds the watchdog",
                "/tmp/.x/xmrig",
                true,
                Some("watchdog"),
            ),
            ("a cluster's manager", "/usr/sbin/corosync", false, Some("cluster")),
            (
                "its helper",
                "/usr/lib/pacemaker/pacemaker-fenced",
                false,
                Some("cluster"),
            ),
            ("what only calls itself one", "/tmp/corosync", false, None),
            ("another program of root's", "/usr/sbin/nginx", false, None),
        ];
        for (name, path, holds, expected) in rows {
            let (mut facts, target) = asked(moved(path));
            if holds {
                facts.watchdogs.insert((target.pid, target.start_ticks.0));
            }
            for act in [
                Act::Freeze {
                    process: target.clone(),
                },
                Act::Kill {
                    process: target.clone(),
                },
                Act::Throttle {
                    process: target.clone(),
                },
            ] {
                let why = protection(&act, &BTreeSet::new(), &facts);
                match expected {
                    None => assert_eq!(why, None, "{name}"),
                    Some(part) => assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{name}: {why:?}"),
                }
            }
        }
        let (_, mut target) = asked(|_| {});
        let asks = |target: &ProcessTarget| {
            let questions = Facts::questions(&[Act::Kill {
                process: target.clone(),
            }]);
            questions
                .iter()
                .any(|question| matches!(question, Query::Holders { .. }))
        };
        target.uid = 1_000;
        assert!(!asks(&target), "only root opens a watchdog");
        target.uid = 0;
        assert!(asks(&target));
    }
}
