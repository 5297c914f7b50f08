//! What is recognised of one process among all others. Pure; nothing here weighs.

use std::collections::BTreeMap;

use deminer_worker::query::{Ownership, Process, Socket};
use deminer_worker::text::{HostBytes, HostPath};

use super::arguments;
use super::indicators::{Endpoint, Indicators};
use super::rules::{Rules, Signal, holds, holds_versioned, program};
use crate::process_row::ProcessRow;
use crate::saying::said;
use crate::starter::{Place, Starter};
use crate::unit_row::{UnitCommand, UnitRow, Units};

/// One thing recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What.
    pub(crate) signal: Signal,
    /// The fields of its rule's sentence.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// What was read; empty where it is the process's own `/proc` entry.
    pub(crate) source: String,
}

impl Seen {
    pub(super) fn new(signal: Signal) -> Seen {
        Seen {
            signal,
            fields: Vec::new(),
            source: String::new(),
        }
    }

    pub(super) fn field(mut self, name: &'static str, value: impl Into<String>) -> Seen {
        self.fields.push((name, value.into()));
        self
    }

    fn read_in(mut self, source: String) -> Seen {
        self.source = source;
        self
    }
}

/// What all processes are judged against.
pub(crate) struct Scene<'a> {
    rules: &'a Rules,
    rows: BTreeMap<u32, &'a ProcessRow>,
    starts: BTreeMap<&'a HostPath, Vec<&'a Starter>>,
    run_by: BTreeMap<&'a HostPath, Vec<&'a UnitRow>>,
    sockets: BTreeMap<u32, Vec<&'a Socket>>,
    indicators: &'a Indicators,
}

/// A name without the version after its last hyphen: `xmrig-6.21.0` is `xmrig`.
fn without_version(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|b| *b == b'-') {
        Some(at)
            if name.get(at + 1).is_some_and(u8::is_ascii_digit)
                && name[at + 1..].iter().all(|b| b.is_ascii_digit() || *b == b'.') =>
        {
            &name[..at]
        }
        _ => name,
    }
}

