//! From proposals to wants: each proposal is held against what a plan may rest on, and equal ones become one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use deminer_worker::action::{Act, ActionId, Effect, FileTarget, LineTarget, Object, ProcessTarget};
use deminer_worker::argv;
use deminer_worker::query::FileId;
use deminer_worker::text::{HostBytes, HostPath};
use deminer_worker::unit_name::is_unit_name;

use super::{Left, LeftAlone, PlanError};
use crate::finding::{Bearing, FindingId};
use crate::look::{Looked, Proposed};
use crate::playbook::Phase;

/// The immutable and the append-only flag of an inode.
pub(super) const HOLDING_FLAGS: u32 = 0x30;

/// The longest that packets are held back, in seconds.
const BLOCK_S: u32 = 7 * 86_400;

/// The longest path of Linux.
const PATH_BYTES: usize = 4096;

/// An act that is wanted, by equal proposals together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wanted {
    /// Its component.
    pub(super) component: u32,
    /// What.
    pub(super) act: Act,
    /// All reasons.
    pub(super) because: BTreeSet<FindingId>,
    /// Whether a responder proposed it, or it was added for what one proposed.
    pub(super) proposed: bool,
}

/// What is wanted on one host, by name.
pub(super) type Wants = BTreeMap<ActionId, Wanted>;

/// The objects that proposals name, each as it was seen last.
#[derive(Default)]
struct Objects {
    processes: HashMap<(u32, u64), ProcessTarget>,
    files: HashMap<HostPath, FileTarget>,
}

/// Checks all proposals of a host and merges equal ones: reasons add up, all lines of one file become one edit.
pub(super) fn merge(looked: &Looked) -> Result<Wants, PlanError> {
    let bearings: HashMap<&FindingId, Bearing> = looked.findings.iter().map(|f| (&f.id, f.bearing)).collect();
    let mut objects = Objects::default();
    for proposed in &looked.proposals {
        check_phase(&looked.host, proposed)?;
        check_reasons(&looked.host, proposed, &bearings)?;
        if let Some(why) = fault(&proposed.proposal.act, proposed.proposal.component, looked) {
            return Err(PlanError::Incomplete {
                host: looked.host.clone(),
                step: proposed.step.clone(),
                kind: proposed.proposal.act.kind(),
                object: named(&proposed.proposal.act),
                why,
            });
        }
        objects
            .see(&proposed.proposal.act)
            .map_err(|why| contradiction(&looked.host, proposed, why))?;
    }

    let mut wants = Wants::new();
    for proposed in &looked.proposals {
        let act = objects.latest(proposed.proposal.act.clone());
        let want = wants.entry(act.id(&looked.host)).or_insert_with(|| Wanted {
            component: proposed.proposal.component,
            act: act.clone(),
            because: BTreeSet::new(),
            proposed: true,
        });
        want.component = want.component.min(proposed.proposal.component);
        want.because.extend(proposed.proposal.because.iter().cloned());
        add_up(&mut want.act, act).map_err(|why| contradiction(&looked.host, proposed, why))?;
    }
    Ok(wants)
}

/// The components in which each act was proposed; an act that two components propose stands in both.
pub(super) fn proposed_in(looked: &Looked) -> Vec<(u32, ActionId)> {
    let proposals = looked.proposals.iter().map(|proposed| &proposed.proposal);
    proposals.map(|p| (p.component, p.act.id(&looked.host))).collect()
}

fn contradiction(host: &str, proposed: &Proposed, why: &'static str) -> PlanError {
    PlanError::Contradiction {
        host: host.to_owned(),
        step: proposed.step.clone(),
        object: named(&proposed.proposal.act),
        why,
    }
}

fn check_phase(host: &str, proposed: &Proposed) -> Result<(), PlanError> {
    let effect = proposed.proposal.act.effect();
    let allowed = match proposed.phase {
        Phase::Backup => effect == Effect::Preserve,
        Phase::Eradicate => true,
        Phase::Gather | Phase::Decide | Phase::Locate | Phase::Verify => false,
    };
    if allowed {
        return Ok(());
    }
    Err(PlanError::WrongEffect {
        host: host.to_owned(),
        step: proposed.step.clone(),
        kind: proposed.proposal.act.kind(),
        effect,
        phase: proposed.phase,
    })
}

