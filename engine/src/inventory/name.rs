//! What names, addresses, users and paths may be, so that nothing takes them for an option or for words of a shell.
//!
//! An address, a user and a jump host become arguments of ssh(1), which expands `%` itself and gives some of them to a
//! shell (`ProxyCommand`, `Match exec`); a host's name becomes part of a file's name (see [`crate::journal::file_name`]) and
//! stands in patterns. So each is a short list of what is let in, not of what is kept out.

use std::net::Ipv6Addr;

/// The longest name of a host: that of the domain name system (RFC 1035, section 2.3.4).
const NAME_BYTES: usize = 253;
/// The longest user, as useradd(8) has it, with room for a domain.
const USER_BYTES: usize = 128;
/// The longest path, as the kernel has it.
const PATH_BYTES: usize = 4095;

/// Why something is no name, and what it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadName {
    /// `begins with `-`, as an option does`
    pub why: String,
    /// What may stand there.
    pub help: &'static str,
}

impl BadName {
    fn new(why: impl Into<String>, help: &'static str) -> BadName {
        BadName { why: why.into(), help }
    }
}

const HOST_HELP: &str = "a host's name has letters, digits, `-`, `_` and `.`, or is an IPv6 address";
const GROUP_HELP: &str = "a group's name has letters, digits, `-`, `_` and `.`";
const ADDRESS_HELP: &str = "write a name of the domain name system, of ssh_config, or an address";
const USER_HELP: &str = "a user has letters, digits, `-`, `_`, `.`, `+` and `@`";
const PATH_HELP: &str = "write a plain path: no quotes, no `$`, no backslash; `~/` is your home";

/// Whether it may be the name of a host.
///
/// # Errors
/// Why not.
pub fn host(name: &str) -> Result<(), BadName> {
    if name.contains(':') && name.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    word(name, NAME_BYTES, char::is_alphanumeric, "-_.", HOST_HELP)?;
    match name {
        "all" | "ungrouped" => Err(BadName::new("is the name of a group that is always there", HOST_HELP)),
        _ => Ok(()),
    }
}

/// Whether it may be the name of a group.
///
/// # Errors
/// Why not.
pub fn group(name: &str) -> Result<(), BadName> {
    word(name, NAME_BYTES, char::is_alphanumeric, "-_.", GROUP_HELP)
}

/// Whether it may be given to ssh(1) as the host to go to.
///
/// # Errors
/// Why not.
pub fn address(text: &str) -> Result<(), BadName> {
    if text.contains(':') {
        return match text.parse::<Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(BadName::new(
                "is no IPv6 address",
                "a port is a setting of its own: `port: 2222`",
            )),
        };
    }
    word(text, NAME_BYTES, |c| c.is_ascii_alphanumeric(), "-_.", ADDRESS_HELP)
}

/// Whether it may be given to ssh(1) as the user to log in as.
///
/// # Errors
/// Why not.
pub fn user(text: &str) -> Result<(), BadName> {
    word(text, USER_BYTES, |c| c.is_ascii_alphanumeric(), "-_.+@", USER_HELP)
}

/// Whether it may be given to ssh(1) as a file; `tokens` where ssh may expand `%h` and the like in it.
///
/// # Errors
/// Why not.
pub fn path(text: &str, tokens: bool) -> Result<(), BadName> {
    if text.is_empty() || text.len() > PATH_BYTES {
        return Err(BadName::new("is empty or too long", PATH_HELP));
    }
    if text.starts_with('-') {
        return Err(BadName::new("begins with `-`, as an option does", PATH_HELP));
    }
    let harmless = |c: char| match c {
        '%' => tokens,
        c => !c.is_control() && !"\"'`$\\|;&<>(){}*?!#".contains(c),
    };
    refuse_first(text, harmless, PATH_HELP)
}

fn word(
    text: &str,
    longest: usize,
    letter: impl Fn(char) -> bool,
    more: &str,
    help: &'static str,
) -> Result<(), BadName> {
    match text.chars().next() {
        None => return Err(BadName::new("is empty", help)),
        Some('-') => return Err(BadName::new("begins with `-`, as an option does", help)),
        Some('.') => return Err(BadName::new("begins with `.`", help)),
        Some(_) => {}
    }
    if text.len() > longest {
        return Err(BadName::new(format!("is longer than {longest} bytes"), help));
    }
    refuse_first(text, |c| letter(c) || more.contains(c), help)
}

/// Names the first character that is not let in.
fn refuse_first(text: &str, lets_in: impl Fn(char) -> bool, help: &'static str) -> Result<(), BadName> {
    match text.chars().find(|c| !lets_in(*c)) {
        None => Ok(()),
        Some(' ') => Err(BadName::new("holds a blank", help)),
        Some(c) if c.is_control() || c.is_whitespace() => {
            Err(BadName::new(format!("holds `{}`", c.escape_default()), help))
        }
        Some(c) => Err(BadName::new(format!("holds `{c}`"), help)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_an_option_or_a_word_of_a_shell_is_refused() {
        let names = [
            "",
            "-oProxyCommand=id",
            ".",
            "..",
            ".hidden",
            "a b",
            "a\tb",
            "a\nb",
            "a\u{0}b",
            "a'b",
            "a\"b",
            "a;b",
            "a|b",
            "a&b",
            "a$b",
            "a<b",
            "a>b",
            "a(b",
            "a)b",
            "a\\b",
            "a%h",
            "a/b",
            "a~b",
            "a*b",
            "a!b",
            "a,b",
            "a{b",
            "a`b",
            "a#b",
            "a\u{202e}b",
            "a\u{a0}b",
        ];
        for name in names {
            assert!(host(name).is_err(), "host {name:?}");
            assert!(group(name).is_err(), "group {name:?}");
            assert!(address(name).is_err(), "address {name:?}");
            assert!(user(name).is_err(), "user {name:?}");
        }
        for path_name in ["", "-i", "a\nb", "a$b", "a;b", "a`b", "a%d", "a\"b", "a\\b"] {
            assert!(path(path_name, false).is_err(), "path {path_name:?}");
        }
    }

    #[test]
    fn what_people_use_is_let_in() {
        for name in [
            "web-1",
            "web_1.example.net",
            "192.0.2.1",
            "2001:db8::1",
            "::1",
            "WEB1",
            "1a",
        ] {
            assert_eq!(host(name), Ok(()), "host {name}");
            assert_eq!(address(name), Ok(()), "address {name}");
        }
        assert_eq!(host("挖矿-1"), Ok(()));
        assert!(address("挖矿-1").is_err(), "ssh(1) resolves no such name");
        for name in ["root", "deploy-1", "j.doe", "jdoe@example.net", "_apt", "a+b"] {
            assert_eq!(user(name), Ok(()), "user {name}");
        }
        for name in ["~/.ssh/id_ed25519", "keys/a b.pem", "/etc/deminer/key"] {
            assert_eq!(path(name, false), Ok(()), "path {name}");
        }
        assert_eq!(path("~/.ssh/cm-%C", true), Ok(()));
    }

    #[test]
    fn a_host_is_not_called_as_a_group_that_is_always_there() {
        assert!(host("all").is_err() && host("ungrouped").is_err());
        assert!(address("host:22").unwrap_err().help.contains("port"));
    }
}
