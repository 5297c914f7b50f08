//! Hosts over SSH, against a real sshd on loopback: what comes from there is what comes from here, nothing stays, and what
//! stands in the way is said in one clear message.

#[allow(dead_code, reason = "each test program uses a part of the bench")]
#[path = "../common/mod.rs"]
mod common;

mod agree;
mod sshd;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::command::{Deminer, program};
use common::machine::{Process, needs_root};
use deminer_engine::host::ssh::{Become, Secret, Ssh, SshTarget};
use deminer_engine::host::{HostView, Link, Local, Transport};
use deminer_worker::query::{Answer, HostError, HostFacts, Obstacle, Query};
use deminer_worker::text::HostPath;
use rustix::process::{Pid, Signal, kill_process};
use sshd::{Account, Mounted, Sshd};

async fn facts(link: &Link) -> HostFacts {
    match link.observe(Query::Host {}).await.expect("an answer").value {
        Answer::Host(facts) => facts,
        other => panic!("{other:?}"),
    }
}

/// Why a host was not reached: obstacle, message, what to do.
async fn refused(sshd: &Sshd, target: SshTarget) -> (Obstacle, String, String) {
    match sshd.reach(target).connect("lo").await {
        Err(HostError::NotReached { obstacle, why, hint }) => (obstacle, why, hint.unwrap_or_default()),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was reached: {}", sshd.log()),
    }
}

/// A directory on the host that a test has for itself.
fn landing() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("deminer-landing-")
        .tempdir_in("/dev/shm")
        .expect("a directory")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

/// A key's kind and fingerprint, as we show them.
fn fingerprint(key: &Path) -> String {
    let shown = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(key)
        .output()
        .expect("ssh-keygen");
    let shown = String::from_utf8(shown.stdout).expect("text");
    format!("ssh-ed25519 {}", shown.split(' ').nth(1).expect("a fingerprint"))
}

/// Processes that run what was sent to this directory.
fn running_from(directory: &Path) -> Vec<u32> {
    let pids = names(Path::new("/proc"))
        .into_iter()
        .filter_map(|name| name.parse::<u32>().ok());
    pids.filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.starts_with(directory)))
        .collect()
}

fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// As with a real operator: nothing of the login's own matters.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads")
}

#[test]
fn a_host_over_ssh_says_what_it_says_here() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    runtime().block_on(async {
        let there = sshd
            .reach(sshd.target("root", &[landing.path()]))
            .connect("lo")
            .await
            .expect("reached");
        let here = Local::new(program()).connect("local").await.expect("a worker");
        let arrival = there.arrival().expect("it was sent");
        assert_eq!(arrival.host_key, Some(fingerprint(&sshd.at("host.pub"))));
        assert_eq!(
            arrival.below,
            HostPath::new(landing.path().as_os_str().as_encoded_bytes())
        );
        assert_eq!(here.arrival(), None);
        let (a, b) = (facts(&there).await, facts(&here).await);
        assert_eq!(a.identity, b.identity);
        assert_eq!(
            (a.kernel, a.architecture, a.cpus, a.uid),
            (b.kernel, b.architecture, b.cpus, b.uid)
        );
        // What other tests do not change meanwhile; every question is held against both in `agree.rs`.
        let question = Query::Digest {
            paths: vec![HostPath::from("/bin/sh"), HostPath::from("/nowhere")],
        };
        let (a, b) = (there.observe(question.clone()).await, here.observe(question).await);
        assert_eq!(a, b);
    });
}