fn check_reasons(host: &str, proposed: &Proposed, bearings: &HashMap<&FindingId, Bearing>) -> Result<(), PlanError> {
    let kind = proposed.proposal.act.kind();
    let mut founded = proposed.proposal.act.effect() == Effect::Preserve && !proposed.proposal.because.is_empty();
    for finding in &proposed.proposal.because {
        match bearings.get(finding) {
            Some(Bearing::Condemns | Bearing::Returned) => founded = true,
            Some(Bearing::Benign | Bearing::Weighs | Bearing::Review | Bearing::Quiet) => {}
            None => {
                return Err(PlanError::UnknownFinding {
                    host: host.to_owned(),
                    step: proposed.step.clone(),
                    kind,
                    finding: finding.clone(),
                });
            }
        }
    }
    if founded {
        return Ok(());
    }
    Err(PlanError::NoReason {
        host: host.to_owned(),
        step: proposed.step.clone(),
        kind,
    })
}

/// The target of an act, for a message.
pub(super) fn named(act: &Act) -> String {
    match (act, act.process(), act.file()) {
        (_, Some(process), _) => format!("pid {} `{}`", process.pid, process.comm),
        (_, None, Some(file)) => format!("`{}`", file.path),
        (Act::RemoveLink { link }, ..) => format!("`{}`", link.path),
        (Act::LockAccount { account }, ..) => format!("account `{}`", account.name),
        (Act::BlockAddress { address, .. }, ..) => address.clone(),
        (Act::RunArgv { program, .. }, ..) => format!("`{}`", program.path),
        _ => act.kind().to_owned(),
    }
}

/// What is missing in the identity of an act's target; `None` where nothing is.
fn fault(act: &Act, component: u32, looked: &Looked) -> Option<&'static str> {
    if component == 0 {
        return Some("components count from 1");
    }
    let process = act
        .process()
        .and_then(|p| process_fault(p, &looked.facts.identity.boot_id));
    process
        .or_else(|| act.file().and_then(file_fault))
        .or_else(|| match act {
            Act::EditLines { remove, .. } => lines_fault(remove),
            Act::ClearFlags { file, flags } => flags_fault(file, *flags),
            Act::RemoveLink { link } => place_fault(&link.path, &link.mount)
                .or_else(|| (link.id.inode.0 == 0).then_some("its inode is not told")),
            Act::RunArgv {
                program,
                argv,
                timeout_ms,
                undo,
            } => file_fault(program)
                .or_else(|| argv::fault(&program.path, argv))
                .or_else(|| argv::fault(&program.path, undo.as_deref()?))
                .or_else(|| (*timeout_ms == 0).then_some("it has no time to run")),
            // Without a unit it makes the manager forget what was only added to one.
            Act::ReloadUnits { units, .. } => {
                let named = |unit: &HostBytes| is_unit_name(unit.as_bytes());
                (!units.iter().all(named)).then_some("it names what is no unit")
            }
            Act::LockAccount { account } => account.name.is_empty().then_some("it has no name"),
            Act::BlockAddress { address, for_s } => address_fault(address).or_else(|| time_fault(*for_s)),
            Act::Isolate { for_s, .. } => time_fault(*for_s),
            _ => None,
        })
}

fn process_fault(process: &ProcessTarget, boot_id: &str) -> Option<&'static str> {
    if process.boot_id.is_empty() || process.boot_id != boot_id {
        Some("it is not of the boot that was looked at")
    } else if !boot_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        Some("its boot has no such name")
    } else if process.pid == 0 {
        Some("it has no pid")
    } else if process.exe.inode.0 == 0 || !process.exe_path.as_bytes().starts_with(b"/") {
        Some("its executable is not told")
    } else {
        None
    }
}

