//! Locking an account in the text of `/etc/shadow` and `/etc/passwd`, and taking that back: pure, byte for byte.
//!
//! Locked as by `usermod -L -e 1` (usermod(8), shadow(5)): an exclamation mark before the password field, which no password
//! fits then, and day 1 as the day of expiry, which PAM and sshd also ask before they let a key or a cron job in. PAM asks
//! it only of an account whose field in passwd is `x`. Where the password stands in passwd instead, it moves to the end of
//! the field in shadow, and its length is what tells them apart again: so no hash has to leave the host to be put back.

use serde::{Deserialize, Serialize};

use crate::query::HostError;
use crate::text::HostBytes;

/// The day of expiry of a locked account: the first that shadow(5) does not warn of.
const LOCKED_DAY: &[u8] = b"1";

/// The fields of a line of shadow.
const FIELDS: usize = 9;

/// What locking changed, and what stood there before. Holds nothing of a password but a length.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Former {
    /// Whether the exclamation mark is ours.
    pub marked: bool,
    /// The former day of expiry, as it stood there, where the present one is ours.
    pub expires: Option<HostBytes>,
    /// Whether the line in shadow is ours: there was none of that name.
    pub added: bool,
    /// Of the field in shadow, the length of what stood in passwd, where it was moved.
    pub moved: Option<u32>,
}

/// Why a text cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The name stands in no line.
    #[error("the name stands in no line")]
    Absent,
    /// The name stands in several lines: locking it would lock another account.
    #[error("the name stands in several lines")]
    Twice,
    /// The line has not the fields of its form.
    #[error("the line has not the fields of its form")]
    Malformed,
    /// The password is another than the one that was locked.
    #[error("the password was changed since")]
    Changed,
}

impl Fault {
    /// As the error of what was tried.
    pub(crate) fn during(self, doing: &str) -> HostError {
        let doing = doing.to_owned();
        match self {
            Fault::Changed => HostError::Changed {
                doing,
                expected: "the password that was locked".to_owned(),
                found: "another one".to_owned(),
            },
            Fault::Absent | Fault::Twice | Fault::Malformed => HostError::Failed {
                doing,
                why: self.to_string(),
            },
        }
    }
}

/// A new text, with what was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// All of it.
    pub text: Vec<u8>,
    /// What was changed.
    pub former: Former,
}

/// The password field of a name in passwd; `None` where it is `x`: the password stands in shadow.
///
/// # Errors
/// As [`Fault`] says.
pub fn own_password<'a>(passwd: &'a [u8], name: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
    let lines = lines_of(passwd);
    let at = only(&lines, name)?.ok_or(Fault::Absent)?;
    let field = bare(lines[at]).split(|b| *b == b':').nth(1).ok_or(Fault::Malformed)?;
    Ok((field != b"x").then_some(field))
}

/// Passwd with another password field for a name; `None` where it is that already.
///
/// # Errors
/// As [`Fault`] says.
pub fn with_password(passwd: &[u8], name: &[u8], field: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let lines = lines_of(passwd);
    let at = only(&lines, name)?.ok_or(Fault::Absent)?;
    let mut fields: Vec<&[u8]> = bare(lines[at]).split(|b| *b == b':').collect();
    match fields.get_mut(1) {
        None => Err(Fault::Malformed),
        Some(now) if *now == field => Ok(None),
        Some(now) => {
            *now = field;
            Ok(Some(with_line(&lines, at, Some(&fields.join(&b':')))))
        }
    }
}