#[test]
fn nothing_stays_on_either_side() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    runtime().block_on(async {
        let way = sshd.reach(sshd.target("root", &[landing.path()]));
        let first = way.connect("lo").await.expect("reached");
        assert_eq!(names(landing.path()), [""; 0], "the file is gone while the worker runs");
        assert_eq!(running_from(landing.path()).len(), 1);

        let second = way.connect("lo").await.expect("reached");
        assert_eq!(names(&sshd.place()).len(), 1, "both go through one connection");
        assert_eq!(running_from(landing.path()).len(), 2);
        let place = sshd.place().join(&names(&sshd.place())[0]);
        assert_eq!(fs::metadata(&place).expect("it is there").mode() & 0o7777, 0o700);
        assert_eq!(
            fs::metadata(place.join("config")).expect("it is there").mode() & 0o7777,
            0o600
        );

        // Both know what the other does not need.
        drop(first);
        wait_until("one worker left", || running_from(landing.path()).len() == 1);
        assert_eq!(facts(&second).await.uid, 0);
        drop(second);
        tokio::task::spawn_blocking(move || {
            wait_until("the workers left", || running_from(landing.path()).is_empty());
            wait_until("the master's place is gone", || names(&sshd.place()).is_empty());
            wait_until("the master left", || !is_named_by_a_process(&place));
            assert_eq!(names(landing.path()), [""; 0]);
        })
        .await
        .expect("nothing stays");
    });
}

/// Whether some process has this path among its arguments: a master has its socket there.
fn is_named_by_a_process(path: &Path) -> bool {
    let wanted = path.to_string_lossy().into_owned();
    let pids = names(Path::new("/proc"))
        .into_iter()
        .filter(|name| name.parse::<u32>().is_ok());
    pids.into_iter().any(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(&wanted)
    })
}

#[test]
fn login_shells_and_their_banners_do_no_harm() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    fs::set_permissions(landing.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).expect("its mode");
    let shells = ["/bin/bash", "/bin/dash", "/bin/sh"];
    for shell in shells {
        let account = Account::new(shell, None);
        for file in [".bashrc", ".profile", ".bash_profile", ".zshenv"] {
            let banner = "printf '\\033[31mNOTICE: all is logged\\nno line end'\necho error >&2\n";
            fs::write(account.home.path().join(file), banner).expect("written");
        }
        runtime().block_on(async {
            let target = sshd.target(&account.name, &[landing.path()]);
            let link = sshd.reach(target).connect("lo").await.expect(shell);
            let uid = fs::metadata(account.home.path()).expect("it is there").uid();
            assert_eq!(facts(&link).await.uid, uid, "{shell}");
        });
    }
    // A banner that comes before the shell is ours to see past too.
    sshd.forces("printf 'a\\x1b[0m\\0b'; eval \"$SSH_ORIGINAL_COMMAND\"");
    runtime().block_on(async {
        let target = sshd.target("root", &[landing.path()]);
        sshd.reach(target).connect("lo").await.expect("reached");
    });
    wait_until("the workers left", || running_from(landing.path()).is_empty());
    assert_eq!(names(landing.path()), [""; 0]);
}

/// What waits in a home for who logs in, or out, is not started by us; what sshd starts by itself is said.
#[test]
fn our_login_starts_nothing_and_what_sshd_starts_is_said() {
    if !needs_root() {
        return;
    }
    let (sshd, deminer) = (Sshd::start(), Deminer::new());
    let account = Account::new("/bin/bash", None);
    let home = account.home.path();
    let mark = |file: &str| home.join(format!("mark{}", file.replace('/', "-")));
    for file in [".bash_logout", ".bash_profile", ".bash_login", ".profile"] {
        fs::write(home.join(file), format!("touch {}\n", mark(file).display())).expect("written");
    }
    // As distributions guard it: bash reads this one for sshd's command too.
    let guarded = format!("case $- in *i*) touch {} ;; esac\n", mark(".bashrc").display());
    fs::write(home.join(".bashrc"), guarded).expect("written");
    fs::create_dir(home.join(".ssh")).expect("made");
    let playbook = sshd.at("boot.yml");
    let text = "playbook: boot\nversion: 1\nphases:\n  gather:\n    - {id: boot, use: startup.list}\n";
    fs::write(&playbook, text).expect("written");
    let (playbook, config) = (playbook.to_string_lossy(), sshd.config(&account.name));
    let (config, host) = (config.to_string_lossy(), format!("{}@lo", account.name));
    let said = || {
        let answer = deminer
            .run(&["plan", &playbook, &host, "--ssh-config", &config])
            .expect(0);
        let words: Vec<&str> = answer.out.split_whitespace().collect();
        words.join(" ").contains("sshd runs it at our login")
    };
    let marks = || {
        let mut marks = names(home);
        marks.retain(|name| name.starts_with("mark"));
        marks
    };
    assert!(!said());
    assert_eq!(marks(), [""; 0]);
    let rc = home.join(".ssh/rc");
    fs::write(&rc, format!("touch {}\n", mark(".ssh/rc").display())).expect("written");
    assert!(said());
    assert_eq!(marks(), ["mark.ssh-rc"], "sshd ran it, and nothing else ran");
}

