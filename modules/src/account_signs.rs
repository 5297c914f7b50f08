//! What is odd about accounts; nothing of it condemns. Pure.

use std::collections::BTreeMap;

use deminer_engine::finding::{Artifact, Bearing, DOOR, Finding};
use deminer_worker::action::AccountTarget;
use deminer_worker::query::{Account, Before, Password};
use deminer_worker::text::HostBytes;

use crate::saying::said;

/// The first number of ordinary accounts (login.defs(5), `UID_MIN`), and the one that is nobody's.
const FIRST_USER: u32 = 1_000;
const NOBODY: u32 = 65_534;

/// Groups whose members can become root.
const POWER: [&[u8]; 9] = [
    b"adm", b"admin", b"disk", b"docker", b"lxd", b"root", b"shadow", b"sudo", b"wheel",
];

/// Programs that let nobody in, by their name.
const CLOSED_SHELLS: [&[u8]; 5] = [b"nologin", b"false", b"true", b"sync", b"halt"];

/// Accounts whose shell is a shell on every system, though they have a system's number.
const USUAL_SHELLS: [&[u8]; 3] = [b"root", b"postgres", b"git"];

/// Letters of other scripts, and digits, that look like those of Latin names.
const ALIKE: [(char, char); 22] = [
    ('а', 'a'),
    ('е', 'e'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('у', 'y'),
    ('х', 'x'),
    ('ѕ', 's'),
    ('і', 'i'),
    ('ј', 'j'),
    ('һ', 'h'),
    ('ԁ', 'd'),
    ('ո', 'n'),
    ('α', 'a'),
    ('ο', 'o'),
    ('ν', 'v'),
    ('ι', 'i'),
    ('0', 'o'),
    ('1', 'l'),
    ('I', 'l'),
    ('|', 'l'),
    ('5', 's'),
];

/// Whether somebody can get in by an account with a password, or without one.
pub(crate) fn is_open(account: &Account) -> bool {
    matches!(account.password, Password::Set | Password::Empty) && lets_in(account)
}

/// Whether its shell is one, byte for byte: `/usr/sbin/nologin ` with a blank is not nologin.
fn lets_in(account: &Account) -> bool {
    let shell = account.shell.as_bytes();
    let name = shell.rsplit(|b| *b == b'/').next().unwrap_or_default();
    !CLOSED_SHELLS.contains(&name)
}

/// What a person should look at.
pub(crate) fn findings(accounts: &[Account], today: u32, new_days: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut by_uid: BTreeMap<u32, Vec<&Account>> = BTreeMap::new();
    let mut by_name: BTreeMap<&HostBytes, u32> = BTreeMap::new();
    let mut by_skeleton: BTreeMap<String, Vec<&Account>> = BTreeMap::new();
    for account in accounts {
        by_uid.entry(account.uid).or_default().push(account);
        *by_name.entry(&account.name).or_default() += 1;
        by_skeleton.entry(skeleton(&account.name)).or_default().push(account);
    }
    for account in accounts {
        let first = by_uid.get(&account.uid).and_then(|same| same.first().copied());
        let twin = first.filter(|first| first.name != account.name);
        let alike = by_skeleton.get(&skeleton(&account.name)).into_iter().flatten();
        let alike = alike
            .copied()
            .find(|other| other.name != account.name && other.number < account.number);
        let facts = Facts {
            twin,
            alike,
            twice: by_name.get(&account.name).is_some_and(|count| *count > 1),
            today,
            new_days,
        };
        findings.extend(of_account(account, &facts));
    }
    findings
}

struct Facts<'a> {
    /// The first account of the same number, where this is another.
    twin: Option<&'a Account>,
    /// An earlier account whose name looks the same.
    alike: Option<&'a Account>,
    twice: bool,
    today: u32,
    new_days: u32,
}

