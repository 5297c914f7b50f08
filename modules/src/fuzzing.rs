//! What must hold for every parser of bytes from a host, whatever the bytes are: the properties that the tests here and
//! the targets in `fuzz/` share. Compiled for those only.
//!
//! Each function takes the bytes of one input and panics where a property is broken. `fuzz/README.md` says which parser
//! stands under which.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::base64_text;
use deminer_engine::finding::Bearing;
use deminer_worker::query::Account;
use deminer_worker::text::{HostBytes, HostPath};

use crate::catalogue::{Entry, PLACES, Reads};
use crate::crontab::{UserField, parse_crontab};
use crate::login_records::{Layout, RecordKind};
use crate::shell_statements::{Dialect, statements};
use crate::shell_text::placed_tokens;
use crate::starter_text::{self, Text, starts_of};
use crate::unit_exec::{Scope, bare_programs, environment, exec_commands};
use crate::{account_signs, key_list, login_story, places, trace, unit_file, unit_row, wallet};
use crate::{authorized_keys, command_words, container, drop_places, preload_list, session_key, sshd_config};

pub use crate::judge::fuzzing::arguments;
pub use crate::sample::fuzzing::miner_settings;

/// How many lines a text has, an empty last one counted.
fn line_count(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count()
}

/// Crontabs with and without a field for the user: each entry is that line of the file, and its command stands in it.
pub fn crontabs(bytes: &[u8]) {
    let all: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    for users in [UserField::Present, UserField::Absent] {
        let read = parse_crontab(bytes, users);
        assert!(read.lines.len() <= all.len().min(crate::crontab::LINES));
        for line in read.lines {
            assert_eq!(line.line.as_bytes(), all[line.number as usize - 1]);
            assert!(line.command.len() + line.input.len() <= line.line.len());
            assert!(line.settings.iter().all(|setting| setting.len() <= bytes.len()));
        }
    }
}

/// Every place of the catalogue: rows are lines of the file, and what they start is a path.
pub fn starters(bytes: &[u8]) {
    let homes = BTreeMap::from([(HostBytes::from("deploy"), HostPath::from("/home/deploy"))]);
    let user = HostBytes::from("deploy");
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    for entry in PLACES {
        let path = a_file(entry);
        let text = Text {
            path: &path,
            content: bytes,
            user: &user,
            homes: &homes,
        };
        let found = starts_of(entry, &text);
        assert!(found.rows.len() <= starter_text::ROWS);
        for row in found.rows {
            if let Some(number) = row.number {
                assert_eq!(lines[number as usize - 1], row.line.as_bytes());
            }
            if let Some([first, last]) = row.within {
                assert!(row.number.is_some_and(|number| (first..=last).contains(&number)));
                assert!(last as usize <= lines.len());
            }
            assert!(row.starts.iter().all(|path| path.as_bytes()[0] == b'/'));
        }
    }
    assert!(preload_list::libraries(bytes).rows.len() <= lines.len());
    assert!(starter_text::commands_of_at_job(bytes).len() <= bytes.len());
    let _ = starter_text::commands_of_upstart(bytes);
}

/// A file that a place's first pattern fits.
fn a_file(entry: &Entry) -> HostPath {
    let pattern = entry.patterns().next().unwrap_or("/x");
    let name = match entry.reads {
        Reads::AtJob => "a00001018c5f3a",
        _ => "x",
    };
    let path = pattern.replacen('~', "/home/deploy", 1);
    HostPath::from(path.replace('*', name).replace('?', "3").as_str())
}

/// Text for a shell: tokens and statements are parts of it, in order, and the commands in it are bounded.
pub fn shell(bytes: &[u8]) {
    let lines = u32::try_from(line_count(bytes)).expect("an input has fewer lines than that");
    let home = HostPath::from("/h");
    let tokens = placed_tokens(bytes, Some(&home));
    assert!(tokens.len() <= bytes.len());
    for token in &tokens {
        assert!(token.first >= 1 && token.first <= token.last && token.last <= lines);
    }
    for dialect in [Dialect::Posix, Dialect::Ended] {
        let mut before = 0;
        for statement in statements(bytes, dialect) {
            assert!(statement.first > before && statement.first <= statement.last && statement.last <= lines);
            before = statement.last;
        }
    }
    let commands = command_words::simple_commands_at(bytes, Some(&home));
    assert!(commands.len() <= command_words::COMMANDS + 1);
    let started = command_words::started_files(&commands);
    assert_eq!(started.iter().collect::<BTreeSet<_>>().len(), started.len());
    assert!(started.iter().all(|path| path.as_bytes().starts_with(b"/")));
}

