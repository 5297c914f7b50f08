//! What a reviewer approved, as a host receives it: the plan's bytes and the approval, checked here once more.
//!
//! A plan is a header line and one line a host. A host's hash is over its line's bytes, the plan's over the header and
//! the sorted host hashes; nobody re-serialises to hash. A host therefore gets the header, its own line, all host hashes
//! and the approval, and needs to trust none of them singly.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::action::{Act, Action, ActionId, Effect, ProcessTarget};
use crate::many::many_targets;
use crate::network::Net;
use crate::query::{CommandEnd, HostIdentity};
use crate::text::{Digest, HostPath, Wide, each_once};

/// The part of a host's plan line that its worker carries out; other fields of the line are for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostOrders {
    /// The host's name in the run.
    pub host: String,
    /// Which machine and which boot the plan was made on.
    pub identity: HostIdentity,
    /// When the look at it began, in milliseconds since boot: what began earlier was there to be seen, and is born of nobody.
    pub looked_ms: Wide,
    /// The components, by id.
    pub components: Vec<ComponentOrders>,
    /// The actions, by id.
    pub actions: Vec<Action>,
    /// Paths that the site lists as never to be touched, with all below them.
    pub protect: Vec<HostPath>,
    /// Networks that the site lists as never to be blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<Net>,
    /// The actions whose targets are protected, and are touched all the same: somebody gave a reason for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "each_once")]
    pub overrides: BTreeMap<ActionId, Override>,
    /// The directory, not there yet, in which the host keeps its journal and spool from the commit to the next contact.
    pub journal: HostPath,
    /// What to wait for after the stroke before the host is believed.
    pub settle: Settle,
    /// How long and how much.
    pub bounds: Bounds,
}

/// Why a protected object is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// What protected it when the plan was made; anything else that protects it still does.
    pub rule: String,
    /// The reason, as the planner gave it.
    pub because: String,
}

/// Findings that belong together, and what later rounds may do about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentOrders {
    /// Its number in this host's plan, from 1.
    pub id: u32,
    /// What may be done to processes that did not exist when the plan was made.
    pub envelope: Envelope,
}

/// What cannot be known when a plan is read: closed predicates, with a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// A process that matches one of them may be frozen and killed as if it stood in the plan.
    pub births: Vec<Birth>,
    /// At most so many of them, all rounds together.
    pub max_births: u32,
}

/// The most that an envelope may admit.
pub const MAX_BIRTHS: u32 = 8;

/// A process that may take the place of one in the plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "birth", rename_all = "snake_case", deny_unknown_fields)]
pub enum Birth {
    /// It runs this executable, which no package owns and nothing that is not condemned ran.
    Executable {
        /// The content.
        sha256: Digest,
        /// The size, which spares hashing everything else.
        size: Wide,
    },
    /// It runs this command line with this executable, and descends from a condemned process.
    Descent {
        /// The whole command line.
        argv_sha256: Digest,
        /// The content of the executable, a shell or an interpreter.
        exe_sha256: Digest,
    },
}

impl Birth {
    /// That of whatever runs what this process runs.
    pub fn executable(process: &ProcessTarget) -> Birth {
        Birth::Executable {
            sha256: process.exe_sha256,
            size: process.exe_size,
        }
    }

    /// That of whatever descends from the condemned and runs as this process does.
    pub fn descent(process: &ProcessTarget) -> Birth {
        Birth::Descent {
            argv_sha256: process.argv_sha256,
            exe_sha256: process.exe_sha256,
        }
    }
}

/// What a stroke waits for before its last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// A condemned trigger fires by the minute and a scheduler runs: look once more after the next full minute.
    NextMinute,
    /// Nothing that fires by the minute is condemned, or nothing runs that would fire it.
    AtOnce,
}

/// Limits of one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Anything frozen is thawed if the commit has not come after so many milliseconds.
    pub frozen_ms: u64,
    /// Looks while freezing, and strikes after the commit.
    pub rounds: u32,
    /// Bytes of evidence that the host may hold back in its spool.
    pub spool_bytes: Wide,
}

