//! The fifth arrow: a person says yes to a plan by its hash, and what they said yes to is held against it.
//!
//! An [`ApprovedPlan`] cannot be read from a file: it is made here only, from a plan's bytes and an approval that fits
//! them. Whoever holds one may strike what it allows, and nothing else.
//!
//! A yes is given here, unsigned ([`Plan::approve`]), or elsewhere, as files that other people signed
//! ([`ApprovedPlan::signed`]); which of them does is said by the plan and by the site's [`Approvals`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use deminer_worker::action::{ActionId, Effect};
use deminer_worker::order::{APPROVAL_FORMAT, Approval, ApprovedOrders, Begin, OrderError, Stage, check_all};
use deminer_worker::text::{Digest, Wide};

use crate::plan::{FileError, Plan, canonical};

mod keygen;
mod needed;
mod policy;
mod signature;
mod signed;
mod unite;

pub use keygen::{KeygenError, sign};
pub use needed::Needed;
pub(crate) use policy::{APPROVAL_KEYS, WrittenApprovals, read_list};
pub use policy::{Approvals, KeyList, PolicyError, Requirement};
pub use signature::{HEAD_NAMESPACE, NAMESPACE};
pub use signed::{Signed, SignedBy, SignedError, SignedFile, Signer, beside};

#[cfg(any(test, fuzzing))]
pub(crate) use signature::namespace;
pub(crate) use unite::unite_whole;

/// The means of a yes that counts by its signatures.
pub const SIGNATURE: &str = "signature";

/// The version of the approval's form that is written and read.
pub const FORMAT: u32 = APPROVAL_FORMAT;

/// The digits of a plan's hash that must be given at least.
pub const HASH_DIGITS: usize = 16;

/// The bytes of an approval file.
const APPROVAL_BYTES: usize = 64 << 20;

/// The bytes of one reason.
const REASON_BYTES: usize = 4 << 10;

/// By how much two controllers' clocks may differ.
const SKEW_MS: u64 = 5 * 60 * 1000;

/// Which hosts of a plan are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// All of them.
    All,
    /// These, by name.
    Only(BTreeSet<String>),
}

/// A yes, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The beginning of the plan's hash, [`HASH_DIGITS`] hexadecimal digits at least.
    pub hash: String,
    /// For which hosts.
    pub hosts: Hosts,
    /// For which effects.
    pub classes: BTreeSet<Effect>,
    /// Actions that are left out; whatever needs one of them must be left out too ([`with_dependents`]).
    pub excluded: BTreeSet<ActionId>,
    /// Components with many targets that are meant by name, by host.
    pub many: BTreeMap<String, BTreeSet<u32>>,
    /// Why actions are left out, by id. Needed where that leaves a process beside a killed one of its component.
    pub reasons: BTreeMap<ActionId, String>,
    /// Who says it.
    pub approver: String,
    /// How: `command line`, `terminal`, `demo`, `signature`.
    pub means: String,
    /// When, in milliseconds since 1970 by the controller's clock.
    pub at_ms: u64,
    /// For how long, in milliseconds; never longer than the plan itself is good.
    pub valid_for_ms: u64,
}