#[test]
fn keys_of_hosts_are_always_checked() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    // What a user's own configuration says does not weaken it.
    let lax = |target: SshTarget| {
        let path = target.ssh_config.clone().expect("a file");
        let text = fs::read_to_string(&path).expect("a file");
        let lax = "Host *\nStrictHostKeyChecking no\nNoHostAuthenticationForLocalhost yes\nForwardAgent yes\n\
                   PermitLocalCommand yes\nRemoteCommand id\nRequestTTY force\nSendEnv *\n";
        fs::write(path, format!("{text}{lax}")).expect("written");
        target
    };
    runtime().block_on(async {
        for (key, obstacle, tool) in [
            (
                "",
                Obstacle::KeyUnknown,
                format!("`ssh-keyscan -p {} 127.0.0.1`", sshd.port()),
            ),
            (
                "other",
                Obstacle::KeyChanged,
                format!("`ssh-keygen -R '[127.0.0.1]:{}'`", sshd.port()),
            ),
        ] {
            sshd.knows(key);
            let (found, why, hint) = refused(&sshd, lax(sshd.target("root", &[landing.path()]))).await;
            assert_eq!(found, obstacle, "{why}");
            assert!(hint.contains(&tool), "{hint}");
        }
        sshd.knows("host");
        let target = lax(sshd.target("root", &[landing.path()]));
        sshd.reach(target)
            .connect("lo")
            .await
            .expect("reached, with all of it in the way");
    });
}

#[test]
fn what_stands_in_the_way_is_said() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    let target = || sshd.target("root", &[landing.path()]);
    let closed = || SshTarget {
        port: "1".parse().ok(),
        ..target()
    };
    let nameless = || SshTarget {
        destination: "nowhere.invalid".to_owned(),
        ..target()
    };
    let stranger = || SshTarget {
        user: Some("nobody-here".to_owned()),
        ..target()
    };
    let no_master = || SshTarget {
        control_path: Some(sshd.at("no-such-socket")),
        ..target()
    };
    let rows = [
        (
            "nothing listens",
            closed(),
            Obstacle::Connection,
            "Connection refused",
            "`ssh -v`",
        ),
        (
            "no such name",
            nameless(),
            Obstacle::Connection,
            "nowhere.invalid",
            "HostName",
        ),
        (
            "no such account",
            stranger(),
            Obstacle::Login,
            "Permission denied",
            "agent",
        ),
        (
            "no master",
            no_master(),
            Obstacle::Connection,
            "no-such-socket",
            "ssh -M -S",
        ),
        (
            "no directory",
            sshd.target("root", &[Path::new("/nowhere")]),
            Obstacle::Directory,
            "tried /nowhere",
            "noexec",
        ),
    ];
    runtime().block_on(async {
        for (name, target, obstacle, word, help) in rows {
            let (found, why, hint) = refused(&sshd, target).await;
            assert_eq!(found, obstacle, "{name}: {why}");
            assert!(why.contains(word), "{name}: {why}");
            assert!(hint.contains(help), "{name}: {hint}");
        }
        for (forced, word) in [
            ("echo only backups here; exit 3", "only backups here"),
            ("exec seq 1 100000000", "1; 2; 3"),
            ("echo nothing for you >&2; exit 1", "nothing for you"),
        ] {
            sshd.forces(forced);
            let (found, why, hint) = refused(&sshd, target()).await;
            assert_eq!(found, Obstacle::Command, "{forced}: {why}");
            assert!(why.contains(word) && hint.contains("forced command"), "{forced}: {why}");
        }
    });
    assert_eq!(names(landing.path()), [""; 0]);
}