/// Whether packages vouch for what it runs.
pub(crate) fn is_packaged(row: &ProcessRow) -> bool {
    row.package.as_ref().is_some_and(Ownership::is_package_content)
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        rules: &'a Rules,
        rows: &'a [ProcessRow],
        starters: &'a [Starter],
        units: &'a Units,
        sockets: &'a [Socket],
        indicators: &'a Indicators,
    ) -> Scene<'a> {
        let mut starts: BTreeMap<&HostPath, Vec<&Starter>> = BTreeMap::new();
        for starter in starters.iter().filter(|starter| starter.place != Place::Preload) {
            for path in &starter.starts {
                starts.entry(path).or_default().push(starter);
            }
        }
        let mut run_by: BTreeMap<&HostPath, Vec<&UnitRow>> = BTreeMap::new();
        for row in &units.rows {
            for path in &row.starts {
                run_by.entry(path).or_default().push(row);
            }
        }
        let mut by_owner: BTreeMap<u32, Vec<&Socket>> = BTreeMap::new();
        for socket in sockets {
            for owner in &socket.owners {
                by_owner.entry(*owner).or_default().push(socket);
            }
        }
        Scene {
            rules,
            rows: rows.iter().map(|row| (row.process.pid, row)).collect(),
            starts,
            run_by,
            sockets: by_owner,
            indicators,
        }
    }

    /// All processes, by pid.
    pub(crate) fn rows(&self) -> &BTreeMap<u32, &'a ProcessRow> {
        &self.rows
    }

    /// Everything recognised of one process. A kernel thread, and a process that ended, has nothing.
    pub(crate) fn signals(&self, row: &ProcessRow) -> Vec<Seen> {
        let process = &row.process;
        if process.kernel_thread || process.has_ended() {
            return Vec::new();
        }
        let argv: Vec<Vec<u8>> = process.argv.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut seen = arguments::signals(&argv, &self.rules.lists, self.indicators);
        seen.extend(self.network(process));
        seen.extend(self.identity(row));
        seen.extend(self.concealment(row));
        seen.extend(self.provenance(row));
        seen.extend(self.persistence(row));
        seen.extend(self.resources(process));
        seen.extend(self.benign(row));
        seen
    }

    fn network(&self, process: &Process) -> Vec<Seen> {
        let mut seen = Vec::new();
        let sockets = self.sockets.get(&process.pid).into_iter().flatten();
        for remote in sockets.filter_map(|socket| socket.remote.as_ref()) {
            let value = said(format!("{}:{}", remote.address, remote.port).as_bytes());
            let is_among = |known: &[Endpoint]| known.iter().any(|known| known.is_at(remote));
            if is_among(&self.indicators.pools) {
                seen.push(Seen::new(Signal::PoolConnection).field("value", value));
            } else if is_among(&self.indicators.remotes) {
                seen.push(Seen::new(Signal::IndicatorConnection).field("value", value));
            } else if self.rules.lists.pool_ports.contains(&remote.port) {
                seen.push(Seen::new(Signal::PoolPort).field("value", value));
            }
        }
        seen.sort_by_key(|seen| seen.signal);
        seen.dedup_by_key(|seen| seen.signal);
        seen
    }

    fn identity(&self, row: &ProcessRow) -> Vec<Seen> {
        let mut seen = Vec::new();
        let Some(exe) = &row.process.exe else { return seen };
        let name = program(&exe.path);
        let list = &self.rules.lists.miner_programs;
        if holds(list, name) || holds(list, without_version(name)) {
            seen.push(Seen::new(Signal::MinerProgram).field("value", said(name)));
        }
        if let Some(sha256) = exe.sha256.filter(|sha256| self.indicators.digests.contains(sha256)) {
            seen.push(Seen::new(Signal::IndicatorDigest).field("value", sha256.short()));
        }
        seen
    }

    fn concealment(&self, row: &ProcessRow) -> Vec<Seen> {
        let process = &row.process;
        let Some(exe) = &process.exe else { return Vec::new() };
        let mut seen = Vec::new();
        let packaged = is_packaged(row);
        let first = process.argv.first().map_or(&b""[..], HostBytes::as_bytes);
        let posing = [process.comm.as_bytes(), first]
            .into_iter()
            .find(|name| self.is_kernel_name(name));
        if let Some(name) = posing.filter(|_| !packaged) {
            seen.push(
                Seen::new(Signal::KernelName)
                    .field("value", said(name))
                    .field("exe", said(exe.path.as_bytes())),
            );
        } else if !packaged && process.script.is_none() {
            let own = program(&exe.path);
            let called = first.split(|b| *b == b' ').next().unwrap_or(first);
            let called = called.rsplit(|b| *b == b'/').next().unwrap_or(called);
            let called = called.strip_prefix(b"-").unwrap_or(called);
            if !called.is_empty() && called != own && !own.starts_with(process.comm.as_bytes()) {
                seen.push(
                    Seen::new(Signal::OtherName)
                        .field("value", said(first))
                        .field("exe", said(exe.path.as_bytes())),
                );
            }
        }
        if process.argv_bytes.0 == 0 && process.argv_sha256.is_some() {
            seen.push(Seen::new(Signal::EmptyArguments));
        }
        if exe.memfd && !packaged {
            seen.push(Seen::new(Signal::MemoryExecutable).field("value", said(exe.path.as_bytes())));
        } else if exe.deleted && !is_replaced(row) {
            seen.push(Seen::new(Signal::DeletedExecutable).field("value", said(exe.path.as_bytes())));
        }
        seen
    }

    /// A kernel thread's name, in brackets or without.
    fn is_kernel_name(&self, name: &[u8]) -> bool {
        let bare = name
            .strip_prefix(b"[")
            .and_then(|inner| inner.strip_suffix(b"]"))
            .filter(|inner| !inner.is_empty());
        if bare.is_some() {
            return true;
        }
        self.rules.lists.kernel_names.iter().any(|known| {
            name.strip_prefix(known.as_bytes()).is_some_and(|rest| {
                known.ends_with('/') || rest.first().is_none_or(|b| matches!(b, b'/' | b':' | b'0'..=b'9'))
            })
        })
    }

    fn provenance(&self, row: &ProcessRow) -> Vec<Seen> {
        let process = &row.process;
        let mut seen = Vec::new();
        let places = &self.rules.places;
        if let Some(script) = &process.script
            && places.is_remarkable(&script.path)
            && process
                .exe
                .as_ref()
                .is_some_and(|exe| holds_versioned(&self.rules.lists.interpreters, program(&exe.path)))
        {
            seen.push(Seen::new(Signal::ScriptPlace).field("value", said(script.path.as_bytes())));
        }
        let Some(exe) = &process.exe else { return seen };
        if is_packaged(row) || exe.memfd {
            return seen;
        }
        let value = said(exe.path.as_bytes());
        if places.is_temporary(&exe.path) {
            seen.push(Seen::new(Signal::TemporaryPlace).field("value", value.clone()));
        }
        if places.is_hidden(&exe.path) {
            seen.push(Seen::new(Signal::HiddenPlace).field("value", value.clone()));
        }
        match &row.package {
            Some(Ownership::Unowned) => {
                if self.rules.is_system(&exe.path) && !exe.deleted {
                    seen.push(Seen::new(Signal::UnownedInSystem).field("value", value.clone()));
                }
                seen.push(Seen::new(Signal::Unowned).field("value", value));
            }
            Some(Ownership::Modified { package }) if !exe.deleted => seen.push(
                Seen::new(Signal::ModifiedPackageFile)
                    .field("value", value)
                    .field("package", said(package.as_bytes())),
            ),
            _ => {}
        }
        seen
    }

    fn persistence(&self, row: &ProcessRow) -> Vec<Seen> {
        let process = &row.process;
        let mut seen = Vec::new();
        if is_packaged(row) && process.script.is_none() {
            return seen;
        }
        let own = process.exe.as_ref().filter(|_| !is_packaged(row)).map(|exe| &exe.path);
        let script = process.script.as_ref().map(|script| &script.path);
        let ran = || own.into_iter().chain(script);
        for (path, row) in
            ran().flat_map(|path| self.run_by.get(path).into_iter().flatten().map(move |row| (path, row)))
        {
            seen.extend(self.run_by_unit(path, row));
        }
        let lines = ran().filter_map(|path| self.starts.get(path)).flatten();
        for starter in lines {
            let place = match starter.number {
                Some(number) => format!("line {number} of {}", said(starter.file.path.as_bytes())),
                None => said(starter.file.path.as_bytes()),
            };
            let source = said(starter.file.path.as_bytes());
            let text = if starter.line.is_empty() {
                &starter.command
            } else {
                &starter.line
            };
            let value = said(text.as_bytes());
            seen.push(
                Seen::new(Signal::StartedByLine)
                    .field("place", place)
                    .field("value", value.clone())
                    .read_in(source.clone()),
            );
            if pipes_a_download(starter.command.as_bytes()) {
                seen.push(Seen::new(Signal::DownloadToShell).field("value", value).read_in(source));
            }
        }
        seen.sort_by_key(|seen| seen.signal);
        seen.dedup_by_key(|seen| seen.signal);
        if let Some(guardian) = own.and_then(|own| self.guardian(process, own)) {
            let name = guardian
                .process
                .argv
                .iter()
                .map(HostBytes::as_bytes)
                .collect::<Vec<_>>()
                .join(&b' ');
            seen.push(
                Seen::new(Signal::Guarded)
                    .field("guardian", guardian.process.pid.to_string())
                    .field("value", said(&name))
                    .read_in(format!("/proc/{}/cmdline", guardian.process.pid)),
            );
        }
        seen
    }

    /// What a unit says that runs this path.
    fn run_by_unit(&self, path: &HostPath, row: &UnitRow) -> Vec<Seen> {
        let runs = |command: &&UnitCommand| {
            let text = command.command.as_bytes();
            text.windows(path.as_bytes().len()).any(|run| run == path.as_bytes())
        };
        let command = row.commands.iter().find(runs).or(row.commands.first());
        let place = match command {
            Some(command) => format!("line {} of {}", command.number, said(row.path.as_bytes())),
            None => said(row.path.as_bytes()),
        };
        let text = command.map_or(row.path.as_bytes(), |command| command.command.as_bytes());
        let source = said(row.file.path.as_bytes());
        let started = Seen::new(Signal::StartedByLine)
            .field("place", place)
            .field("value", said(text))
            .read_in(source.clone());
        let fetches = row
            .commands
            .iter()
            .find(|command| pipes_a_download(command.command.as_bytes()));
        let fetched = fetches.map(|command| {
            Seen::new(Signal::DownloadToShell)
                .field("value", said(command.command.as_bytes()))
                .read_in(source)
        });
        std::iter::once(started).chain(fetched).collect()
    }

    /// A parent or grandparent that lies in a remarkable place itself, or whose command loops around the executable.
    fn guardian(&self, process: &Process, own: &HostPath) -> Option<&'a ProcessRow> {
        let mut pid = process.ppid;
        for _ in 0..2 {
            let row = *self.rows.get(&pid).filter(|row| row.process.pid > 1)?;
            let parent = &row.process;
            let exe = parent.exe.as_ref()?;
            let places = &self.rules.places;
            let in_place = !is_packaged(row) && (places.is_remarkable(&exe.path) || exe.deleted && !is_replaced(row));
            let interprets = holds_versioned(&self.rules.lists.interpreters, program(&exe.path));
            let script = parent
                .script
                .as_ref()
                .is_some_and(|script| places.is_remarkable(&script.path));
            let loops = parent.argv.get(1).is_some_and(|word| word.as_bytes() == b"-c")
                && parent.argv.get(2).is_some_and(|text| {
                    let text = text.as_bytes();
                    let own = own.as_bytes();
                    !own.is_empty() && text.windows(own.len()).any(|run| run == own)
                });
            if in_place || interprets && (script || loops) {
                return Some(row);
            }
            pid = parent.ppid;
        }
        None
    }

    fn resources(&self, process: &Process) -> Option<Seen> {
        let centi = process.cpu_centi.filter(|centi| *centi >= self.rules.busy_centi)?;
        Some(Seen::new(Signal::Busy).field("value", (centi / 100).to_string()))
    }

    fn benign(&self, row: &ProcessRow) -> Vec<Seen> {
        let mut seen = Vec::new();
        let Some(exe) = &row.process.exe else { return seen };
        let Some(Ownership::Owned { package } | Ownership::Copied { package, .. }) = &row.package else {
            return seen;
        };
        seen.push(Seen::new(Signal::PackageFile).field("package", said(package.as_bytes())));
        let name = match &row.package {
            Some(Ownership::Copied { original, .. }) => program(original),
            _ => program(&exe.path),
        };
        if holds(&self.rules.lists.compute_programs, name) {
            seen.push(Seen::new(Signal::ComputeProfile).field("value", said(name)));
        }
        if holds(&self.rules.lists.interactive_tools, name) {
            seen.push(Seen::new(Signal::InteractiveTool).field("value", said(name)));
        }
        seen
    }
}

