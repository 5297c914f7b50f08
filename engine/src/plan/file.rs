//! The plan file: a header line and one line a host, sorted by the hosts' names, each canonical JSON and a line feed.
//!
//! What is read is what is hashed: a plan keeps the bytes of its lines, and nothing is ever written again to hash it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deminer_worker::action::Act;
use deminer_worker::many::many_targets;
use deminer_worker::order::{Approval, Begin, OrderError, Stage, check_consistent, plan_hash};
use deminer_worker::query::HostIdentity;
use deminer_worker::text::{Digest, Wide};
use serde_json::Value;

use super::around::is_only_around;
use super::canonical::{all_harmless, canonical};
use super::complete::lacks;
use super::environment::laxer;
use super::header::{FORMAT, Header, Origin, VALID_FOR_MS};
use super::{ACTIONS, HostPlan, LINE_BYTES, people};

/// The bytes of a whole plan file.
const PLAN_BYTES: usize = 1 << 30;

/// The hosts of one plan.
const HOSTS: usize = 100_000;

/// The bytes of a host's name, as the domain name system has it.
const HOST_NAME_BYTES: usize = 255;

/// The keys of a host's line: those of [`HostOrders`](deminer_worker::order::HostOrders), then those of [`HostPlan`].
const HOST_KEYS: [&str; 31] = [
    "host",
    "identity",
    "looked_ms",
    "components",
    "actions",
    "protect",
    "spare",
    "overrides",
    "journal",
    "settle",
    "bounds",
    "end",
    "verdict",
    "machine",
    "findings",
    "more_findings",
    "review",
    "vars",
    "secrets",
    "answers",
    "left_alone",
    "gaps",
    "more_gaps",
    "processes",
    "around",
    "undo",
    "settle_because",
    "many_targets",
    "needs_own_approval",
    "footprint",
    "results",
];

/// A plan: its header, its hosts, and the bytes of both. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Plan {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    header_line: String,
    header: Header,
    hosts: BTreeMap<String, HostLine>,
    sorted_hashes: Vec<Digest>,
    hash: Digest,
}

#[derive(Debug)]
struct HostLine {
    text: String,
    hash: Digest,
    plan: HostPlan,
}

/// The line of one host, written: all that is held of it until every host is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanLine {
    host: String,
    text: String,
}

impl PlanLine {
    /// Writes it.
    ///
    /// # Errors
    /// When it has no written form.
    pub fn of(plan: &HostPlan) -> Result<PlanLine, FileError> {
        Ok(PlanLine {
            host: plan.orders.host.clone(),
            text: written(plan, 2)?,
        })
    }
}

/// Bytes that are no plan, or host plans that make none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// More than anybody approves.
    #[error("the plan has {found} {what}, more than the limit of {limit}")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Not text.
    #[error("the plan is not UTF-8 from byte {at}")]
    NotText {
        /// The first byte that is not.
        at: usize,
    },
    /// The last line does not end.
    #[error("the plan ends within line {line}")]
    Torn {
        /// The line, from 1.
        line: usize,
    },
    /// A line that cannot be read.
    #[error("line {line} of the plan cannot be read: {why}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The parser's word.
        why: String,
    },
    /// Written by a later Deminer.
    #[error("the plan has the form {found}, this version reads up to {FORMAT}")]
    Newer {
        /// Its form.
        found: u64,
    },
    /// Host lines out of order, or one host twice.
    #[error("line {line} of the plan: host `{host}` stands twice or after a later one")]
    Order {
        /// The line, from 1.
        line: usize,
        /// The host.
        host: String,
    },
    /// A host's name that cannot be one.
    #[error("line {line} of the plan: a host's name must be 1 to {HOST_NAME_BYTES} bytes without spaces")]
    HostName {
        /// The line, from 1.
        line: usize,
    },
    /// The header promises other lines than there are.
    #[error("the plan's header says {promised} {what}, its lines have {found}")]
    Count {
        /// Of what.
        what: String,
        /// As the header says.
        promised: u32,
        /// As the lines are.
        found: u32,
    },
    /// One machine is in it under two names: it would be struck twice.
    #[error("hosts `{first}` and `{second}` are one machine, and the plan has both")]
    OneMachine {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// It may be begun later than any plan.
    #[error("the plan says it is good for more than {} minutes", VALID_FOR_MS / 60_000)]
    TooLong,
    /// It names an environment and binds less than that.
    #[error("the plan was made under environment `{environment}`, and is laxer than that in {what}")]
    Laxer {
        /// The environment.
        environment: String,
        /// What: the key of the policy.
        what: &'static str,
    },
    /// What a line shows to people is not what its actions are.
    #[error("line {line} of the plan, host `{host}`: it does not say {what} as its actions are")]
    Misleading {
        /// The line, from 1.
        line: usize,
        /// The host.
        host: String,
        /// What: the field.
        what: &'static str,
    },
    /// A host's actions contradict themselves.
    #[error("line {line} of the plan, host `{host}`: {why}")]
    Inconsistent {
        /// The line, from 1.
        line: usize,
        /// The host.
        host: String,
        /// What is wrong.
        #[source]
        why: OrderError,
    },
}

