//! Files of the intruder: the executables that condemned processes run, others of the same content, their configuration
//! and the scripts that put them in place. Each is condemned for its own bytes.

use std::collections::BTreeSet;

use deminer_engine::module::ModuleError;
use deminer_worker::query::{FileKind, FileStat, Ownership, Process};
use deminer_worker::text::HostPath;
use serde_json::Value;

use super::Limits;
use super::case::{Case, Words, is_vouched, words_of};
use super::components::pid_tie;
use super::guardian::is_interpreter;
use super::look::Look;
use super::speech::{Speech, speech};
use crate::starter::Starter;

/// The longest text that is taken for a script or a configuration.
const TEXT_BYTES: u64 = 256 << 10;
/// Directories that are searched at most, and texts that are read at most.
const DIRECTORIES: usize = 64;
const TEXTS: usize = 256;

/// Takes in what a condemned process runs and condemns the file, where it is still that file. `placed_by` is the user who
/// must have been able to put it there; `None` where the file's own name is evidence. Returns what ties to it.
pub(super) async fn take_executable(
    case: &mut Case,
    look: &mut Look<'_>,
    process: &Process,
    placed_by: Option<u32>,
) -> Result<Vec<String>, ModuleError> {
    let Some(exe) = &process.exe else { return Ok(Vec::new()) };
    let named = !exe.memfd && exe.path.as_bytes().first() == Some(&b'/');
    let here = if named { look.file(&exe.path).await? } else { None };
    let absent = here.is_none();
    let own = here.filter(|stat| stat.sha256 == exe.sha256);
    let pid = process.pid.to_string();
    let fields = [("pid", pid.as_bytes())];
    let tie = [pid_tie(process.pid)];
    let placed = |stat: &FileStat| placed_by.is_none_or(|uid| uid == 0 || uid == stat.uid);
    if let Some(stat) = own.as_ref().filter(|stat| !placed(stat)) {
        let words = Words {
            signal: "runs_as_condemned",
            say: "condemned pid {pid} runs this file, but its user could not have put it there",
            fields: &fields,
        };
        case.ask_file(stat, &words, &tie);
        return Ok(Vec::new());
    }
    let mut ties = case.learn_content(exe);
    // A name in another mount namespace, or one that something else has by now, is not this file's name.
    let is_name = own.is_some() || absent && exe.deleted && look.shares_mounts(process);
    if named && is_name {
        ties.extend(case.learn_path(&exe.path));
    }
    if let Some(stat) = own.filter(|stat| stat.id == exe.id) {
        let words = Words {
            signal: "runs_as_condemned",
            say: "the file that condemned pid {pid} runs",
            fields: &fields,
        };
        case.condemn_file(&stat, &words, &tie);
    }
    Ok(ties)
}

/// Asks a person about what a condemned process runs where a package stands behind it: the host's own database is testimony,
/// and whoever holds the host can write his file into it. An interpreter is the package's, whatever it is told to run.
pub(super) async fn ask_packaged(
    case: &mut Case,
    look: &mut Look<'_>,
    process: &Process,
    owner: &Ownership,
) -> Result<(), ModuleError> {
    let Some(exe) = &process.exe else { return Ok(()) };
    let original = match owner {
        Ownership::Copied { original, .. } => original,
        _ => &exe.path,
    };
    if is_interpreter(original) {
        return Ok(());
    }
    let here = look.file(&exe.path).await?;
    if let Some(stat) = here.filter(|stat| stat.id == exe.id) {
        let pid = process.pid.to_string();
        let words = Words {
            signal: "packaged_executable",
            say: "condemned pid {pid} runs this file, and the host's own word is that a package brought it: a person decides",
            fields: &[("pid", pid.as_bytes())],
        };
        case.ask_file(&stat, &words, &[pid_tie(process.pid)]);
    }
    Ok(())
}

/// The directories in which copies and scripts of the intruder are looked for.
fn directories(case: &Case, look: &Look<'_>, starters: &[Starter]) -> Vec<HostPath> {
    let mut all: Vec<HostPath> = Vec::new();
    let cwds = case.pids.keys().filter_map(|pid| look.processes.get(pid)?.cwd.clone());
    // Init scripts and shell files start what the system is made of: there nobody's copies lie.
    let started = starters.iter().flat_map(|starter| {
        let folders = starter.starts.iter().filter_map(HostPath::parent);
        folders.filter(|folder| starter.place.is_timed() || !is_system(folder))
    });
    let own = case.paths.iter().filter_map(HostPath::parent);
    let of_units = case.started_in.iter().cloned();
    for directory in own.chain(cwds).chain(of_units).chain(started) {
        if directory.as_bytes() != b"/" && directory.as_bytes().first() == Some(&b'/') && !all.contains(&directory) {
            all.push(directory);
        }
    }
    all.truncate(DIRECTORIES);
    all
}

