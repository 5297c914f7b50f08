//! Programs that tell an inventory (docs.ansible.com, "Inventory scripts"): `--list` gives all, `--host NAME` one host.
//!
//! The program is started itself, never by a shell, with these words and nothing else; it has so long and may say so much.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::value::of_json;
use crate::diagnostic::{Code, quoted};
use crate::inventory::draft::Draft;
use crate::inventory::given::Origin;
use crate::inventory::name;
use crate::inventory::range::MOST_HOSTS;
use crate::inventory::sheet::Mistakes;

/// The longest answer.
const MOST_BYTES: u64 = 32 << 20;
/// What is told of an error of the program.
const ERROR_BYTES: usize = 400;
/// Without `_meta` each host costs a start; more than so many are not asked for.
const MOST_STARTS: usize = 1000;
const LATE: &str = "it took too long and was ended";

/// Runs a program and reads what it tells into the draft; `longest` is how long all of its runs may take together.
pub(in crate::inventory) fn run(file: &Path, longest: Duration, draft: &mut Draft, mistakes: &mut Mistakes) {
    let shown = file.display().to_string();
    let until = Instant::now() + longest;
    let told = match answer(file, &["--list"], until).and_then(|bytes| as_map(&bytes)) {
        Ok(told) => told,
        Err(why) => {
            let help = "run it by hand; it must print one JSON object and end with 0";
            mistakes.unplaced(Code::InventoryProgram, format!("`{shown} --list`: {why}"), help);
            return;
        }
    };
    let has_meta = told.get("_meta").is_some_and(|meta| meta.get("hostvars").is_some());
    let hosts = listed(&told, &format!("{shown} --list"), draft, mistakes);
    if has_meta {
        return;
    }
    if hosts.len() > MOST_STARTS {
        let message = format!(
            "{} tells no `_meta`, and of {} hosts each would be asked for",
            quoted(&shown),
            hosts.len()
        );
        mistakes.unplaced(Code::InventoryProgram, message, "let it tell `_meta.hostvars`");
        return;
    }
    for host in hosts {
        let origin = Origin {
            file: Arc::from(format!("{shown} --host {host}")),
            line: None,
        };
        match answer(file, &["--host", &host], until).and_then(|bytes| match bytes.trim_ascii().is_empty() {
            true => Ok(Map::new()),
            false => as_map(&bytes),
        }) {
            Ok(vars) => {
                for (name, value) in &vars {
                    draft.host_var(&host, name, of_json(value, &origin), false);
                }
            }
            Err(why) => {
                let help = "run it by hand; it must print one JSON object and end with 0";
                mistakes.unplaced(Code::InventoryProgram, format!("`{origin}`: {why}"), help);
                return;
            }
        }
    }
}

/// Reads what `--list` told; gives the names of the hosts. Also of a file that holds such an answer.
pub(in crate::inventory) fn listed(
    told: &Map<String, Value>,
    source: &str,
    draft: &mut Draft,
    mistakes: &mut Mistakes,
) -> Vec<String> {
    let origin = Origin {
        file: Arc::from(source),
        line: None,
    };
    let mut reader = Reader {
        origin,
        draft,
        mistakes,
        hosts: indexmap::IndexSet::new(),
    };
    for (group, value) in told {
        if group != "_meta" {
            reader.group(group, value);
        }
    }
    let hosts = reader.hosts;
    let origin = reader.origin;
    let meta = told.get("_meta").and_then(|meta| meta.get("hostvars"));
    if let Some(meta) = meta.and_then(Value::as_object) {
        for host in &hosts {
            let Some(vars) = meta.get(host).and_then(Value::as_object) else {
                continue;
            };
            for (name, value) in vars {
                draft.host_var(host, name, of_json(value, &origin), false);
            }
        }
    }
    hosts.into_iter().collect()
}

struct Reader<'r> {
    origin: Origin,
    draft: &'r mut Draft,
    mistakes: &'r mut Mistakes,
    hosts: indexmap::IndexSet<String>,
}

