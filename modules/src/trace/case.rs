//! The case as it grows: which contents, paths and processes are condemned, and by which words that is said.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::finding::{Artifact, Bearing, Finding, FindingId};
use deminer_worker::action::{FileTarget, LineTarget, LinkTarget, Role};
use deminer_worker::query::{Executable, FileId, FileStat, FileText, Ownership, Process};
use deminer_worker::text::{Digest, HostBytes, HostPath, Wide};

use super::components::{Account, pid_tie};
use super::units::Charges;
use crate::places::Places;
use crate::saying::{process_target, said, stated_process};
use crate::starter::Starter;

/// Everything condemned so far.
pub(super) struct Case {
    pub(super) places: Places,
    pub(super) boot_id: String,
    /// Pids that are never touched: pid 1 and our own chain.
    pub(super) spared: BTreeSet<u32>,
    /// The scripts that these run: whoever looks is not what is looked for.
    pub(super) spared_files: BTreeSet<FileId>,
    pub(super) account: Account,
    /// Contents of condemned executables, with their size. Never that of a packaged file.
    pub(super) contents: BTreeMap<Digest, Wide>,
    /// Paths of condemned files, those of deleted executables included.
    pub(super) paths: BTreeSet<HostPath>,
    /// Directories of condemned executables.
    pub(super) beside: BTreeSet<HostPath>,
    /// Those of them that are not everybody's: what lies there is near.
    pub(super) homes: BTreeSet<HostPath>,
    /// Base names by which a miner was known as one.
    pub(super) names: BTreeSet<Vec<u8>>,
    /// Condemned processes, by pid.
    pub(super) pids: BTreeMap<u32, Role>,
    /// The users of condemned processes.
    pub(super) uids: BTreeSet<u32>,
    /// Condemned files of units, by their place in the list of rows.
    pub(super) units: Charges,
    /// Folders in which units start what no package knows.
    pub(super) started_in: Vec<HostPath>,
}

/// A statement to be made: its signal, its sentence and the fields of it.
pub(super) struct Words<'a> {
    pub(super) signal: &'static str,
    pub(super) say: &'static str,
    pub(super) fields: &'a [(&'static str, &'a [u8])],
}

impl Words<'_> {
    fn finding(&self, artifact: Artifact, bearing: Bearing) -> Finding {
        self.fields.iter().fold(
            Finding::new(artifact, self.signal, bearing, self.say),
            |finding, (name, value)| finding.field(name, said(value)),
        )
    }
}

fn path_tie(path: &HostPath) -> String {
    format!("path {path}")
}

impl Case {
    /// Condemns a process, or asks a person where it may not be touched. `true` where it was not condemned yet.
    pub(super) fn condemn_process(
        &mut self,
        process: &Process,
        role: Role,
        words: &Words<'_>,
        more: &[FindingId],
        tied_to: &[String],
    ) -> bool {
        let target = process_target(process, &self.boot_id, role);
        let Some(target) = target.filter(|_| !self.spared.contains(&process.pid) && !process.kernel_thread) else {
            self.ask_process(process, words, more, tied_to);
            return false;
        };
        let (pid, exe_sha256) = (target.pid, target.exe_sha256);
        let finding = words
            .finding(Artifact::Process { process: target }, Bearing::Condemns)
            .rests_on(format!("/proc/{pid}/exe"), Some(exe_sha256));
        let mut ties = vec![pid_tie(pid)];
        ties.extend_from_slice(tied_to);
        let new = self.account.condemn(finding, more, ties);
        self.pids.entry(pid).or_insert(role);
        self.uids.insert(process.uid);
        new
    }

    /// Asks a person to look at a process.
    pub(super) fn ask_process(&mut self, process: &Process, words: &Words<'_>, more: &[FindingId], tied_to: &[String]) {
        let stated = stated_process(process, &self.boot_id, Role::Companion);
        let finding = words
            .finding(Artifact::Process { process: stated }, Bearing::Review)
            .rests_on(format!("/proc/{}/cmdline", process.pid), process.argv_sha256);
        self.account.ask(finding, more, tied_to.to_vec());
    }

    /// Takes in the content of what a condemned process runs: files of the same content are looked for.
    pub(super) fn learn_content(&mut self, exe: &Executable) -> Vec<String> {
        let Some(sha256) = exe.sha256 else { return Vec::new() };
        self.contents.insert(sha256, exe.size);
        vec![format!("content {sha256}")]
    }

    /// Takes in the path of what a condemned process runs: lines and scripts that start it are looked for.
    pub(super) fn learn_path(&mut self, path: &HostPath) -> Vec<String> {
        self.paths.insert(path.clone());
        if let Some(directory) = path.parent() {
            if !is_shared(&directory) {
                self.homes.insert(directory.clone());
            }
            self.beside.insert(directory);
        }
        self.tie_to(path)
    }

    /// Whether a user of a condemned process could have put something of this owner there. What the intruder could not
    /// change himself, he cannot have us change by a copy, a name or a process of his.
    pub(super) fn could_place(&self, owner: u32) -> bool {
        self.uids.contains(&0) || self.uids.contains(&owner)
    }