impl FileError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            FileError::Newer { .. } => "use the version of Deminer that made it, or plan again with this one",
            FileError::TooLarge { .. } => "plan fewer hosts at once",
            FileError::OneMachine { .. } => {
                "plan for one of its names only: leave the other out of the inventory, or see `--limit`"
            }
            FileError::Torn { .. } => "the file was cut while it was written or copied: copy it again, or plan again",
            _ => "the file is not as Deminer wrote it: plan again",
        };
        Some(hint.to_owned())
    }
}

impl Plan {
    /// The plan of these hosts.
    ///
    /// # Errors
    /// When a host stands twice, has a name that cannot be one, or the whole passes a limit.
    pub fn new(origin: Origin, mut hosts: Vec<HostPlan>) -> Result<Plan, FileError> {
        hosts.sort_by(|a, b| a.orders.host.cmp(&b.orders.host));
        let lines = hosts.iter().map(PlanLine::of).collect::<Result<_, _>>()?;
        Plan::of_lines(origin, lines)
    }

    /// The plan of hosts whose lines are written.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn of_lines(origin: Origin, mut lines: Vec<PlanLine>) -> Result<Plan, FileError> {
        lines.sort_by(|a, b| a.host.cmp(&b.host));
        let count = u32::try_from(lines.len()).map_err(|_| too_large("hosts", lines.len(), HOSTS))?;
        let hosts = read_hosts(lines.into_iter().map(|line| line.text))?;
        let header = Header::new(origin, count, count_actions(hosts.values().map(|line| &line.plan)));
        let header_line = written(&header, 1)?;
        let bytes = header_line.len() + hosts.values().map(|host| host.text.len() + 1).sum::<usize>() + 1;
        if bytes > PLAN_BYTES {
            return Err(too_large("bytes", bytes, PLAN_BYTES));
        }
        Plan::whole(header_line, hosts)
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// When the bytes are not exactly those of a plan, by form, order, counts or the sense of their actions.
    pub fn read(bytes: &[u8]) -> Result<Plan, FileError> {
        if bytes.len() > PLAN_BYTES {
            return Err(too_large("bytes", bytes.len(), PLAN_BYTES));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| FileError::NotText {
            at: error.valid_up_to(),
        })?;
        let body = text.strip_suffix('\n').ok_or_else(|| FileError::Torn {
            line: text.split('\n').count(),
        })?;
        let mut lines = body.split('\n');
        let header_line = lines.next().unwrap_or_default();
        let header = read_header(header_line)?;
        if header.hosts as usize > HOSTS {
            return Err(too_large("hosts", header.hosts as usize, HOSTS));
        }
        Plan::whole(header_line.to_owned(), read_hosts(lines.map(str::to_owned))?)
    }

    /// The plan of a header and hosts that were read, each from its own line.
    fn whole(header_line: String, hosts: BTreeMap<String, HostLine>) -> Result<Plan, FileError> {
        let header = read_header(&header_line)?;
        check_counts(&header, &hosts)?;
        check_environment(&header, &hosts)?;
        let mut sorted_hashes: Vec<Digest> = hosts.values().map(|host| host.hash).collect();
        sorted_hashes.sort_unstable();
        let hash = plan_hash(&header_line, &sorted_hashes);
        let inner = Inner {
            header_line,
            header,
            hosts,
            sorted_hashes,
            hash,
        };
        Ok(Plan { inner: Arc::new(inner) })
    }

