//! Worlds: written, read, refused, and brought to life whatever they hold.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::platform::simulated::behaviour::{Cron, Guardian, Watchdog, Watched, Writer};
use crate::platform::simulated::world::{self, Content, Unreadable};
use crate::query::{Peer, WatchQuery, WatchedLine};

#[test]
fn an_empty_world_is_a_host() {
    let host = host("{}");
    let pids: Vec<u32> = processes(&host).iter().map(|row| row.pid).collect();
    assert_eq!(pids, [1, 900]);
    assert!(ask(&host, Query::Host {}).coverage.is_whole());
}

#[test]
fn contradictions_are_named() {
    for (name, json, message) in [
        (
            "pid twice",
            r#"{"processes": [{"pid": 7, "exe": "/a"}, {"pid": 7, "exe": "/b"}]}"#,
            "process 7",
        ),
        ("no pid", r#"{"processes": [{"pid": 0, "exe": "/a"}]}"#, "process 0"),
        ("nothing to run", r#"{"processes": [{"pid": 7}]}"#, "`exe` is missing"),
        (
            "path twice",
            r#"{"files": [{"path": "/a"}, {"path": "/b", "also": ["/a"]}]}"#,
            "described twice",
        ),
        ("relative", r#"{"files": [{"path": "a"}]}"#, "absolute"),
        ("over ..", r#"{"files": [{"path": "/a/../b"}]}"#, "absolute"),
        (
            "like nothing",
            r#"{"files": [{"path": "/a", "content": {"like": "/b"}}]}"#,
            "`/b` is not described",
        ),
        (
            "bad digits",
            r#"{"files": [{"path": "/a", "content": {"hex": "7"}}]}"#,
            "hexadecimal",
        ),
        (
            "too much",
            r#"{"files": [{"path": "/a", "content": {"size": 99999999999}}]}"#,
            "more than",
        ),
        ("bad mode", r#"{"files": [{"path": "/a", "mode": "0999"}]}"#, "octal"),
        ("unknown key", r#"{"proceses": []}"#, "unknown field"),
        (
            "guard of nobody",
            r#"{"guardians": [{"process": 5, "watches": [6]}]}"#,
            "a guardian names process 5",
        ),
        (
            "no address",
            r#"{"sockets": [{"local": "pool.example:3333"}]}"#,
            "ADDRESS:PORT",
        ),
    ] {
        let error = World::from_json(json).expect_err(name).to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
}

#[test]
fn the_samples_are_what_they_say() {
    let infected = infected();
    let text = serde_json::to_string(&infected).expect("written");
    assert_eq!(World::from_json(&text), Ok(infected.clone()));
    let host = Simulated::new(infected);
    let miner = processes(&host).into_iter().find(|row| row.pid == 2101).expect("runs");
    let exe = miner.exe.expect("runs something");
    assert!(exe.deleted && !exe.memfd);
    assert_eq!(exe.path, path("/tmp/.x/xmrig"));
    let clean = clean();
    assert_eq!(clean.check(), Ok(()));
    let snapshot = Simulated::new(clean).snapshot();
    assert_eq!(snapshot.text("/tmp/.x/guard"), None);
    let crontab = snapshot.text("/var/spool/cron/crontabs/deploy").expect("there");
    assert_eq!(crontab.lines().count(), 3);
    assert!(!crontab.contains(".x"));
    assert!(snapshot.runs(1300) && snapshot.runs(1510) && !snapshot.processes.contains_key(&2101));
}

#[test]
fn equal_use_gives_equal_bytes() {
    let run = || {
        let host = Simulated::new(infected());
        let rows = processes(&host);
        host.pass(61_000);
        format!("{rows:?} {:?} {:?}", ask(&host, Query::Sockets {}), host.snapshot())
    };
    assert_eq!(run(), run());
}

fn a_path() -> impl Strategy<Value = HostPath> {
    prop_oneof![
        "(/[ab.]{1,2}){1,3}".prop_map(|text| HostPath::from(text.as_str())),
        vec(any::<u8>(), 0..6).prop_map(HostPath::new),
    ]
}

fn some_content() -> impl Strategy<Value = Content> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(|bytes| Content::Text(HostBytes::new(bytes))),
        "[0-9a-f]{0,6}".prop_map(|hex| Content::Hex { hex }),
        a_path().prop_map(|like| Content::Like { like }),
        (0u64..100, any::<u64>()).prop_map(|(size, seed)| Content::Made { size, seed }),
    ]
}

prop_compose! {
    fn a_file()(path in a_path(), content in proptest::option::of(some_content()), target in proptest::option::of(a_path()),
                also in vec(a_path(), 0..2), mode in proptest::option::of(0u32..0o10000), flags in 0u32..64) -> world::File {
        world::File { path, content, target, also, mode, flags, ..world::File::text("/", "") }
    }
}

prop_compose! {
    fn a_process()(pid in 0u32..8, ppid in 0u32..8, exe in proptest::option::of(a_path()),
                   exe_content in proptest::option::of(some_content()), argv in proptest::option::of(vec(vec(any::<u8>(), 0..5), 0..3)),
                   cpu_percent: u32, started_ms: u64, kernel_thread: bool, maps in vec(a_path(), 0..2), port: u16) -> world::Process {
        let argv = argv.map(|argv| argv.into_iter().map(HostBytes::new).collect());
        let remote = Peer { address: "192.0.2.1".to_owned(), port };
        let socket = world::Socket {
            protocol: "tcp".to_owned(), local: remote.clone(), remote: Some(remote), state: None, uid: 0, owners: vec![port as u32 % 8],
        };
        world::Process {
            pid, ppid, exe, exe_content, argv, cpu_percent, started_ms, kernel_thread, maps, sockets: vec![socket],
            ..world::Process::new(0, "/")
        }
    }
}

prop_compose! {
    fn a_world()(files in vec(a_file(), 0..6), processes in vec(a_process(), 0..6), points in vec((a_path(), proptest::option::of(a_path())), 0..3),
                 pids in vec(0u32..8, 4), places in vec(a_path(), 4), hidden in vec(a_path(), 0..2), after: u64, uptime_ms: u64,
                 host_time_ms: u64) -> World {
        let mounts = points.into_iter().map(|(point, bind)| world::Mount {
            point, bind, kind: "ext4".to_owned(), source: HostBytes::from("x"), options: Vec::new(),
        });
        World {
            files, processes, uptime_ms, host_time_ms,
            mounts: mounts.collect(),
            packages: [("p".to_owned(), places.clone())].into(),
            unreadable: hidden.into_iter().map(Unreadable::Path).chain([Unreadable::Pid(pids[0])]).collect(),
            guardians: vec![
                Guardian { process: pids[0], watches: Watched::Pids(vec![pids[1]]), restarts_after_ms: 900, from: Some(places[0].clone()),
                    runs_as: Some(places[1].clone()), unlink_after: true, notices_stop: true, max: Some(3) },
                Guardian { process: pids[2], watches: Watched::Exe(places[2].clone()), restarts_after_ms: after, from: None,
                    runs_as: None, unlink_after: false, notices_stop: false, max: Some(3) },
            ],
            cron: vec![Cron { scheduler: pids[1], file: places[0].clone(), command: HostBytes::from("a"), exe: places[3].clone(),
                from: None, content: Some(Content::Text(HostBytes::from("x"))), like: Some(pids[3]), unless_running: false }],
            writers: vec![Writer { path: places[0].clone(), append: HostBytes::from("{n}"), every_ms: after.max(300), times: 3, process: None }],
            watchdogs: vec![Watchdog { process: pids[2], after_ms: after }],
            ..World::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn worlds_are_written_and_read_back(world in a_world()) {
        let text = serde_json::to_string(&world).expect("written");
        let back: World = serde_json::from_str(&text).expect("own form reads back");
        prop_assert_eq!(back, world);
    }

    #[test]
    fn no_query_fails_on_any_world(world in a_world(), paths in vec(a_path(), 1..4)) {
        let _: Result<(), WorldError> = world.check();
        let host = Simulated::new(world);
        let everything = ProcessesQuery { pids: None, sample_ms: 2000, digest: true, environ: true, fds: true, maps: true };
        let watch = WatchQuery {
            cursor: None, for_ms: 2000, executables: Vec::new(), files: paths.clone(),
            lines: vec![WatchedLine { path: paths[0].clone(), line: HostBytes::from("") }],
            remotes: vec![Peer { address: "192.0.2.1".to_owned(), port: 1 }],
        };
        for query in [
            Query::Host {}, Query::Processes(everything), Query::Sockets {}, Query::Stat { paths: paths.clone(), digest: true },
            Query::List { path: paths[0].clone() }, Query::Walk { roots: paths.clone(), max_depth: 3, max_entries: 4 },
            Query::Walk { roots: vec![path("/")], max_depth: u32::MAX, max_entries: u32::MAX },
            Query::Read { path: paths[0].clone(), max_bytes: 4 },
            Query::ReadTree { patterns: vec![path("/*/?*"), paths[0].clone()], max_files: 2, max_file_bytes: 9 },
            Query::Digest { paths: paths.clone() }, Query::Accounts {}, Query::Mounts {},
            Query::Packages { files: paths.iter().cloned().chain([path("/proc/1/exe"), path("/proc/x/exe")]).collect() },
            Query::Watch(watch),
        ] {
            host.answer(&query).expect("every query has an answer");
        }
        host.snapshot();
    }
}
