use super::*;
use crate::platform::linux::beside::write_program;
use crate::platform::linux::look::Look;
use crate::query::{Answer, Query};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that ends with the value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Ended {
    Ended(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
}

fn sleep() -> Command {
    let mut command = Command::new("/bin/sleep");
    command.arg("60");
    command
}

fn look_at(child: &Ended, query: ProcessesQuery) -> (Process, Vec<crate::query::Gap>) {
    let pids = Some(vec![child.0.id()]);
    let observed = Look::new()
        .answer(&Query::Processes(ProcessesQuery { pids, ..query }))
        .unwrap();
    let Answer::Processes(mut rows) = observed.value else {
        panic!("another answer");
    };
    assert_eq!(rows.len(), 1);
    (rows.remove(0), observed.coverage.gaps)
}

fn everything() -> ProcessesQuery {
    ProcessesQuery {
        digest: true,
        environ: true,
        fds: true,
        maps: true,
        ..ProcessesQuery::default()
    }
}

fn copy_of_sleep(dir: &Path, name: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    write_program(&path, &std::fs::read("/bin/sleep").unwrap());
    path
}

#[test]
fn hostile_arguments_are_kept_as_they_are() {
    let long = "y".repeat(120 << 10);
    let mut command = Command::new("/bin/sh");
    command.arg0(OsStr::from_bytes(b"\xff\n\x1b[2J {{ 7*7 }}"));
    command.args(["-c", "read line", &long]);
    command.env_clear().env("KEY", "value");
    let child = start(&mut command);
    // The child has our own command line until it runs its program.
    let (process, gaps) = settled(&child, everything(), |process| {
        process.argv.first().is_some_and(|a| a.len() > 3)
    });
    let expected = [
        b"\xff\n\x1b[2J {{ 7*7 }}\0-c\0read line\0".as_slice(),
        long.as_bytes(),
        b"\0",
    ]
    .concat();
    assert_eq!(process.argv_bytes.0, expected.len() as u64);
    assert_eq!(process.argv_sha256, Some(Digest::of(&expected)));
    assert_eq!(process.argv[0].as_bytes(), b"\xff\n\x1b[2J {{ 7*7 }}");
    assert!(process.argv.iter().map(HostBytes::len).sum::<usize>() <= limits::ARGV_BYTES);
    assert_eq!(process.environ.unwrap(), [HostBytes::from("KEY=value")]);
    assert!(gaps.is_empty(), "{gaps:?}");
    assert!(!process.kernel_thread);
    assert_eq!(process.ppid, std::process::id());
}

/// Looks until the child runs its own program.
fn settled(
    child: &Ended,
    query: ProcessesQuery,
    ready: impl Fn(&Process) -> bool,
) -> (Process, Vec<crate::query::Gap>) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let (process, gaps) = look_at(child, query.clone());
        if ready(&process) {
            return (process, gaps);
        }
        assert!(Instant::now() < end, "the child does not run its program");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_name_that_imitates_the_format() {
    let dir = tempfile::tempdir().unwrap();
    let exe = copy_of_sleep(dir.path(), "a) R 1 (x");
    let child = start(Command::new(&exe).arg("60"));
    let (process, _) = settled(&child, everything(), |process| process.comm.as_bytes() == b"a) R 1 (x");
    assert_eq!(process.ppid, std::process::id());
    assert_eq!(process.exe.unwrap().path.as_bytes(), exe.as_os_str().as_bytes());
}

#[test]
fn deleted_and_only_called_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let called = copy_of_sleep(dir.path(), "x (deleted)");
    let gone = copy_of_sleep(dir.path(), "y (deleted)");
    let linked = copy_of_sleep(dir.path(), "z");
    let content = Digest::of(&std::fs::read(&called).unwrap());
    let children = [&called, &gone, &linked].map(|exe| start(Command::new(exe).arg("60")));
    for child in &children {
        settled(child, ProcessesQuery::default(), |process| process.argv.len() == 2);
    }
    std::fs::remove_file(&gone).unwrap();
    std::fs::hard_link(&linked, dir.path().join("other")).unwrap();
    std::fs::remove_file(&linked).unwrap();
    let rows = [(&called, false), (&gone, true), (&linked, false)];
    for ((path, deleted), child) in rows.into_iter().zip(&children) {
        let (process, gaps) = look_at(child, everything());
        let exe = process.exe.unwrap();
        assert_eq!(exe.path.as_bytes(), path.as_os_str().as_bytes());
        assert_eq!(exe.deleted, deleted, "{}", exe.path);
        assert!(!exe.memfd);
        assert_eq!(exe.sha256, Some(content), "read through /proc/PID/exe");
        let mapped = process.maps.unwrap();
        assert!(
            mapped.iter().any(|file| file.executable && file.path == exe.path),
            "{mapped:?}"
        );
        assert!(gaps.is_empty(), "{gaps:?}");
    }
}