fn of_account(account: &Account, facts: &Facts<'_>) -> Vec<Finding> {
    use Bearing::{Review, Weighs};
    let artifact = || match AccountTarget::from_account(account) {
        Some(account) => Artifact::Account { account },
        None => Artifact::Host {},
    };
    let mut findings = Vec::new();
    let mut state = |signal: &str, bearing: Bearing, say: &str, value: &[u8]| {
        let is_door =
            matches!(signal, "root_twin" | "empty_password") && lets_in(account) && !account.is_shut(u32::MAX);
        let mut finding = Finding::new(artifact(), signal, bearing, say)
            .field("account", said(account.name.as_bytes()))
            .field("uid", account.uid)
            .field("value", said(value))
            .field("shell", said(account.shell.as_bytes()))
            .rests_on(format!("/etc/passwd:{}", account.number), account.line_sha256);
        if is_door {
            finding = finding.field(DOOR, said(account.name.as_bytes()));
        }
        findings.push(finding);
    };
    let name = account.name.as_bytes();
    let is_system = account.uid != 0 && account.uid < FIRST_USER;
    if account.uid == 0 && name != b"root" {
        state(
            "root_twin",
            Review,
            "{account} has the number 0: it is root under another name",
            b"",
        );
    } else if let Some(twin) = facts.twin.filter(|_| account.uid != NOBODY) {
        let say = "{account} and {value} share the number {uid}: each has what the other has";
        state("shared_number", Review, say, twin.name.as_bytes());
    }
    if facts.twice {
        let say = "the name {account} stands twice in /etc/passwd: only the first counts, for most programs";
        state("name_twice", Review, say, b"");
    }
    if account.password == Password::Empty && lets_in(account) {
        state(
            "empty_password",
            Review,
            "{account} has no password: anybody can be it where that is let in",
            b"",
        );
    }
    if is_system && is_open(account) && !USUAL_SHELLS.contains(&name) {
        let say = "{account} is an account of the system (uid {uid}), and has a password and the shell {shell}";
        state("system_account_open", Review, say, b"");
    }
    if is_bent(account.shell.as_bytes()) {
        let say = "the shell of {account} is `{shell}`, which only looks like an ordinary one";
        state("odd_shell", Review, say, b"");
    }
    if is_odd(name) {
        let say =
            "{account} has bytes in its name that hide it: blanks, a `$` at its end, a dot before it, or none of print";
        state("odd_name", Review, say, b"");
    }
    if let Some(other) = facts.alike {
        state(
            "name_alike",
            Review,
            "{account} looks like {value}",
            other.name.as_bytes(),
        );
    }
    match &account.before {
        Before::Absent => {
            let say =
                "{account} (uid {uid}) is not in /etc/passwd-: it is the last that was made, or was written in by hand";
            state("made_since_copy", Weighs, say, b"");
        }
        Before::Changed { fields } => {
            let is_way_in = fields.iter().any(|field| field == "uid" || field == "shell");
            let bearing = if is_way_in { Review } else { Weighs };
            let say = "{account} was changed since the copies: {value}";
            state("changed_since_copy", bearing, say, fields.join(", ").as_bytes());
        }
        Before::Same | Before::Unknown => {}
    }
    let age = account.changed_day.and_then(|day| facts.today.checked_sub(day));
    if let Some(days) = age.filter(|days| *days < facts.new_days && account.password == Password::Set) {
        let say = "the password of {account} was set {value} days ago";
        state("password_new", Weighs, say, days.to_string().as_bytes());
    }
    let power: Vec<&[u8]> = (account.groups.iter().map(HostBytes::as_bytes))
        .filter(|group| POWER.contains(group))
        .collect();
    if !power.is_empty() && account.uid != 0 {
        let bearing = if is_system && is_open(account) { Review } else { Weighs };
        let say = "{account} belongs to {value}, whose members can become root";
        state("power_group", bearing, say, &power.join(&b", "[..]));
    }
    findings
}

/// Whether a shell is not what it looks like: blanks or bytes that do not print, around it or in it.
fn is_bent(shell: &[u8]) -> bool {
    shell.iter().any(|b| *b == b' ' || !b.is_ascii_graphic())
}

/// Whether a name is made to be overlooked. Names of Active Directory (`HOST$`, `a.b`, umlauts) are not in these files.
fn is_odd(name: &[u8]) -> bool {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'+' | b'@');
    let hidden = matches!(name.first(), Some(b'.' | b'-' | b'+'));
    hidden || !name.iter().all(is_plain)
}

