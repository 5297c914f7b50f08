//! Who starts the miner again, and what was born of it. Never upward into servers, logins or our own chain.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::module::ModuleError;
use deminer_worker::action::Role;
use deminer_worker::query::{Process, Socket, limits};
use deminer_worker::text::HostPath;

use super::case::{Case, Words, is_vouched, words_of};
use super::components::pid_tie;
use super::files;
use super::look::Look;
use super::speech::{Speech, loops, speech};

/// Programs that run a text.
const INTERPRETERS: [&[u8]; 18] = [
    b"sh", b"bash", b"dash", b"ash", b"ksh", b"mksh", b"zsh", b"fish", b"busybox", b"python", b"perl", b"ruby",
    b"node", b"nodejs", b"php", b"lua", b"tclsh", b"expect",
];
/// Programs that only stand between a parent and what it starts.
const PASSED: [&[u8]; 10] = [
    b"timeout", b"sudo", b"su", b"runuser", b"flock", b"nice", b"setsid", b"nohup", b"chronic", b"watch",
];
/// Ancestors that are looked at above one process.
const ANCESTORS: usize = 32;

/// Whether this is an interpreter by its name, the version at the end left out.
pub(super) fn is_interpreter(path: &HostPath) -> bool {
    let name = path.file_name();
    let end = name
        .iter()
        .rposition(|b| !(b.is_ascii_digit() || *b == b'.'))
        .map_or(0, |at| at + 1);
    INTERPRETERS.contains(&&name[..end])
}

fn interprets(process: &Process) -> bool {
    process.exe.as_ref().is_some_and(|exe| is_interpreter(&exe.path))
}

/// What follows `-c`, also among other letters (`-lc`).
fn inline_text(process: &Process) -> Option<&[u8]> {
    let at = process.argv.iter().skip(1).position(|word| {
        let word = word.as_bytes();
        word.len() > 1 && word[0] == b'-' && word[1] != b'-' && word.ends_with(b"c")
    })?;
    Some(process.argv.get(at + 2)?.as_bytes())
}

/// How processes stand to the condemned ones.
struct Kin {
    ancestors: BTreeSet<u32>,
    descendants: BTreeSet<u32>,
    /// Those that share a pipe with them that nobody else holds.
    mates: BTreeSet<u32>,
    /// Those whose arguments name a condemned path: a guardian does, and so does whoever looks at the miner.
    naming: BTreeSet<u32>,
}

/// A processes' parents up to a server, a login or the host's own: those end the way up.
async fn kin(case: &Case, look: &mut Look<'_>) -> Result<Kin, ModuleError> {
    let mut ancestors = BTreeSet::new();
    for pid in case.pids.keys() {
        let mut at = look.processes.get(pid).map_or(0, |process| process.ppid);
        for _ in 0..ANCESTORS {
            let Some(process) = look.processes.get(&at).cloned() else {
                break;
            };
            if at <= 1 || case.spared.contains(&at) || !ancestors.insert(at) {
                break;
            }
            let vouched = match &process.exe {
                Some(exe) => is_vouched(&look.owner_of_running(&process).await?, &exe.path),
                None => true,
            };
            let name = process.exe.as_ref().map_or(&b""[..], |exe| exe.path.file_name());
            let serves = interprets(&process) && (process.script.is_some() || inline_text(&process).is_some());
            if vouched && !serves && !PASSED.contains(&name) {
                break;
            }
            at = process.ppid;
        }
    }
    let mut descendants = BTreeSet::new();
    for process in look.processes.values() {
        let mut at = process.ppid;
        for _ in 0..ANCESTORS {
            if case.pids.contains_key(&at) {
                descendants.insert(process.pid);
                break;
            }
            match look.processes.get(&at) {
                Some(parent) if at > 1 => at = parent.ppid,
                _ => break,
            }
        }
    }
    Ok(Kin {
        ancestors,
        descendants,
        mates: mates(case, look),
        naming: naming(case, look),
    })
}

