//! Accounts of a simulated host: its files say who has one, as on any other.

use super::state::{DAY_MS, State};
use super::tree::{Traits, ns};
use super::world;
use crate::accounts::{self, Books};
use crate::query::{Account, Coverage, FileKind, Observed, Password};
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

    /// What a regular file holds.
    pub(super) fn content(&self, path: &str) -> Option<&[u8]> {
        let inode = self.tree.lookup(&HostPath::from(path))?;
        (inode.kind == FileKind::Regular).then_some(&inode.content[..])
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