    /// The bytes of the plan file.
    pub fn write(&self) -> Vec<u8> {
        let lines = self.inner.hosts.values().map(|host| host.text.as_str());
        let mut bytes = Vec::new();
        for line in std::iter::once(self.inner.header_line.as_str()).chain(lines) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// The hash by which it is approved: over the header line and the sorted host hashes.
    pub fn hash(&self) -> Digest {
        self.inner.hash
    }

    /// The hash of a host's line; `None` where the plan does not have the host.
    pub fn host_hash(&self, host: &str) -> Option<Digest> {
        self.inner.hosts.get(host).map(|line| line.hash)
    }

    /// What it was made from, and until when it is good.
    pub fn header(&self) -> &Header {
        &self.inner.header
    }

    /// A host's part; `None` where the plan does not have the host.
    pub fn host(&self, host: &str) -> Option<&HostPlan> {
        self.inner.hosts.get(host).map(|line| &line.plan)
    }

    /// A host's line, as it is in the file, without its line feed.
    pub fn line(&self, host: &str) -> Option<&str> {
        self.inner.hosts.get(host).map(|line| line.text.as_str())
    }

    /// All hosts, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPlan> {
        self.inner.hosts.values().map(|line| &line.plan)
    }

    /// Whether there is nothing to do or to keep on any host.
    pub fn is_empty(&self) -> bool {
        self.hosts().all(HostPlan::is_empty)
    }

    /// The header line, as it is in the file, without its line feed.
    pub(crate) fn header_line(&self) -> &str {
        &self.inner.header_line
    }

    /// All host lines, by name.
    pub(crate) fn lines(&self) -> BTreeMap<&str, &str> {
        let hosts = self.inner.hosts.iter();
        hosts.map(|(name, line)| (name.as_str(), line.text.as_str())).collect()
    }

    /// What a host receives to begin; `None` where the plan does not have the host. The host checks all of it itself.
    pub fn begin(&self, host: &str, approval: &Approval, until: Stage) -> Option<Begin> {
        Some(Begin {
            header: self.inner.header_line.clone(),
            line: self.line(host)?.to_owned(),
            host_hashes: self.inner.sorted_hashes.clone(),
            approval: approval.clone(),
            until,
            ran: BTreeMap::new(),
        })
    }
}

fn too_large(what: &'static str, found: usize, limit: usize) -> FileError {
    FileError::TooLarge { what, found, limit }
}

fn malformed(line: usize, why: impl ToString) -> FileError {
    let why = why.to_string();
    FileError::Malformed { line, why }
}

fn written(value: &impl serde::Serialize, line: usize) -> Result<String, FileError> {
    canonical(value).map_err(|error| malformed(line, error))
}

/// Reads one line as JSON that stands alone in it.
fn read_json(text: &str, line: usize) -> Result<Value, FileError> {
    if text.len() > LINE_BYTES {
        return Err(too_large("bytes in one line", text.len(), LINE_BYTES));
    }
    if !(text.starts_with('{') && text.ends_with('}')) {
        return Err(malformed(line, "it is not one JSON object"));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| malformed(line, error))?;
    if !all_harmless(&value) {
        return Err(malformed(line, "it holds a control character or an invisible one"));
    }
    Ok(value)
}

fn read_header(text: &str) -> Result<Header, FileError> {
    let value = read_json(text, 1)?;
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found > u64::from(FORMAT) => return Err(FileError::Newer { found }),
        Some(found) if found == u64::from(FORMAT) => {}
        _ => return Err(malformed(1, "it is not a plan's header")),
    }
    // From the text, not from the value: a key that stands twice is an error only here.
    let header: Header = serde_json::from_str(text).map_err(|error| malformed(1, error))?;
    if !header.is_true_to_its_texts() {
        return Err(malformed(1, "a text in it has another digest than it says"));
    }
    match header.not_after_ms.0 > header.created_at_ms.0.saturating_add(VALID_FOR_MS) {
        true => Err(FileError::TooLong),
        false => Ok(header),
    }
}

/// Reads the lines of the hosts, from the second of the file on.
fn read_hosts(lines: impl Iterator<Item = String>) -> Result<BTreeMap<String, HostLine>, FileError> {
    let mut hosts: BTreeMap<String, HostLine> = BTreeMap::new();
    let mut machines: BTreeMap<Machine, String> = BTreeMap::new();
    for (at, text) in lines.enumerate() {
        let line = at + 2;
        if hosts.len() >= HOSTS {
            return Err(too_large("hosts", hosts.len() + 1, HOSTS));
        }
        let plan = read_host(&text, line)?;
        let host = plan.orders.host.clone();
        if hosts.last_key_value().is_some_and(|(last, _)| *last >= host) {
            return Err(FileError::Order { line, host });
        }
        if let Some(first) = machines.insert(machine(&plan.orders.identity), host.clone()) {
            return Err(FileError::OneMachine { first, second: host });
        }
        let hash = Digest::of(text.as_bytes());
        hosts.insert(host, HostLine { text, hash, plan });
    }
    Ok(hosts)
}