/// What a text does with condemned files, and whether it is a miner's configuration.
pub fn tenor(bytes: &[u8]) {
    trace::fuzzing::tenor(bytes);
}

/// Files of systemd: no more is told than was read, and each command is text for a shell that can be read.
pub fn units(bytes: &[u8]) {
    let file = unit_file::parse_unit_file(bytes);
    let told: usize = file.settings.iter().map(|one| one.key.len() + one.value.len()).sum();
    assert!(told <= bytes.len() && file.settings.iter().all(|one| !one.key.is_empty()));
    let values = file.settings.iter().map(|one| one.value.as_bytes()).chain([bytes]);
    for value in values.take(64) {
        for name in ["a.service", "@", "", "a@b-\\x2d.timer"] {
            let scope = Scope {
                name: name.into(),
                home: Some("/root".into()),
                ..Scope::default()
            };
            for command in exec_commands(value, &scope) {
                assert!(!command.is_empty());
                let _ = command_words::simple_commands(command.as_bytes());
            }
        }
        assert!(environment(value).len() <= value.len().max(1));
        assert!(bare_programs(value).iter().map(Vec::len).sum::<usize>() <= value.len());
    }
    crate::unit_settings::fuzzing::rows(bytes);
}

/// What sshd reads and writes: keys are lines of the file, and a word in base64 is what it decodes to.
pub fn ssh_files(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let keys = authorized_keys::parse_authorized_keys(bytes);
    assert!(keys.lines.len() <= lines.len().min(authorized_keys::LINES));
    for key in &keys.lines {
        assert_eq!(key.line.as_bytes(), lines[key.number as usize - 1]);
        let options = key.options.iter();
        let told: usize = options
            .map(|one| one.name.len() + one.value.as_ref().map_or(0, |value| value.len()))
            .sum();
        assert!(told <= key.line.len());
    }
    let (directives, _) = sshd_config::parse_sshd_config(bytes, None);
    assert!(directives.len() <= lines.len() && directives.iter().all(|line| !line.keyword.is_empty()));
    let account = Account {
        name: HostBytes::new(lines[0]),
        home: HostPath::from("/home/deploy"),
        ..Account::default()
    };
    for pattern in &lines {
        let path = key_list::key_file(pattern, &account);
        assert!(path.is_none_or(|path| path.as_bytes().starts_with(b"/")));
    }
    assert!(session_key::accepted(bytes, &[1, 812]).is_none_or(|key| key.starts_with("SHA256:")));
    assert_eq!(
        base64_text::decoded(base64_text::unpadded(bytes).as_bytes()).as_deref(),
        Some(bytes)
    );
    if let Some(decoded) = base64_text::decoded(bytes) {
        assert!(decoded.len() <= bytes.len());
        assert_eq!(
            base64_text::decoded(base64_text::unpadded(&decoded).as_bytes()),
            Some(decoded)
        );
    }
}

/// Records of logins, in the layout of each architecture: one a record's bytes, numbered on, no field longer than it is.
pub fn logins(bytes: &[u8]) {
    for name in ["x86_64", "aarch64", "s390x"] {
        let layout = Layout::of(name).expect("a layout of ours");
        let records = layout.records(bytes, 7);
        assert!(records.iter().zip(7..).all(|(record, number)| record.number == number));
        for record in &records {
            assert!(record.line.len() <= 32 && record.user.len() <= 32 && record.host.len() <= 256);
            let address = record.address.as_deref();
            assert!(address.is_none_or(|address| address.parse::<std::net::IpAddr>().is_ok()));
        }
        assert!(layout.last_login(bytes).is_none_or(|last| last.host.len() <= 256));
        let users = records.iter().filter(|record| record.kind == RecordKind::User).count();
        assert_eq!(login_story::logins(&records, 1_764_000_000_000).len(), users);
        let _ = login_story::holes(&records);
    }
}