#[test]
fn directories_that_do_not_run_programs_are_passed_by() {
    if !needs_root() {
        return;
    }
    let sshd = Sshd::start();
    let (no_exec, small, good) = (Mounted::new("noexec"), Mounted::new("size=64k"), landing());
    runtime().block_on(async {
        let both = sshd.target("root", &[no_exec.at.path(), good.path()]);
        let link = sshd.reach(both).connect("lo").await.expect("reached");
        assert_eq!(running_from(good.path()).len(), 1);
        drop(link);

        let (found, why, hint) = refused(&sshd, sshd.target("root", &[no_exec.at.path()])).await;
        assert_eq!(found, Obstacle::Directory, "{why}");
        assert!(hint.contains("noexec"), "{hint}");

        let (found, why, _) = refused(&sshd, sshd.target("root", &[small.at.path()])).await;
        assert_eq!(found, Obstacle::Disk, "{why}");
        assert!(
            why.contains(&*small.at.path().to_string_lossy()) && why.contains("No space left"),
            "{why}"
        );
    });
    wait_until("the worker left", || running_from(good.path()).is_empty());
    for directory in [no_exec.at.path(), small.at.path(), good.path()] {
        wait_until("nothing stays", || names(directory).is_empty());
    }
}

/// A host that does something else than our script says.
fn altered(sshd: &Sshd, change: &str) {
    sshd.forces(&format!(
        "eval \"$(printf %s \"$SSH_ORIGINAL_COMMAND\" | sed '{change}')\""
    ));
}

#[test]
fn a_worker_that_does_not_arrive_or_may_not_run_is_not_started() {
    if !needs_root() {
        return;
    }
    let (sshd, first, second) = (Sshd::start(), landing(), landing());
    let one = || sshd.target("root", &[first.path()]);
    let both = || sshd.target("root", &[first.path(), second.path()]);
    let rows = [
        (
            "other bytes",
            "s,head -c \"$n\",head -c \"$n\" | tr Z Y,",
            one(),
            Obstacle::Disk,
            "did not arrive whole",
        ),
        (
            "no leave to run",
            "s,chmod 700 \"$f\" .. . -x \"$f\" .,:,",
            both(),
            Obstacle::Blocked,
            "Permission denied",
        ),
        (
            "another machine",
            "s,read -r a </proc/sys/kernel/arch,a=vax,",
            one(),
            Obstacle::Machine,
            "`vax`",
        ),
    ];
    runtime().block_on(async {
        for (name, change, target, obstacle, word) in rows {
            altered(&sshd, change);
            let (found, why, hint) = refused(&sshd, target).await;
            assert_eq!(found, obstacle, "{name}: {why}");
            assert!(why.contains(word) && !hint.is_empty(), "{name}: {why}");
            assert!(running_from(first.path()).is_empty(), "{name}");
        }
    });
    for directory in [first.path(), second.path()] {
        wait_until("nothing stays", || names(directory).is_empty());
    }
}