impl Bounds {
    /// The most that a plan may ask for, and what it asks for where nobody wants less.
    pub const MOST: Bounds = Bounds {
        frozen_ms: 10_000,
        rounds: 8,
        spool_bytes: Wide(64 << 20),
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds::MOST
    }
}

/// Who said yes to what, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The version of this form, [`APPROVAL_FORMAT`].
    pub format: u32,
    /// The plan, by its hash.
    pub plan: Digest,
    /// The hosts, by name, each with the hash of its line.
    #[serde(deserialize_with = "each_once")]
    pub hosts: BTreeMap<String, Digest>,
    /// The effects that may be had.
    pub classes: BTreeSet<Effect>,
    /// Actions that are left out; whatever needs one of them must be left out too.
    pub excluded: BTreeSet<ActionId>,
    /// Components with many targets that were approved by name, by host ([`crate::many`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "each_once")]
    pub many: BTreeMap<String, BTreeSet<u32>>,
    /// Why hosts and actions were left out, by name and by id: for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "each_once")]
    pub reasons: BTreeMap<String, String>,
    /// Who.
    pub approver: String,
    /// How the yes was given: `command line`, `terminal`, `demo`, `signature`.
    pub means: String,
    /// When, in milliseconds since 1970.
    pub at_ms: Wide,
    /// Until when, in milliseconds since 1970, by the controller's clock. The controller holds to it; a host does not, whose
    /// clock is the intruder's to set.
    pub not_after_ms: Wide,
}

/// Orders that were held against their approval. Made only by [`check`].
#[derive(Debug, Clone)]
pub struct ApprovedOrders {
    orders: HostOrders,
    allowed: BTreeSet<ActionId>,
}

/// What a host receives to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// The plan's header line, as it is in the file.
    pub header: String,
    /// The host's line, as it is in the file.
    pub line: String,
    /// The hashes of all host lines of the plan, sorted.
    pub host_hashes: Vec<Digest>,
    /// The approval.
    pub approval: Approval,
    /// Where to stop: a stage that may be held.
    pub until: Stage,
    /// How the programs of the plan ended that ran for this approval already, by action. A look does not show that: they are not
    /// run again, those that failed neither.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ran: BTreeMap<ActionId, CommandEnd>,
}

/// The stages after which a transaction may end and go on later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Evidence is kept, nothing is changed.
    Preserve,
    /// Evidence is kept and the host is quiet: what can be taken back at once is done, nothing is destroyed.
    Contain,
    /// All of it.
    Eradicate,
}

/// The version of [`Approval`] that this version understands.
pub const APPROVAL_FORMAT: u32 = 1;

