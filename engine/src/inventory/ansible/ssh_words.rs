//! The words that `ansible_ssh_args`, `ansible_ssh_common_args` and `ansible_ssh_extra_args` give to ssh(1).
//!
//! What says where to go and through whom is mapped; what only tunes a connection that Deminer tunes itself is passed over
//! and named; everything else is refused, since a host that is reached another way than it was meant may be another host.

use super::words::words;
use crate::inventory::destination::{destination, hops};
use crate::inventory::name;
use crate::inventory::reach::Hop;

/// What the words come to.
#[derive(Debug, Default, PartialEq)]
pub(in crate::inventory) struct SshWords {
    pub(in crate::inventory) jump: Option<Vec<Hop>>,
    pub(in crate::inventory) user: Option<String>,
    pub(in crate::inventory) port: Option<u16>,
    pub(in crate::inventory) key: Option<String>,
    pub(in crate::inventory) ssh_config: Option<String>,
    /// What was passed over, as it is written.
    pub(in crate::inventory) ignored: Vec<String>,
    /// What is not understood, each with why.
    pub(in crate::inventory) refused: Vec<String>,
}

/// The options of ssh(1) that take a word.
const WITH_WORD: &str = "BbcDEeFIiJLlmOoPpQRSWw";
/// Those that only tune, or that Deminer never does (forwarding): passed over.
const TUNING: &str = "46AaCKkqTvXxYy";
/// The same of ssh_config(5), in lower case.
const TUNING_OPTIONS: [&str; 34] = [
    "addressfamily",
    "batchmode",
    "checkhostip",
    "ciphers",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "exitonforwardfailure",
    "forwardagent",
    "forwardx11",
    "globalknownhostsfile",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "hostkeyalgorithms",
    "identitiesonly",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "loglevel",
    "macs",
    "numberofpasswordprompts",
    "passwordauthentication",
    "preferredauthentications",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "pubkeyauthentication",
    "serveralivecountmax",
    "serveraliveinterval",
    "stricthostkeychecking",
    "tcpkeepalive",
    "userknownhostsfile",
];

/// Reads the words of one variable.
pub(in crate::inventory) fn ssh_words(text: &str) -> SshWords {
    let mut found = SshWords::default();
    match words(text, false) {
        Ok(words) => {
            let left = options(&words, &mut found, 0);
            found
                .refused
                .extend(left.iter().map(|word| format!("`{}` is no option", shown(word))));
        }
        Err(why) => found.refused.push(format!("it cannot be taken apart: {why}")),
    }
    found
}

/// Reads options; gives the words that are none.
fn options<'w>(words: &'w [String], found: &mut SshWords, depth: u8) -> Vec<&'w str> {
    let mut left = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(flags) = word.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            left.push(word.as_str());
            continue;
        };
        for (at, flag) in flags.char_indices() {
            if WITH_WORD.contains(flag) {
                let behind = &flags[at + flag.len_utf8()..];
                let value = match behind.is_empty() {
                    true => words.next().map(String::as_str),
                    false => Some(behind),
                };
                match value {
                    Some(value) => option(flag, value.trim(), found, depth),
                    None => found.refused.push(format!("`-{flag}` has no value")),
                }
                break;
            }
            match TUNING.contains(flag) {
                true => found.ignored.push(format!("-{flag}")),
                false => found
                    .refused
                    .push(format!("`-{}` is not known", shown(&flag.to_string()))),
            }
        }
    }
    left
}

fn option(flag: char, value: &str, found: &mut SshWords, depth: u8) {
    match flag {
        'o' => {
            let parted = value.split_once(['=', ' ', '\t']);
            match parted {
                Some((name, value)) => keyword(name, value.trim_start_matches([' ', '\t', '=']), found, depth),
                None => found.refused.push(format!("`-o {}` has no value", shown(value))),
            }
        }
        'J' => keyword("ProxyJump", value, found, depth),
        'l' => keyword("User", value, found, depth),
        'p' => keyword("Port", value, found, depth),
        'i' => keyword("IdentityFile", value, found, depth),
        'F' => match name::path(value, false) {
            Ok(()) => set(&mut found.ssh_config, value.to_owned()),
            Err(bad) => found.refused.push(format!("`-F`: the path {}", bad.why)),
        },
        'S' | 'c' | 'm' | 'e' | 'E' => found.ignored.push(format!("-{flag} {}", shown(value))),
        // Of the command of a jump; only its destination counts.
        'W' if depth > 0 => {}
        flag => found.refused.push(format!("`-{flag}` is not mapped")),
    }
}

fn keyword(name: &str, value: &str, found: &mut SshWords, depth: u8) {
    let value = value.trim().trim_matches('"');
    match name.to_ascii_lowercase().as_str() {
        "proxyjump" => match hops(value) {
            Ok(hops) => set(&mut found.jump, hops),
            Err(bad) => found
                .refused
                .push(format!("`ProxyJump` `{}`: it {}", shown(value), bad.why)),
        },
        "proxycommand" if depth == 0 => match proxy_command(value) {
            Ok(hops) => set(&mut found.jump, hops),
            Err(why) => found.refused.push(format!("`ProxyCommand` {why}")),
        },
        "user" => match name::user(value) {
            Ok(()) => set(&mut found.user, value.to_owned()),
            Err(bad) => found.refused.push(format!("`User` `{}` {}", shown(value), bad.why)),
        },
        "port" => match value.parse::<u16>() {
            Ok(port) if port > 0 => set(&mut found.port, port),
            _ => found.refused.push("`Port` is no number from 1 to 65535".to_owned()),
        },
        "identityfile" => match name::path(value, false) {
            Ok(()) => set(&mut found.key, value.to_owned()),
            Err(bad) => found.refused.push(format!("`IdentityFile`: the path {}", bad.why)),
        },
        known if TUNING_OPTIONS.contains(&known) => found.ignored.push(format!("-o {name}={}", shown(value))),
        _ => found.refused.push(format!("`-o {}` is not mapped", shown(name))),
    }
}

