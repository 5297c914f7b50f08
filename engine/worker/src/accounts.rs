//! Accounts as the host's own files have them: passwd(5), shadow(5), group(5), and the copies `passwd-` and `shadow-`
//! that shadow-utils leaves at each change. Byte for byte, and pure: no name service is asked. Password hashes are
//! compared here and go no further.

use std::collections::HashMap;

use crate::action::AccountTarget;
use crate::query::{Account, Before, Coverage, GapReason, Password};
use crate::text::{Digest, HostBytes, HostPath};

/// `/etc/passwd`.
pub const PASSWD: &str = "/etc/passwd";
/// `/etc/shadow`.
pub const SHADOW: &str = "/etc/shadow";
/// `/etc/group`.
pub const GROUP: &str = "/etc/group";
/// The copy of `/etc/passwd` from before the last change.
pub const PASSWD_BEFORE: &str = "/etc/passwd-";
/// The copy of `/etc/shadow` from before the last change.
pub const SHADOW_BEFORE: &str = "/etc/shadow-";

/// The most groups of one account that are told.
const GROUPS: usize = 64;

/// The contents of the files; `None` where one is absent or could not be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Books<'a> {
    /// `/etc/passwd`.
    pub passwd: &'a [u8],
    /// `/etc/shadow`.
    pub shadow: Option<&'a [u8]>,
    /// `/etc/group`.
    pub group: Option<&'a [u8]>,
    /// `/etc/passwd-`.
    pub passwd_before: Option<&'a [u8]>,
    /// `/etc/shadow-`.
    pub shadow_before: Option<&'a [u8]>,
}

/// A line of passwd, in its seven fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PasswdLine<'a> {
    name: &'a [u8],
    password: &'a [u8],
    uid: u32,
    gid: u32,
    full_name: &'a [u8],
    home: &'a [u8],
    shell: &'a [u8],
}

/// What shadow has of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShadowLine<'a> {
    password: &'a [u8],
    changed_day: Option<u32>,
    expires_day: Option<u32>,
}

/// Every account of `/etc/passwd`, in its order, with what the other files say of it. Of the lines of one name in the other
/// files the first one counts, as it does for login(1). A line that is no account becomes a gap.
pub fn accounts(books: &Books<'_>, coverage: &mut Coverage) -> Vec<Account> {
    let shadow = books.shadow.map(shadow_lines);
    let before = books.passwd_before.map(|text| Earlier {
        passwd: first_by_name(text),
        shadow: books.shadow_before.map(shadow_lines),
    });
    let groups = books.group.map(Groups::read).unwrap_or_default();
    let mut accounts = Vec::new();
    for (at, line) in books.passwd.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        let Some(fields) = passwd_line(line) else {
            let object = format!("{PASSWD}:{}", at + 1);
            coverage.note("account", object.as_str(), GapReason::Malformed);
            continue;
        };
        let secret = shadow.as_ref().and_then(|lines| lines.get(fields.name));
        let (groups, more) = groups.of(&fields);
        if more {
            coverage.note("groups", HostBytes::new(fields.name), GapReason::TooMany);
        }
        accounts.push(Account {
            name: HostBytes::new(fields.name),
            uid: fields.uid,
            gid: fields.gid,
            home: HostPath::new(fields.home),
            shell: HostBytes::new(fields.shell),
            password: match fields.password {
                b"x" => secret.map_or(Password::Unknown, |line| password_kind(line.password)),
                own => password_kind(own),
            },
            full_name: HostBytes::new(fields.full_name),
            number: u32::try_from(at + 1).unwrap_or(u32::MAX),
            line_sha256: Some(line_digest(line)),
            changed_day: secret.and_then(|line| line.changed_day),
            expires_day: secret.and_then(|line| line.expires_day),
            groups,
            before: before
                .as_ref()
                .map_or(Before::Unknown, |earlier| earlier.of(&fields, secret)),
        });
    }
    accounts
}

/// What identifies a line of passwd: its digest without the password field, so that nobody can try passwords against it, and
/// so that it stays the same when the account is locked.
pub fn line_digest(line: &[u8]) -> Digest {
    let mut fields = line.splitn(3, |byte| *byte == b':');
    let (name, _, rest) = (fields.next(), fields.next(), fields.next());
    Digest::of(&[name.unwrap_or_default(), b"::", rest.unwrap_or_default()].concat())
}

