//! What the settings of one unit file come to: what it runs, loads, triggers and asks for. Pure.

use deminer_worker::text::{HostBytes, HostPath};

use crate::command_words::{simple_commands_at, started_files};
use crate::known_programs::LOADING;
use crate::unit_exec::{Scope, environment, exec_commands};
use crate::unit_file::{Setting, UnitFile};
use crate::unit_row::{Part, UnitCommand, UnitRow};

/// The commands, names and files that one row holds at most of each.
const ENTRIES: usize = 512;

/// Settings of `[Unit]` that name units which are started with it, after it or in its place.
const CALLS: [&str; 6] = ["Wants", "Requires", "BindsTo", "Upholds", "OnFailure", "OnSuccess"];

/// Settings that tell people, not the manager.
const SAID: [&str; 2] = ["Description", "Documentation"];

/// Takes the settings of a file into its row. `scope` is that of its unit, without its environment.
pub(crate) fn take_in(file: &UnitFile, mut scope: Scope, row: &mut UnitRow) {
    for setting in file.settings.iter().filter(|setting| is_environment(setting)) {
        scope.environment.extend(environment(setting.value.as_bytes()));
    }
    let cwd = directory(file, &scope);
    for setting in &file.settings {
        let key = setting.key.as_bytes();
        let value = setting.value.as_bytes();
        if setting.is_command() {
            commands(setting, &scope, cwd.as_ref(), row);
        } else if is_environment(setting) {
            load(setting, row);
        } else if setting.section.as_bytes() == b"Unit" && SAID.iter().any(|said| said.as_bytes() == key) {
        } else if setting.section.as_bytes() == b"Unit" && CALLS.iter().any(|call| call.as_bytes() == key) {
            names(value, &scope, &mut row.calls);
        } else if triggers(setting) {
            names(value, &scope, &mut row.triggers);
        } else if key.starts_with(b"On") && setting.section.as_bytes() == b"Timer" {
            let mut schedule = row.schedule.as_bytes().to_vec();
            if !schedule.is_empty() {
                schedule.extend_from_slice(b", ");
            }
            schedule.extend_from_slice(&[key, b"=", value].concat());
            schedule.truncate(1024);
            row.schedule = HostBytes::new(schedule);
            other(setting, row);
        } else {
            if matches!(
                key,
                b"EnvironmentFile" | b"LoadCredential" | b"LoadCredentialEncrypted" | b"File"
            ) {
                read(value, &scope, row);
            }
            other(setting, row);
        }
    }
    if row.part == Part::Unit {
        own_trigger(file, row);
    }
}

fn is_environment(setting: &Setting) -> bool {
    matches!(
        setting.key.as_bytes(),
        b"Environment" | b"DefaultEnvironment" | b"ManagerEnvironment"
    )
}

/// Where its commands run: `WorkingDirectory=`, else the root or, for a user's manager, the home.
fn directory(file: &UnitFile, scope: &Scope) -> Option<HostPath> {
    let said = file.values("Service", "WorkingDirectory").last();
    let said = said.map(|setting| {
        let value = scope.written_out(setting.value.as_bytes());
        value.strip_prefix(b"-").unwrap_or(&value).to_vec()
    });
    match said {
        Some(value) if value == b"~" => scope.home.clone(),
        Some(value) if value.first() == Some(&b'/') => Some(HostPath::new(value)),
        _ if scope.is_system() => Some(HostPath::from("/")),
        _ => scope.home.clone(),
    }
}

fn commands(setting: &Setting, scope: &Scope, cwd: Option<&HostPath>, row: &mut UnitRow) {
    for command in exec_commands(setting.value.as_bytes(), scope) {
        if row.commands.len() >= ENTRIES {
            return;
        }
        for file in started_files(&simple_commands_at(command.as_bytes(), cwd)) {
            if row.starts.len() < ENTRIES && !row.starts.contains(&file) {
                row.starts.push(file);
            }
        }
        row.commands.push(UnitCommand {
            setting: setting.key.clone(),
            number: setting.number,
            command,
        });
    }
}

/// What an `Environment=` loads; one that sets anything else is also an ordinary setting.
fn load(setting: &Setting, row: &mut UnitRow) {
    let settings = environment(setting.value.as_bytes());
    let mut plain = settings.is_empty();
    for (name, value) in settings {
        if !LOADING.contains(&&name[..]) {
            plain = true;
            continue;
        }
        let files = value.split(|b| matches!(b, b':' | b' '));
        for file in files.filter(|file| file.first() == Some(&b'/')) {
            let file = HostPath::new(file);
            if row.loads.len() < ENTRIES && !row.loads.contains(&file) {
                row.loads.push(file);
            }
        }
    }
    if plain {
        other(setting, row);
    }
}