/// Why a yes is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// Too few digits, or none.
    #[error("`{given}` is not the beginning of a hash: {HASH_DIGITS} to 64 hexadecimal digits are needed")]
    ShortHash {
        /// What was given, bounded.
        given: String,
    },
    /// The plan is another than the one that was meant.
    #[error("the plan's hash is {found}, approved was {given}")]
    WrongHash {
        /// What was given.
        given: String,
        /// The plan's.
        found: Digest,
    },
    /// The plan's time is over.
    #[error("the plan was good until {not_after_ms} ms since 1970, now it is {now_ms}")]
    PlanExpired {
        /// Its end.
        not_after_ms: u64,
        /// Now.
        now_ms: u64,
    },
    /// The approval's time is over.
    #[error("the approval was good until {not_after_ms} ms since 1970, now it is {now_ms}")]
    ApprovalExpired {
        /// Its end.
        not_after_ms: u64,
        /// Now.
        now_ms: u64,
    },
    /// Made in the future: a clock is wrong.
    #[error("the {what} was made at {at_ms} ms since 1970, but now it is {now_ms}")]
    NotYet {
        /// `plan` or `approval`.
        what: &'static str,
        /// When it says it was made.
        at_ms: u64,
        /// Now.
        now_ms: u64,
    },
    /// The plan does nothing on any host.
    #[error("the plan has nothing to do")]
    NothingToDo,
    /// No host, or no effect, is approved.
    #[error("the approval names no {what}")]
    Nothing {
        /// `host`, `effect` or `approver`.
        what: &'static str,
    },
    /// An effect that no action has.
    #[error("`{effect}` is no effect of an action: preserve, contain and destroy are")]
    NoSuchEffect {
        /// Which.
        effect: Effect,
    },
    /// A host that the plan does not have.
    #[error("host `{host}` is not in the plan")]
    UnknownHost {
        /// Which.
        host: String,
    },
    /// An action that the plan does not have.
    #[error("action {action} is not in the plan")]
    UnknownAction {
        /// Which.
        action: ActionId,
    },
    /// A component that has not many targets, or is not there.
    #[error("host `{host}`: component {component} is none that needs a yes of its own")]
    UnknownComponent {
        /// The host.
        host: String,
        /// Which.
        component: u32,
    },
    /// The plan wants signatures.
    #[error("the yes is not signed: {needed} signed {} needed", if *needed == 1 { "approval is" } else { "approvals are" })]
    Unsigned {
        /// By how many different people.
        needed: u32,
    },
    /// What was approved does not hold together, by the same rules as on the host.
    #[error(transparent)]
    Orders(#[from] OrderError),
    /// The plan's bytes are none.
    #[error(transparent)]
    Plan(#[from] FileError),
    /// The approval's bytes are none.
    #[error("the approval cannot be read: {why}")]
    Malformed {
        /// The parser's word.
        why: String,
    },
    /// Written by a later Deminer.
    #[error("the approval has the form {found}, this version reads up to {FORMAT}")]
    Newer {
        /// Its form.
        found: u64,
    },
}

impl ApprovalError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ApprovalError::ShortHash { .. } => "the plan's hash stands at the end of `deminer show`",
            ApprovalError::WrongHash { .. } | ApprovalError::Orders(OrderError::OtherPlan { .. }) => {
                "this is not the plan that was read; read it with `deminer show` and approve its hash"
            }
            ApprovalError::PlanExpired { .. } => "hosts change: plan again",
            ApprovalError::ApprovalExpired { .. } => "approve the plan again",
            ApprovalError::NotYet { .. } => "set this machine's clock",
            ApprovalError::NothingToDo => "there is nothing to approve",
            ApprovalError::Nothing { .. } | ApprovalError::NoSuchEffect { .. } => {
                "say which hosts and which of preserve, contain, destroy are approved, and who approves"
            }
            ApprovalError::UnknownHost { .. }
            | ApprovalError::UnknownAction { .. }
            | ApprovalError::UnknownComponent { .. } => "`deminer show` lists what the plan has",
            ApprovalError::Unsigned { .. } => {
                "have it approved with `deminer approve PLAN --key KEY`, then `deminer apply PLAN --approval FILE...`"
            }
            ApprovalError::Orders(OrderError::NotClosed { .. }) => {
                "leave out the action too, or approve what it needs; a kill needs `contain` and `preserve`"
            }
            ApprovalError::Orders(OrderError::Halved { .. }) => {
                "leave out the whole component, or none of it; or say why with `--reason`, or on the page of `deminer show --page`"
            }
            ApprovalError::Orders(OrderError::ManyTargets { .. }) => {
                "read its targets with `deminer show`, then approve the component by name"
            }
            ApprovalError::Orders(_) => "the file is not as Deminer wrote it: plan again",
            ApprovalError::Plan(error) => return error.hint(),
            ApprovalError::Malformed { .. } => "approve the plan again",
            ApprovalError::Newer { .. } => "use the version of Deminer that made it",
        };
        Some(hint.to_owned())
    }
}

/// A plan with an approval that fits it. Made only here, from both; never read back as a whole.
#[derive(Debug, Clone)]
pub struct ApprovedPlan {
    plan: Plan,
    approval: Approval,
    orders: BTreeMap<String, ApprovedOrders>,
}

impl Plan {
    /// Holds a yes against this plan.
    ///
    /// # Errors
    /// When the hash is another, the plan's time is over, the yes names what the plan does not have, or leaves out what
    /// something approved needs.
    pub fn approve(&self, ask: Ask) -> Result<ApprovedPlan, ApprovalError> {
        check_prefix(&ask.hash, self.hash())?;
        let not_after = ask.at_ms.saturating_add(ask.valid_for_ms);
        let hosts = match ask.hosts {
            Hosts::All => self.hosts().map(|host| host.orders.host.clone()).collect(),
            Hosts::Only(names) => names,
        };
        let hosts = hosts.into_iter().map(|host| match self.host_hash(&host) {
            Some(hash) => Ok((host, hash)),
            None => Err(ApprovalError::UnknownHost { host }),
        });
        let approval = Approval {
            format: FORMAT,
            plan: self.hash(),
            hosts: hosts.collect::<Result<_, _>>()?,
            classes: ask.classes,
            excluded: ask.excluded,
            many: ask.many,
            reasons: ask.reasons.into_iter().map(|(id, why)| (id.to_string(), why)).collect(),
            approver: ask.approver,
            means: ask.means,
            at_ms: Wide(ask.at_ms),
            not_after_ms: Wide(not_after.min(self.header().not_after_ms.0)),
        };
        ApprovedPlan::new(self.clone(), approval, ask.at_ms)
    }
}