/// How an account is found again in passwd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// As it was seen.
    There,
    /// No line has its name.
    Absent,
    /// The line of its name is another one, with this digest.
    Another(Digest),
    /// Several lines have its name: what is done to one would be done to all.
    Twice,
}

/// Looks for an account by its identity.
pub fn meet(passwd: &[u8], account: &AccountTarget) -> Met {
    let prefix = [account.name.as_bytes(), b":"].concat();
    let mut lines = passwd
        .split(|byte| *byte == b'\n')
        .filter(|line| line.starts_with(&prefix));
    match (lines.next(), lines.next()) {
        (None, _) => Met::Absent,
        (Some(_), Some(_)) => Met::Twice,
        (Some(line), None) => {
            let uid = line.split(|byte| *byte == b':').nth(2).and_then(number);
            match line_digest(line) {
                found if found == account.line_sha256 && uid == Some(account.uid) => Met::There,
                found => Met::Another(found),
            }
        }
    }
}

/// The longest login name that is told.
const NAME_BYTES: usize = 256;

/// The login names that settings of an environment tell.
pub fn login_names<'a>(settings: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = HostBytes> {
    const NAMES: [&[u8]; 3] = [b"LOGNAME=", b"USER=", b"SUDO_USER="];
    let name = |setting: &'a [u8]| NAMES.iter().find_map(|name| setting.strip_prefix(*name));
    let fits = |name: &&[u8]| !name.is_empty() && name.len() <= NAME_BYTES;
    settings.into_iter().filter_map(name).filter(fits).map(HostBytes::new)
}

fn passwd_line(line: &[u8]) -> Option<PasswdLine<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let line = PasswdLine {
        name: fields.next().filter(|name| !name.is_empty())?,
        password: fields.next()?,
        uid: number(fields.next()?)?,
        gid: number(fields.next()?)?,
        full_name: fields.next()?,
        home: fields.next()?,
        shell: fields.next()?,
    };
    fields.next().is_none().then_some(line)
}

fn first_by_name(passwd: &[u8]) -> HashMap<&[u8], PasswdLine<'_>> {
    let mut lines = HashMap::new();
    for line in passwd.split(|byte| *byte == b'\n').filter_map(passwd_line) {
        lines.entry(line.name).or_insert(line);
    }
    lines
}

fn shadow_lines(shadow: &[u8]) -> HashMap<&[u8], ShadowLine<'_>> {
    let mut lines = HashMap::new();
    for line in shadow.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (Some(name), Some(password)) = (fields.next(), fields.next()) else {
            continue;
        };
        let day = |field: Option<&[u8]>| field.and_then(number);
        lines.entry(name).or_insert(ShadowLine {
            password,
            changed_day: day(fields.next()),
            expires_day: day(fields.nth(4)),
        });
    }
    lines
}

/// A decimal number without sign, all of it digits.
fn number(text: &[u8]) -> Option<u32> {
    match text {
        [] => None,
        digits => digits.iter().try_fold(0_u32, |sum, byte| {
            let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        }),
    }
}

fn password_kind(field: &[u8]) -> Password {
    match field.first() {
        None => Password::Empty,
        Some(b'!' | b'*') => Password::Locked,
        Some(_) => Password::Set,
    }
}

/// The copies from before the last change.
struct Earlier<'a> {
    passwd: HashMap<&'a [u8], PasswdLine<'a>>,
    shadow: Option<HashMap<&'a [u8], ShadowLine<'a>>>,
}

impl Earlier<'_> {
    fn of(&self, now: &PasswdLine<'_>, secret: Option<&ShadowLine<'_>>) -> Before {
        let Some(was) = self.passwd.get(now.name) else {
            return Before::Absent;
        };
        let secret_was = self.shadow.as_ref().and_then(|lines| lines.get(now.name));
        let password_differs = match (secret, secret_was) {
            (Some(secret), Some(was)) => secret.password != was.password,
            _ => false,
        };
        let rows = [
            ("uid", was.uid != now.uid),
            ("gid", was.gid != now.gid),
            ("full_name", was.full_name != now.full_name),
            ("home", was.home != now.home),
            ("shell", was.shell != now.shell),
            ("password", was.password != now.password || password_differs),
        ];
        let fields: Vec<String> = (rows.iter().filter(|(_, differs)| *differs))
            .map(|(field, _)| (*field).to_owned())
            .collect();
        match fields.is_empty() {
            true => Before::Same,
            false => Before::Changed { fields },
        }
    }
}

