//! Answers: what is shown, what is not, and that it is said.

use super::*;
use crate::query::{Ownership, Peer, Sighting, WatchCursor, WatchQuery, Watched, limits};

fn names(observed: &Observed<Answer>) -> Vec<String> {
    match &observed.value {
        Answer::Entries(entries) => entries
            .iter()
            .map(|entry| match entry {
                Entry::Present(stat) => stat.path.to_string(),
                Entry::Absent { path } => format!("no {path}"),
                Entry::Hidden { path, .. } => format!("hidden {path}"),
            })
            .collect(),
        Answer::Walk(stats) => stats.iter().map(|stat| stat.path.to_string()).collect(),
        Answer::Files(files) => files
            .iter()
            .map(|file| {
                format!(
                    "{}={}{}",
                    file.stat.path,
                    file.content,
                    if file.cut { "..." } else { "" }
                )
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn gaps(observed: &Observed<Answer>) -> Vec<String> {
    let gaps = observed.coverage.gaps.iter();
    gaps.map(|gap| format!("{} {} {:?}", gap.subject, gap.object, gap.why))
        .collect()
}

#[test]
fn files_are_answered_with_their_gaps() {
    let host = host(
        r#"{"files": [
            {"path": "/d/a.conf", "content": "alpha"}, {"path": "/d/b.conf", "content": "beta"},
            {"path": "/d/sub/c.conf", "content": "c"}, {"path": "/d/link", "target": "a.conf"},
            {"path": "/d/secret", "content": "s"}, {"path": "/closed/x", "content": "x"}, {"path": "/m/y", "content": "y"}],
          "mounts": [{"point": "/d/mnt", "bind": "/m"}],
          "unreadable": ["/closed", "/d/secret"]}"#,
    );
    let stat = |paths: &[&str]| Query::Stat {
        paths: paths.iter().map(|p| path(p)).collect(),
        digest: true,
    };
    let read = |file: &str, max_bytes| Query::Read {
        path: path(file),
        max_bytes,
    };
    let walk = |root: &str, max_depth, max_entries| Query::Walk {
        roots: vec![path(root)],
        max_depth,
        max_entries,
    };
    let tree = |pattern: &str, max_files| Query::ReadTree {
        patterns: vec![path(pattern)],
        max_files,
        max_file_bytes: 4,
    };
    let list = |directory: &str| Query::List { path: path(directory) };
    let rows: [(&str, Query, &[&str], &[&str]); 18] = [
        (
            "stat",
            stat(&["/d/a.conf", "/d/none"]),
            &["/d/a.conf", "no /d/none"],
            &[],
        ),
        (
            "stat of a secret",
            stat(&["/d/secret"]),
            &["/d/secret"],
            &["file /d/secret Denied"],
        ),
        (
            "stat below a secret",
            stat(&["/closed/x"]),
            &["hidden /closed/x"],
            &["file /closed/x Denied"],
        ),
        ("read", read("/d/a.conf", 100), &["/d/a.conf=alpha"], &[]),
        ("read the beginning", read("/d/a.conf", 2), &["/d/a.conf=al..."], &[]),
        ("read nothing", read("/d/none", 2), &[], &[]),
        ("read a secret", read("/d/secret", 2), &[], &["file /d/secret Denied"]),
        ("read a link", read("/d/link", 2), &[], &["file /d/link Unsupported"]),
        (
            "list",
            list("/d"),
            &["/d/a.conf", "/d/b.conf", "/d/link", "/d/mnt", "/d/secret", "/d/sub"],
            &[],
        ),
        ("list nothing", list("/none"), &["no /none"], &[]),
        (
            "list a secret",
            list("/closed"),
            &["hidden /closed"],
            &["directory /closed Denied"],
        ),
        (
            "walk within the mount",
            walk("/d", 9, 9),
            &[
                "/d/a.conf",
                "/d/b.conf",
                "/d/link",
                "/d/secret",
                "/d/sub",
                "/d/sub/c.conf",
            ],
            &[],
        ),
        (
            "walk flat",
            walk("/d", 0, 9),
            &["/d/a.conf", "/d/b.conf", "/d/link", "/d/secret", "/d/sub"],
            &[],
        ),
        (
            "walk far too many",
            walk("/d", 9, 2),
            &["/d/a.conf", "/d/b.conf"],
            &["directory /d TooMany"],
        ),
        (
            "tree",
            tree("/d/*.conf", 9),
            &["/d/a.conf=alph...", "/d/b.conf=beta"],
            &[],
        ),
        (
            "tree of too many",
            tree("/d/*.conf", 1),
            &["/d/a.conf=alph..."],
            &["file /d TooMany"],
        ),
        ("tree with a link", tree("/d/l*", 9), &["/d/link="], &[]),
        (
            "tree below a secret",
            tree("/closed/*", 9),
            &[],
            &["directory /closed Denied"],
        ),
    ];
    for (name, query, expected, missing) in rows {
        let observed = ask(&host, query);
        assert_eq!(names(&observed), expected, "{name}");
        assert_eq!(gaps(&observed), missing, "{name}");
    }
}

#[test]
fn processes_show_what_they_run() {
    let host = host(
        r#"{"files": [{"path": "/opt/run.py", "content": "print()"}, {"path": "/usr/lib/x.so", "content": "x"}],
          "processes": [
            {"pid": 20, "exe": "/usr/bin/python3", "argv": ["python3", "-u", "run.py"], "cwd": "/opt", "cpu_percent": 50,
             "maps": ["/usr/lib/x.so"], "environ": ["A=1"], "fds": [{"fd": 5, "link": "/opt/run.py", "writes": true}],
             "sockets": [{"local": "127.0.0.1:80"}], "started_ms": 12340},
            {"pid": 21, "exe": "/memfd:x", "exe_content": "m", "comm": "a name that is too long"},
            {"pid": 22, "comm": "kthreadd", "kernel_thread": true},
            {"pid": 23, "exe": "/usr/bin/hidden"}],
          "unreadable": [23]}"#,
    );
    let query = ProcessesQuery {
        pids: Some(vec![20, 21, 22, 23, 99]),
        sample_ms: 1000,
        digest: true,
        environ: true,
        fds: true,
        maps: true,
    };
    let observed = ask(&host, Query::Processes(query));
    assert_eq!(gaps(&observed), ["process 23 Denied"]);
    let Answer::Processes(rows) = observed.value else {
        panic!("processes")
    };
    assert_eq!(rows.iter().map(|row| row.pid).collect::<Vec<_>>(), [20, 21, 22, 23]);
    let [python, memory, kernel, hidden] = &rows[..] else {
        panic!("four")
    };
    assert_eq!(
        (python.start_ticks.0, python.cpu_centi, python.argv_bytes.0),
        (1234, Some(5000), 18)
    );
    assert_eq!(
        python.script.as_ref().map(|stat| stat.path.to_string()).as_deref(),
        Some("/opt/run.py")
    );
    let fds: Vec<String> = python
        .fds
        .iter()
        .flatten()
        .map(|open| format!("{} {}", open.fd, open.link))
        .collect();
    assert_eq!(fds, ["5 /opt/run.py", "6 socket:[20001]"]);
    assert_eq!(python.maps.as_ref().map(Vec::len), Some(2));
    let exe = memory.exe.as_ref().expect("in memory");
    assert!(exe.memfd && exe.deleted);
    assert_eq!(memory.comm.to_string(), "a name that is ");
    assert!(kernel.kernel_thread && kernel.exe.is_none() && kernel.argv.is_empty());
    assert!(hidden.exe.is_none() && hidden.cwd.is_none() && hidden.fds.is_none() && hidden.environ.is_none());
}

#[test]
fn long_command_lines_keep_their_digest() {
    let mut world = World::default();
    let mut long = world::Process::new(30, "/bin/x");
    long.argv = Some(vec![HostBytes::new(vec![b'a'; 9000])]);
    world.processes.push(long);
    let row = processes(&Simulated::new(world))
        .into_iter()
        .find(|row| row.pid == 30)
        .expect("runs");
    assert_eq!(row.argv[0].len(), limits::ARGV_BYTES);
    assert_eq!(row.argv_bytes, Wide(9001));
    let whole = [vec![b'a'; 9000], vec![0]].concat();
    assert_eq!(row.argv_sha256, Some(crate::text::Digest::of(&whole)));
}

#[test]
fn packages_are_told_by_path_and_content() {
    let host = host(
        r#"{"files": [
            {"path": "/usr/bin/gzip", "content": "gzip"}, {"path": "/tmp/gz", "content": {"like": "/usr/bin/gzip"}},
            {"path": "/tmp/own", "content": "own"}, {"path": "/etc/gzip.conf", "content": "c"}, {"path": "/tmp/empty"}],
          "packages": {"gzip": ["/usr/bin/gzip", "/etc/gzip.conf", "/usr/share/empty"]},
          "conffiles": ["/etc/gzip.conf"],
          "processes": [{"pid": 40, "exe": "/tmp/gone", "exe_content": {"like": "/usr/bin/gzip"}}],
          "writers": [{"path": "/usr/bin/gzip", "append": "x", "every_ms": 1000, "times": 1}]}"#,
    );
    let files = [
        "/usr/bin/gzip",
        "/tmp/gz",
        "/tmp/own",
        "/etc/gzip.conf",
        "/tmp/empty",
        "/proc/40/exe",
        "/proc/41/exe",
    ];
    let owners = |host: &Simulated| -> Vec<String> {
        let files = files.iter().map(|file| path(file)).collect();
        let Answer::Packages(owners) = ask(host, Query::Packages { files }).value else {
            panic!("packages")
        };
        let name = |owner: &Ownership| {
            format!("{owner:?}")
                .split([' ', '{'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        owners.iter().map(name).collect()
    };
    assert_eq!(
        owners(&host),
        ["Owned", "Copied", "Unowned", "Listed", "Unowned", "Copied", "Unknown"]
    );
    host.pass(2000);
    assert_eq!(owners(&host)[0], "Modified");
    let bare = host_without_database();
    assert_eq!(owners(&bare)[0], "Unknown");
}

fn host_without_database() -> Simulated {
    host(r#"{"package_database": false}"#)
}

#[test]
fn a_watch_sees_what_comes_and_says_what_it_missed() {
    let host = host(GUARDED);
    let miner = process(&host, 11);
    let watch = |cursor: Option<WatchCursor>, for_ms| -> Watched {
        let query = WatchQuery {
            cursor,
            for_ms,
            executables: vec![miner.exe_sha256],
            files: vec![path("/tmp/m"), path("/tmp/guard")],
            lines: Vec::new(),
            remotes: vec![Peer {
                address: "198.51.100.23".to_owned(),
                port: 3333,
            }],
        };
        match ask(&host, Query::Watch(query)).value {
            Answer::Watch(watched) => watched,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(
        host.act(&Act::Kill { process: miner.clone() }),
        Ok(Done::Changed { .. })
    ));
    let first = watch(None, 300);
    assert_eq!(first.missed_ms, 0);
    let running = first
        .sightings
        .iter()
        .filter(|s| matches!(s, Sighting::Running { pid, .. } if *pid > 11))
        .count();
    let connected = first
        .sightings
        .iter()
        .filter(|s| matches!(s, Sighting::Connected { .. }))
        .count();
    assert_eq!((running, connected, first.sightings.len()), (1, 1, 3), "{first:?}");
    host.sleep_ms(70);
    let second = watch(Some(first.cursor.clone()), 10);
    assert_eq!(second.missed_ms, 71);
    let other_boot = WatchCursor {
        boot_id: "another".to_owned(),
        ..first.cursor
    };
    assert!(watch(Some(other_boot), 0).missed_ms > 1_000_000);
}

#[test]
fn what_is_not_shown_has_no_owner() {
    let world = r#"{"processes": [{"pid": 50, "exe": "/a", "sockets": [{"local": "[::]:22", "owners": [51]}]}, {"pid": 51, "exe": "/b"}],
                    "unreadable": [50, "/etc/shadow"]}"#;
    let host = host(world);
    let observed = ask(&host, Query::Sockets {});
    assert_eq!(gaps(&observed), ["process 50 Denied"]);
    let Answer::Sockets(rows) = observed.value else {
        panic!("sockets")
    };
    assert_eq!(
        (rows[0].owners.as_slice(), rows[0].state.as_str()),
        (&[51][..], "listen")
    );
    let observed = ask(&host, Query::Accounts {});
    assert_eq!(gaps(&observed), ["file /etc/shadow Denied"]);
    assert_eq!(GapReason::Denied, observed.coverage.gaps[0].why);
}