impl ApprovedPlan {
    /// Reads a plan and its approval, and holds one against the other; nobody asks for a signature.
    ///
    /// # Errors
    /// When one of them cannot be read, or they do not fit, now.
    #[cfg(test)]
    pub(crate) fn from_files(plan: &[u8], approval: &[u8], now_ms: u64) -> Result<ApprovedPlan, ApprovalError> {
        ApprovedPlan::new(Plan::read(plan)?, read_approval(approval)?, now_ms)
    }

    /// The plan and the approval of a run that is taken up again: held against each other as of when the yes was given. What is
    /// not begun yet needs [`ApprovedPlan::check_time`] too.
    ///
    /// # Errors
    /// When the plan cannot be read, or they do not fit.
    pub fn of_run(plan: &[u8], approval: Approval) -> Result<ApprovedPlan, ApprovalError> {
        let given_at_ms = approval.at_ms.0;
        ApprovedPlan::new(Plan::read(plan)?, approval, given_at_ms)
    }

    fn new(plan: Plan, approval: Approval, now_ms: u64) -> Result<ApprovedPlan, ApprovalError> {
        if approval.plan != plan.hash() {
            return Err(ApprovalError::WrongHash {
                given: approval.plan.to_string(),
                found: plan.hash(),
            });
        }
        check_times(&plan, &approval, now_ms)?;
        if plan.is_empty() {
            return Err(ApprovalError::NothingToDo);
        }
        let needs = plan.header().requirement();
        if approval.means != SIGNATURE && !needs.unsigned {
            return Err(ApprovalError::Unsigned {
                needed: needs.needed.most(),
            });
        }
        check_names(&plan, &approval)?;
        let orders = check_all(plan.header_line(), &plan.lines(), &approval)?;
        Ok(ApprovedPlan { plan, approval, orders })
    }

    /// The plan, whole.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The approval.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The approval file's bytes.
    ///
    /// # Errors
    /// Never for an approval that fits a plan; the serialiser's own word otherwise.
    pub fn write_approval(&self) -> Result<Vec<u8>, ApprovalError> {
        let mut line =
            canonical(&self.approval).map_err(|error| ApprovalError::Malformed { why: error.to_string() })?;
        line.push('\n');
        Ok(line.into_bytes())
    }

    /// The approved hosts with their orders, by name.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, &ApprovedOrders)> {
        self.orders.iter().map(|(host, orders)| (host.as_str(), orders))
    }

    /// What may be done on a host; `None` where it is not approved.
    pub fn orders(&self, host: &str) -> Option<&ApprovedOrders> {
        self.orders.get(host)
    }

    /// What a host receives to begin; `None` where it is not approved.
    pub fn begin(&self, host: &str, until: Stage) -> Option<Begin> {
        self.orders.get(host)?;
        self.plan.begin(host, &self.approval, until)
    }

    /// Whether a host may still begin now. What has begun goes on.
    ///
    /// # Errors
    /// When the plan's or the approval's time is over.
    pub fn check_time(&self, now_ms: u64) -> Result<(), ApprovalError> {
        check_times(&self.plan, &self.approval, now_ms)
    }
}

/// These actions and all that need one of them, on whatever host of the plan.
pub fn with_dependents(plan: &Plan, excluded: &BTreeSet<ActionId>) -> BTreeSet<ActionId> {
    let mut closed = excluded.clone();
    loop {
        let actions = plan.hosts().flat_map(|host| &host.orders.actions);
        let more: Vec<ActionId> = actions
            .filter(|action| !closed.contains(&action.id) && action.needs.iter().any(|need| closed.contains(need)))
            .map(|action| action.id)
            .collect();
        if more.is_empty() {
            return closed;
        }
        closed.extend(more);
    }
}

/// The digits that were given of a hash, in small letters; what was given, bounded and escaped, where they are too few or none.
pub(crate) fn digits_of(given: &str) -> Result<String, String> {
    let digits = given.to_ascii_lowercase();
    match (HASH_DIGITS..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(digits),
        false => Err(given.chars().take(64).collect::<String>().escape_default().to_string()),
    }
}

