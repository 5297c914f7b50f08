use super::*;
use crate::platform::linux::beside::{is_alone, write_program};
use crate::platform::linux::look::Look;
use crate::query::{Answer, Query};
use std::net::{TcpListener, TcpStream};

fn nothing(for_ms: u64) -> WatchQuery {
    WatchQuery {
        cursor: None,
        for_ms,
        executables: Vec::new(),
        files: Vec::new(),
        lines: Vec::new(),
        remotes: Vec::new(),
    }
}

fn watched(query: WatchQuery) -> Observed<Watched> {
    Look::new()
        .answer(&Query::Watch(query))
        .unwrap()
        .map(|answer| match answer {
            Answer::Watch(watched) => watched,
            other => panic!("another answer: {other:?}"),
        })
}

#[test]
fn a_quiet_watch_covers_its_time_and_goes_on_where_it_ended() {
    let first = watched(nothing(250)).value;
    assert!(first.sightings.is_empty());
    assert!((250..5000).contains(&first.covered_ms), "{}", first.covered_ms);
    assert_eq!(first.missed_ms, 0);
    std::thread::sleep(Duration::from_millis(30));
    let cursor = Some(first.cursor.clone());
    let second = watched(WatchQuery { cursor, ..nothing(0) }).value;
    assert!((30..5000).contains(&second.missed_ms), "{}", second.missed_ms);
    let cursor = Some(WatchCursor {
        boot_id: "another".to_owned(),
        ..first.cursor
    });
    let other = watched(WatchQuery { cursor, ..nothing(0) });
    assert_eq!(other.coverage.gaps[0].why, GapReason::Changed);
    assert!(other.value.missed_ms > 0);
}

#[test]
fn everything_that_comes_back_is_seen_once() {
    if !is_alone("platform::linux::look::watch::tests::everything_that_comes_back_is_seen_once") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let exe = dir.path().join("harmless");
    // Another content than that of any sleep of this machine.
    let mut bytes = std::fs::read("/bin/sleep").unwrap();
    bytes.extend_from_slice(b"watched");
    write_program(&exe, &bytes);
    let mut child = std::process::Command::new(&exe).arg("60").spawn().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "good\n* * * * * bad\nlast").unwrap();
    let path = HostPath::new(file.as_os_str().as_encoded_bytes());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let _client = TcpStream::connect(("127.0.0.1".parse::<IpAddr>().unwrap(), port)).unwrap();
    let line = |line: &str| WatchedLine {
        path: path.clone(),
        line: line.into(),
    };
    let peer = |address: &str, port| Peer {
        address: address.to_owned(),
        port,
    };
    let query = WatchQuery {
        executables: vec![Digest::of(&bytes), Digest::of(b"another")],
        files: vec![path.clone(), "/nonexistent/x".into()],
        lines: vec![line("* * * * * bad"), line("last"), line("ood"), line("absent")],
        remotes: vec![
            peer("::ffff:127.0.0.1", port),
            peer("192.0.2.1", 1),
            peer("no address", 1),
        ],
        ..nothing(20_000)
    };
    let told = watched(query);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut seen: Vec<String> = told
        .value
        .sightings
        .iter()
        .map(|sighting| match sighting {
            Sighting::Running { pid, sha256, ppid, .. } => {
                assert_eq!((*pid, *ppid), (child.id(), std::process::id()));
                assert_eq!(*sha256, Digest::of(&bytes));
                "running".to_owned()
            }
            Sighting::File { stat } => format!("file {}", stat.path == path),
            Sighting::Line { line } => format!("line {}", line.line),
            Sighting::Connected { remote, owners } => {
                assert_eq!(owners, &[std::process::id()]);
                format!("connected {}", remote.address)
            }
        })
        .collect();
    seen.sort();
    let expected = [
        "connected ::ffff:127.0.0.1",
        "file true",
        "line * * * * * bad",
        "line last",
        "running",
    ];
    assert_eq!(seen, expected);
    assert!(
        told.value.covered_ms < 20_000,
        "one look after the first sighting ends it"
    );
    assert!(
        told.coverage
            .gaps
            .iter()
            .any(|gap| gap.subject == "remote" && gap.why == GapReason::Malformed)
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_process_whose_first_thread_ended_is_seen() {
    // exit(2) of the first thread only.
    let program = "import ctypes, threading, time\n\
        threading.Thread(target=time.sleep, args=(60,)).start()\n\
        print('.', flush=True)\n\
        ctypes.CDLL(None).syscall(60, 0)\n";
    let mut child = std::process::Command::new("python3")
        .args(["-c", program])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let ended = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        std::fs::read_to_string(&stat).is_ok_and(|line| line.contains(") Z "))
    });
    let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    let content = threads.filter_map(|task| std::fs::read(task.unwrap().path().join("exe")).ok());
    let python = content.last().unwrap();
    let told = watched(WatchQuery {
        executables: vec![Digest::of(&python)],
        ..nothing(0)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ended, "the first thread goes on");
    let seen = |sighting: &Sighting| matches!(sighting, Sighting::Running { pid, .. } if *pid == child.id());
    assert!(told.value.sightings.iter().any(seen), "{:?}", told.value.sightings);
}