#[test]
fn an_account_becomes_root_by_sudo() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    let account = Account::new("/bin/bash", Some("correct horse"));
    let target = |password: Option<&str>| SshTarget {
        r#become: Become::Sudo {
            password: password.map(Secret::new),
        },
        ..sshd.target(&account.name, &[landing.path()])
    };
    runtime().block_on(async {
        let (found, why, _) = refused(&sshd, target(None)).await;
        assert_eq!((found, why.as_str()), (Obstacle::Sudo, "sudo asks for a password"));
        let (found, why, _) = refused(&sshd, target(Some("correct horse"))).await;
        assert_eq!(found, Obstacle::Sudo);
        assert!(
            why.starts_with("sudo refuses: ") && why.contains(&account.name),
            "{why}"
        );

        account.may("ALL=(root) /bin/sh");
        let (found, why, _) = refused(&sshd, target(Some("wrong"))).await;
        assert_eq!(
            (found, why.as_str()),
            (Obstacle::Sudo, "sudo did not take the password")
        );
        let link = sshd
            .reach(target(Some("correct horse")))
            .connect("lo")
            .await
            .expect("reached");
        assert_eq!(facts(&link).await.uid, 0);
        for pid in running_from(landing.path()) {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).expect("it runs");
            let environment = fs::read(format!("/proc/{pid}/environ")).expect("it runs");
            let seen = String::from_utf8_lossy(&[arguments, environment].concat()).into_owned();
            assert!(!seen.contains("correct horse"));
        }
        drop(link);

        account.may("ALL=(root) NOPASSWD: ALL");
        for password in [None, Some("not asked for")] {
            let link = sshd.reach(target(password)).connect("lo").await.expect("reached");
            assert_eq!(facts(&link).await.uid, 0);
        }
    });
    wait_until("the workers left", || running_from(landing.path()).is_empty());
    assert_eq!(names(landing.path()), [""; 0]);
}

#[test]
fn a_master_that_the_user_opened_is_used_and_left_open() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    let socket = sshd.at("s");
    let opened = Command::new("ssh")
        .arg("-F")
        .arg(sshd.config("root"))
        .args(["-M", "-N", "-f", "-o", "ControlPersist=60s", "-S"])
        .arg(&socket)
        .arg("lo")
        .stderr(Stdio::null())
        .status();
    assert!(opened.expect("ssh").success());
    runtime().block_on(async {
        // Nothing could be logged in to by these.
        let target = SshTarget {
            control_path: Some(socket.clone()),
            ssh_config: None,
            ..sshd.target("root", &[landing.path()])
        };
        let link = sshd.reach(target).connect("lo").await.expect("reached");
        assert_eq!(facts(&link).await.uid, 0);
    });
    let ask = |what: &str| {
        let mut ssh = Command::new("ssh");
        ssh.args(["-O", what, "-S"])
            .arg(&socket)
            .arg("lo")
            .stderr(Stdio::null());
        ssh.status().expect("ssh").success()
    };
    assert!(ask("check"), "it still serves");
    assert!(ask("exit"));
    wait_until("the worker left", || running_from(landing.path()).is_empty());
}

#[test]
fn a_jump_host_is_gone_through_and_checked_too() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    let target = || SshTarget {
        jump: Some("root@jump".to_owned()),
        ..sshd.target("root", &[landing.path()])
    };
    runtime().block_on(async {
        let link = sshd.reach(target()).connect("lo").await.expect("reached");
        assert_eq!(facts(&link).await.uid, 0);
        let arrival = link.arrival().expect("it was sent");
        assert_eq!(
            arrival.host_key,
            Some(fingerprint(&sshd.at("host.pub"))),
            "not the jump host's"
        );
        drop(link);

        let unknown = target();
        let path = unknown.ssh_config.clone().expect("a file");
        let text = fs::read_to_string(&path).expect("a file");
        fs::write(path, format!("Host jump\n UserKnownHostsFile /dev/null\n{text}")).expect("written");
        let (found, why, _) = refused(&sshd, unknown).await;
        assert_eq!(found, Obstacle::KeyUnknown, "{why}");
    });
    wait_until("the worker left", || running_from(landing.path()).is_empty());
    wait_until("the masters' places are gone", || names(&sshd.place()).is_empty());
}

#[test]
fn a_worker_whose_link_is_cut_leaves() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    runtime().block_on(async {
        let link = sshd
            .reach(sshd.target("root", &[landing.path()]))
            .connect("lo")
            .await
            .expect("reached");
        let worker = running_from(landing.path())[0];
        // The sshd of this one connection, as a network that is gone ends it.
        let session = Process::of(worker).expect("it runs").ppid;
        let session = Process::of(session).expect("it runs");
        assert!(session.comm.starts_with(b"sshd"), "{session:?}");
        kill_process(Pid::from_raw(session.pid as i32).expect("a pid"), Signal::KILL).expect("it is the test's own");
        let lost = link.observe(Query::Host {}).await;
        assert!(matches!(lost, Err(HostError::Lost { .. })), "{lost:?}");
    });
    wait_until("the worker left", || running_from(landing.path()).is_empty());
    assert_eq!(names(landing.path()), [""; 0]);
    assert_eq!(names(&sshd.place()), [""; 0]);
}