#[test]
fn an_executable_in_memory() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let memory = rustix::fs::memfd_create(c"kworker/u", rustix::fs::MemfdFlags::empty()).unwrap();
    let mut memory = std::fs::File::from(memory);
    memory.write_all(&std::fs::read("/bin/sleep").unwrap()).unwrap();
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let child = start(Command::new(path).arg("60"));
    drop(memory);
    let (process, _) = settled(&child, everything(), |process| {
        process.exe.as_ref().is_some_and(|exe| exe.memfd)
    });
    let exe = process.exe.unwrap();
    assert_eq!(exe.path.as_bytes(), b"/memfd:kworker/u");
    assert!(exe.deleted);
    assert_eq!(exe.sha256, Some(Digest::of(&std::fs::read("/bin/sleep").unwrap())));
}

#[test]
fn a_zombie_has_no_gap() {
    let child = start(&mut Command::new("/bin/true"));
    let (process, gaps) = settled(&child, everything(), |process| process.state == "Z");
    assert!(process.exe.is_none() && process.argv.is_empty());
    assert!(process.has_ended());
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[test]
fn what_is_gone_is_a_gap_that_hides_nothing() {
    let pids = Some(vec![u32::MAX - 1]);
    let query = ProcessesQuery { pids, ..everything() };
    let observed = Look::new().answer(&Query::Processes(query)).unwrap();
    assert_eq!(observed.value, Answer::Processes(Vec::new()));
    assert_eq!(observed.coverage.gaps[0].why, GapReason::Gone);
    assert_eq!(observed.coverage.material().count(), 0);
}

#[test]
fn a_thread_is_no_process() {
    let (told, ready) = std::sync::mpsc::channel();
    let (_keep, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        told.send(rustix::thread::gettid().as_raw_pid()).unwrap();
        let _ = wait.recv();
    });
    let tid = u32::try_from(ready.recv().unwrap()).unwrap();
    let pids = Some(vec![tid]);
    let query = ProcessesQuery {
        pids,
        ..ProcessesQuery::default()
    };
    let observed = Look::new().answer(&Query::Processes(query)).unwrap();
    assert_eq!(observed.value, Answer::Processes(Vec::new()));
    drop(_keep);
    thread.join().unwrap();
}

#[test]
fn scripts_are_found_from_the_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.sh"), "read line; exit 0\n").unwrap();
    let child = start(
        Command::new("/bin/sh")
            .args(["./x.sh", "/etc/passwd"])
            .current_dir(dir.path()),
    );
    let (process, gaps) = settled(&child, everything(), |process| process.argv.len() == 3);
    let script = process.script.unwrap();
    assert_eq!(
        script.path.as_bytes(),
        dir.path().canonicalize().unwrap().join("x.sh").as_os_str().as_bytes()
    );
    assert_eq!(script.sha256, Some(Digest::of(b"read line; exit 0\n")));
    assert_eq!(
        process.cwd.unwrap().as_bytes(),
        dir.path().canonicalize().unwrap().as_os_str().as_bytes()
    );
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[test]
fn descriptors_tell_whether_they_write() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let writes = std::fs::OpenOptions::new().append(true).open(file.path()).unwrap();
    let child = start(sleep().stderr(Stdio::from(writes)));
    let (process, _) = settled(&child, everything(), |process| process.argv.len() == 2);
    let fds = process.fds.unwrap();
    let error = fds.iter().find(|open| open.fd == 2).unwrap();
    assert!(error.writes);
    assert_eq!(error.link.as_bytes(), file.path().as_os_str().as_bytes());
    let found = Meta::behind(rustix::fs::CWD, file.path().as_os_str().as_bytes()).unwrap();
    assert_eq!(error.id, Some(found.id));
    let input = fds.iter().find(|open| open.fd == 0).unwrap();
    assert!(input.link.as_bytes().starts_with(b"pipe:[") && !input.writes);
}

#[test]
fn cpu_use_is_measured_over_the_sample() {
    let child = start(Command::new("/bin/sh").args(["-c", "while :; do :; done"]));
    let idle = start(&mut sleep());
    let query = ProcessesQuery {
        pids: Some(vec![child.0.id(), idle.0.id()]),
        sample_ms: 2_000,
        ..ProcessesQuery::default()
    };
    let Answer::Processes(rows) = Look::new().answer(&Query::Processes(query)).unwrap().value else {
        panic!("another answer");
    };
    let of = |child: &Ended| {
        rows.iter()
            .find(|row| row.pid == child.0.id())
            .and_then(|row| row.cpu_centi)
            .unwrap()
    };
    // How much of a CPU it gets is the machine's matter; that it got some, and the idle one none to speak of, is ours.
    assert!(of(&child) > of(&idle), "{} and {}", of(&child), of(&idle));
    assert!(of(&idle) < 1_000, "{}", of(&idle));
}

