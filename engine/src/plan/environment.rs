//! What a plan must hold to by the environment that it names: the environment's own text says it, not the plan.

use deminer_worker::action::Act;
use deminer_worker::order::HostOrders;

use super::header::Header;
use crate::environment::EnvironmentRef;
use crate::policy::{Leave, SitePolicy};

/// The first key of the environment's policy of which the plan says less; `None` where it says as much of all, or more.
///
/// # Errors
/// When the environment's text is none.
pub(super) fn laxer<'a>(
    header: &Header,
    environment: &EnvironmentRef,
    mut hosts: impl Iterator<Item = &'a HostOrders>,
) -> Result<Option<&'static str>, String> {
    let (policy, lists_signers) = SitePolicy::of_environment(&environment.name, environment.text.as_bytes())?;
    let (stated, both) = (&header.limits, header.limits.clone().and(policy.limits.clone()));
    let needs = header.requirement();
    if policy.approvals.over(&needs) != needs || (lists_signers && needs.signers.is_none()) {
        return Ok(Some("`approvals`"));
    }
    if stated.effects != both.effects {
        return Ok(Some("`effects`"));
    }
    if stated.windows != both.windows {
        return Ok(Some("`windows`"));
    }
    if stated.max_actions != both.max_actions {
        return Ok(Some("`max_actions`"));
    }
    Ok(hosts.find_map(|orders| laxer_on(orders, &policy)))
}

fn laxer_on(orders: &HostOrders, policy: &SitePolicy) -> Option<&'static str> {
    if policy.unprotected_by(&orders.protect, &orders.spare).is_some() {
        return Some("`protect`");
    }
    let runs = |act: &Act| matches!(act, Act::RunArgv { .. });
    if !policy.may_allow(Leave::CommandRun) && orders.actions.iter().any(|action| runs(&action.act)) {
        return Some("`leaves`");
    }
    None
}
