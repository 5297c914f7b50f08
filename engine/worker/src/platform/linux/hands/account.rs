//! Locking an account and unlocking it, in the files of `/etc`. What a password's field holds is read and written here and
//! told to nobody.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, fcntl_lock, openat};
use rustix::io::Errno;

use super::files::{self, Place};
use super::rewrite::{self, Rewritten, rewrite};
use super::{changed, metadata, mounts, refused};
use crate::accounts::{self, Met};
use crate::action::{AccountTarget, Done, FileTarget, Undo};
use crate::query::{FileId, HostError};
use crate::shadow::{self, Fault, Former, Locked};
use crate::text::{Digest, HostPath, Wide};

/// How long the lock on the files is waited for that other programs hold. They take it for the blink of an eye; the
/// processes of the intruder stand still meanwhile.
const WAIT: Duration = Duration::from_millis(2_000);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// The longest text that is read.
const MAX_BYTES: u64 = 8 << 20;

/// The directory that holds the accounts.
pub(super) struct Etc {
    directory: HostPath,
}

impl Etc {
    /// The host's own.
    pub(super) fn of_the_host() -> Self {
        Self {
            directory: HostPath::from("/etc"),
        }
    }

    /// Locks exactly this account; see [`crate::shadow`].
    pub(super) fn lock(&self, account: &AccountTarget) -> Result<Done, HostError> {
        let doing = format!("lock account `{}`", account.name);
        let name = account.name.as_bytes();
        let _held = self.hold(&doing)?;
        let Some(passwd) = self.read("passwd", &doing)? else {
            return Ok(Done::Gone);
        };
        if !is_there(&passwd, account, &doing)? {
            return Ok(Done::Gone);
        }
        let own = shadow::own_password(&passwd, name).map_err(|fault| fault.during(&doing))?;
        let locked = self.rewrite("shadow", &doing, |text| {
            let locked = shadow::lock(text, name, own).map_err(|fault| fault.during(&doing))?;
            Ok(locked.map(|Locked { text, former }| (text, former)))
        })?;
        let former = match locked {
            Rewritten::Done(_, former) => former,
            Rewritten::Nothing => return Ok(Done::Gone),
            Rewritten::Gone => {
                return Err(HostError::Unsupported {
                    doing,
                    why: "there is no /etc/shadow, so no account can expire".to_owned(),
                });
            }
        };
        if let Some(own) = own {
            let moved = self.rewrite("passwd", &doing, |text| {
                let same = is_there(text, account, &doing)? && shadow::own_password(text, name) == Ok(Some(own));
                if !same {
                    return Err(changed(&doing, "its line of passwd", "another one"));
                }
                let text = shadow::with_password(text, name, b"x").map_err(|fault| fault.during(&doing))?;
                Ok(text.map(|text| (text, ())))
            });
            if let Err(error) = moved {
                // Half a lock is none: the other half goes too.
                return self.take_back_shadow(name, &former, &doing).and(Err(error));
            }
        }
        Ok(Done::Changed {
            undo: Undo::UnlockAccount {
                account: account.clone(),
                former,
            },
        })
    }

    /// Takes a lock back, as far as it still is as it was left.
    pub(super) fn unlock(&self, account: &AccountTarget, former: &Former) -> Result<Done, HostError> {
        let doing = format!("unlock account `{}`", account.name);
        let name = account.name.as_bytes();
        let _held = self.hold(&doing)?;
        let passwd = self.read("passwd", &doing)?.unwrap_or_default();
        if !is_there(&passwd, account, &doing)? {
            return Err(HostError::Gone { doing });
        }
        let text = self.read("shadow", &doing)?.unwrap_or_default();
        let own = match shadow::unlock(&text, name, former) {
            Ok(unlocked) => unlocked.own,
            // The line that was ours is gone already: passwd has its own field again, or somebody else decided.
            Err(Fault::Absent) if former.added => return Ok(Done::Gone),
            Err(fault) => return Err(fault.during(&doing)),
        };
        let mut any = false;
        if let Some(own) = own {
            // Passwd first: between the two writes the password stands in both, never in none.
            let rewritten = self.rewrite("passwd", &doing, |text| match shadow::own_password(text, name) {
                Ok(None) => {
                    let text = shadow::with_password(text, name, &own).map_err(|fault| fault.during(&doing))?;
                    Ok(text.map(|text| (text, ())))
                }
                Ok(Some(_)) => Err(changed(&doing, "no password in passwd", "another one")),
                Err(fault) => Err(fault.during(&doing)),
            })?;
            any |= matches!(rewritten, Rewritten::Done(..));
        }
        any |= self.take_back_shadow(name, former, &doing)?;
        Ok(match any {
            true => Done::Changed { undo: Undo::None },
            false => Done::Gone,
        })
    }

