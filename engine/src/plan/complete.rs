//! What every change needs: its freeze, its evidence, its flags cleared, what runs it ended.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::{Act, Action, ActionId, FileTarget, Object, ProcessTarget};
use deminer_worker::query::Process;

use super::merge::{HOLDING_FLAGS, Wanted, Wants};

/// What each act needs, by name.
pub(super) type Needs = BTreeMap<ActionId, BTreeSet<ActionId>>;

/// Adds to the wants what they need and nobody proposed; what is added has the reasons of what it is for.
pub(super) fn complete(host: &str, wants: &mut Wants) {
    let asked: Vec<Wanted> = wants.values().cloned().collect();
    for want in asked {
        for act in preparations(&want.act) {
            let added = wants.entry(act.id(host)).or_insert_with(|| Wanted {
                component: want.component,
                act: act.clone(),
                because: BTreeSet::new(),
                proposed: false,
            });
            added.because.extend(want.because.iter().cloned());
            if let (Act::ClearFlags { flags, .. }, Act::ClearFlags { flags: more, .. }) = (&mut added.act, &act) {
                *flags |= more;
            }
        }
    }
}

fn keep_file(file: &FileTarget) -> Act {
    Act::Keep {
        object: Object::File { file: file.clone() },
    }
}

fn keep_process(process: &ProcessTarget) -> Act {
    Act::Keep {
        object: Object::Process {
            process: process.clone(),
        },
    }
}

/// The acts on the same object that must come first.
pub(super) fn preparations(act: &Act) -> Vec<Act> {
    match act {
        Act::Keep { .. }
        | Act::Freeze { .. }
        | Act::RemoveLink { .. }
        | Act::ReloadUnits { .. }
        | Act::LockAccount { .. }
        | Act::BlockAddress { .. }
        | Act::Isolate { .. }
        | Act::Throttle { .. }
        | Act::RunArgv { .. } => Vec::new(),
        Act::Kill { process } => vec![
            Act::Freeze {
                process: process.clone(),
            },
            keep_process(process),
        ],
        Act::ClearFlags { file, .. } => vec![keep_file(file)],
        Act::RemoveFile { file } | Act::EditLines { file, .. } | Act::RemoveStarter { file, .. } => {
            let held = file.flags.unwrap_or(0) & HOLDING_FLAGS;
            let clear = (held != 0).then(|| Act::ClearFlags {
                file: file.clone(),
                flags: held,
            });
            std::iter::once(keep_file(file)).chain(clear).collect()
        }
    }
}

/// What each of these needs: its preparations, and a file's removal the end of everything planned that runs it, and of
/// the lines that make every program load it: a library that is gone before its line is missed by every program.
///
/// There are no cycles: a removal needs kills and edits, kills need freezes, all need copies, and nothing the other way.
pub(super) fn needs(host: &str, wants: &Wants, processes: &[Process]) -> Needs {
    let kills: Vec<(ActionId, &ProcessTarget, Option<&Process>)> = wants
        .iter()
        .filter_map(|(id, want)| match &want.act {
            Act::Kill { process } => {
                let seen = processes
                    .iter()
                    .find(|p| p.pid == process.pid && p.start_ticks == process.start_ticks);
                Some((*id, process, seen))
            }
            _ => None,
        })
        .collect();
    wants
        .iter()
        .map(|(id, want)| {
            let mut needed: BTreeSet<ActionId> = preparations(&want.act).iter().map(|act| act.id(host)).collect();
            if let Act::RemoveFile { file } = &want.act {
                let running = kills.iter().filter(|(_, process, seen)| runs(process, *seen, file));
                needed.extend(running.map(|(kill, ..)| *kill));
                needed.extend(
                    wants
                        .iter()
                        .filter(|(_, want)| loads(&want.act, file))
                        .map(|(edit, _)| *edit),
                );
            }
            (*id, needed)
        })
        .collect()
}

/// Where the loader is told what every program loads (ld.so(8)).
const PRELOAD: &str = "/etc/ld.so.preload";

/// Whether an act takes out the line by which every program loads this file.
fn loads(act: &Act, library: &FileTarget) -> bool {
    let Act::EditLines { file, remove, .. } = act else {
        return false;
    };
    let named = |line: &[u8]| {
        let mut names = line.split(|b| matches!(b, b' ' | b'\t' | b':'));
        names.any(|name| name == library.path.as_bytes())
    };
    file.path == PRELOAD.into() && remove.iter().any(|target| named(target.line.as_bytes()))
}

/// Whether a process runs a file, as its executable or as its interpreter's script.
fn runs(process: &ProcessTarget, seen: Option<&Process>, file: &FileTarget) -> bool {
    let script = seen.and_then(|p| p.script.as_ref()).map(|script| script.id);
    process.exe == file.id
        || script == Some(file.id)
        || (process.exe_path == file.path && process.exe_sha256 == file.sha256)
}

/// The first act without what every such act needs, and what that is. A plan that lacks it was not drafted here.
pub(super) fn lacks(host: &str, actions: &[Action]) -> Option<(ActionId, &'static str)> {
    let by_id: BTreeMap<ActionId, &Action> = actions.iter().map(|action| (action.id, action)).collect();
    for action in actions {
        for preparation in preparations(&action.act) {
            let needed = preparation.id(host);
            let planned = by_id.get(&needed).filter(|_| action.needs.contains(&needed));
            if !planned.is_some_and(|planned| same_object(&planned.act, &preparation)) {
                let why = match preparation {
                    Act::Freeze { .. } => "it does not need the freeze of its process",
                    Act::ClearFlags { .. } => "it does not need its file's flags cleared",
                    _ => "it does not need the copy of what it destroys",
                };
                return Some((action.id, why));
            }
        }
    }
    None
}

/// Whether two acts of one name are about the same content.
fn same_object(a: &Act, b: &Act) -> bool {
    a.process().map(|p| p.exe_sha256) == b.process().map(|p| p.exe_sha256)
        && a.file().map(|f| f.sha256) == b.file().map(|f| f.sha256)
}