fn naming(case: &Case, look: &Look<'_>) -> BTreeSet<u32> {
    let names = |process: &&Process| {
        let mut words = process.argv.iter().skip(1);
        words.any(|word| case.paths.contains(&HostPath::new(word.as_bytes())))
    };
    look.processes
        .values()
        .filter(names)
        .map(|process| process.pid)
        .collect()
}

/// A session alone is no tie: whoever starts things from one shell shares it.
fn mates(case: &Case, look: &Look<'_>) -> BTreeSet<u32> {
    let mut holders: BTreeMap<&[u8], BTreeSet<u32>> = BTreeMap::new();
    for process in look.processes.values() {
        for pipe in pipes_of(process) {
            holders.entry(pipe).or_default().insert(process.pid);
        }
    }
    let between = |pid: u32, holders: &BTreeSet<u32>| {
        let mut others = holders.iter().filter(|holder| **holder != pid).peekable();
        others.peek().is_some() && others.all(|holder| case.pids.contains_key(holder))
    };
    let shares = |process: &&Process| pipes_of(process).any(|pipe| between(process.pid, &holders[pipe]));
    look.processes
        .values()
        .filter(shares)
        .map(|process| process.pid)
        .collect()
}

/// Whether the content of an executable holds a condemned path as one whole string: its own bytes speak of it.
async fn speaks_of_condemned(case: &Case, look: &mut Look<'_>, path: &HostPath) -> Result<bool, ModuleError> {
    let Some(file) = look.read(path, limits::READ_BYTES).await? else {
        return Ok(false);
    };
    let content = file.content.as_bytes();
    Ok(content
        .split(|byte| !(0x21..=0x7e).contains(byte))
        .any(|word| word.first() == Some(&b'/') && case.paths.contains(&HostPath::new(word))))
}

fn pipes_of(process: &Process) -> impl Iterator<Item = &[u8]> {
    let fds = process.fds.as_deref().unwrap_or_default();
    fds.iter()
        .map(|fd| fd.link.as_bytes())
        .filter(|link| link.starts_with(b"pipe:["))
}

/// One pass over all processes. `true` where something new was condemned.
pub(super) async fn search(case: &mut Case, look: &mut Look<'_>, sockets: &[Socket]) -> Result<bool, ModuleError> {
    let kin = kin(case, look).await?;
    let servers: BTreeSet<u32> = sockets
        .iter()
        .filter(|socket| socket.state == "listen")
        .flat_map(|socket| socket.owners.iter().copied())
        .collect();
    let others: Vec<Process> = look
        .processes
        .values()
        .filter(|process| !case.pids.contains_key(&process.pid) && !case.spared.contains(&process.pid))
        .filter(|process| !process.kernel_thread && process.exe.is_some())
        .cloned()
        .collect();
    let mut new = false;
    for process in others {
        new |= match interprets(&process) {
            true => interpreter(case, look, &process, &kin).await?,
            false => false,
        } || program(case, look, &process, &kin, &servers).await?;
    }
    Ok(new)
}