/// Whether a directory belongs to the system, or to the kernel.
fn is_system(directory: &HostPath) -> bool {
    let places = [
        "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/boot",
    ];
    places
        .iter()
        .any(|place| directory.is_below(&HostPath::from(*place)) && !directory.is_below(&HostPath::from("/dev/shm")))
}

/// Condemns files whose content is that of a condemned executable, near it or in a remarkable place; elsewhere a person
/// is asked. Then looks at the texts beside condemned executables. `true` where something new was condemned.
pub(super) async fn search(
    case: &mut Case,
    look: &mut Look<'_>,
    starters: &[Starter],
    limits: &Limits,
) -> Result<bool, ModuleError> {
    let near = look
        .walk(directories(case, look, starters), 0, limits.max_entries)
        .await?;
    let far = look
        .walk(limits.roots.clone(), limits.depth, limits.max_entries)
        .await?;
    let mut seen = BTreeSet::new();
    let files: Vec<FileStat> = near
        .into_iter()
        .chain(far)
        .filter(|stat| stat.kind == FileKind::Regular && seen.insert(stat.path.clone()))
        .collect();
    let copies = same_content(case, look, &files).await?;
    let texts = texts(case, look, &files).await?;
    Ok(copies || texts)
}

async fn same_content(case: &mut Case, look: &mut Look<'_>, files: &[FileStat]) -> Result<bool, ModuleError> {
    let sizes: BTreeSet<_> = case.contents.values().copied().collect();
    let candidates: Vec<HostPath> = files
        .iter()
        .filter(|stat| sizes.contains(&stat.size))
        .map(|stat| stat.path.clone())
        .collect();
    look.learn_files(candidates.iter().cloned()).await?;
    let mut new = false;
    for path in candidates {
        let Some(stat) = look.file(&path).await? else { continue };
        let Some(sha256) = stat.sha256.filter(|sha256| case.contents.contains_key(sha256)) else {
            continue;
        };
        let digest = sha256.short();
        let fields = [("sha256", digest.as_bytes())];
        let named = case.names.contains(path.file_name());
        let near = case.is_near(&path) && case.could_place(stat.uid);
        if !is_vouched(&look.owner(&path).await?, &path) && (near || named) {
            let words = Words {
                signal: "same_content",
                say: "its content is that of a condemned executable, sha256 {sha256}",
                fields: &fields,
            };
            new |= case.condemn_file(&stat, &words, &[]);
        } else {
            let words = Words {
                signal: "same_content",
                say: "its content is that of a condemned executable, sha256 {sha256}, but it lies where others keep theirs",
                fields: &fields,
            };
            case.ask_file(&stat, &words, &[]);
        }
    }
    Ok(new)
}

/// Scripts and configurations beside condemned executables, or in remarkable directories of theirs.
async fn texts(case: &mut Case, look: &mut Look<'_>, files: &[FileStat]) -> Result<bool, ModuleError> {
    let candidates: Vec<HostPath> = files
        .iter()
        .filter(|stat| stat.size.0 <= TEXT_BYTES && !case.paths.contains(&stat.path))
        .filter(|stat| stat.path.parent().is_some_and(|parent| case.beside.contains(&parent)))
        .map(|stat| stat.path.clone())
        .take(TEXTS)
        .collect();
    let mut new = false;
    for path in candidates {
        new |= text(case, look, &path).await?;
    }
    Ok(new)
}

