//! English words of one action.

use deminer_worker::action::{FileTarget, LinkTarget};

use super::super::show::{Condition, ProcessIdentity, ShowWords, WayBack};
use super::super::{Noun, Things};
use super::English;

impl ShowWords for English {
    fn listed_of(&self, host: &str, equal: &str) -> String {
        format!("Of {equal} the actions of {host} are listed; with --host NAME those of another.")
    }

    fn action(&self, id: &str, kind: &'static str, way_back: &str, component: u32, plan: &str) -> String {
        format!("{id} {kind}, {way_back}; component {component}, plan {plan}")
    }

    fn lines_of_all(&self, numbers: &[u32], all: u32) -> String {
        format!("{} of {all}", self.lines(numbers))
    }

    fn withheld(&self) -> &'static str {
        "(not shown: it may hold a secret)"
    }

    fn nothing_around(&self) -> &'static str {
        "what stands around is not shown: it could not be read again, or holds passwords"
    }

    fn points(&self, points: i32) -> String {
        format!("{points:+} points")
    }

    fn source(&self, source: &str, sha256: Option<&str>) -> String {
        match sha256 {
            Some(sha256) => format!("{source}, sha256 {sha256}"),
            None => source.to_owned(),
        }
    }

    fn process_identity(&self, identity: &ProcessIdentity<'_>) -> String {
        let ProcessIdentity {
            process, name, boot, ..
        } = identity;
        let parent = identity.parent.map(|parent| format!(", parent pid {parent}"));
        format!(
            "{}, {}, started {} ticks after boot {boot}, uid {}{}; runs {}{}, device {} inode {}, {}, sha256 {}; \
             arguments sha256 {}",
            self.process(process.pid, name),
            self.role(process.role),
            process.start_ticks,
            process.uid,
            parent.unwrap_or_default(),
            process.exe_path,
            if identity.deleted { " (deleted)" } else { "" },
            process.exe.dev,
            process.exe.inode,
            self.size(process.exe_size.0),
            process.exe_sha256.short(),
            process.argv_sha256.short(),
        )
    }

    fn file_identity(&self, file: &FileTarget, flags: Option<&str>, changed: &str) -> String {
        let links = match file.links {
            1 => String::new(),
            links => format!(", {}", self.count(u64::from(links), Noun::Name)),
        };
        format!(
            "{}, below {}, device {} inode {}, {}, mode {:04o}, uid {} gid {}{links}{}, changed {changed}, sha256 {}",
            file.path,
            file.mount,
            file.id.dev,
            file.id.inode,
            self.size(file.size.0),
            file.mode,
            file.uid,
            file.gid,
            flags.map(|flags| format!(", {flags}")).unwrap_or_default(),
            file.sha256.short(),
        )
    }

    fn link_identity(&self, shown: &str, link: &LinkTarget) -> String {
        format!(
            "{shown}, below {}, device {} inode {}, uid {} gid {}",
            link.mount, link.id.dev, link.id.inode, link.uid, link.gid
        )
    }

    fn account_identity(&self, account: &str, line_sha256: &str) -> String {
        format!("account {account}, its line of /etc/passwd sha256 {line_sha256}")
    }

    fn command_identity(&self, command: &str, timeout_ms: u64, program: &str) -> String {
        format!(
            "{command}; ended after {}; the program is {program}",
            self.span(timeout_ms)
        )
    }

    fn only_if(&self, condition: Condition) -> &'static str {
        match condition {
            Condition::Process => {
                "boot, pid, start time and executable are these, and nothing protects it there; gone is done"
            }
            Condition::File => {
                "device, inode, size and sha256 are these before the first act, and nothing protects it there; gone is \
                 done"
            }
            Condition::Lines => {
                "these lines are still there, byte for byte; every other byte stays, and so do owner, mode and flags"
            }
            Condition::Sudoers => "the text without them is still valid sudoers(5)",
            Condition::Object => "what is read has this identity",
            Condition::Link => "it is this link, by inode, and points there; what it points to stays; gone is done",
            Condition::UnitsGone => "the files of the units are gone; nothing is stopped, started or restarted by it",
            Condition::Account => "its line of /etc/passwd is this one",
            Condition::Network => {
                "it does not cut our own session off, and no other table is touched; ends by itself by the kernel's clock"
            }
            Condition::Program => "the program has this content; nothing of it is given to a shell",
        }
    }

    fn done_before(&self, actions: &[String]) -> String {
        format!("done before: {}", actions.join("; "))
    }

    fn taken_back(&self, way: WayBack) -> String {
        match way {
            WayBack::Copy => "nothing to undo: a copy changes nothing".to_owned(),
            WayBack::Thaw => "at once: the process runs again".to_owned(),
            WayBack::None => "none: a killed process does not come back; what it ran is in the vault".to_owned(),
            WayBack::File(bytes) => format!(
                "from the vault: writes the {} back, starts nothing; owner, mode, times and flags as they were",
                self.size(bytes)
            ),
            WayBack::Lines(lines) => format!(
                "from the vault: puts {} back where {} stood, starts nothing",
                self.count(lines, Noun::Line),
                if lines == 1 { "it" } else { "they" },
            ),
            WayBack::Flags => "at once: sets the flags again".to_owned(),
            WayBack::Reload => "nothing to undo: it only reads what is there".to_owned(),
            WayBack::Starter(bytes) => format!(
                "from the vault: writes the {} back, beside its place where nothing reads it; starts nothing",
                self.size(bytes)
            ),
            WayBack::Link => "at once: makes the link again, beside its place where nothing reads it".to_owned(),
            WayBack::Account => "at once: gives password and expiry back as they were".to_owned(),
            WayBack::Network => "at once: takes our entry out, with the last one our table".to_owned(),
            WayBack::Scheduling => "at once: schedules it as before".to_owned(),
            WayBack::Command(Some(command)) => format!("by command: runs {command}"),
            WayBack::Command(None) => "none: the plan states no command that takes it back".to_owned(),
        }
    }

    fn leave_out(&self, id: &str) -> String {
        format!("add --exclude {id} to `deminer apply`")
    }
}