/// Shadow with that name locked; `None` where it is already. `own` is what [`own_password`] gave, to be moved here.
///
/// # Errors
/// As [`Fault`] says; a name that has no line is given one where a password is moved, and is `Absent` else.
pub fn lock(shadow: &[u8], name: &[u8], own: Option<&[u8]>) -> Result<Option<Locked>, Fault> {
    let lines = lines_of(shadow);
    let moved = own.map(|own| u32::try_from(own.len()).unwrap_or(u32::MAX));
    let Some(at) = only(&lines, name)? else {
        let own = own.ok_or(Fault::Absent)?;
        let mut text = shadow.to_vec();
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(&[name, b":!", own, b"::::::", LOCKED_DAY, b":\n"].concat());
        let former = Former {
            marked: true,
            expires: Some(HostBytes::default()),
            added: true,
            moved,
        };
        return Ok(Some(Locked { text, former }));
    };
    let mut fields: Vec<&[u8]> = bare(lines[at]).split(|b| *b == b':').collect();
    if fields.len() != FIELDS {
        return Err(Fault::Malformed);
    }
    let marked = own.is_some() || !fields[1].starts_with(b"!");
    let expires = (fields[7] != LOCKED_DAY).then(|| HostBytes::new(fields[7]));
    if !marked && expires.is_none() {
        return Ok(None);
    }
    let password = match marked {
        true => [b"!", fields[1], own.unwrap_or_default()].concat(),
        false => fields[1].to_vec(),
    };
    fields[1] = &password;
    fields[7] = LOCKED_DAY;
    Ok(Some(Locked {
        text: with_line(&lines, at, Some(&fields.join(&b':'))),
        former: Former {
            marked,
            expires,
            added: false,
            moved,
        },
    }))
}

/// What has to be written to take a lock back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// Shadow; `None` where nothing of the lock is left in it.
    pub shadow: Option<Vec<u8>>,
    /// The password field of passwd; `None` where it stays.
    pub own: Option<Vec<u8>>,
}

/// Shadow as it was, as far as it still is as the lock left it: another day of expiry, or a mark that somebody took away, is
/// somebody else's and stays.
///
/// # Errors
/// `Changed` where a password was moved and is not to be told from the other any more; else as [`Fault`] says.
pub fn unlock(shadow: &[u8], name: &[u8], former: &Former) -> Result<Unlocked, Fault> {
    let lines = lines_of(shadow);
    let at = only(&lines, name)?.ok_or(Fault::Absent)?;
    let mut fields: Vec<&[u8]> = bare(lines[at]).split(|b| *b == b':').collect();
    if fields.len() != FIELDS {
        return Err(Fault::Malformed);
    }
    let before = fields.clone();
    let mut own = None;
    if former.marked {
        match (fields[1].strip_prefix(b"!"), former.moved) {
            (Some(rest), Some(moved)) => {
                let at = rest.len().checked_sub(moved as usize).ok_or(Fault::Changed)?;
                if former.added && at != 0 {
                    return Err(Fault::Changed);
                }
                fields[1] = &rest[..at];
                own = Some(rest[at..].to_vec());
            }
            (Some(rest), None) => fields[1] = rest,
            (None, Some(_)) => return Err(Fault::Changed),
            (None, None) => {}
        }
    }
    if let Some(expires) = &former.expires
        && fields[7] == LOCKED_DAY
    {
        fields[7] = expires.as_bytes();
    }
    let shadow = match former.added {
        true => Some(with_line(&lines, at, None)),
        false => (fields != before).then(|| with_line(&lines, at, Some(&fields.join(&b':')))),
    };
    Ok(Unlocked { shadow, own })
}

fn lines_of(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|b| *b == b'\n').collect()
}

fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Where the only line of a name stands; `None` where there is none.
fn only(lines: &[&[u8]], name: &[u8]) -> Result<Option<usize>, Fault> {
    let is_it = |line: &[u8]| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(b":"));
    let mut of_name = (0..lines.len()).filter(|at| is_it(lines[*at]));
    match (of_name.next(), of_name.next()) {
        (Some(_), Some(_)) => Err(Fault::Twice),
        (at, _) => Ok(at),
    }
}