/// Whether the running file is gone because its package was upgraded: a package knows the path or the content.
fn is_replaced(row: &ProcessRow) -> bool {
    !matches!(row.package, Some(Ownership::Unowned | Ownership::Unknown) | None)
}

/// Whether a command fetches something and hands it to a shell: `curl URL | sh`, `bash <(wget -O- URL)`.
fn pipes_a_download(command: &[u8]) -> bool {
    let parts: Vec<&[u8]> = command
        .split(|b| matches!(b, b'|' | b';' | b'&' | b'(' | b')'))
        .collect();
    let first = |part: &[u8]| {
        let word = part.split(|b| b.is_ascii_whitespace()).find(|word| !word.is_empty())?;
        Some(word.rsplit(|b| *b == b'/').next().unwrap_or(word).to_vec())
    };
    let names: Vec<Vec<u8>> = parts.iter().filter_map(|part| first(part)).collect();
    let fetches = names
        .iter()
        .position(|name| matches!(&name[..], b"curl" | b"wget" | b"fetch" | b"lwp-download"));
    let shell = |name: &Vec<u8>| {
        matches!(
            &name[..],
            b"sh" | b"bash" | b"dash" | b"ash" | b"zsh" | b"python" | b"python3" | b"perl"
        )
    };
    fetches.is_some_and(|_| command.iter().any(|b| matches!(b, b'|' | b'(')) && names.iter().any(shell))
}