/// Whether a setting names the unit that a timer, a path or a socket starts.
fn triggers(setting: &Setting) -> bool {
    setting.is("Timer", "Unit") || setting.is("Path", "Unit") || setting.is("Socket", "Service")
}

/// What a timer, path, socket or automount unit starts where it does not say: the unit of its own name.
fn own_trigger(file: &UnitFile, row: &mut UnitRow) {
    if !row.triggers.is_empty() {
        return;
    }
    let name = row.unit.as_bytes().to_vec();
    let stem = |kind: &[u8]| name.strip_suffix(kind);
    let accepts = || {
        file.values("Socket", "Accept")
            .last()
            .is_some_and(|setting| is_true(setting.value.as_bytes()))
    };
    let triggered = if let Some(stem) = stem(b".timer").or_else(|| stem(b".path")) {
        [stem, b".service"].concat()
    } else if let Some(stem) = stem(b".socket") {
        match accepts() {
            true => [stem, b"@.service"].concat(),
            false => [stem, b".service"].concat(),
        }
    } else if let Some(stem) = stem(b".automount") {
        [stem, b".mount"].concat()
    } else {
        return;
    };
    row.triggers.push(HostBytes::new(triggered));
}

fn is_true(value: &[u8]) -> bool {
    [&b"1"[..], b"yes", b"y", b"true", b"t", b"on"].contains(&&value.to_ascii_lowercase()[..])
}

/// Names of units, by white space; an instance that only systemd would know stands as the template.
fn names(value: &[u8], scope: &Scope, into: &mut Vec<HostBytes>) {
    for word in value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        let mut name = scope.written_out(word);
        while let Some(at) = name.windows(2).position(|run| run == b"${") {
            let end = name[at..]
                .iter()
                .position(|b| *b == b'}')
                .map_or(name.len(), |end| at + end + 1);
            name.drain(at..end);
        }
        let name = HostBytes::new(name);
        if into.len() < ENTRIES && !into.contains(&name) {
            into.push(name);
        }
    }
}

/// The file that a setting hands on; `-` before it lets it be absent.
fn read(value: &[u8], scope: &Scope, row: &mut UnitRow) {
    let value = scope.written_out(value);
    let value = value.rsplit(|b| *b == b':').next().unwrap_or_default();
    let value = value.strip_prefix(b"-").unwrap_or(value);
    if value.first() == Some(&b'/') && row.reads.len() < ENTRIES {
        row.reads.push(HostPath::new(value));
    }
}

