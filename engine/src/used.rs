//! A yes is used once: what a run began on a host is gone on with by that run, and not begun again by another one of the same
//! plan.

use std::path::Path;

use deminer_worker::action::{Action, Effect};
use deminer_worker::frame::TransactionEvent;
use deminer_worker::order::Approval;

use crate::approval::ApprovedPlan;
use crate::event::EventKind;
use crate::journal::Chain;
use crate::plan::HostPlan;
use crate::resume::{given, own};
use crate::run::{RunDir, RunError, RunId};

/// A run that used what is approved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The run.
    pub run: RunId,
    /// The hosts on which it did.
    pub hosts: Vec<String>,
}

/// The newest run of the same plan that began on one of these hosts what may destroy something there, or all that is
/// approved now. A run that goes further than one that only contained is none.
///
/// # Errors
/// When a run cannot be read.
pub fn used(runs: &Path, approved: &ApprovedPlan) -> Result<Option<Used>, RunError> {
    let plan = approved.plan();
    let (hash, bytes) = (plan.hash(), plan.write());
    for run in RunDir::list(runs)? {
        let chains = run.chains()?;
        let names = |kind: &EventKind| matches!(kind, EventKind::RunStarted { plan, .. } if *plan == Some(hash));
        if !own(&chains).any(names) && run.plan()?.as_ref() != Some(&bytes) {
            continue;
        }
        let is_at_work = run.is_locked()?;
        let earlier = given(&chains);
        let is_used = |host: &&HostPlan| {
            let name = host.orders.host.as_str();
            let begun = is_at_work || chains.iter().any(|chain| is_begun(chain, name));
            begun && earlier.is_none_or(|earlier| repeats(host, earlier, approved.approval()))
        };
        let meant = approved.hosts().filter_map(|(name, _)| plan.host(name));
        let hosts: Vec<String> = meant.filter(is_used).map(|host| host.orders.host.clone()).collect();
        if !hosts.is_empty() {
            return Ok(Some(Used {
                run: run.id().clone(),
                hosts,
            }));
        }
    }
    Ok(None)
}

/// Whether a transaction was begun on this host.
fn is_begun(chain: &Chain, host: &str) -> bool {
    let begins = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Committed { .. }
                | EventKind::Told {
                    event: TransactionEvent::Started {},
                    ..
                }
        )
    };
    chain.host.as_deref() == Some(host) && chain.events.iter().any(|event| begins(&event.kind))
}

/// Whether what is approved on a host may destroy what was approved there before, or is nothing more than that.
fn repeats(host: &HostPlan, earlier: &Approval, now: &Approval) -> bool {
    let allows = |approval: &Approval, action: &Action| {
        approval.hosts.contains_key(&host.orders.host)
            && approval.classes.contains(&action.act.effect())
            && !approval.excluded.contains(&action.id)
    };
    let mut actions = host
        .orders
        .actions
        .iter()
        .filter(|action| allows(now, action))
        .peekable();
    if actions.peek().is_none() {
        return false;
    }
    let mut is_more = false;
    for action in actions {
        match allows(earlier, action) {
            true if action.act.effect() == Effect::Destroy => return true,
            true => {}
            false => is_more = true,
        }
    }
    !is_more
}
