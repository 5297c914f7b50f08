//! Accounts, from `/etc/passwd` and `/etc/shadow` (passwd(5), shadow(5)); no name service is asked.

use std::collections::HashMap;

use super::file::system_file;
use super::gaps::Gaps;
use super::procfs::number;
use crate::query::{Account, GapReason, Observed, Password};
use crate::text::{HostBytes, HostPath};

/// The longest account file that is read.
const FILE_BYTES: usize = 64 << 20;

/// One line of passwd, with its password field.
#[derive(Debug, PartialEq, Eq)]
struct PasswdLine<'a> {
    account: Account,
    password: &'a [u8],
}

/// Answers `Accounts`.
pub(super) fn accounts() -> Observed<Vec<Account>> {
    let mut gaps = Gaps::default();
    let mut read = |path: &str| match system_file(path, FILE_BYTES) {
        Ok(bytes) => Some(bytes),
        Err(errno) => {
            gaps.errno("file", path, errno);
            None
        }
    };
    let passwd = read("/etc/passwd").unwrap_or_default();
    let shadow = read("/etc/shadow");
    let accounts = join(&passwd, shadow.as_deref(), &mut gaps);
    Observed {
        value: accounts,
        coverage: gaps.into_coverage(),
    }
}

/// Every account of `passwd`, in its order; what `shadow` says of the password, where passwd says `x`.
fn join(passwd: &[u8], shadow: Option<&[u8]>, gaps: &mut Gaps) -> Vec<Account> {
    let fields: HashMap<&[u8], &[u8]> = shadow.map(shadow_fields).unwrap_or_default();
    let mut accounts = Vec::new();
    for (at, line) in passwd.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        match passwd_line(line) {
            Some(PasswdLine { mut account, password }) => {
                account.password = match password {
                    b"x" => fields
                        .get(account.name.as_bytes())
                        .map_or(Password::Unknown, |field| password_kind(field)),
                    own => password_kind(own),
                };
                accounts.push(account);
            }
            None => gaps.note(
                "account",
                format!("/etc/passwd:{}", at + 1).as_str(),
                GapReason::Malformed,
            ),
        }
    }
    accounts
}

fn passwd_line(line: &[u8]) -> Option<PasswdLine<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let password = fields.next()?;
    let uid = number(fields.next()?)?;
    let gid = number(fields.next()?)?;
    let _full_name = fields.next()?;
    let home = fields.next()?;
    let shell = fields.next()?;
    let account = Account {
        name: HostBytes::new(name),
        uid,
        gid,
        home: HostPath::new(home),
        shell: HostBytes::new(shell),
        password: Password::Unknown,
    };
    fields.next().is_none().then_some(PasswdLine { account, password })
}

/// The password field of each name; the first line of a name counts, as it does for login(1).
fn shadow_fields(shadow: &[u8]) -> HashMap<&[u8], &[u8]> {
    let mut fields = HashMap::new();
    for line in shadow.split(|byte| *byte == b'\n') {
        let mut parts = line.split(|byte| *byte == b':');
        if let (Some(name), Some(password)) = (parts.next(), parts.next()) {
            fields.entry(name).or_insert(password);
        }
    }
    fields
}

fn password_kind(field: &[u8]) -> Password {
    match field.first() {
        None => Password::Empty,
        Some(b'!' | b'*') => Password::Locked,
        Some(_) => Password::Set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
        open::1000:1000:,,,:/home/open:/bin/sh\n\
        old:$1$abc$def:1001:1001::/home/old:\n\
        \n# a comment\n\
        lost:x:1002:1002::/home/lo\xffst:/bin/false\n\
        +::::::\n\
        bad:x:-1:0::/:/bin/sh\n\
        extra:x:5:5::/:/bin/sh:more\n";
    const SHADOW: &[u8] = b"root:$y$j9T$x:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nroot::1::::::\n";

    #[test]
    fn accounts_of_both_files() {
        let mut gaps = Gaps::default();
        let accounts = join(PASSWD, Some(SHADOW), &mut gaps);
        let told: Vec<(String, u32, Password)> = accounts
            .iter()
            .map(|a| (a.name.to_string(), a.uid, a.password))
            .collect();
        let expected = [
            ("root", 0, Password::Set),
            ("daemon", 1, Password::Locked),
            ("open", 1000, Password::Empty),
            ("old", 1001, Password::Set),
            ("lost", 1002, Password::Unknown),
        ];
        assert_eq!(
            told,
            expected.map(|(name, uid, password)| (name.to_owned(), uid, password))
        );
        assert_eq!(accounts[4].home.as_bytes(), b"/home/lo\xffst");
        let lines: Vec<String> = gaps.list().iter().map(|gap| gap.object.to_string()).collect();
        assert_eq!(lines, ["/etc/passwd:8", "/etc/passwd:9", "/etc/passwd:10"]);
    }

    #[test]
    fn without_shadow_nothing_is_known() {
        let accounts = join(b"root:x:0:0:root:/root:/bin/bash", None, &mut Gaps::default());
        assert_eq!(accounts[0].password, Password::Unknown);
    }

    #[test]
    fn this_host_has_root() {
        assert!(accounts().value.iter().any(|account| account.uid == 0));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(passwd: Vec<u8>, shadow: Vec<u8>) {
            let _ = join(&passwd, Some(&shadow), &mut Gaps::default());
        }

        #[test]
        fn lines_of_colons_do_not_panic(passwd in "[a-z:0-9x\n+!*-]{0,200}") {
            let _ = join(passwd.as_bytes(), Some(passwd.as_bytes()), &mut Gaps::default());
        }
    }
}