/// A program of its own: of condemned content, or unowned and related.
async fn program(
    case: &mut Case,
    look: &mut Look<'_>,
    process: &Process,
    kin: &Kin,
    servers: &BTreeSet<u32>,
) -> Result<bool, ModuleError> {
    let Some(exe) = process.exe.as_ref() else {
        return Ok(false);
    };
    let pid = process.pid;
    let born = kin.descendants.contains(&pid);
    let same = exe.sha256.is_some_and(|sha256| case.contents.contains_key(&sha256));
    let beside = exe
        .path
        .parent()
        .is_some_and(|directory| case.homes.contains(&directory));
    let names = kin.naming.contains(&pid);
    let related = kin.ancestors.contains(&pid)
        || kin.mates.contains(&pid)
        || beside && names
        || (!same && !born && beside && speaks_of_condemned(case, look, &exe.path).await?);
    if !same && !related && !born && !names {
        return Ok(false);
    }
    let ties = relation_ties(case, look, process);
    let path = exe.path.as_bytes();
    let role = if born { Role::Companion } else { Role::Guardian };
    if born && repeats_condemned(case, look, process) {
        let words = Words {
            signal: "born_of_condemned",
            say: "born of a condemned process, with its command line and its executable",
            fields: &[],
        };
        return Ok(case.condemn_process(process, Role::Companion, &words, &[], &ties));
    }
    let near = case.is_near(&exe.path) || exe.memfd || case.paths.contains(&exe.path);
    if is_vouched(&look.owner_of_running(process).await?, &exe.path) {
        return Ok(false);
    }
    if same {
        let words = Words {
            signal: "same_executable",
            say: "it runs the content of a condemned executable from {path}",
            fields: &[("path", path)],
        };
        if !near || !case.could_place(process.uid) {
            case.ask_process(process, &words, &[], &ties);
            return Ok(false);
        }
        return condemn(case, look, process, role, &words, &ties).await;
    }
    if !near {
        return Ok(false);
    }
    if !related && !born {
        let words = Words {
            signal: "names_condemned",
            say: "its arguments name a condemned file; no package knows {path}, in a remarkable place: a guardian, or somebody who looks",
            fields: &[("path", path)],
        };
        case.ask_process(process, &words, &[], &ties);
        return Ok(false);
    }
    let words = match born {
        true => Words {
            signal: "born_of_condemned",
            say: "born of a condemned process; no package knows {path}, in a remarkable place or beside it",
            fields: &[("path", path)],
        },
        false => Words {
            signal: "guards_condemned",
            say: "parent or companion of a condemned process; no package knows {path}, in a remarkable place or beside it",
            fields: &[("path", path)],
        },
    };
    if !born && servers.contains(&pid) {
        case.ask_process(process, &words, &[], &ties);
        return Ok(false);
    }
    condemn(case, look, process, role, &words, &ties).await
}

/// Condemns a process with what it runs, where its own user could have put that there.
async fn condemn(
    case: &mut Case,
    look: &mut Look<'_>,
    process: &Process,
    role: Role,
    words: &Words<'_>,
    ties: &[String],
) -> Result<bool, ModuleError> {
    let new = case.condemn_process(process, role, words, &[], ties);
    if new {
        let found = files::take_executable(case, look, process, Some(process.uid)).await?;
        case.condemn_process(process, role, words, &[], &found);
    }
    Ok(new)
}