    /// Removes what a rewriting left of either file when its worker died.
    pub(super) fn tidy(&self) -> Result<(), HostError> {
        rewrite::tidy(&self.file("passwd")).and(rewrite::tidy(&self.file("shadow")))
    }

    fn take_back_shadow(&self, name: &[u8], former: &Former, doing: &str) -> Result<bool, HostError> {
        let rewritten = self.rewrite("shadow", doing, |text| {
            let unlocked = shadow::unlock(text, name, former).map_err(|fault| fault.during(doing))?;
            Ok(unlocked.shadow.map(|text| (text, ())))
        })?;
        Ok(matches!(rewritten, Rewritten::Done(..)))
    }

    /// Rewrites a file with its flags lifted: the intruder may have made it immutable, or the host's own people. They come
    /// back on what stands there then.
    fn rewrite<T>(
        &self,
        name: &str,
        doing: &str,
        change: impl Fn(&[u8]) -> Result<Option<(Vec<u8>, T)>, HostError>,
    ) -> Result<Rewritten<T>, HostError> {
        let target = self.file(name);
        let lifted = lift_flags(&target, doing)?;
        let rewritten = rewrite(&target, doing, change);
        match lifted {
            Some(flags) => set_flags(&target, flags, doing).and(rewritten),
            None => rewritten,
        }
    }

    fn read(&self, name: &str, doing: &str) -> Result<Option<Vec<u8>>, HostError> {
        match now(&self.file(name), doing)? {
            Some(file) => files::read_whole(&file, MAX_BYTES, doing).map(Some),
            None => Ok(None),
        }
    }

    /// A file as rewriting wants it named: by its place. What it holds is looked at under the lock, and its digest told to
    /// nobody: passwords could be tried against that.
    fn file(&self, name: &str) -> FileTarget {
        let path = self.directory.join(name.as_bytes());
        let table = mounts::read();
        let mount = mounts::point_of(&table, path.as_bytes()).map_or_else(|| HostPath::from("/"), HostPath::new);
        FileTarget {
            mount,
            path,
            id: FileId {
                dev: Wide(0),
                inode: Wide(0),
            },
            size: Wide(u64::MAX),
            ctime_ns: Wide(0),
            mtime_ns: Wide(0),
            sha256: Digest([0; 32]),
            mode: 0,
            uid: 0,
            gid: 0,
            flags: None,
            links: 1,
            xattrs: Vec::new(),
        }
    }

    /// Takes the lock that programs take which change accounts (lckpwdf(3): a record lock on `/etc/.pwd.lock`). Where there
    /// is no such file nobody ever took it, and none is made.
    fn hold(&self, doing: &str) -> Result<Option<OwnedFd>, HostError> {
        let path = self.directory.join(b".pwd.lock");
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(CWD, path.as_path(), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(refused(format_args!("{doing}: open `{path}`"), errno)),
        };
        let begin = Instant::now();
        loop {
            match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(file)),
                Err(Errno::ACCESS | Errno::AGAIN | Errno::INTR) if begin.elapsed() < WAIT => std::thread::sleep(PAUSE),
                Err(Errno::ACCESS | Errno::AGAIN | Errno::INTR) => {
                    return Err(HostError::TimedOut {
                        doing: format!("{doing}: wait for who holds `{path}`"),
                        limit_ms: u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX),
                    });
                }
                Err(errno) => return Err(refused(format_args!("{doing}: lock `{path}`"), errno)),
            }
        }
    }
}

/// The file of that name now, for reading.
fn now(target: &FileTarget, doing: &str) -> Result<Option<File>, HostError> {
    let Some(place) = Place::of(target, doing)? else {
        return Ok(None);
    };
    match place.now(&target.mount, doing)? {
        Some(pinned) => pinned.open(OFlags::RDONLY, doing).map(Some),
        None => Ok(None),
    }
}

/// Clears what forbids a change; gives all flags as they were where something did.
fn lift_flags(target: &FileTarget, doing: &str) -> Result<Option<u32>, HostError> {
    let Some(file) = now(target, doing)? else {
        return Ok(None);
    };
    match metadata::flags(&file, doing)? {
        Some(flags) if flags & metadata::HOLDS_FAST != 0 => {
            metadata::set_flags(&file, flags & !metadata::HOLDS_FAST, doing).map(|()| Some(flags))
        }
        _ => Ok(None),
    }
}