/// The jump of `ssh -W %h:%p [options] [user@]bastion`: no other command can be told from its words.
fn proxy_command(command: &str) -> Result<Vec<Hop>, String> {
    let other = || "runs a command that is no plain `ssh -W %h:%p BASTION`".to_owned();
    if command == "none" {
        return Ok(Vec::new());
    }
    let words = words(command, false).map_err(|_| other())?;
    let (program, rest) = words.split_first().ok_or_else(other)?;
    let forwards = |words: &[String]| {
        let pair = words
            .windows(2)
            .any(|pair| pair[0].ends_with('W') && pair[0].starts_with('-') && is_target(&pair[1]));
        pair || words.iter().any(|word| word.strip_prefix("-W").is_some_and(is_target))
    };
    if !matches!(program.as_str(), "ssh" | "/usr/bin/ssh") || !forwards(rest) {
        return Err(other());
    }
    let mut found = SshWords::default();
    let left = options(rest, &mut found, 1);
    let [place] = left.as_slice() else {
        return Err(other());
    };
    if !found.refused.is_empty() || found.key.is_some() || found.ssh_config.is_some() {
        return Err("has a jump with settings of its own".to_owned());
    }
    let mut last = destination(place).map_err(|bad| format!("names a bastion that {}", bad.why))?;
    last.user = last.user.or(found.user);
    last.port = last.port.or(found.port);
    let mut way = found.jump.unwrap_or_default();
    way.push(last);
    Ok(way)
}

fn is_target(text: &str) -> bool {
    matches!(text, "%h:%p" | "[%h]:%p")
}

/// The first counts, as ssh_config(5) has it.
fn set<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

/// A word for a message: short and harmless.
fn shown(word: &str) -> String {
    let harmless = |c: char| if c.is_control() || c == '`' { '?' } else { c };
    word.chars().take(60).map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn jump(text: &str) -> Option<String> {
        let found = ssh_words(text);
        assert_eq!(found.refused, Vec::<String>::new(), "{text}");
        Some(found.jump?.iter().map(Hop::to_string).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn jumps_are_found_in_every_way_to_write_them() {
        let table = [
            ("-J bastion", Some("bastion")),
            ("-Jops@bastion:2222", Some("ops@bastion:2222")),
            ("-o ProxyJump=ops@bastion", Some("ops@bastion")),
            ("-oProxyJump=a,b", Some("a,b")),
            ("-o 'proxyjump bastion'", Some("bastion")),
            ("-o ProxyCommand=\"ssh -W %h:%p -q ops@bastion\"", Some("ops@bastion")),
            (
                "-o ProxyCommand='ssh -q -W %h:%p -p 2222 bastion'",
                Some("bastion:2222"),
            ),
            (
                "-o ProxyCommand=\"ssh -o StrictHostKeyChecking=no -l ops -W %h:%p bastion\"",
                Some("ops@bastion"),
            ),
            ("-o ProxyCommand=\"ssh -J first -W %h:%p second\"", Some("first,second")),
            ("-o ProxyJump=none", Some("")),
            ("-C -o ControlMaster=auto -o ControlPersist=60s", None),
            ("-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(jump(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_would_go_another_way_or_run_something_is_refused() {
        let texts = [
            "-o ProxyCommand='nc -x proxy:1080 %h %p'",
            "-o ProxyCommand='ssh bastion nc %h %p'",
            "-o ProxyCommand='ssh -W %h:%p -i key bastion'",
            "-o ProxyCommand='ssh -W %h:%p bastion; id'",
            "-o ProxyCommand='ssh -W %h:%p $(id)'",
            "-o ProxyCommand='sshpass -p x ssh -W %h:%p bastion'",
            "-o ProxyJump='-oProxyCommand=id'",
            "-o LocalCommand=id -o PermitLocalCommand=yes",
            "-o HostName=other",
            "-L 1:2:3",
            "-J",
            "bastion",
            "-o",
            "-J 'a",
            "-p 0",
        ];
        for text in texts {
            assert!(!ssh_words(text).refused.is_empty(), "{text}");
        }
    }

    #[test]
    fn user_port_key_and_configuration_are_found() {
        let found = ssh_words("-p 2222 -l ops -i ~/.ssh/id -F etc/ssh.conf -C");
        assert_eq!(found.user.as_deref(), Some("ops"));
        assert_eq!(found.port, Some(2222));
        assert_eq!(found.key.as_deref(), Some("~/.ssh/id"));
        assert_eq!(found.ssh_config.as_deref(), Some("etc/ssh.conf"));
        assert_eq!(found.ignored, ["-C"]);
    }

    proptest! {
        #[test]
        fn any_words_are_read(text in "[-oJWpl=%: \"'a-eé,@]{0,40}") {
            let _ = ssh_words(&text);
        }
    }
}