/// Names that a host gives its things: containers, hidden files, accounts, units, services, wallets.
pub fn names(bytes: &[u8]) {
    let accounts = bytes.split(|byte| *byte == 0).take(8).map(|name| Account {
        name: HostBytes::new(name),
        ..Account::default()
    });
    for finding in account_signs::findings(&accounts.collect::<Vec<_>>(), 20_000, 7) {
        assert_ne!(finding.bearing, Bearing::Condemns);
        assert!(!finding.sentence().chars().any(char::is_control));
    }
    assert!(unit_row::template_of(bytes).is_none_or(|template| template.len() <= bytes.len()));
    assert!(crate::kernel_modules::no_more_than_lines(bytes));
    let _ = container::of_cgroup(bytes);
    assert!(container::unit_of(bytes).is_none_or(|unit| unit.len() <= bytes.len()));
    let _ = drop_places::odd_name(bytes);
    let _ = drop_places::hidden_directory(&HostPath::new(bytes), &places::Places::usual());
    assert!(crate::net_ports::parse_services(bytes).len() <= line_count(bytes));
    let found = wallet::find(bytes);
    let is_part = |address: &[u8]| bytes.windows(address.len().max(1)).any(|part| part == address);
    assert!(found.is_none_or(|wallet| is_part(wallet.address.as_bytes())));
    for address in [wallet::monero(bytes), wallet::evm_with_worker(bytes)]
        .into_iter()
        .flatten()
    {
        assert!(is_part(address.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn crontabs_hold(bytes: Vec<u8>, text in "(\\*/?5? |@reboot |root |PATH=|SHELL=|%|\\\\%|/tmp/x|\"|\n|#| ){0,30}") {
            crontabs(&bytes);
            crontabs(text.as_bytes());
        }

        #[test]
        fn starters_hold(bytes: Vec<u8>, text in "(RUN|install x |exec|script|\\{|\\}|;|\"|'|/tmp/x|=|\\||: |::|\n|\\\\|<<E|E| |# |[0-9]{1,2}){0,30}") {
            starters(&bytes);
            starters(text.as_bytes());
        }

        #[test]
        fn shell_holds(bytes: Vec<u8>, text in "(if|fi|case|in|esac|eval|\\(|\\)|\\{|\\}|;;|;|&&|<<E|E|'|\"|`|\\$|\\\\|\n| |a|/b){0,40}") {
            shell(&bytes);
            shell(text.as_bytes());
        }

        #[test]
        fn tenor_holds(bytes: Vec<u8>, text in "([a$={}/;&|' \n.]|/tmp/x|rm |<<E|E|\\{\"pools\":\\[){0,40}") {
            tenor(&bytes);
            tenor(text.as_bytes());
        }

        #[test]
        fn units_hold(bytes: Vec<u8>, text in "(\\[(Unit|Timer|Service)\\]\n|(Exec|On|Unit|Wants|Environment)[a-zA-Z]{0,5}=[ %$~a/]{0,9}\n|\\\\\n|;){0,20}") {
            units(&bytes);
            units(text.as_bytes());
        }

        #[test]
        fn ssh_files_hold(bytes: Vec<u8>, text in "([a-z=,\"\\\\ \t#]|ssh-rsa |AAAAB3NzaC1yc2E|Match |=|\n){0,30}") {
            ssh_files(&bytes);
            ssh_files(text.as_bytes());
        }

        #[test]
        fn logins_hold(bytes: Vec<u8>, times in 1_usize..40) {
            logins(&bytes.repeat(times));
        }

        #[test]
        fn names_hold(bytes: Vec<u8>, text in "(/(docker|lxc|kubepods|[-.a-f0-9_@]{0,70}|slice|scope)|0x|bc1|[1-9A-Za-z]{1,40}|22/tcp|\n| ){0,6}") {
            names(&bytes);
            names(text.as_bytes());
        }

        #[test]
        fn miner_settings_hold(bytes: Vec<u8>, text in "(-o|-u|--url|=|:|/|@|stratum\\+tcp://|\\.|\\{|\\}|\\[|\\]|\"|,|\"pools\"|\"url\"|[a-z0-9]{1,3}| |\n|\0){0,30}") {
            miner_settings(&bytes);
            miner_settings(text.as_bytes());
        }

        #[test]
        fn arguments_hold(bytes: Vec<u8>, text in "(-o|--url|=|:|/|@|\\.|[0-9a-f]{1,3}| |\0|\\[|\\]|hxxp://|\\[\\.\\]){0,30}") {
            arguments(&bytes);
            arguments(text.as_bytes());
        }
    }
}