fn other(setting: &Setting, row: &mut UnitRow) {
    let is_ours = setting.section.as_bytes().starts_with(b"X-") || setting.key.as_bytes().starts_with(b"X-");
    let name = HostBytes::new([setting.section.as_bytes(), b".", setting.key.as_bytes()].concat());
    if !is_ours && row.others.len() < ENTRIES && !row.others.contains(&name) {
        row.others.push(name);
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    use deminer_worker::action::{FileTarget, ServiceManager};
    use deminer_worker::query::FileId;
    use deminer_worker::text::{Digest, Wide};

    use super::*;
    use crate::unit_file::parse_unit_file;

    /// The row of a unit file, as the system's manager would read it.
    pub(crate) fn row(part: Part, unit: &[u8], content: &[u8]) -> UnitRow {
        let nothing = FileTarget {
            mount: "/".into(),
            path: "/x".into(),
            id: FileId {
                dev: Wide(1),
                inode: Wide(2),
            },
            size: Wide(0),
            ctime_ns: Wide(0),
            mtime_ns: Wide(0),
            sha256: Digest::of(b""),
            mode: 0,
            uid: 0,
            gid: 0,
            flags: None,
            links: 1,
            xattrs: Vec::new(),
        };
        let mut row = UnitRow {
            part,
            managers: Vec::new(),
            unit: HostBytes::new(unit),
            path: "/x".into(),
            file: nothing,
            by: Vec::new(),
            commands: Vec::new(),
            starts: Vec::new(),
            loads: Vec::new(),
            reads: Vec::new(),
            triggers: Vec::new(),
            calls: Vec::new(),
            schedule: HostBytes::default(),
            others: Vec::new(),
        };
        let scope = Scope {
            manager: Some(ServiceManager::System {}),
            name: row.unit.clone(),
            home: Some("/root".into()),
            ..Scope::default()
        };
        take_in(&parse_unit_file(content), scope, &mut row);
        row
    }

    /// Rows are bounded, whatever the file is.
    pub(crate) fn rows(content: &[u8]) {
        for (part, unit) in [(Part::Unit, &b"a@b.service"[..]), (Part::DropIn, b"x.timer")] {
            let row = row(part, unit, content);
            assert!(row.commands.len() <= ENTRIES && row.others.len() <= ENTRIES);
            assert!(row.starts.iter().all(|path| path.as_bytes().starts_with(b"/")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fuzzing::row;
    use super::*;
    use proptest::prelude::*;

    fn told<T: std::fmt::Display>(list: &[T]) -> String {
        list.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_service() {
        let row = row(
            Part::Unit,
            b"sysd.service",
            b"[Unit]\nDescription=a\nOnFailure=fail@%n.service b.service\nAfter=c\n[Service]\nWorkingDirectory=/opt/.x\n\
              Environment=LD_PRELOAD=/opt/.x/h.so A=b\nEnvironmentFile=-/etc/default/x\nExecStart=/bin/sh run.sh\n\
              ExecStopPost=-/usr/bin/touch /run/x\n[Install]\nWantedBy=multi-user.target\n[X-Own]\nA=b\n",
        );
        let commands: Vec<String> = row
            .commands
            .iter()
            .map(|c| format!("{} {} {}", c.number, c.setting, c.command))
            .collect();
        assert_eq!(
            commands,
            ["9 ExecStart /bin/sh run.sh", "10 ExecStopPost /usr/bin/touch /run/x"]
        );
        assert_eq!(told(&row.starts), "/bin/sh /opt/.x/run.sh /usr/bin/touch");
        assert_eq!(
            (told(&row.loads), told(&row.reads)),
            ("/opt/.x/h.so".into(), "/etc/default/x".into())
        );
        assert_eq!(told(&row.calls), "fail@sysd.service.service b.service");
        let others = "Unit.After Service.WorkingDirectory Service.Environment Service.EnvironmentFile Install.WantedBy";
        assert_eq!((told(&row.others), told(&row.triggers)), (others.into(), String::new()));
    }

    #[test]
    fn what_triggers_what() {
        let rows: [(&[u8], &[u8], &str); 9] = [
            (b"a.timer", b"[Timer]\nOnCalendar=*:*\n", "a.service"),
            (b"a.timer", b"[Timer]\nUnit=b.service\n", "b.service"),
            (b"a@.timer", b"[Timer]\nUnit=b@%i.service\n", "b@.service"),
            (b"a@1.path", b"[Path]\nPathExists=/x\n", "a@1.service"),
            (b"a.socket", b"[Socket]\nListenStream=1\n", "a.service"),
            (b"a.socket", b"[Socket]\nAccept=yes\n", "a@.service"),
            (b"a.automount", b"", "a.mount"),
            (b"a.service", b"[Timer]\nOnCalendar=x\n", ""),
            (b"a.target", b"[Unit]\nWants=b.service\n", ""),
        ];
        for (unit, content, expected) in rows {
            let row = row(Part::Unit, unit, content);
            assert_eq!(told(&row.triggers), expected, "{}", HostBytes::new(unit));
        }
        let addition = row(Part::DropIn, b"a.timer", b"[Timer]\nOnCalendar=\nOnCalendar=*:*:*\n");
        assert_eq!(
            told(&addition.triggers),
            "",
            "an addition triggers nothing that it does not name"
        );
        assert_eq!(addition.schedule, "OnCalendar=, OnCalendar=*:*:*".into());
    }

    proptest! {
        #[test]
        fn any_file_is_taken_in(content: Vec<u8>, unit: Vec<u8>, like in "(\\[(Unit|Timer|Service)\\]\n|(Exec|On|Unit|Wants|Environment)[a-zA-Z]{0,5}=[ %$~a/]{0,9}\n){0,20}") {
            for content in [&content[..], like.as_bytes()] {
                let row = row(Part::Unit, &unit, content);
                prop_assert!(row.commands.len() <= ENTRIES && row.others.len() <= ENTRIES);
            }
        }
    }
}