impl Reader<'_> {
    fn group(&mut self, group: &str, value: &Value) {
        if let Err(bad) = name::group(group) {
            self.bad("group", group, &bad);
            return;
        }
        self.draft.group(group, &self.origin);
        let fields = match value {
            Value::Array(hosts) => {
                self.members(group, hosts);
                return;
            }
            Value::Object(fields) => fields,
            _ => {
                self.shape(group, "is neither a map nor a list");
                return;
            }
        };
        // What has none of the three is one host with variables, as Ansible reads it.
        if !["hosts", "children", "vars"]
            .iter()
            .any(|key| fields.contains_key(*key))
        {
            if !fields.is_empty() {
                self.members(group, &[Value::from(group)]);
            }
            self.vars(group, fields);
            return;
        }
        match fields.get("hosts") {
            None => {}
            Some(Value::Array(hosts)) => self.members(group, hosts),
            Some(_) => self.shape(group, "has `hosts` that are no list"),
        }
        match fields.get("vars") {
            None | Some(Value::Null) => {}
            Some(Value::Object(vars)) => self.vars(group, vars),
            Some(_) => self.shape(group, "has `vars` that are no map"),
        }
        match fields.get("children") {
            None => {}
            Some(Value::Array(children)) => {
                for child in children {
                    match child.as_str().map(|child| (child, name::group(child))) {
                        Some((child, Ok(()))) => {
                            self.draft.group(child, &self.origin);
                            self.draft.group(group, &self.origin).children.insert(Arc::from(child));
                        }
                        Some((child, Err(bad))) => self.bad("group", child, &bad),
                        None => self.shape(group, "has a child that is no text"),
                    }
                }
            }
            Some(_) => self.shape(group, "has `children` that are no list"),
        }
    }

    fn members(&mut self, group: &str, hosts: &[Value]) {
        for host in hosts {
            match host.as_str().map(|host| (host, name::host(host))) {
                Some((_, Ok(()))) if self.hosts.len() >= MOST_HOSTS => {
                    let message = format!("`{}`: more than {MOST_HOSTS} hosts", self.origin);
                    self.mistakes
                        .unplaced(Code::InventorySize, message, "part the inventory");
                    return;
                }
                Some((host, Ok(()))) => {
                    self.draft.member(group, host, &self.origin);
                    self.hosts.insert(host.to_owned());
                }
                Some((host, Err(bad))) => self.bad("host", host, &bad),
                None => self.shape(group, "has a host that is no text"),
            }
        }
    }

    fn vars(&mut self, group: &str, vars: &Map<String, Value>) {
        for (name, value) in vars {
            self.draft.group_var(group, name, of_json(value, &self.origin), false);
        }
    }

    fn bad(&mut self, what: &str, text: &str, bad: &name::BadName) {
        let message = format!("`{}`: {what} {} {}", self.origin, quoted(text), bad.why);
        self.mistakes.unplaced(Code::InventoryName, message, bad.help);
    }

    fn shape(&mut self, group: &str, why: &str) {
        let message = format!("`{}`: group {} {why}", self.origin, quoted(group));
        let help = "a group is `{\"hosts\": [..], \"children\": [..], \"vars\": {..}}`";
        self.mistakes.unplaced(Code::InventoryProgram, message, help);
    }
}

fn as_map(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err("its answer is no JSON object".to_owned()),
        Err(error) => Err(format!("its answer is no JSON: {error}")),
    }
}

/// What the program prints. It is ended when it is late or says too much.
fn answer(file: &Path, words: &[&str], until: Instant) -> Result<Vec<u8>, String> {
    // A name without a folder would be looked for in PATH.
    let program = match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new(".").join(file),
        _ => file.to_path_buf(),
    };
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it started ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let said = gathered(&mut child, until).and_then(|said| {
        ended(&mut child, until)?;
        Ok(said)
    });
    if said.is_err() {
        end(&mut child);
    }
    let status = child.wait().map_err(|error| format!("its end is not known: {error}"))?;
    let (out, err) = said?;
    match status.success() {
        true => Ok(out),
        false => {
            let err = String::from_utf8_lossy(&err);
            let last = err
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default();
            Err(format!("it ended with {status}: {}", quoted(last)))
        }
    }
}

/// Ends it with all that it started. It is our child and not waited for: its number is still its own.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // A group that has ended by itself cannot be killed, and need not be.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
}

/// Waits until it has ended; one that closed its ends may still run.
fn ended(child: &mut Child, until: Instant) -> Result<(), String> {
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return Ok(()),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => return Err(LATE.to_owned()),
            Err(error) => return Err(format!("its end is not known: {error}")),
        }
    }
}

/// Reads both ends until they close.
fn gathered(child: &mut Child, until: Instant) -> Result<(Vec<u8>, Vec<u8>), String> {
    let out = child.stdout.take().ok_or("its answer cannot be read")?;
    let err = child.stderr.take().ok_or("its answer cannot be read")?;
    let (send, receive) = mpsc::channel();
    let also = send.clone();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.take(MOST_BYTES + 1).read_to_end(&mut bytes);
        // Nobody listens any more where it was late.
        let _ = send.send((true, read.map(|_| bytes)));
    });
    std::thread::spawn(move || {
        let mut err = err;
        let mut last = Vec::new();
        let mut piece = [0; 4096];
        // Read to its end, so that it does not wait for us; only the last of it is kept.
        while let Ok(n @ 1..) = err.read(&mut piece) {
            last.extend_from_slice(&piece[..n]);
            let more = last.len().saturating_sub(ERROR_BYTES);
            last.drain(..more);
        }
        let _ = also.send((false, Ok(last)));
    });
    let (mut out, mut err) = (None, None);
    while out.is_none() || err.is_none() {
        let left = until.saturating_duration_since(Instant::now());
        let (is_out, read) = receive.recv_timeout(left).map_err(|_| LATE.to_owned())?;
        let read = read.map_err(|error| format!("its answer cannot be read: {error}"))?;
        if is_out {
            if u64::try_from(read.len()).is_ok_and(|n| n > MOST_BYTES) {
                return Err(format!("its answer is longer than {MOST_BYTES} bytes"));
            }
            out = Some(read);
        } else {
            err = Some(read);
        }
    }
    Ok((out.unwrap_or_default(), err.unwrap_or_default()))
}
