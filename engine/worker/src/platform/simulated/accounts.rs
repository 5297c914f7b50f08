//! Accounts of a simulated host: its files say who has one, as on any other.

use super::acts::{changed, gone};
use super::state::{DAY_MS, State};
use super::tree::{Traits, ns};
use super::world;
use crate::accounts::{self, Books, Met};
use crate::action::{AccountTarget, Done, Undo};
use crate::query::{Account, Coverage, FileKind, HostError, Observed, Password};
use crate::shadow::{self, Fault, Former, Locked};
use crate::text::HostPath;

impl State {
    /// Writes the described accounts to the files that hold accounts, where no such file is described.
    pub(super) fn enrol(&mut self) {
        if self.content(accounts::PASSWD).is_some() {
            return;
        }
        let day = self.world.host_time_ms / DAY_MS;
        let (mut passwd, mut shadow) = (Vec::new(), Vec::new());
        for account in &self.world.accounts {
            passwd.extend_from_slice(&passwd_line(account));
            let field: &[u8] = match account.password {
                Password::Set => b"$6$simulated$simulated",
                Password::Empty => b"",
                Password::Locked => b"*",
                Password::Unknown => continue,
            };
            let name = account.name.as_bytes();
            let days = format!(":{}:0:99999:7:::\n", day.saturating_sub(30));
            shadow.extend_from_slice(&[name, b":", field, days.as_bytes()].concat());
        }
        let old_ns = ns(self.world.host_time_ms.saturating_sub(30 * DAY_MS));
        self.tree.make_directories(&HostPath::from("/etc"), old_ns);
        for (path, content, mode) in [(accounts::PASSWD, passwd, 0o644), (accounts::SHADOW, shadow, 0o640)] {
            let path = HostPath::from(path);
            if self.tree.lookup(&path).is_none() {
                self.tree.put(&path, content, Traits::regular(mode, 0, old_ns));
            }
        }
    }

    pub(super) fn accounts(&self) -> Observed<Vec<Account>> {
        let mut coverage = Coverage::whole();
        let mut read = |path: &str| {
            if let Some(why) = self.hidden(&HostPath::from(path)) {
                coverage.note("file", path, why);
                return None;
            }
            self.content(path)
        };
        let books = Books {
            passwd: read(accounts::PASSWD).unwrap_or_default(),
            shadow: read(accounts::SHADOW),
            group: read(accounts::GROUP),
            passwd_before: read(accounts::PASSWD_BEFORE),
            shadow_before: read(accounts::SHADOW_BEFORE),
        };
        let value = accounts::accounts(&books, &mut coverage);
        Observed { value, coverage }
    }

    /// Locks an account, by the same texts as on any other host.
    pub(super) fn lock_account(&mut self, account: &AccountTarget) -> Result<Done, HostError> {
        let doing = format!("lock account `{}`", account.name);
        let name = account.name.as_bytes();
        let passwd = self.content(accounts::PASSWD).unwrap_or_default().to_vec();
        match accounts::meet(&passwd, account) {
            Met::There => {}
            Met::Absent => return Ok(Done::Gone),
            Met::Twice => return Err(Fault::Twice.during(&doing)),
            Met::Another(found) => {
                let expected = account.line_sha256.short();
                return Err(changed(
                    &doing,
                    &format!("uid {}, a line with the digest {expected}", account.uid),
                    &format!("a line with the digest {}", found.short()),
                ));
            }
        }
        let Some(shadow) = self.content(accounts::SHADOW) else {
            return Err(HostError::Unsupported {
                doing,
                why: "there is no /etc/shadow, so no account can expire".to_owned(),
            });
        };
        let own = shadow::own_password(&passwd, name).map_err(|fault| fault.during(&doing))?;
        let Some(Locked { text, former }) = shadow::lock(shadow, name, own).map_err(|fault| fault.during(&doing))?
        else {
            return Ok(Done::Gone);
        };
        self.need_room(&doing)?;
        self.write_over(accounts::SHADOW, text);
        if own.is_some()
            && let Some(text) = shadow::with_password(&passwd, name, b"x").map_err(|fault| fault.during(&doing))?
        {
            self.write_over(accounts::PASSWD, text);
        }
        Ok(Done::Changed {
            undo: Undo::UnlockAccount {
                account: account.clone(),
                former,
            },
        })
    }

    /// Takes a lock back, as far as it still is as it was left.
    pub(super) fn unlock_account(&mut self, account: &AccountTarget, former: &Former) -> Result<Done, HostError> {
        let doing = format!("unlock account `{}`", account.name);
        let name = account.name.as_bytes();
        let passwd = self.content(accounts::PASSWD).unwrap_or_default().to_vec();
        if accounts::meet(&passwd, account) != Met::There {
            return Err(gone(&doing));
        }
        let shadow = self.content(accounts::SHADOW).unwrap_or_default();
        let unlocked = match shadow::unlock(shadow, name, former) {
            Ok(unlocked) => unlocked,
            Err(Fault::Absent) if former.added => return Ok(Done::Gone),
            Err(fault) => return Err(fault.during(&doing)),
        };
        self.need_room(&doing)?;
        let mut any = false;
        if let Some(own) = unlocked.own
            && let Some(text) = shadow::with_password(&passwd, name, &own).map_err(|fault| fault.during(&doing))?
        {
            self.write_over(accounts::PASSWD, text);
            any = true;
        }
        if let Some(text) = unlocked.shadow {
            self.write_over(accounts::SHADOW, text);
            any = true;
        }
        Ok(match any {
            true => Done::Changed { undo: Undo::None },
            false => Done::Gone,
        })
    }

    /// Gives a file that is there another content; all else of it stays, flags too.
    fn write_over(&mut self, path: &str, content: Vec<u8>) {
        let path = HostPath::from(path);
        let Some(before) = self.tree.lookup(&path).cloned() else {
            return;
        };
        let now_ns = self.now_ns();
        let traits = Traits {
            kind: FileKind::Regular,
            mode: before.mode,
            uid: before.uid,
            gid: before.gid,
            mtime_ns: now_ns,
            flags: before.flags,
            xattrs: before.xattrs,
            target: None,
        };
        self.tree.put(&path, content, traits);
        self.tree.touch_parent(&path, now_ns);
    }

    /// What a regular file holds, links followed.
    fn content(&self, path: &str) -> Option<&[u8]> {
        self.tree.regular(&HostPath::from(path)).map(|inode| &inode.content[..])
    }
}

fn passwd_line(account: &world::Account) -> Vec<u8> {
    let gid = account.gid.unwrap_or(account.uid);
    let ids = format!(":x:{}:{gid}::", account.uid);
    let (name, home, shell) = (&account.name, &account.home, &account.shell);
    let end: &[u8] = b"\n";
    [
        name.as_bytes(),
        ids.as_bytes(),
        home.as_bytes(),
        b":",
        shell.as_bytes(),
        end,
    ]
    .concat()
}