/// Why orders are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The plan is not the one that was approved.
    #[error("the plan's hash is {found}, approved was {approved}")]
    OtherPlan {
        /// Of the bytes at hand.
        found: Digest,
        /// Of the approval.
        approved: Digest,
    },
    /// The approval is of a form that this version does not know: it may leave out what is not understood here.
    #[error("the approval has the format {found}, this version understands {APPROVAL_FORMAT}")]
    OtherFormat {
        /// Of the approval at hand.
        found: u32,
    },
    /// The approval ends before it begins.
    #[error("the approval was good until {not_after_ms} ms since 1970, but was given at {at_ms}")]
    NeverValid {
        /// When it was given.
        at_ms: u64,
        /// Its end.
        not_after_ms: u64,
    },
    /// The host's line is not one of the plan's, or not the approved one.
    #[error("host `{host}`: its line in the plan has the hash {found}, which was not approved")]
    OtherLine {
        /// The host.
        host: String,
        /// Of the bytes at hand.
        found: Digest,
    },
    /// The host was left out of the approval.
    #[error("host `{host}` is not approved")]
    HostNotApproved {
        /// The host.
        host: String,
    },
    /// An action is allowed, but not what it needs.
    #[error("action {action} needs {needs}, which the approval leaves out")]
    NotClosed {
        /// The action.
        action: ActionId,
        /// What it needs.
        needs: ActionId,
    },
    /// A component has so many targets that it needs a yes of its own.
    #[error("host `{host}`: component {component} has many targets and is not approved by name")]
    ManyTargets {
        /// The host.
        host: String,
        /// The component.
        component: u32,
    },
    /// Of a component one process would be killed and another left, which can start it again, and nobody says why.
    #[error(
        "host `{host}`: the approval leaves pid {pid} alive and kills another process of component {component}, \
         which it can start again, and gives no reason"
    )]
    Halved {
        /// The host.
        host: String,
        /// The component.
        component: u32,
        /// The kill that is left out.
        action: ActionId,
        /// Whom it would have ended.
        pid: u32,
    },
    /// The line is not one that this version understands.
    #[error("the host's line cannot be read: {why}")]
    Malformed {
        /// The parser's word.
        why: String,
    },
    /// Actions contradict each other or themselves.
    #[error("action {action}: {why}")]
    Inconsistent {
        /// The action.
        action: ActionId,
        /// What is wrong.
        why: String,
    },
    /// An envelope admits what its component does not end, or a component is another one's double.
    #[error("component {component}: {why}")]
    Envelope {
        /// The component.
        component: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// More than any plan asks for.
    #[error("`{what}` is {found}, more than the limit of {limit}")]
    Unbounded {
        /// Of what.
        what: &'static str,
        /// How much.
        found: u64,
        /// The limit.
        limit: u64,
    },
}

impl OrderError {
    /// Of a kill that is left out while another of its component is not.
    pub fn halved(host: &str, kill: &Action) -> OrderError {
        OrderError::Halved {
            host: host.to_owned(),
            component: kill.component,
            action: kill.id,
            pid: kill.act.process().map_or(0, |process| process.pid),
        }
    }
}

/// The hash of a plan: over its header line and its sorted host hashes.
pub fn plan_hash(header: &str, sorted_host_hashes: &[Digest]) -> Digest {
    let mut bytes = Vec::with_capacity(header.len() + 1 + sorted_host_hashes.len() * 65);
    bytes.extend_from_slice(header.as_bytes());
    bytes.push(b'\n');
    for hash in sorted_host_hashes {
        bytes.extend_from_slice(hash.to_string().as_bytes());
        bytes.push(b'\n');
    }
    Digest::of(&bytes)
}

/// Holds a host's line against the plan's hash and the approval.
///
/// # Errors
/// Whenever the approval is of another format or contradicts itself, a byte of header or line differs from what was
/// approved, the host or a needed action was left out, a process is left beside a killed one of its component without a
/// reason, a component with many targets was not approved by name, or the line contradicts itself. Whether the approval's time is over is not
/// asked here: that is the controller's to hold to.
pub fn check(begin: &Begin) -> Result<ApprovedOrders, OrderError> {
    let mut hashes = begin.host_hashes.clone();
    hashes.sort_unstable();
    check_plan(&begin.header, &hashes, &begin.approval)?;
    check_line(&begin.line, &hashes, &begin.approval)
}

/// Holds every approved line of a plan against the plan's hash and the approval, as [`check`] does for each; gives the
/// orders by host.
///
/// # Errors
/// As [`check`]; also when a host is approved that has no line.
pub fn check_all(
    header: &str,
    lines: &BTreeMap<&str, &str>,
    approval: &Approval,
) -> Result<BTreeMap<String, ApprovedOrders>, OrderError> {
    let mut hashes: Vec<Digest> = lines.values().map(|line| Digest::of(line.as_bytes())).collect();
    hashes.sort_unstable();
    check_plan(header, &hashes, approval)?;
    let mut checked = BTreeMap::new();
    for host in approval.hosts.keys() {
        let unapproved = || OrderError::HostNotApproved { host: host.clone() };
        let orders = check_line(lines.get(host.as_str()).ok_or_else(unapproved)?, &hashes, approval)?;
        if orders.orders.host != *host {
            return Err(unapproved());
        }
        checked.insert(host.clone(), orders);
    }
    Ok(checked)
}