fn place_fault(path: &HostPath, mount: &HostPath) -> Option<&'static str> {
    let bytes = path.as_bytes();
    let plain = bytes.strip_prefix(b"/").is_some_and(|rest| {
        rest.split(|b| *b == b'/')
            .all(|part| !matches!(part, b"" | b"." | b".."))
    });
    if !plain || bytes.len() > PATH_BYTES || bytes.contains(&0) {
        Some("its path is not absolute and plain")
    } else if !mount.as_bytes().starts_with(b"/") || !path.is_below(mount) {
        Some("it does not lie below its mount point")
    } else {
        None
    }
}

fn file_fault(file: &FileTarget) -> Option<&'static str> {
    let place = place_fault(&file.path, &file.mount);
    if place.is_some() {
        place
    } else if file.id.inode.0 == 0 {
        Some("its inode is not told")
    } else if file.links == 0 {
        Some("no name leads to it")
    } else {
        None
    }
}

fn lines_fault(remove: &[LineTarget]) -> Option<&'static str> {
    if remove.is_empty() {
        return Some("no line is named");
    }
    remove.iter().find_map(|target| {
        let (line, mark) = (target.line.as_bytes(), target.mark.as_bytes());
        if target.number == 0 {
            Some("lines count from 1")
        } else if line.is_empty() || line.contains(&b'\n') {
            Some("a line is empty or more than one")
        } else if mark.is_empty() || !line.windows(mark.len()).any(|part| part == mark) {
            Some("a line does not hold what is condemned in it")
        } else {
            None
        }
    })
}

/// One address has one name: its shortest, an IPv4 address inside IPv6 written as IPv4.
fn address_fault(address: &str) -> Option<&'static str> {
    match address.parse::<IpAddr>() {
        Err(_) => Some("it is no numeric address"),
        Ok(parsed) if parsed.to_canonical().to_string() != address => {
            Some("its address is not written in its one form")
        }
        Ok(_) => None,
    }
}

/// What holds packets back ends by itself, while somebody still knows of it.
fn time_fault(for_s: u32) -> Option<&'static str> {
    (for_s == 0 || for_s > BLOCK_S).then_some("it does not end by itself within a week")
}

fn flags_fault(file: &FileTarget, flags: u32) -> Option<&'static str> {
    if flags == 0 || flags & !HOLDING_FLAGS != 0 {
        Some("only the immutable and the append-only flag can be cleared")
    } else if file.flags.is_none_or(|set| set & flags != flags) {
        Some("the flags are not set")
    } else {
        None
    }
}

impl Objects {
    /// Takes in the object of an act; an error where it is not the one known by that name.
    fn see(&mut self, act: &Act) -> Result<(), &'static str> {
        if let Some(process) = act.process() {
            let key = (process.pid, process.start_ticks.0);
            let known = self.processes.entry(key).or_insert_with(|| process.clone());
            if known.exe != process.exe || known.exe_sha256 != process.exe_sha256 || known.exe_size != process.exe_size
            {
                return Err("another executable");
            }
            // Guardians are frozen first: once a guardian, always one.
            known.role = known.role.min(process.role);
        }
        if let Some(file) = act.file() {
            let known = self.files.entry(file.path.clone()).or_insert_with(|| file.clone());
            if known.id != file.id || known.mount != file.mount {
                return Err("another inode");
            }
            if known.sha256 != file.sha256 || known.size != file.size {
                return Err("another content");
            }
            if known.ctime_ns < file.ctime_ns {
                *known = file.clone();
            }
        }
        Ok(())
    }

    /// The act, its object as it was seen last.
    fn latest(&self, mut act: Act) -> Act {
        match &mut act {
            Act::Keep {
                object: Object::Process { process },
            }
            | Act::Freeze { process }
            | Act::Kill { process }
            | Act::Throttle { process } => {
                if let Some(known) = self.processes.get(&(process.pid, process.start_ticks.0)) {
                    *process = known.clone();
                }
            }
            Act::Keep {
                object: Object::File { file },
            }
            | Act::RemoveFile { file }
            | Act::EditLines { file, .. }
            | Act::ClearFlags { file, .. }
            | Act::RemoveStarter { file, .. } => {
                if let Some(known) = self.files.get(&file.path) {
                    *file = known.clone();
                }
            }
            Act::RemoveLink { .. }
            | Act::ReloadUnits { .. }
            | Act::LockAccount { .. }
            | Act::BlockAddress { .. }
            | Act::Isolate { .. }
            | Act::RunArgv { .. } => {}
        }
        act
    }
}