/// Whether these digits are the beginning of a hash.
///
/// # Errors
/// When there are too few of them, or they are of another.
pub(crate) fn check_prefix(given: &str, hash: Digest) -> Result<(), ApprovalError> {
    let digits = digits_of(given).map_err(|given| ApprovalError::ShortHash { given })?;
    if !hash.to_string().starts_with(&digits) {
        return Err(ApprovalError::WrongHash {
            given: digits,
            found: hash,
        });
    }
    Ok(())
}

fn check_times(plan: &Plan, approval: &Approval, now_ms: u64) -> Result<(), ApprovalError> {
    let header = plan.header();
    check_made("plan", header.created_at_ms.0, now_ms)?;
    if now_ms > header.not_after_ms.0 {
        return Err(ApprovalError::PlanExpired {
            not_after_ms: header.not_after_ms.0,
            now_ms,
        });
    }
    check_approval_time(approval, now_ms)
}

/// Whether an approval is good now.
///
/// # Errors
/// When its time is over, or has not come.
pub(crate) fn check_approval_time(approval: &Approval, now_ms: u64) -> Result<(), ApprovalError> {
    check_made("approval", approval.at_ms.0, now_ms)?;
    match now_ms > approval.not_after_ms.0 {
        true => Err(ApprovalError::ApprovalExpired {
            not_after_ms: approval.not_after_ms.0,
            now_ms,
        }),
        false => Ok(()),
    }
}

fn check_made(what: &'static str, at_ms: u64, now_ms: u64) -> Result<(), ApprovalError> {
    match at_ms > now_ms.saturating_add(SKEW_MS) {
        true => Err(ApprovalError::NotYet { what, at_ms, now_ms }),
        false => Ok(()),
    }
}

/// Whether all that the approval names is there.
fn check_names(plan: &Plan, approval: &Approval) -> Result<(), ApprovalError> {
    let nothing = |what| Err(ApprovalError::Nothing { what });
    if approval.hosts.is_empty() {
        return nothing("host");
    }
    if approval.classes.is_empty() {
        return nothing("effect");
    }
    if approval.approver.trim().is_empty() {
        return nothing("approver");
    }
    if let Some(effect) = approval.classes.iter().find(|effect| **effect < Effect::Preserve) {
        return Err(ApprovalError::NoSuchEffect { effect: *effect });
    }
    if let Some(host) = approval.hosts.keys().find(|host| plan.host(host).is_none()) {
        return Err(ApprovalError::UnknownHost { host: host.clone() });
    }
    let known = |name: &str| {
        let mut actions = plan.hosts().flat_map(|host| &host.orders.actions);
        plan.host(name).is_some() || actions.any(|action| action.id.to_string() == name)
    };
    let is_bad = |(name, text): &(&String, &String)| text.len() > REASON_BYTES || !known(name);
    if let Some((name, _)) = approval.reasons.iter().find(is_bad) {
        let why = format!(
            "a reason for `{}` that is too long, or for nothing of the plan",
            name.escape_debug()
        );
        return Err(ApprovalError::Malformed { why });
    }
    let actions: BTreeSet<ActionId> = plan
        .hosts()
        .flat_map(|host| &host.orders.actions)
        .map(|a| a.id)
        .collect();
    if let Some(action) = approval.excluded.difference(&actions).next() {
        return Err(ApprovalError::UnknownAction { action: *action });
    }
    for (host, components) in &approval.many {
        let Some(planned) = plan.host(host) else {
            return Err(ApprovalError::UnknownHost { host: host.clone() });
        };
        if let Some(component) = components.difference(&planned.needs_own_approval).next() {
            return Err(ApprovalError::UnknownComponent {
                host: host.clone(),
                component: *component,
            });
        }
    }
    Ok(())
}

/// The bytes of a file; `None` where there are more of them.
fn bounded(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn read_approval(bytes: &[u8]) -> Result<Approval, ApprovalError> {
    let malformed = |why: String| ApprovalError::Malformed { why };
    if bytes.len() > APPROVAL_BYTES {
        return Err(malformed(format!("it is longer than {APPROVAL_BYTES} bytes")));
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found > u64::from(FORMAT) => return Err(ApprovalError::Newer { found }),
        Some(found) if found == u64::from(FORMAT) => {}
        _ => return Err(malformed("it has no form that is known".to_owned())),
    }
    // From the text, not from the value: a key that stands twice is an error only here.
    serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests;