fn set_flags(target: &FileTarget, flags: u32, doing: &str) -> Result<(), HostError> {
    match now(target, doing)? {
        Some(file) => metadata::take_over_flags(&file, Some(flags), doing),
        None => Ok(()),
    }
}

/// Whether passwd has this account; an error where it has another one of that name, or several.
fn is_there(passwd: &[u8], account: &AccountTarget, doing: &str) -> Result<bool, HostError> {
    match accounts::meet(passwd, account) {
        Met::There => Ok(true),
        Met::Absent => Ok(false),
        Met::Twice => Err(Fault::Twice.during(doing)),
        Met::Another(found) => Err(changed(
            doing,
            format_args!(
                "uid {}, a line with the digest {}",
                account.uid,
                account.line_sha256.short()
            ),
            format_args!("a line with the digest {}", found.short()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    use super::*;
    use crate::accounts::line_digest;
    use crate::platform::linux::hands::bench;
    use crate::text::HostBytes;

    const TWIN: &str = "toor:x:0:0::/root:/bin/bash";

    fn etc(home: &Path) -> Etc {
        Etc {
            directory: bench::host_path(home),
        }
    }

    fn target(line: &str, uid: u32) -> AccountTarget {
        AccountTarget {
            name: HostBytes::from(line.split(':').next().expect("a name")),
            uid,
            line_sha256: line_digest(line.as_bytes()),
        }
    }

    fn write(home: &Path, passwd: &str, shadow: &str) {
        fs::write(home.join("passwd"), passwd).expect("ours");
        fs::write(home.join("shadow"), shadow).expect("ours");
        fs::set_permissions(home.join("shadow"), PermissionsExt::from_mode(0o640)).expect("ours");
    }

    fn read(home: &Path) -> (String, String) {
        let text = |name: &str| fs::read_to_string(home.join(name)).expect("ours");
        (text("passwd"), text("shadow"))
    }

    #[test]
    fn an_account_is_locked_and_unlocked() {
        let rows = [
            (
                "in shadow",
                TWIN,
                "root:$6$a$b:1:0:9:7:::\ntoor:$6$s$secret:2:0:9:7:::\n",
                TWIN,
                "root:$6$a$b:1:0:9:7:::\ntoor:!$6$s$secret:2:0:9:7::1:\n",
            ),
            (
                "in passwd",
                "toor:$1$s$secret:0:0::/root:/bin/bash",
                "root:$6$a$b:1:0:9:7:::\n",
                TWIN,
                "root:$6$a$b:1:0:9:7:::\ntoor:!$1$s$secret::::::1:\n",
            ),
        ];
        for (name, line, shadow, line_after, shadow_after) in rows {
            let home = bench::home();
            let passwd = |line: &str| format!("root:x:0:0:root:/root:/bin/bash\n{line}\nlast:x:5:5::/:/bin/sh");
            write(home.path(), &passwd(line), shadow);
            fs::write(home.path().join(".pwd.lock"), "").expect("ours");
            let (etc, target) = (etc(home.path()), target(line, 0));
            let done = etc.lock(&target).expect(name);
            let Done::Changed {
                undo: Undo::UnlockAccount { account, former },
            } = done.clone()
            else {
                panic!("{name}: {done:?}")
            };
            assert_eq!(
                read(home.path()),
                (passwd(line_after), shadow_after.to_owned()),
                "{name}"
            );
            let meta = fs::metadata(home.path().join("shadow")).expect("ours");
            assert_eq!(meta.mode() & 0o7777, 0o640);
            let written = serde_json::to_string(&done).expect("it can be written");
            assert!(!written.contains("secret"), "{name}: {written}");
            assert_eq!(etc.lock(&target), Ok(Done::Gone), "{name}: done twice is done once");
            assert_eq!(
                etc.unlock(&account, &former),
                Ok(Done::Changed { undo: Undo::None }),
                "{name}"
            );
            assert_eq!(read(home.path()), (passwd(line), shadow.to_owned()), "{name}");
            assert_eq!(etc.unlock(&account, &former), Ok(Done::Gone), "{name}");
            assert_eq!(
                fs::read_dir(home.path()).expect("ours").count(),
                3,
                "{name}: nothing of ours is left"
            );
        }
    }

    #[test]
    fn another_account_is_left_alone() {
        let shadow = "toor:$6$s$h:2::::::\n";
        let rows = [
            ("gone", "root:x:0:0::/root:/bin/sh\n", shadow, None),
            ("another uid", "toor:x:5:0::/root:/bin/bash\n", shadow, Some("digest")),
            (
                "another shell",
                "toor:x:0:0::/root:/bin/bash \n",
                shadow,
                Some("digest"),
            ),
            (
                "a second of that name",
                "toor:x:0:0::/root:/bin/bash\ntoor:x:9:9::/:/bin/sh\n",
                shadow,
                Some("several lines"),
            ),
            (
                "no line in shadow",
                "toor:x:0:0::/root:/bin/bash\n",
                "root:*:1::::::\n",
                Some("no line"),
            ),
            (
                "two in shadow",
                "toor:x:0:0::/root:/bin/bash\n",
                "toor:a:1::::::\ntoor:b:1::::::\n",
                Some("several lines"),
            ),
        ];
        for (name, passwd, shadow, why) in rows {
            let home = bench::home();
            write(home.path(), passwd, shadow);
            match (etc(home.path()).lock(&target(TWIN, 0)), why) {
                (Ok(done), None) => assert_eq!(done, Done::Gone, "{name}"),
                (Err(error), Some(why)) => assert!(error.to_string().contains(why), "{name}: {error}"),
                (result, _) => panic!("{name}: {result:?}"),
            }
            assert_eq!(read(home.path()), (passwd.to_owned(), shadow.to_owned()), "{name}");
        }
        let home = bench::home();
        fs::write(home.path().join("passwd"), format!("{TWIN}\n")).expect("ours");
        let result = etc(home.path()).lock(&target(TWIN, 0));
        assert!(matches!(result, Err(HostError::Unsupported { .. })), "{result:?}");
    }

    #[test]
    fn what_a_dead_worker_left_is_removed() {
        let home = bench::home();
        write(home.path(), &format!("{TWIN}\n"), "toor:h:2::::::\n");
        let etc = etc(home.path());
        for name in ["passwd", "shadow"] {
            fs::write(etc.file(name).name_in_edit().as_path(), "toor:!h:2:::::1:\n").expect("ours");
        }
        etc.tidy().expect("they are ours");
        assert_eq!(fs::read_dir(home.path()).expect("ours").count(), 2);
        assert_eq!(read(home.path()).1, "toor:h:2::::::\n");
        // Something else stands at our name: another one is taken.
        fs::create_dir(etc.file("shadow").name_in_edit().as_path()).expect("ours");
        assert!(matches!(etc.lock(&target(TWIN, 0)), Ok(Done::Changed { .. })));
    }

    #[test]
    fn who_holds_the_lock_is_waited_for_and_no_longer() {
        let home = bench::home();
        write(home.path(), &format!("{TWIN}\n"), "toor:h:2::::::\n");
        let lock = home.path().join(".pwd.lock");
        fs::write(&lock, "").expect("ours");
        // A record lock is a process's own: another one has to hold it.
        let script = "import fcntl,sys,time\nf=open(sys.argv[1],'w')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\ntime.sleep(30)";
        let holder = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(&lock)
            .stdout(std::process::Stdio::piped())
            .spawn();
        let Ok(mut holder) = holder else { return };
        let mut said = holder.stdout.take().expect("a pipe");
        std::io::Read::read_exact(&mut said, &mut [0; 5]).expect("it holds the lock");
        let result = etc(home.path()).lock(&target(TWIN, 0));
        let ended = holder.try_wait().expect("ours");
        assert!(
            matches!(result, Err(HostError::TimedOut { .. })),
            "{result:?}, {ended:?}"
        );
        holder.kill().expect("ours");
        holder.wait().expect("ours");
        assert!(matches!(
            etc(home.path()).lock(&target(TWIN, 0)),
            Ok(Done::Changed { .. })
        ));
    }

    #[test]
    fn an_immutable_file_is_changed_and_stays_immutable() {
        let home = bench::home();
        write(home.path(), &format!("{TWIN}\n"), "toor:h:2::::::\n");
        let path = home.path().join("shadow");
        let flags = || metadata::flags(&File::open(&path).expect("ours"), "test").expect("readable");
        let immutable = |on: bool| {
            let file = File::open(&path).expect("ours");
            let flags = metadata::flags(&file, "test").expect("readable").unwrap_or(0);
            let flags = if on { flags | 0x10 } else { flags & !0x10 };
            metadata::set_flags(&file, flags, "test")
        };
        // Needs root, and a file system that has flags.
        if immutable(true).is_err() {
            return;
        }
        let done = etc(home.path()).lock(&target(TWIN, 0));
        let held = flags().unwrap_or(0) & 0x10;
        immutable(false).expect("ours");
        assert!(matches!(done, Ok(Done::Changed { .. })), "{done:?}");
        assert_eq!(held, 0x10);
        assert_eq!(read(home.path()).1, "toor:!h:2:::::1:\n");
    }
}
