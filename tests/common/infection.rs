//! A harmless infection of this machine, and what must survive its removal.
//!
//! A stand-in is a copy of the command under test with a trailer that says which part it plays; it ends by itself after
//! a quarter of an hour. It is made from a stripped copy, so that it is read and hashed quickly.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deminer_worker::text::Digest;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::command::program;
use super::machine::{FileState, Process, processes, running_below, wait_until};

/// The trailer's length.
const TRAILER: usize = 96;

/// How long anything may take to show itself on a machine with more to do.
const SOON: Duration = Duration::from_secs(20);

/// Lines of the crontab that stay, the condemned one between them.
pub(crate) const GOOD: [&str; 2] = [
    "0 3 * * * /usr/bin/true --nightly",
    "*/10 * * * * /usr/bin/test -d /home",
];

const CRONTABS: &str = "/var/spool/cron/crontabs";

/// A program without what only a debugger reads.
pub(crate) fn stripped(program: &Path) -> Arc<[u8]> {
    static KNOWN: Mutex<BTreeMap<PathBuf, Arc<[u8]>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let content = known.entry(program.to_path_buf()).or_insert_with(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let at = directory.path().join("stripped");
        let strip = Command::new("strip").arg("-o").arg(&at).arg(program).status();
        let source = match strip {
            Ok(status) if status.success() => at.as_path(),
            _ => program,
        };
        fs::read(source).expect("a program").into()
    });
    Arc::clone(content)
}

/// Writes a stand-in: no two have the same content.
pub(crate) fn stand_in(at: &Path, part: &str) {
    static SALT: AtomicU32 = AtomicU32::new(0);
    let made = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    let salt = SALT.fetch_add(1, Ordering::Relaxed);
    let trailer = format!(
        "\nDEMINER-STAND-IN {part} {} {}-{salt}",
        made.as_secs(),
        std::process::id()
    );
    assert!(!at.exists(), "{} is there already", at.display());
    write_program(at, &[&stripped(&program()), format!("{trailer:<TRAILER$}").as_bytes()]);
}

/// Writes a program that is started soon. Another process writes it: one that somebody still has open to write to it cannot
/// be started (`ETXTBSY`, execve(2)), and a child of ours that another test starts in this moment would have it open.
pub(crate) fn write_program(at: &Path, parts: &[&[u8]]) {
    let mut writer = Command::new("sh")
        .args(["-euc", "cat > \"$0\"; chmod 755 \"$0\""])
        .arg(at)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut pipe = writer.stdin.take().expect("piped");
    for part in parts {
        pipe.write_all(part).expect("space for a program");
    }
    drop(pipe);
    assert!(writer.wait().expect("ours").success(), "{}", at.display());
}

/// What a directory holds under a name that Deminer makes.
fn ours_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory of the test");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b".deminer-"))
    });
    paths
}

/// A process of a test; it ends with its value.
pub(crate) struct Started {
    child: Child,
}