fn check_plan(header: &str, sorted_hashes: &[Digest], approval: &Approval) -> Result<(), OrderError> {
    if approval.format != APPROVAL_FORMAT {
        let found = approval.format;
        return Err(OrderError::OtherFormat { found });
    }
    let (at_ms, not_after_ms) = (approval.at_ms.0, approval.not_after_ms.0);
    if not_after_ms < at_ms {
        return Err(OrderError::NeverValid { at_ms, not_after_ms });
    }
    // A header of several lines could pass for a header and host hashes.
    if header.contains('\n') {
        let why = "the header is more than one line".to_owned();
        return Err(OrderError::Malformed { why });
    }
    let found = plan_hash(header, sorted_hashes);
    if found != approval.plan {
        let approved = approval.plan;
        return Err(OrderError::OtherPlan { found, approved });
    }
    Ok(())
}

fn check_line(line: &str, sorted_hashes: &[Digest], approval: &Approval) -> Result<ApprovedOrders, OrderError> {
    let orders: HostOrders =
        serde_json::from_str(line).map_err(|error| OrderError::Malformed { why: error.to_string() })?;
    let found = Digest::of(line.as_bytes());
    match approval.hosts.get(&orders.host) {
        None => return Err(OrderError::HostNotApproved { host: orders.host }),
        Some(approved) if *approved != found || sorted_hashes.binary_search(&found).is_err() => {
            return Err(OrderError::OtherLine {
                host: orders.host,
                found,
            });
        }
        Some(_) => {}
    }
    check_consistent(&orders)?;
    let allowed: BTreeSet<ActionId> = orders
        .actions
        .iter()
        .filter(|a| approval.classes.contains(&a.act.effect()) && !approval.excluded.contains(&a.id))
        .map(|a| a.id)
        .collect();
    for action in orders.actions.iter().filter(|a| allowed.contains(&a.id)) {
        if let Some(needs) = action.needs.iter().find(|n| !allowed.contains(n)) {
            return Err(OrderError::NotClosed {
                action: action.id,
                needs: *needs,
            });
        }
    }
    let unreasoned =
        survivors(&orders.actions, &allowed).find(|kill| reason(kill, &orders.actions, approval).is_none());
    if let Some(kill) = unreasoned {
        return Err(OrderError::halved(&orders.host, kill));
    }
    let named = approval.many.get(&orders.host);
    let many = many_targets(orders.actions.iter().filter(|a| allowed.contains(&a.id)));
    if let Some(component) = many.into_iter().find(|c| !named.is_some_and(|named| named.contains(c))) {
        return Err(OrderError::ManyTargets {
            host: orders.host,
            component,
        });
    }
    Ok(ApprovedOrders { orders, allowed })
}

/// The kills that are not allowed although another of their component is: a guardian that is left starts its miner again.
pub fn survivors<'a>(actions: &'a [Action], allowed: &BTreeSet<ActionId>) -> impl Iterator<Item = &'a Action> {
    let kills = || actions.iter().filter(|action| matches!(action.act, Act::Kill { .. }));
    let struck: BTreeSet<u32> = kills()
        .filter(|kill| allowed.contains(&kill.id))
        .map(|kill| kill.component)
        .collect();
    kills().filter(move |kill| struck.contains(&kill.component) && !allowed.contains(&kill.id))
}

/// Why an approval leaves an action out: its own reason, or that of what it needs.
pub fn reason<'a>(action: &Action, actions: &[Action], approval: &'a Approval) -> Option<&'a str> {
    let mut waiting = vec![action.id];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) || !approval.excluded.contains(&id) {
            continue;
        }
        let own = approval.reasons.get(&id.to_string()).map(|text| text.trim());
        if let Some(text) = own.filter(|text| !text.is_empty()) {
            return Some(text);
        }
        let needed = actions.iter().find(|other| other.id == id).map(|other| &other.needs);
        waiting.extend(needed.into_iter().flatten());
    }
    None
}