/// Who belongs to which group.
#[derive(Default)]
struct Groups<'a> {
    by_id: HashMap<u32, &'a [u8]>,
    by_member: HashMap<&'a [u8], Vec<&'a [u8]>>,
}

impl<'a> Groups<'a> {
    fn read(group: &'a [u8]) -> Self {
        let mut groups = Self::default();
        for line in group.split(|byte| *byte == b'\n') {
            let mut fields = line.split(|byte| *byte == b':');
            let (Some(name), Some(_), Some(id)) = (fields.next(), fields.next(), fields.next().and_then(number)) else {
                continue;
            };
            groups.by_id.entry(id).or_insert(name);
            let members = fields.next().unwrap_or_default().split(|byte| *byte == b',');
            for member in members.filter(|member| !member.is_empty()) {
                groups.by_member.entry(member).or_default().push(name);
            }
        }
        groups
    }

    /// The groups of an account, and whether there are more than are told.
    fn of(&self, account: &PasswdLine<'_>) -> (Vec<HostBytes>, bool) {
        let primary = self.by_id.get(&account.gid);
        let others = self.by_member.get(account.name).into_iter().flatten();
        let mut names: Vec<HostBytes> = Vec::new();
        for name in primary.into_iter().chain(others) {
            let name = HostBytes::new(*name);
            if names.contains(&name) {
                continue;
            }
            if names.len() == GROUPS {
                return (names, true);
            }
            names.push(name);
        }
        (names, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD_TEXT: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\
        daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
        open::1000:1000:,,,:/home/open:/bin/sh\n\
        old:$1$abc$def:1001:1001::/home/old:\n\
        \n# a comment\n\
        lost:x:1002:1002::/home/lo\xffst:/bin/false\n\
        +::::::\n\
        bad:x:-1:0::/:/bin/sh\n\
        extra:x:5:5::/:/bin/sh:more\n";
    const SHADOW_TEXT: &[u8] = b"root:$y$j9T$x:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7::20000:\nroot::1::::::\n";

    fn read(books: &Books<'_>) -> (Vec<Account>, Coverage) {
        let mut coverage = Coverage::whole();
        let accounts = accounts(books, &mut coverage);
        (accounts, coverage)
    }

    #[test]
    fn accounts_of_both_files() {
        let (accounts, coverage) = read(&Books {
            passwd: PASSWD_TEXT,
            shadow: Some(SHADOW_TEXT),
            ..Books::default()
        });
        let told: Vec<(String, u32, Password, u32)> = accounts
            .iter()
            .map(|a| (a.name.to_string(), a.uid, a.password, a.number))
            .collect();
        let expected = [
            ("root", 0, Password::Set, 1),
            ("daemon", 1, Password::Locked, 2),
            ("open", 1000, Password::Empty, 3),
            ("old", 1001, Password::Set, 4),
            ("lost", 1002, Password::Unknown, 7),
        ];
        assert_eq!(
            told,
            expected.map(|(name, uid, password, number)| (name.to_owned(), uid, password, number))
        );
        assert_eq!(accounts[4].home.as_bytes(), b"/home/lo\xffst");
        assert_eq!(
            (accounts[0].changed_day, accounts[0].expires_day),
            (Some(19_000), None),
            "the first line of a name counts"
        );
        assert_eq!(accounts[1].expires_day, Some(20_000));
        assert!(accounts[1].is_shut(20_000) && !accounts[1].is_shut(19_999));
        let lines: Vec<String> = coverage.gaps.iter().map(|gap| gap.object.to_string()).collect();
        assert_eq!(lines, ["/etc/passwd:8", "/etc/passwd:9", "/etc/passwd:10"]);
    }

    #[test]
    fn without_shadow_nothing_is_known() {
        let (accounts, _) = read(&Books {
            passwd: b"root:x:0:0:root:/root:/bin/bash",
            ..Books::default()
        });
        assert_eq!(accounts[0].password, Password::Unknown);
        assert_eq!(accounts[0].before, Before::Unknown);
    }

    #[test]
    fn a_line_is_known_whatever_its_password_is() {
        let line = line_digest(b"a:x:0:0::/root:/bin/sh");
        assert_eq!(line, line_digest(b"a::0:0::/root:/bin/sh"));
        assert_eq!(line, line_digest(b"a:$1$s$h:0:0::/root:/bin/sh"));
        assert_ne!(line, line_digest(b"a:x:1:0::/root:/bin/sh"));
        assert_ne!(line, line_digest(b"a:x:0:0::/root:/bin/sh "));
    }

    #[test]
    fn an_account_is_met_again() {
        let line = "toor:x:0:0::/root:/bin/sh";
        let target = AccountTarget {
            name: HostBytes::from("toor"),
            uid: 0,
            line_sha256: line_digest(line.as_bytes()),
        };
        let rows = [
            ("as it was", "a:x:1:1::/:\ntoor:x:0:0::/root:/bin/sh\n", Met::There),
            ("locked meanwhile", "toor:!:0:0::/root:/bin/sh", Met::There),
            ("gone", "toor2:x:0:0::/root:/bin/sh\n", Met::Absent),
            ("twice", "toor:x:0:0::/root:/bin/sh\ntoor:x:9:9::/:\n", Met::Twice),
            (
                "another",
                "toor:x:9:0::/root:/bin/sh\n",
                Met::Another(line_digest(b"toor:x:9:0::/root:/bin/sh")),
            ),
        ];
        for (name, passwd, expected) in rows {
            assert_eq!(meet(passwd.as_bytes(), &target), expected, "{name}");
        }
        let other = AccountTarget { uid: 5, ..target };
        assert!(
            matches!(meet(line.as_bytes(), &other), Met::Another(_)),
            "a plan that contradicts itself"
        );
    }

    #[test]
    fn what_changed_since_the_copy() {
        let passwd = b"root:x:0:0:root:/root:/bin/bash\n\
            games:x:5:60:games:/usr/games:/bin/bash\n\
            news:x:9:9:news:/var/spool/news:/usr/sbin/nologin\n\
            new:x:0:0::/root:/bin/sh\n";
        let before = b"root:x:0:0:root:/root:/bin/bash\n\
            games:x:5:60:games:/usr/games:/usr/sbin/nologin\n\
            news:x:9:9:news:/var/spool/news:/usr/sbin/nologin\n";
        let (accounts, _) = read(&Books {
            passwd,
            shadow: Some(b"root:a:1::::::\ngames:b:2::::::\nnews:$6$x:2::::::\nnew:c:2::::::\n"),
            passwd_before: Some(before),
            shadow_before: Some(b"root:a:1::::::\ngames:*:1::::::\nnews:*:1::::::\n"),
            ..Books::default()
        });
        let changed = |fields: &[&str]| Before::Changed {
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let found: Vec<Before> = accounts.into_iter().map(|account| account.before).collect();
        let expected = [
            Before::Same,
            changed(&["shell", "password"]),
            changed(&["password"]),
            Before::Absent,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn groups_by_name_and_by_number() {
        let (accounts, coverage) = read(&Books {
            passwd: b"a:x:1000:1000::/:/bin/sh\nb:x:1001:27::/:/bin/sh\n",
            group: Some(b"a:x:1000:\nsudo:x:27:a,b\ndocker:x:998:a\nbad\nwheel:x:x:a\n"),
            ..Books::default()
        });
        let names: Vec<String> = (accounts.iter())
            .map(|account| {
                let names: Vec<String> = account.groups.iter().map(HostBytes::to_string).collect();
                names.join(",")
            })
            .collect();
        assert_eq!(names, ["a,sudo,docker", "sudo"]);
        assert!(coverage.is_whole());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(passwd: Vec<u8>, shadow: Vec<u8>, group: Vec<u8>) {
            let books = Books {
                passwd: &passwd, shadow: Some(&shadow), group: Some(&group),
                passwd_before: Some(&shadow), shadow_before: Some(&passwd),
            };
            let (accounts, _) = read(&books);
            prop_assert!(accounts.len() <= passwd.split(|b| *b == b'\n').count());
        }

        #[test]
        fn lines_of_colons_do_not_panic(text in "[a-z:0-9x,\n+!*-]{0,200}") {
            let text = text.as_bytes();
            let books = Books {
                passwd: text, shadow: Some(text), group: Some(text), passwd_before: Some(text), shadow_before: Some(text),
            };
            let (accounts, _) = read(&books);
            prop_assert!(accounts.iter().all(|account| account.groups.len() <= GROUPS));
        }
    }
}