/// A name with everything that only looks different made equal.
fn skeleton(name: &HostBytes) -> String {
    let text = String::from_utf8_lossy(name.as_bytes());
    let plain = text
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && *c != '$');
    let letter = |c: char| ALIKE.iter().find(|(odd, _)| *odd == c).map_or(c, |(_, plain)| *plain);
    plain.map(letter).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use deminer_worker::accounts::{Books, accounts};
    use deminer_worker::query::Coverage;
    use proptest::prelude::*;

    fn signals(passwd: &str, shadow: &str, group: &str, before: Option<&str>) -> Vec<String> {
        let books = Books {
            passwd: passwd.as_bytes(),
            shadow: Some(shadow.as_bytes()),
            group: Some(group.as_bytes()),
            passwd_before: before.map(str::as_bytes),
            shadow_before: before.map(|_| shadow.as_bytes()),
        };
        let accounts = accounts(&books, &mut Coverage::whole());
        let findings = findings(&accounts, 20_000, 7);
        assert!(findings.iter().all(|finding| finding.bearing != Bearing::Condemns));
        let mut told: Vec<String> = (findings.iter())
            .map(|finding| {
                let mark = if finding.bearing == Bearing::Review { "!" } else { "" };
                format!("{}{mark} {}", finding.signal, finding.fields["account"])
            })
            .collect();
        told.sort();
        told
    }

    const ROOT: &str = "root:x:0:0:root:/root:/bin/bash\n";

    #[test]
    fn an_ordinary_host_has_nothing_to_look_at() {
        let passwd = format!(
            "{ROOT}daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nsync:x:4:65534:sync:/bin:/bin/sync\n\
             _apt:x:42:65534::/nonexistent:/usr/sbin/nologin\nsystemd-network:x:998:998::/:/usr/sbin/nologin\n\
             postgres:x:114:120::/var/lib/postgresql:/bin/bash\nops:x:1000:1000:Ops,,,:/home/ops:/bin/bash\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        );
        let shadow = "root:*:19000:0:99999:7:::\nops:$6$a$b:19000:0:99999:7:::\npostgres:!:19000::::::\n";
        let group = "root:x:0:\nops:x:1000:\nssl-cert:x:120:postgres\n";
        assert!(signals(&passwd, shadow, group, Some(&passwd)).is_empty());
    }

    #[test]
    fn what_is_odd_is_for_a_person() {
        let rows: [(&str, &str, &str, &[&str]); 11] = [
            (
                "a twin",
                "toor:x:0:0::/root:/bin/bash\n",
                "toor:$6$x:1000::::::\n",
                &["root_twin! toor"],
            ),
            (
                "a shared number",
                "a:x:1000:1000::/:/bin/sh\nb:x:1000:1000::/:/bin/sh\n",
                "",
                &["shared_number! b"],
            ),
            (
                "no password",
                "a::1000:1000::/home/a:/bin/sh\n",
                "",
                &["empty_password! a"],
            ),
            (
                "no password, no shell",
                "a::1000:1000::/home/a:/usr/sbin/nologin\n",
                "",
                &[],
            ),
            (
                "a revived account",
                "games:x:5:60::/usr/games:/bin/bash\n",
                "games:$6$x:1000::::::\n",
                &["system_account_open! games"],
            ),
            (
                "a blank behind the shell",
                "news:x:9:9::/var/spool/news:/usr/sbin/nologin \n",
                "news:*:1::::::\n",
                &["odd_shell! news"],
            ),
            (
                "a name that hides",
                "a$:x:1000:1000::/:/bin/sh\n",
                "",
                &["odd_name! a$"],
            ),
            (
                "a name that looks like another",
                "r00t:x:1000:1000::/:/bin/sh\n",
                "",
                &["name_alike! r00t"],
            ),
            (
                "the same with a letter of another script",
                "rооt:x:1000:1000::/:/bin/sh\n",
                "",
                &["name_alike! rооt", "odd_name! rооt"],
            ),
            (
                "the name twice",
                "a:x:1000:1000::/:/bin/sh\na:x:1001:1001::/:/bin/sh\n",
                "",
                &["name_twice! a", "name_twice! a"],
            ),
            (
                "a new password",
                "a:x:1000:1000::/:/bin/sh\n",
                "a:$6$x:19998::::::\n",
                &["password_new a"],
            ),
        ];
        for (name, passwd, shadow, expected) in rows {
            let passwd = format!("{ROOT}{passwd}");
            assert_eq!(signals(&passwd, shadow, "", None), expected, "{name}");
        }
    }

    #[test]
    fn what_changed_since_the_copies() {
        let before = format!("{ROOT}games:x:5:60::/usr/games:/usr/sbin/nologin\na:x:1000:1000::/home/a:/bin/sh\n");
        let now = format!(
            "{ROOT}games:x:5:60::/usr/games:/bin/bash\na:x:1000:1000:A:/home/a:/bin/sh\nb:x:1001:1001::/:/bin/sh\n"
        );
        let found = signals(&now, "", "sudo:x:27:b\ndocker:x:998:games\n", Some(&before));
        let expected = [
            "changed_since_copy a",
            "changed_since_copy! games",
            "made_since_copy b",
            "power_group b",
            "power_group games",
        ];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn any_names_are_judged(names in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let rows: Vec<Account> = names
                .into_iter()
                .map(|name| Account { name: HostBytes::new(name), ..Account::default() })
                .collect();
            for finding in findings(&rows, 20_000, 7) {
                prop_assert_ne!(finding.bearing, Bearing::Condemns);
            }
        }
    }
}