impl Started {
    pub(crate) fn new(command: &mut Command) -> Started {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Started {
            child: command.spawn().expect("a program of the test starts"),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Asked first: timeout(1) takes what it started with it.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if !wait_until(Duration::from_secs(2), || !matches!(self.child.try_wait(), Ok(None))) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A crontab of an account that nobody has.
pub(crate) struct Crontab {
    path: PathBuf,
    /// The directories that had to be made for it, the inner one first.
    made: Vec<PathBuf>,
    /// What stood beside it under a name that Deminer makes.
    before: Vec<PathBuf>,
}

impl Crontab {
    fn plant(account: &str, lines: &[&str]) -> Crontab {
        let directory = Path::new(CRONTABS);
        let missing = directory.ancestors().take_while(|path| !path.exists());
        let made = missing.map(Path::to_path_buf).collect();
        fs::create_dir_all(directory).expect("a directory for crontabs");
        let crontab = Crontab {
            path: directory.join(account),
            made,
            before: ours_in(directory),
        };
        crontab.write(lines);
        fs::set_permissions(&crontab.path, Permissions::from_mode(0o600)).expect("our own file");
        crontab
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&self, lines: &[&str]) {
        fs::write(&self.path, format!("{}\n", lines.join("\n"))).expect("a crontab");
    }

    /// Appends a line, as an administrator or a package would.
    pub(crate) fn append(&self, line: &str) {
        let mut file = OpenOptions::new().append(true).open(&self.path).expect("the crontab");
        file.write_all(format!("{line}\n").as_bytes())
            .expect("space for a line");
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("the crontab is there")
    }

    fn beside(&self) -> Vec<PathBuf> {
        let mut found = ours_in(Path::new(CRONTABS));
        found.retain(|path| !self.before.contains(path));
        found
    }

    /// Its permissions and owner.
    pub(crate) fn mode_and_owner(&self) -> (u32, u32, u32) {
        let meta = fs::metadata(&self.path).expect("the crontab is there");
        (meta.mode(), meta.uid(), meta.gid())
    }
}

impl Drop for Crontab {
    fn drop(&mut self) {
        for path in self.beside().iter().chain([&self.path]) {
            let _ = fs::remove_file(path);
        }
        for directory in &self.made {
            // Somebody else may use it by now.
            let _ = fs::remove_dir(directory);
        }
    }
}

/// A miner whose executable is deleted, the guardian that starts it again from a copy, and a crontab line between good
/// ones.
pub(crate) struct Infection {
    pub(crate) crontab: Crontab,
    den: TempDir,
}

impl Infection {
    /// Plants it and waits until the miner runs.
    pub(crate) fn plant() -> Infection {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let den = tempfile::Builder::new()
            .prefix("deminer-den-")
            .tempdir()
            .expect("a directory");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let account = format!("nobody-{}-{number}", std::process::id());
        let bad = bad_line(den.path());
        let crontab = Crontab::plant(&account, &[GOOD[0], &bad, GOOD[1]]);
        let infection = Infection { crontab, den };
        infection.make_files();
        infection.start();
        infection
    }

    fn make_files(&self) {
        for (name, part) in [(".copy", "miner"), ("guard", "guardian")] {
            let path = self.path(name);
            if !path.exists() {
                stand_in(&path, part);
            }
        }
    }

    fn start(&self) {
        // In a session of its own and with its parent gone, as a dropper leaves it.
        let started = Command::new("setsid")
            .arg("--fork")
            .args([self.path("guard"), self.path(".copy"), self.path("xmrig")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(started.is_ok_and(|status| status.success()), "setsid(1) starts");
        assert!(wait_until(SOON, || self.miner().is_some()), "the stand-in miner starts");
    }

    /// Puts back what was removed of it, and starts it where it does not run.
    pub(crate) fn plant_again(&self) {
        self.crontab.write(&[GOOD[0], &self.bad_line(), GOOD[1]]);
        self.end();
        self.make_files();
        self.start();
    }

    /// Ends its processes.
    fn end(&self) {
        let gone = wait_until(SOON, || {
            let mut living = self.processes();
            living.sort_by_key(|process| process.exe.as_deref() != Some(&self.path("guard")));
            living.iter().for_each(Process::kill);
            living.is_empty()
        });
        assert!(gone || std::thread::panicking(), "the stand-ins do not end");
    }

    /// The directory of its files.
    pub(crate) fn den(&self) -> &Path {
        self.den.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.den.path().join(name)
    }

    /// The condemned line of the crontab.
    pub(crate) fn bad_line(&self) -> String {
        bad_line(self.den.path())
    }

    /// The crontab once the condemned line is gone.
    pub(crate) fn good_text(&self) -> String {
        format!("{}\n{}\n", GOOD[0], GOOD[1])
    }

    /// The miner and the guardian, as far as they live.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let parts = [self.path("guard"), self.path("xmrig")];
        let mut found = running_below(self.den.path());
        found.retain(|process| process.exe.as_ref().is_some_and(|exe| parts.contains(exe)));
        found
    }

    fn running(&self, name: &str) -> Option<Process> {
        let path = self.path(name);
        let mut found = self.processes();
        found.retain(|process| process.exe.as_deref() == Some(&path));
        found.into_iter().next()
    }

    pub(crate) fn miner(&self) -> Option<Process> {
        self.running("xmrig")
    }

    pub(crate) fn guardian(&self) -> Option<Process> {
        self.running("guard")
    }

    /// What stands beside its files under a name that Deminer makes, and did not before.
    pub(crate) fn beside(&self) -> Vec<PathBuf> {
        let mut found = ours_in(self.den.path());
        found.extend(self.crontab.beside());
        found
    }

    /// Its files, as they are now.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Option<FileState>)> {
        let paths = [
            self.path(".copy"),
            self.path("guard"),
            self.crontab.path().to_path_buf(),
        ];
        paths
            .into_iter()
            .map(|path| (path.clone(), FileState::of(&path)))
            .collect()
    }
}

impl Drop for Infection {
    fn drop(&mut self) {
        self.end();
    }
}

fn bad_line(den: &Path) -> String {
    format!("* * * * * {}/xmrig >/dev/null 2>&1", den.display())
}

/// The content of what a process runs, though its name may be gone.
pub(crate) fn running_content(process: &Process) -> Digest {
    Digest::of(&fs::read(format!("/proc/{}/exe", process.pid)).expect("a living process"))
}

/// Innocent neighbours with habits or names of miners.
pub(crate) struct LookAlikes {
    home: TempDir,
    _gzip: Started,
    _dataminer: Started,
    processes: Vec<Process>,
    files: Vec<(PathBuf, Option<FileState>)>,
}

impl LookAlikes {
    /// A busy gzip(1), and a program of a company that digs in data.
    pub(crate) fn start() -> LookAlikes {
        let home = tempfile::Builder::new()
            .prefix("deminer-erp-")
            .tempdir()
            .expect("a directory");
        let program = home.path().join("dataminer");
        stand_in(&program, "worker");
        let dataminer = Started::new(&mut Command::new(&program));
        let gzip =
            Started::new(Command::new("timeout").args(["890", "sh", "-c", "exec gzip -c </dev/zero >/dev/null"]));
        let mut found = Vec::new();
        let both = wait_until(SOON, || {
            found = processes();
            found.retain(|process| {
                let ours = process.pid == dataminer.pid() && process.exe.as_deref() == Some(&program);
                ours || (process.ppid == gzip.pid() && process.comm == b"gzip")
            });
            found.len() == 2
        });
        assert!(both, "the look-alikes start");
        let paths = [program, PathBuf::from("/usr/bin/gzip")];
        LookAlikes {
            files: paths
                .into_iter()
                .map(|path| (path.clone(), FileState::of(&path)))
                .collect(),
            home,
            _gzip: gzip,
            _dataminer: dataminer,
            processes: found,
        }
    }

    /// Where they are at home: nothing of a plan lies there.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(|process| process.pid).collect()
    }

    /// # Panics
    /// When one of them is gone, stands still, or is another file.
    #[track_caller]
    pub(crate) fn assert_unharmed(&self) {
        let now = processes();
        for process in &self.processes {
            let name = String::from_utf8_lossy(&process.comm);
            let now = now.iter().find(|now| now.key() == process.key());
            let state = now.map(|now| now.state);
            assert!(matches!(state, Some('R' | 'S' | 'D')), "{name} is in state {state:?}");
        }
        for (path, state) in &self.files {
            assert_eq!(&FileState::of(path), state, "{} is another", path.display());
        }
    }
}