/// The text with another line in the place of one, or without it; its line feed, or that it has none, stays.
fn with_line(lines: &[&[u8]], at: usize, line: Option<&[u8]>) -> Vec<u8> {
    let mut text = Vec::new();
    for (place, old) in lines.iter().enumerate() {
        match line {
            _ if place != at => text.extend_from_slice(old),
            None => {}
            Some(line) => {
                text.extend_from_slice(line);
                text.extend_from_slice(&old[bare(old).len()..]);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Passwd, shadow, and what takes the lock back.
    type Texts = (Vec<u8>, Vec<u8>, Former);

    /// The whole of a lock, as the act does it.
    fn locked(passwd: &[u8], shadow: &[u8], name: &[u8]) -> Result<Option<Texts>, Fault> {
        let own = own_password(passwd, name)?;
        let Some(Locked { text, former }) = lock(shadow, name, own)? else {
            return Ok(None);
        };
        let moved = match own {
            Some(_) => with_password(passwd, name, b"x")?,
            None => None,
        };
        Ok(Some((moved.unwrap_or_else(|| passwd.to_vec()), text, former)))
    }

    fn back(passwd: &[u8], shadow: &[u8], name: &[u8], former: &Former) -> (Vec<u8>, Vec<u8>) {
        let unlocked = unlock(shadow, name, former).expect("it is as we left it");
        let passwd_back = unlocked
            .own
            .and_then(|own| with_password(passwd, name, &own).expect("the name is there"));
        (
            passwd_back.unwrap_or_else(|| passwd.to_vec()),
            unlocked.shadow.unwrap_or_else(|| shadow.to_vec()),
        )
    }

    #[test]
    fn an_account_is_locked_and_comes_back() {
        let rows: [(&str, &str, &str, &str, &str); 7] = [
            (
                "a password in shadow",
                "a:x:0:0::/:/bin/sh\n",
                "r:*:1:0:9:7:::\na:$6$s$h:2:0:9:7:::\n",
                "a:x:0:0::/:/bin/sh\n",
                "r:*:1:0:9:7:::\na:!$6$s$h:2:0:9:7::1:\n",
            ),
            (
                "no last line feed",
                "a:x:0:0::/:/bin/sh",
                "a:h:2:0:9:7::20000:",
                "a:x:0:0::/:/bin/sh",
                "a:!h:2:0:9:7::1:",
            ),
            (
                "none at all",
                "a:x:0:0::/:\n",
                "a::2::::::\n",
                "a:x:0:0::/:\n",
                "a:!:2:::::1:\n",
            ),
            (
                "locked, keys still go",
                "a:x:0:0::/:\n",
                "a:!h:2::::::\n",
                "a:x:0:0::/:\n",
                "a:!h:2:::::1:\n",
            ),
            (
                "a password in passwd, no line in shadow",
                "a:$1$s$h:0:0::/:\n",
                "r:*:1::::::",
                "a:x:0:0::/:\n",
                "r:*:1::::::\na:!$1$s$h::::::1:\n",
            ),
            (
                "an empty one in passwd",
                "a::0:0::/:\n",
                "",
                "a:x:0:0::/:\n",
                "a:!::::::1:\n",
            ),
            (
                "one in each",
                "a:old:0:0::/:\n",
                "a:new:3::::::\n",
                "a:x:0:0::/:\n",
                "a:!newold:3:::::1:\n",
            ),
        ];
        for (name, passwd, shadow, passwd_after, shadow_after) in rows {
            let (p, s, former) = locked(passwd.as_bytes(), shadow.as_bytes(), b"a")
                .expect(name)
                .expect("it was open");
            assert_eq!(String::from_utf8_lossy(&p), passwd_after, "{name}");
            assert_eq!(String::from_utf8_lossy(&s), shadow_after, "{name}");
            assert_eq!(locked(&p, &s, b"a"), Ok(None), "{name}: done twice is done once");
            let (p, s) = back(&p, &s, b"a", &former);
            assert_eq!(String::from_utf8_lossy(&p), passwd, "{name}: back");
            let ended = |text: &str| text.strip_suffix('\n').unwrap_or(text).to_owned();
            assert_eq!(ended(&String::from_utf8_lossy(&s)), ended(shadow), "{name}: back");
            let written = serde_json::to_string(&former).expect("it can be written");
            assert!(!written.contains("$1$") && !written.contains("old"), "{written}");
        }
    }

    #[test]
    fn what_is_not_the_account_meant_stays() {
        let rows: [(&str, &str, &str, Fault); 5] = [
            ("in no line", "b:x:0:0::/:\n", "a:h:1::::::\n", Fault::Absent),
            (
                "twice in passwd",
                "a:x:0:0::/:\na:x:9:9::/:\n",
                "a:h:1::::::\n",
                Fault::Twice,
            ),
            (
                "twice in shadow",
                "a:x:0:0::/:\n",
                "a:h:1::::::\na::1::::::\n",
                Fault::Twice,
            ),
            ("torn", "a:x:0:0::/:\n", "a:h:1\n", Fault::Malformed),
            (
                "x, and nothing in shadow",
                "a:x:0:0::/:\n",
                "ab:h:1::::::\n",
                Fault::Absent,
            ),
        ];
        for (name, passwd, shadow, fault) in rows {
            assert_eq!(locked(passwd.as_bytes(), shadow.as_bytes(), b"a"), Err(fault), "{name}");
        }
    }

    #[test]
    fn what_somebody_else_changed_since_stays() {
        let former = Former {
            marked: true,
            expires: Some(HostBytes::default()),
            ..Former::default()
        };
        let nothing = Unlocked {
            shadow: None,
            own: None,
        };
        assert_eq!(unlock(b"a:new:9:::::20000:\n", b"a", &former), Ok(nothing));
        let expired = unlock(b"a:!h:9:::::20000:\n", b"a", &former).expect("of its form");
        assert_eq!(expired.shadow.as_deref(), Some(&b"a:h:9:::::20000:\n"[..]));
        let moved = Former {
            moved: Some(8),
            ..former
        };
        assert_eq!(unlock(b"a:!short:9:::::1:\n", b"a", &moved), Err(Fault::Changed));
        assert_eq!(unlock(b"a:h:9:::::1:\n", b"a", &moved), Err(Fault::Changed));
    }

    proptest! {
        #[test]
        fn every_other_line_stays(
            before in prop::collection::vec("[b-z:x]{0,6}", 0..4), after in prop::collection::vec("[b-z:x]{0,6}", 0..4),
            field in "[!*$a-z0-9]{0,8}", expires in "[0-9]{0,5}", own in prop::option::of("[!$a-wyz0-9]{0,8}"), has_line: bool,
        ) {
            prop_assume!(has_line || own.is_some());
            let line = format!("a:{field}:1::::{}:{expires}:", "");
            let mut lines: Vec<String> = before.clone();
            if has_line { lines.push(line); }
            lines.extend(after.clone());
            let shadow = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            let passwd = format!("b:x:1:1::/:\na:{}:0:0::/:\n", own.as_deref().unwrap_or("x")).into_bytes();
            match locked(&passwd, &shadow, b"a") {
                Ok(Some((p, s, former))) => {
                    let rest = |text: &[u8]| -> Vec<Vec<u8>> {
                        text.split(|b| *b == b'\n').filter(|line| !line.starts_with(b"a:")).map(<[u8]>::to_vec).collect()
                    };
                    prop_assert_eq!(rest(&s), rest(&shadow));
                    prop_assert_eq!(back(&p, &s, b"a", &former), (passwd, shadow));
                }
                Ok(None) => prop_assert!(field.starts_with('!') && expires == "1"),
                Err(fault) => return Err(TestCaseError::fail(format!("{fault}"))),
            }
        }

        #[test]
        fn no_bytes_panic(passwd: Vec<u8>, shadow: Vec<u8>, name: Vec<u8>, moved: Option<u32>, added: bool) {
            let former = Former { marked: true, expires: None, added, moved };
            let _ = (locked(&passwd, &shadow, &name), unlock(&shadow, &name, &former), with_password(&passwd, &name, b"x"));
        }
    }
}