/// Takes an equal act's lines or flags over.
fn add_up(act: &mut Act, other: Act) -> Result<(), &'static str> {
    match (act, other) {
        (
            Act::EditLines { remove, syntax, .. },
            Act::EditLines {
                remove: more,
                syntax: also,
                ..
            },
        ) => {
            *syntax = syntax.or(also);
            remove.extend(more);
            // Of two marks the shorter one tells more changed lines from moved ones.
            remove.sort_by(|a, b| {
                let rest = |t: &LineTarget| (t.mark.len(), t.mark.clone());
                (a.number, &a.line)
                    .cmp(&(b.number, &b.line))
                    .then_with(|| rest(a).cmp(&rest(b)))
            });
            remove.dedup_by(|later, kept| (later.number, &later.line) == (kept.number, &kept.line));
            if remove.windows(2).any(|pair| pair[0].number == pair[1].number) {
                return Err("two contents of one line");
            }
        }
        (Act::ClearFlags { flags, .. }, Act::ClearFlags { flags: more, .. }) => *flags |= more,
        (Act::ReloadUnits { units, .. }, Act::ReloadUnits { units: more, .. }) => {
            units.extend(more);
            units.sort();
            units.dedup();
        }
        (Act::BlockAddress { for_s, .. }, Act::BlockAddress { for_s: more, .. }) => *for_s = (*for_s).max(more),
        (
            Act::Isolate { for_s, keep },
            Act::Isolate {
                for_s: more,
                keep: also,
            },
        ) => {
            *for_s = (*for_s).max(more);
            keep.extend(also);
            keep.sort();
            keep.dedup();
        }
        _ => {}
    }
    Ok(())
}

/// Merges components: those that name one process or one file, and those whose processes run a file or an executable of
/// the other. `shared` tells whether an executable is the intruder's own, not a shell that anybody runs. A merged
/// component has the smallest of the numbers.
pub(super) fn unite_components(
    wants: &mut Wants,
    left_alone: &mut [LeftAlone],
    proposed: &[(u32, ActionId)],
    shared: impl Fn(&ProcessTarget) -> bool,
) {
    let mut groups = Groups::default();
    for (component, id) in proposed.iter().filter(|(_, id)| wants.contains_key(id)) {
        groups.join(*component, Key::Act(*id));
    }
    let ids: BTreeSet<FileId> = wants
        .values()
        .filter_map(|want| want.act.file())
        .map(|file| file.id)
        .collect();
    for (id, want) in wants.iter() {
        groups.join(want.component, Key::Act(*id));
        if let Some(file) = want.act.file() {
            groups.join(want.component, Key::File(file.id));
        }
        if let Some(process) = want.act.process() {
            groups.join(want.component, Key::Process(process.pid, process.start_ticks.0));
            if ids.contains(&process.exe) {
                groups.join(want.component, Key::File(process.exe));
            }
            if shared(process) {
                groups.join(want.component, Key::Content(process.exe_sha256.0));
            }
        }
    }
    for want in wants.values_mut() {
        want.component = groups.root(want.component);
    }
    for left in left_alone {
        if let Left::Act { component, .. } = &mut left.what {
            *component = groups.root(*component);
        }
    }
}

/// What components may have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Act(ActionId),
    Process(u32, u64),
    File(FileId),
    Content([u8; 32]),
}

/// Components that hang together; the smallest number stands for all.
#[derive(Default)]
struct Groups {
    up: HashMap<u32, u32>,
    first: HashMap<Key, u32>,
}

impl Groups {
    fn root(&self, mut component: u32) -> u32 {
        while let Some(up) = self.up.get(&component) {
            component = *up;
        }
        component
    }

    fn join(&mut self, component: u32, key: Key) {
        let first = *self.first.entry(key).or_insert(component);
        let (a, b) = (self.root(first), self.root(component));
        if a != b {
            self.up.insert(a.max(b), a.min(b));
        }
    }
}