    /// Condemns a file for its own content. `true` where it was not condemned yet.
    pub(super) fn condemn_file(&mut self, stat: &FileStat, words: &Words<'_>, tied_to: &[String]) -> bool {
        if self.spared_files.contains(&stat.id) {
            self.ask_file(stat, words, tied_to);
            return false;
        }
        let Some(file) = FileTarget::from_stat(stat) else {
            return false;
        };
        let sha256 = file.sha256;
        let finding = words
            .finding(Artifact::File { file }, Bearing::Condemns)
            .rests_on(&stat.path, Some(sha256));
        let mut ties = vec![path_tie(&stat.path), format!("content {sha256}")];
        ties.extend_from_slice(tied_to);
        self.paths.insert(stat.path.clone());
        self.account.condemn(finding, &[], ties)
    }

    /// Asks a person to look at a file.
    pub(super) fn ask_file(&mut self, stat: &FileStat, words: &Words<'_>, tied_to: &[String]) {
        let Some(file) = FileTarget::from_stat(stat) else {
            return;
        };
        let sha256 = file.sha256;
        let finding = words
            .finding(Artifact::File { file }, Bearing::Review)
            .rests_on(&stat.path, Some(sha256));
        let mut ties = vec![format!("content {sha256}")];
        ties.extend_from_slice(tied_to);
        self.account.ask(finding, &[], ties);
    }

    /// The line as an act would name it; `None` where the whole file starts.
    pub(super) fn line_of(&self, starter: &Starter, mark: &HostPath) -> Option<Artifact> {
        let line = &starter.line;
        let marked = line
            .as_bytes()
            .windows(mark.as_bytes().len().max(1))
            .any(|run| run == mark.as_bytes());
        Some(Artifact::Line {
            file: starter.file.clone(),
            line: LineTarget {
                number: starter.number?,
                line: line.clone(),
                mark: if marked { HostBytes::from(mark) } else { line.clone() },
            },
        })
    }

    /// Condemns a line for its own text, or asks a person.
    pub(super) fn state_line(
        &mut self,
        starter: &Starter,
        mark: &HostPath,
        bearing: Bearing,
        words: &Words<'_>,
    ) -> bool {
        let Some(artifact) = self.line_of(starter, mark) else {
            return false;
        };
        let finding = words
            .finding(artifact, bearing)
            .rests_on(&starter.file.path, Some(starter.file.sha256));
        let ties = vec![path_tie(mark)];
        match bearing {
            Bearing::Condemns => self.account.condemn(finding, &[], ties),
            _ => {
                self.account.ask(finding, &[], ties);
                false
            }
        }
    }

    /// Condemns a link for where it leads, or asks a person.
    pub(super) fn state_link(
        &mut self,
        link: &LinkTarget,
        served: &HostPath,
        bearing: Bearing,
        words: &Words<'_>,
    ) -> bool {
        let artifact = Artifact::Link { link: link.clone() };
        let finding = words.finding(artifact, bearing).rests_on(&link.path, None);
        let ties = vec![path_tie(served)];
        match bearing {
            Bearing::Condemns => self.account.condemn(finding, &[], ties),
            _ => {
                self.account.ask(finding, &[], ties);
                false
            }
        }
    }

    /// Whether a file there may be condemned for what its own bytes say: a temporary or hidden place, or beside a
    /// condemned executable.
    pub(super) fn is_near(&self, path: &HostPath) -> bool {
        self.places.is_remarkable(path) || path.parent().is_some_and(|parent| self.homes.contains(&parent))
    }

    /// The names of what ties to a path.
    pub(super) fn tie_to(&self, path: &HostPath) -> Vec<String> {
        vec![path_tie(path)]
    }
}

/// Directories where the programs and files of many purposes lie side by side.
const SHARED: [&str; 19] = [
    "/",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/local/lib",
    "/etc",
    "/opt",
    "/root",
    "/srv",
    "/var",
    "/var/lib",
];

fn is_shared(directory: &HostPath) -> bool {
    let listed = SHARED.iter().any(|shared| directory.as_bytes() == shared.as_bytes());
    let is_home = directory.parent().is_some_and(|parent| parent.as_bytes() == b"/home");
    listed || is_home
}

/// Whether a package stands behind a file: its content, its path, or its configuration. Where no database tells, system
/// places count as packaged.
pub(super) fn is_vouched(owner: &Ownership, path: &HostPath) -> bool {
    match owner {
        Ownership::Unowned => false,
        Ownership::Unknown => ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/boot"]
            .iter()
            .any(|place| path.is_below(&HostPath::from(*place))),
        _ => true,
    }
}

/// The words of a text file; `None` for a program or anything else with zero bytes.
pub(super) fn words_of(text: &FileText) -> Option<&[u8]> {
    let bytes = text.content.as_bytes();
    (!bytes.contains(&0)).then_some(bytes)
}
