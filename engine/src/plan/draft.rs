//! One host's part of a plan: from what looking at it gave to exact acts and what they rest on.

use std::collections::BTreeMap;

use deminer_worker::action::{Action, ProcessTarget};
use deminer_worker::many::many_targets;
use deminer_worker::order::{HostOrders, OrderError, check_consistent};
use deminer_worker::query::Process;
use deminer_worker::text::{HostPath, Wide};

use super::around::around;
use super::ask::ask;
use super::canonical::canonical;
use super::complete::{complete, needs};
use super::envelope::{Predicates, components};
use super::merge::{Wants, merge, proposed_in, unite_components};
use super::settle::settle;
use super::spare::{limited, prefer_edits, say_held_directories, spare};
use super::{ACTIONS, Footprint, HostPlan, LINE_BYTES, PlanError, SentWorker, Site, people};
use crate::event::Variables;
use crate::finding::FindingId;
use crate::host::HostView;
use crate::look::{LookEnd, Looked};

/// The directory below which a host keeps its journal: on a disk, so that it outlives a reboot.
const JOURNAL_ROOT: &str = "/var/tmp";

/// Bytes of a host's journal itself, beside its spool.
const JOURNAL_BYTES: u64 = 1 << 20;

/// Makes one host's plan. Asks the host what is protected there; changes nothing.
///
/// `names` gives 16 random bytes at a time: nobody must be able to foretell where the host's journal will be.
/// Where a step failed ([`LookEnd::Failed`]) nothing is planned, whatever was proposed before.
///
/// # Errors
/// When a proposal is not one that a plan may rest on, proposals contradict each other, or what must be known cannot be
/// learned.
pub async fn draft(
    looked: &Looked,
    view: &dyn HostView,
    site: &Site,
    names: &mut (dyn FnMut() -> [u8; 16] + Send),
) -> Result<HostPlan, PlanError> {
    let mut wants = match looked.end {
        LookEnd::Through | LookEnd::Stopped { .. } => merge(looked)?,
        LookEnd::Failed { .. } => Wants::new(),
    };
    limit(looked, "proposed acts", wants.len(), ACTIONS)?;

    let mut learned = ask(looked, view, &wants).await?;
    learned.facts.site = site.protect.clone();
    learned.facts.spare = site.spare.clone();
    let mut left_alone = Vec::new();
    prefer_edits(&mut wants, &mut left_alone);
    limited(&mut wants, site.effects, &mut left_alone);
    complete(&looked.host, &mut wants);
    let mut overrides = spare(&looked.host, &mut wants, &learned, &site.overrides, &mut left_alone);
    say_held_directories(&wants, &learned, &mut left_alone);
    let predicates = Predicates::of(&wants, &learned);
    let own = |process: &ProcessTarget| predicates.is_alone(process);
    unite_components(&mut wants, &mut left_alone, &proposed_in(looked), own);
    limit(looked, "actions", wants.len(), ACTIONS)?;

    let (settle, settle_because) = settle(&wants, &looked.findings, &learned.facts.processes);
    overrides.retain(|id, _| wants.contains_key(id));
    let orders = HostOrders {
        host: looked.host.clone(),
        identity: looked.facts.identity.clone(),
        looked_ms: looked.facts.uptime_ms,
        components: components(&wants, &predicates, site.max_births),
        actions: actions(&looked.host, &wants, &learned.facts.processes),
        protect: site.protect.clone(),
        spare: site.spare.clone(),
        overrides,
        journal: journal(names),
        settle,
        bounds: site.bounds.clone(),
    };
    check_consistent(&orders).map_err(|why| inconsistent(looked, &why))?;

    learned.coverage.unite(&looked.coverage);
    let around = around(view, &orders.actions, &mut learned.coverage).await;
    let (gaps, more_gaps) = people::gaps(&learned.coverage);
    let (findings, more_findings) = people::findings(looked, &orders.actions, &left_alone);
    let needs_own_approval = many_targets(&orders.actions);
    let plan = HostPlan {
        vars: Variables::new(),
        secrets: BTreeMap::new(),
        end: (&looked.end).into(),
        verdict: looked.verdict.clone(),
        machine: people::machine(looked),
        review: people::review(&findings),
        findings,
        more_findings,
        answers: looked.answers.clone(),
        left_alone,
        gaps,
        more_gaps,
        processes: people::processes(&orders.actions, &learned.facts.processes),
        around,
        undo: people::undo(&orders.actions),
        settle_because,
        many_targets: !needs_own_approval.is_empty(),
        needs_own_approval,
        footprint: Footprint {
            programs: looked.programs.clone(),
            sent: view.arrival().map(|arrival| SentWorker {
                below: arrival.below.clone(),
                bytes: Wide(arrival.bytes),
            }),
            ..footprint(&orders)
        },
        results: looked.results.clone(),
        orders,
    };
    let written = canonical(&plan).map_err(|error| PlanError::Inconsistent {
        host: looked.host.clone(),
        why: error.to_string(),
    })?;
    limit(looked, "bytes", written.len(), LINE_BYTES)?;
    Ok(plan)
}

fn limit(looked: &Looked, what: &'static str, found: usize, limit: usize) -> Result<(), PlanError> {
    if found <= limit {
        return Ok(());
    }
    Err(PlanError::TooMany {
        host: looked.host.clone(),
        what,
        found,
        limit,
    })
}

fn inconsistent(looked: &Looked, why: &OrderError) -> PlanError {
    PlanError::Inconsistent {
        host: looked.host.clone(),
        why: why.to_string(),
    }
}

/// The actions as they are written, by id.
fn actions(host: &str, wants: &Wants, processes: &[Process]) -> Vec<Action> {
    let mut needs = needs(host, wants, processes);
    wants
        .iter()
        .map(|(id, want)| Action {
            id: *id,
            component: want.component,
            act: want.act.clone(),
            because: want.because.iter().map(FindingId::to_string).collect(),
            needs: needs.remove(id).into_iter().flatten().collect(),
        })
        .collect()
}

/// A directory that is not there yet, with a name that nobody could have prepared.
fn journal(names: &mut (dyn FnMut() -> [u8; 16] + Send)) -> HostPath {
    let name: String = names().iter().map(|byte| format!("{byte:02x}")).collect();
    HostPath::from(JOURNAL_ROOT).join(format!(".deminer-{name}").as_bytes())
}

/// A host where nothing is done is left without a trace.
fn footprint(orders: &HostOrders) -> Footprint {
    if orders.actions.is_empty() {
        return Footprint {
            processes: 0,
            directories: Vec::new(),
            bytes: Wide(0),
            programs: Vec::new(),
            tables: BTreeMap::new(),
            sent: None,
        };
    }
    let mut tables: BTreeMap<String, u32> = BTreeMap::new();
    for action in &orders.actions {
        if let Some((table, for_s)) = action.act.table() {
            let longest = tables.entry(table.to_owned()).or_default();
            *longest = (*longest).max(for_s);
        }
    }
    Footprint {
        processes: 2,
        directories: vec![orders.journal.clone()],
        bytes: Wide(orders.bounds.spool_bytes.0.saturating_add(JOURNAL_BYTES)),
        programs: Vec::new(),
        tables,
        sent: None,
    }
}