/// Looks at one text near a condemned executable.
pub(super) async fn text(case: &mut Case, look: &mut Look<'_>, path: &HostPath) -> Result<bool, ModuleError> {
    let Some(file) = look.text(path).await? else {
        return Ok(false);
    };
    let Some(bytes) = words_of(&file) else { return Ok(false) };
    let served = match speech(bytes, path.parent().as_ref(), &case.paths) {
        Speech::Serves(served) => Some(served),
        _ => None,
    };
    let configures = is_miner_configuration(bytes);
    if served.is_none() && !configures || is_vouched(&look.owner(path).await?, path) {
        return Ok(false);
    }
    Ok(match served {
        Some(served) if !case.is_near(path) => {
            let words = Words {
                signal: "serves_condemned",
                say: "its text puts {served} in its place or starts it, but it lies where others keep theirs",
                fields: &[("served", served.as_bytes())],
            };
            let ties = case.tie_to(&served);
            case.ask_file(&file.stat, &words, &ties);
            false
        }
        Some(served) => {
            let words = Words {
                signal: "serves_condemned",
                say: "its text puts {served} in its place or starts it",
                fields: &[("served", served.as_bytes())],
            };
            let ties = case.tie_to(&served);
            case.condemn_file(&file.stat, &words, &ties)
        }
        None => {
            let words = Words {
                signal: "miner_configuration",
                say: "its text is a miner's configuration: pools with a user",
                fields: &[],
            };
            let home = case.paths.iter().find(|known| known.parent() == path.parent()).cloned();
            let ties = home.map_or_else(Vec::new, |known| case.tie_to(&known));
            case.condemn_file(&file.stat, &words, &ties)
        }
    })
}

/// Whether a text is the configuration of a miner by its shape: `pools` with `url` and `user`, or with what only miners
/// set (`xmrig/xmrig: src/config.json`), or xmr-stak's `pool_list`.
pub(super) fn is_miner_configuration(text: &[u8]) -> bool {
    let Some(value) = lenient_json(text) else { return false };
    let pools = |list: &Value, url: &str, user: &str| {
        let all = list.as_array().map_or(&[][..], Vec::as_slice);
        let has = |key: &str| all.iter().any(|pool| pool.get(key).is_some_and(Value::is_string));
        (has(url), has(user))
    };
    let own = ["donate-level", "randomx", "nicehash"]
        .iter()
        .any(|key| value.get(key).is_some());
    let xmrig = value.get("pools").map(|list| pools(list, "url", "user"));
    let stak = value
        .get("pool_list")
        .map(|list| pools(list, "pool_address", "wallet_address"));
    matches!(xmrig, Some((true, user)) if user || own) || matches!(stak, Some((true, true)))
}

/// JSON with `//` comments, `/* */` comments and commas before a closing bracket; bounded by the text's own length.
fn lenient_json(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.trim_start().starts_with(['{', '/', '"']) {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        if quoted && c == '\\' {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
            plain.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        if !quoted && rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |at| &rest[at..]);
            continue;
        }
        if !quoted && rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |at| &rest[at + 2..]);
            continue;
        }
        if c == '"' {
            quoted = !quoted;
        }
        if !quoted && matches!(c, '}' | ']') {
            let kept = plain.trim_end();
            let kept = kept.strip_suffix(',').unwrap_or(kept).len();
            plain.truncate(kept);
        }
        plain.push(c);
        rest = &rest[c.len_utf8()..];
    }
    serde_json::from_str(&plain)
        .or_else(|_| serde_json::from_str(&format!("{{{}}}", plain.trim().trim_end_matches(','))))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn configurations() {
        let rows = [
            (
                "xmrig",
                r#"{"pools": [{"url": "h:1", "user": "w"}], "donate-level": 1,}"#,
                true,
            ),
            (
                "with comments",
                "// mine\n{\"pools\": [{\"url\": \"http://h\", /* x */ \"user\": \"w\",},],}",
                true,
            ),
            ("without user", r#"{"randomx": {}, "pools": [{"url": "h:1"}]}"#, true),
            (
                "xmr-stak",
                "\"pool_list\": [{\"pool_address\": \"h:1\", \"wallet_address\": \"w\"}],\n",
                true,
            ),
            ("a thread pool", r#"{"pools": [{"size": 4}]}"#, false),
            ("a proxy", r#"{"pools": [{"url": "http://a"}]}"#, false),
            ("another", r#"{"log-file": "/srv/db/customers.ibd"}"#, false),
            ("no JSON", "pools: url user", false),
            ("empty", "", false),
        ];
        for (name, text, expected) in rows {
            assert_eq!(is_miner_configuration(text.as_bytes()), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, like in "[{}\\[\\]\"\\\\,:/*\\n a]{0,80}") {
            is_miner_configuration(&bytes);
            is_miner_configuration(like.as_bytes());
        }
    }
}