#[test]
fn all_processes_by_pid() {
    let observed = Look::new().answer(&Query::Processes(everything())).unwrap();
    let Answer::Processes(rows) = observed.value else {
        panic!("another answer");
    };
    assert!(rows.is_sorted_by_key(|row| row.pid));
    let own = rows.iter().find(|row| row.pid == std::process::id()).unwrap();
    assert!(own.exe.as_ref().unwrap().sha256.is_some());
    assert!(own.rss.0 > 0 && own.threads > 0 && own.mount_namespace.is_some());
    for row in rows.iter().filter(|row| row.kernel_thread) {
        assert!(row.exe.is_none() && row.argv.is_empty() && row.cpu_centi.is_none());
    }
}

/// Holds for every user; CI runs as root, where the reading of others' processes is tested the other way round.
#[test]
fn without_privilege_the_gaps_are_told() {
    if !rustix::process::geteuid().is_root() {
        let (process, gaps) = {
            let query = ProcessesQuery {
                pids: Some(vec![1]),
                ..everything()
            };
            let observed = Look::new().answer(&Query::Processes(query)).unwrap();
            let Answer::Processes(mut rows) = observed.value else {
                panic!("another answer");
            };
            (rows.remove(0), observed.coverage.gaps)
        };
        assert!(process.exe.is_none());
        assert!(
            gaps.iter()
                .any(|gap| gap.subject == "executable" && gap.why == GapReason::Denied)
        );
        return;
    }
    let child = start(&mut sleep());
    let (process, gaps) = settled(&child, everything(), |process| process.argv.len() == 2);
    assert!(process.exe.is_some() && process.maps.is_some() && gaps.is_empty());
}

/// In a mount namespace of its own, so that nothing of this machine is covered.
#[test]
fn a_mount_over_a_process_does_not_hide_it() {
    const INSIDE: &str = "DEMINER_TEST_INSIDE";
    assert!(
        rustix::process::geteuid().is_root(),
        "needs root, to mount: run the tests as root"
    );
    if std::env::var_os(INSIDE).is_none() {
        let inner = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "platform::linux::look::process::tests::a_mount_over_a_process_does_not_hide_it",
            ])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        assert!(inner.status.success(), "{}", String::from_utf8_lossy(&inner.stdout));
        return;
    }
    let child = start(&mut sleep());
    let cover = tempfile::tempdir().unwrap();
    rustix::mount::mount_bind(cover.path(), format!("/proc/{}", child.0.id())).unwrap();
    let (process, gaps) = settled(&child, everything(), |process| process.argv.len() == 2);
    assert_eq!(process.pid, child.0.id());
    assert!(process.exe.unwrap().sha256.is_some());
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_process_whose_first_thread_ended_is_no_zombie() {
    // exit(2) of the first thread only.
    let program = "import ctypes, threading, time\n\
        threading.Thread(target=time.sleep, args=(60,)).start()\n\
        ctypes.CDLL(None).syscall(60, 0)\n";
    let child = start(Command::new("python3").args(["-c", program]));
    let (process, gaps) = settled(&child, everything(), |process| process.state == "Z");
    assert!(
        process.exe.as_ref().is_some_and(|exe| exe.sha256.is_some()),
        "{process:?} {gaps:?}"
    );
    assert!(!process.has_ended());
    assert_eq!(process.argv.len(), 3);
    assert!(!process.fds.unwrap().is_empty() && !process.maps.unwrap().is_empty());
    assert!(process.net_namespace.is_some());
    assert!(gaps.is_empty(), "{gaps:?}");
}

#[test]
fn a_script_of_another_mount_namespace_is_named_through_its_process() {
    assert!(
        rustix::process::geteuid().is_root(),
        "needs root, to mount: run the tests as root"
    );
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let inside = "mount -t tmpfs none \"$0\" && echo 'read line; exit 0' > \"$0/x.sh\" && exec sh \"$0/x.sh\"";
    let arguments = ["--mount", "--propagation", "private", "--", "sh", "-c", inside, place];
    let child = start(Command::new("unshare").args(arguments));
    let (process, gaps) = settled(&child, everything(), |process| process.script.is_some());
    let script = process.script.unwrap();
    assert_eq!(
        script.path.to_string(),
        format!("/proc/{}/root{place}/x.sh", child.0.id())
    );
    assert_eq!(script.mount.to_string(), format!("/proc/{}/root{place}", child.0.id()));
    assert_eq!(script.sha256, Some(Digest::of(b"read line; exit 0\n")));
    assert!(!dir.path().join("x.sh").exists());
    assert!(gaps.is_empty(), "{gaps:?}");
}
