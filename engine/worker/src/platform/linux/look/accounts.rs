//! Accounts, from the host's own files; no name service is asked.

use rustix::io::Errno;

use super::file::system_file;
use super::gaps::Gaps;
use crate::accounts::{self, Books};
use crate::query::{Account, Observed};

/// The longest account file that is read.
const FILE_BYTES: usize = 64 << 20;

/// Answers `Accounts`.
pub(super) fn accounts() -> Observed<Vec<Account>> {
    let mut gaps = Gaps::default();
    let passwd = read(accounts::PASSWD, true, &mut gaps);
    let shadow = read(accounts::SHADOW, true, &mut gaps);
    // Not every system has these; one that has them and does not let us read them has something to tell.
    let group = read(accounts::GROUP, false, &mut gaps);
    let passwd_before = read(accounts::PASSWD_BEFORE, false, &mut gaps);
    let shadow_before = (shadow.as_ref()).and_then(|_| read(accounts::SHADOW_BEFORE, false, &mut gaps));
    let books = Books {
        passwd: passwd.as_deref().unwrap_or_default(),
        shadow: shadow.as_deref(),
        group: group.as_deref(),
        passwd_before: passwd_before.as_deref(),
        shadow_before: shadow_before.as_deref(),
    };
    let mut coverage = gaps.into_coverage();
    Observed {
        value: accounts::accounts(&books, &mut coverage),
        coverage,
    }
}

fn read(path: &str, is_needed: bool, gaps: &mut Gaps) -> Option<Vec<u8>> {
    match system_file(path, FILE_BYTES) {
        Ok(bytes) => Some(bytes),
        Err(Errno::NOENT) if !is_needed => None,
        Err(errno) => {
            gaps.errno("file", path, errno);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_root() {
        assert!(accounts().value.iter().any(|account| account.uid == 0));
    }
}