/// An interpreter: condemned by the script that it runs, or by its inline text where it also stands above a miner.
async fn interpreter(case: &mut Case, look: &mut Look<'_>, process: &Process, kin: &Kin) -> Result<bool, ModuleError> {
    let ties = relation_ties(case, look, process);
    let above = kin.ancestors.contains(&process.pid);
    if let Some(script) = &process.script {
        let near = case.is_near(&script.path);
        if !near && !above {
            return Ok(false);
        }
        let Some(file) = look.text(&script.path).await?.filter(|file| file.stat.id == script.id) else {
            return Ok(false);
        };
        let Some(bytes) = words_of(&file) else { return Ok(false) };
        let (served, only_named) = match speech(bytes, process.cwd.as_ref(), &case.paths) {
            Speech::Serves(path) => (path, false),
            Speech::Names(path) => (path, true),
            Speech::Silent => return Ok(false),
        };
        let fields = [("script", script.path.as_bytes()), ("served", served.as_bytes())];
        let vouched = is_vouched(&look.owner(&script.path).await?, &script.path);
        let mut ties = ties;
        ties.extend(case.tie_to(&served));
        if vouched || only_named || !near {
            if above {
                let words = Words {
                    signal: "runs_script",
                    say: "the script that it runs, {script}, names {served}",
                    fields: &fields,
                };
                case.ask_process(process, &words, &[], &ties);
            }
            return Ok(false);
        }
        let words = Words {
            signal: "runs_script",
            say: "the script that it runs, {script}, puts {served} in its place or starts it",
            fields: &fields,
        };
        let words_file = Words {
            signal: "serves_condemned",
            say: "its text puts {served} in its place or starts it",
            fields: &fields[1..],
        };
        ties.extend(case.tie_to(&script.path));
        let file_new = case.condemn_file(&file.stat, &words_file, &ties);
        return Ok(case.condemn_process(process, Role::Guardian, &words, &[], &ties) || file_new);
    }
    if !above {
        return Ok(false);
    }
    if let Some(text) = inline_text(process) {
        let Speech::Serves(path) = speech(text, process.cwd.as_ref(), &case.paths) else {
            return Ok(false);
        };
        if !loops(text) {
            return Ok(false);
        }
        let words = Words {
            signal: "loops_around",
            say: "parent of a condemned process; its command starts {served} again and again",
            fields: &[("served", path.as_bytes())],
        };
        return Ok(case.condemn_process(process, Role::Guardian, &words, &[], &ties));
    }
    // A script that was deleted while it runs: the arguments can condemn the process, nothing else.
    let named = process.argv.get(1).map(|word| HostPath::new(word.as_bytes()));
    let Some(path) = named.filter(|path| path.as_bytes().first() == Some(&b'/') && case.places.is_remarkable(path))
    else {
        return Ok(false);
    };
    if look.file(&path).await?.is_some() {
        return Ok(false);
    }
    let words = Words {
        signal: "runs_missing_script",
        say: "parent of a condemned process; the script that it was started with, {path}, is gone",
        fields: &[("path", path.as_bytes())],
    };
    Ok(case.condemn_process(process, Role::Guardian, &words, &[], &ties))
}

/// Whether a condemned process has the same executable and the same command line: a fork.
fn repeats_condemned(case: &Case, look: &Look<'_>, process: &Process) -> bool {
    let Some(own) = process.exe.as_ref().zip(process.argv_sha256) else {
        return false;
    };
    case.pids.keys().filter_map(|pid| look.processes.get(pid)).any(|known| {
        known
            .exe
            .as_ref()
            .zip(known.argv_sha256)
            .is_some_and(|(exe, argv)| exe.id == own.0.id && argv == own.1)
    })
}

/// The condemned processes that one belongs to: its relatives first, else those of its content.
fn relation_ties(case: &Case, look: &Look<'_>, process: &Process) -> Vec<String> {
    let mut ties = Vec::new();
    if let Some(sha256) = process.exe.as_ref().and_then(|exe| exe.sha256)
        && case.contents.contains_key(&sha256)
    {
        ties.push(format!("content {sha256}"));
    }
    for known in case.pids.keys().filter_map(|pid| look.processes.get(pid)) {
        let shares = |a: &Process, b: &Process| {
            let pipes: BTreeSet<&[u8]> = pipes_of(a).collect();
            pipes_of(b).any(|pipe| pipes.contains(pipe))
        };
        let names = |a: &Process, b: &Process| {
            let runs = |path: &HostPath| a.exe.as_ref().is_some_and(|exe| exe.path == *path);
            b.argv.iter().skip(1).any(|word| runs(&HostPath::new(word.as_bytes())))
        };
        if is_above(look, process.pid, known)
            || is_above(look, known.pid, process)
            || shares(known, process)
            || names(known, process)
        {
            ties.push(pid_tie(known.pid));
        }
    }
    ties
}

fn is_above(look: &Look<'_>, pid: u32, below: &Process) -> bool {
    let mut at = below.ppid;
    for _ in 0..ANCESTORS {
        if at == pid {
            return true;
        }
        match look.processes.get(&at) {
            Some(parent) if at > 1 => at = parent.ppid,
            _ => return false,
        }
    }
    false
}