/// What tells one machine from another: its id, its boot, and in it the tree of processes.
type Machine = (Option<String>, String, Wide);

fn machine(identity: &HostIdentity) -> Machine {
    let HostIdentity {
        machine_id,
        boot_id,
        pid_namespace,
        ..
    } = identity.clone();
    (machine_id, boot_id, pid_namespace)
}

fn read_host(text: &str, line: usize) -> Result<HostPlan, FileError> {
    let value = read_json(text, line)?;
    // Serde does not refuse unknown keys where a part of the fields is another struct's.
    let unknown = |key: &&String| !HOST_KEYS.contains(&key.as_str());
    if let Some(key) = value.as_object().and_then(|line| line.keys().find(unknown)) {
        return Err(malformed(line, format!("unknown field `{}`", key.escape_debug())));
    }
    let plan: HostPlan = serde_json::from_str(text).map_err(|error| malformed(line, error))?;
    let host = &plan.orders.host;
    if host.is_empty() || host.len() > HOST_NAME_BYTES || host.chars().any(char::is_whitespace) {
        return Err(FileError::HostName { line });
    }
    let actions = plan.orders.actions.len();
    if actions > ACTIONS {
        return Err(too_large("actions on one host", actions, ACTIONS));
    }
    check_consistent(&plan.orders)
        .and_then(|()| match lacks(host, &plan.orders.actions) {
            Some((action, why)) => Err(OrderError::Inconsistent {
                action,
                why: why.to_owned(),
            }),
            None => Ok(()),
        })
        .map_err(|why| FileError::Inconsistent {
            line,
            host: host.clone(),
            why,
        })?;
    match misleads(&plan) {
        Some(what) => Err(FileError::Misleading {
            line,
            host: host.clone(),
            what,
        }),
        None => Ok(plan),
    }
}

/// The first of the fields for people that follows from the actions and does not say what follows.
fn misleads(plan: &HostPlan) -> Option<&'static str> {
    let actions = &plan.orders.actions;
    let findings: BTreeSet<&str> = plan.findings.iter().map(|finding| finding.id.as_str()).collect();
    if plan.undo != people::undo(actions) {
        Some("`undo`")
    } else if !is_only_around(&plan.around, actions) {
        Some("`around`")
    } else if plan.needs_own_approval != many_targets(actions) {
        Some("`needs_own_approval`")
    } else if plan.many_targets == plan.needs_own_approval.is_empty() {
        Some("`many_targets`")
    } else if actions
        .iter()
        .flat_map(|a| &a.because)
        .any(|id| !findings.contains(id.as_str()))
    {
        Some("`findings`")
    } else {
        None
    }
}

fn count_actions<'a>(hosts: impl Iterator<Item = &'a HostPlan>) -> BTreeMap<String, u32> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for action in hosts.flat_map(|host| &host.orders.actions) {
        *counts.entry(Act::kind(&action.act).to_owned()).or_default() += 1;
    }
    counts
}

/// Holds a plan against the environment that it names: who edits one drops no bound of the other.
fn check_environment(header: &Header, hosts: &BTreeMap<String, HostLine>) -> Result<(), FileError> {
    let Some(environment) = &header.environment else {
        return Ok(());
    };
    let laxer = laxer(header, environment, hosts.values().map(|line| &line.plan.orders))
        .map_err(|why| malformed(1, format!("the text of its environment cannot be read: {why}")))?;
    match laxer {
        Some(what) => Err(FileError::Laxer {
            environment: environment.name.clone(),
            what,
        }),
        None => Ok(()),
    }
}

fn check_counts(header: &Header, hosts: &BTreeMap<String, HostLine>) -> Result<(), FileError> {
    let found = hosts.len() as u32;
    if header.hosts != found {
        return Err(FileError::Count {
            what: "hosts".to_owned(),
            promised: header.hosts,
            found,
        });
    }
    let actions = count_actions(hosts.values().map(|line| &line.plan));
    let kinds = header.actions.keys().chain(actions.keys());
    for kind in kinds {
        let promised = header.actions.get(kind).copied().unwrap_or(0);
        let found = actions.get(kind).copied().unwrap_or(0);
        if promised != found {
            return Err(FileError::Count {
                what: format!("actions `{kind}`"),
                promised,
                found,
            });
        }
    }
    Ok(())
}