#[test]
fn a_killed_controller_leaves_nothing_for_long() {
    if !needs_root() {
        return;
    }
    let sshd = Sshd::start();
    let deminer = Deminer::new();
    let playbook = sshd.at("long.yml");
    let text =
        "playbook: long\nversion: 1\nphases:\n  gather:\n    - {id: p, use: process.list, with: {sample: 60s}}\n";
    fs::write(&playbook, text).expect("written");
    let (playbook, config) = (playbook.to_string_lossy(), sshd.config("root"));
    let words = [
        "plan",
        &*playbook,
        "root@lo",
        "--ssh-config",
        &*config.to_string_lossy(),
    ];
    let mut running = deminer.start(&words);
    let sessions = || {
        let names = names(Path::new("/proc"))
            .into_iter()
            .filter_map(|name| name.parse::<u32>().ok());
        let ours = names
            .filter_map(Process::of)
            .filter(|process| process.ppid == sshd.pid());
        ours.map(|process| process.pid).collect::<Vec<_>>()
    };
    let workers = || {
        let names = names(Path::new("/proc"))
            .into_iter()
            .filter_map(|name| name.parse::<u32>().ok());
        let children = names
            .filter_map(Process::of)
            .filter(|process| sessions().contains(&process.ppid));
        children.map(|process| process.pid).collect::<Vec<_>>()
    };
    wait_until("a worker runs", || {
        workers().iter().any(|pid| {
            fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.to_string_lossy().ends_with(" (deleted)"))
        })
    });
    running.kill();
    let answer = running.answer();
    assert_eq!(answer.code, None, "{answer:?}");
    wait_until("the worker left", || workers().is_empty());
    // The master waits for another channel for so long.
    std::thread::sleep(Duration::from_secs(20));
    wait_until("the connection is closed", || sessions().is_empty());
}

#[test]
fn many_log_in_at_once() {
    if !needs_root() {
        return;
    }
    let (sshd, landing) = (Sshd::start(), landing());
    let (client, target) = (sshd.client(), sshd.target("root", &[landing.path()]));
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let way = Ssh::new(target.clone(), Arc::clone(&client)).expect("a good target");
            tasks.spawn(async move {
                let link = way.connect("lo").await.expect("reached");
                facts(&link).await.uid
            });
        }
        while let Some(uid) = tasks.join_next().await {
            assert_eq!(uid.expect("a task"), 0);
        }
    });
    wait_until("the workers left", || running_from(landing.path()).is_empty());
    assert_eq!(names(landing.path()), [""; 0]);
}

#[test]
fn the_command_looks_at_a_host_over_ssh() {
    if !needs_root() {
        return;
    }
    let sshd = Sshd::start();
    let deminer = Deminer::new();
    let playbook = sshd.at("names.yml");
    let text = "playbook: names\nversion: 1\nphases:\n  gather:\n    - {id: facts, use: host.facts}\n";
    fs::write(&playbook, text).expect("written");
    let (playbook, config) = (playbook.to_string_lossy(), sshd.config("root"));
    let config = config.to_string_lossy();
    let words = [
        "plan",
        &*playbook,
        "root@lo",
        "--format",
        "json",
        "--ssh-config",
        &*config,
    ];
    let answer = deminer.run(&words);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    sshd.knows("");
    let answer = deminer.run(&words);
    assert_eq!(answer.code, Some(7), "{answer:?}");
    assert!(
        answer.err.contains("the host's key is not known") && answer.err.contains("ssh-keyscan"),
        "{answer:?}"
    );
    let answer = deminer.run(&["plan", "linux-miner", "root@-oProxyCommand=id"]);
    assert_eq!(answer.code, Some(2), "{answer:?}");
}