/// Whether the actions of a line contradict themselves or each other: ids that are not those of their targets or stand
/// twice, unknown components, no reasons, needs that are not there or lead back, protection that is overridden without a reason,
/// envelopes that admit what no kill of their component runs, limits beyond what any plan asks for.
///
/// # Errors
/// The first contradiction.
pub fn check_consistent(orders: &HostOrders) -> Result<(), OrderError> {
    check_bounds(orders)?;
    check_envelopes(orders)?;
    let components: BTreeSet<u32> = orders.components.iter().map(|c| c.id).collect();
    let mut seen = BTreeSet::new();
    for action in &orders.actions {
        let why = if action.id != action.act.id(&orders.host) {
            "its id is not that of its target"
        } else if !seen.insert(action.id) {
            "it stands twice in the plan"
        } else if !components.contains(&action.component) {
            "its component is not in the plan"
        } else if action.because.is_empty() {
            "no finding justifies it"
        } else {
            continue;
        };
        return Err(OrderError::Inconsistent {
            action: action.id,
            why: why.to_owned(),
        });
    }
    for (id, over) in &orders.overrides {
        let why = if !seen.contains(id) {
            "its protection is overridden, and it is not in the plan"
        } else if over.because.trim().is_empty() {
            "its protection is overridden without a reason"
        } else {
            continue;
        };
        return Err(OrderError::Inconsistent {
            action: *id,
            why: why.to_owned(),
        });
    }
    let mut waiting: Vec<&Action> = orders.actions.iter().collect();
    let mut ready: BTreeSet<ActionId> = BTreeSet::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|action| {
            let free = action.needs.iter().all(|need| ready.contains(need));
            if free {
                ready.insert(action.id);
            }
            !free
        });
        if waiting.len() == before {
            return Err(OrderError::Inconsistent {
                action: waiting[0].id,
                why: "what it needs is not in the plan, or needs it in turn".to_owned(),
            });
        }
    }
    Ok(())
}

fn check_bounds(orders: &HostOrders) -> Result<(), OrderError> {
    let (bounds, most) = (&orders.bounds, Bounds::MOST);
    let births = orders.components.iter().map(|component| component.envelope.max_births);
    let limits = [
        ("frozen_ms", bounds.frozen_ms, most.frozen_ms),
        ("rounds", bounds.rounds.into(), most.rounds.into()),
        ("spool_bytes", bounds.spool_bytes.0, most.spool_bytes.0),
        ("max_births", births.max().unwrap_or(0).into(), MAX_BIRTHS.into()),
    ];
    match limits.into_iter().find(|(_, found, limit)| found > limit) {
        Some((what, found, limit)) => Err(OrderError::Unbounded { what, found, limit }),
        None => Ok(()),
    }
}

/// What an envelope admits is what a kill of its component ends: nobody reads more than the kills.
fn check_envelopes(orders: &HostOrders) -> Result<(), OrderError> {
    let mut admitted: BTreeMap<u32, BTreeSet<Birth>> = BTreeMap::new();
    for action in &orders.actions {
        if let Act::Kill { process } = &action.act {
            let births = admitted.entry(action.component).or_default();
            births.extend([Birth::executable(process), Birth::descent(process)]);
        }
    }
    let mut seen = BTreeSet::new();
    for ComponentOrders { id, envelope } in &orders.components {
        let of_a_kill = |birth| admitted.get(id).is_some_and(|births| births.contains(birth));
        let why = if !seen.insert(*id) {
            "it stands twice in the plan"
        } else if !envelope.births.iter().all(of_a_kill) {
            "its envelope admits what none of its kills ends"
        } else {
            continue;
        };
        return Err(OrderError::Envelope { component: *id, why });
    }
    Ok(())
}

impl ApprovedOrders {
    /// The orders, those that were left out included.
    pub fn orders(&self) -> &HostOrders {
        &self.orders
    }

    /// Whether an action may be carried out.
    pub fn allows(&self, id: ActionId) -> bool {
        self.allowed.contains(&id)
    }

    /// The actions that may be carried out.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.orders.actions.iter().filter(|a| self.allowed.contains(&a.id))
    }
}

#[cfg(test)]
mod tests;
