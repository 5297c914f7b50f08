//! A plan for programs: one object whose field names do not change.

use std::collections::BTreeMap;

use deminer_engine::finding::Finding;
use deminer_engine::plan::{HostPlan, Plan};
use deminer_worker::action::{Act, Action, ActionId};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::plain::sentence;
use super::super::unit::time;
use super::{Judged, Shown};
use crate::render::words::{Lang, Words};

/// The version of the form of what [`json()`] gives.
const FORMAT: u32 = 1;

/// The plan, as one object. `file` is where it is, as the operator named it; only sentences are in the language.
pub(crate) fn json(plan: &Plan, file: Option<&str>, lang: Lang) -> Value {
    json_of(&Shown::all(plan), file, lang)
}

/// What is shown of a plan, in the same form.
pub(crate) fn json_of(shown: &Shown<'_>, file: Option<&str>, lang: Lang) -> Value {
    let plan = shown.plan();
    let header = plan.header();
    let words = lang.words();
    let hosts: Vec<Value> = shown.hosts().map(|host| host_json(plan, host, words)).collect();
    let actions: Vec<Value> = shown
        .hosts()
        .flat_map(|host| {
            let findings = host
                .findings
                .iter()
                .map(|finding| (finding.id.as_str(), finding))
                .collect();
            let actions = host.orders.actions.iter();
            actions
                .map(|action| action_json(host, action, &findings, words))
                .collect::<Vec<_>>()
        })
        .collect();
    json!({
        "format": FORMAT,
        "lang": lang.code(),
        "hash": plan.hash(),
        "file": file,
        "deminer": header.deminer,
        "playbook": {
            "name": header.playbook.name,
            "version": header.playbook.version,
            "sha256": header.playbook.sha256,
        },
        "vars": header.vars,
        "environment": header.environment.as_ref().map(|environment| json!({
            "name": environment.name,
            "sha256": environment.sha256,
            "disabled": environment.disabled,
        })),
        "limits": header.limits,
        "secrets": header.secrets,
        "made_at": time(header.created_at_ms.0),
        "good_until": time(header.not_after_ms.0),
        "needs": header.requirement(),
        "nothing_to_do": plan.is_empty(),
        "hosts": hosts,
        "actions": actions,
    })
}

fn host_json(plan: &Plan, host: &HostPlan, words: &dyn Words) -> Value {
    let findings = host.findings.iter().map(|finding| finding_json(finding, words));
    let findings: Vec<Value> = findings.collect();
    json!({
        "host": host.orders.host,
        "hash": plan.host_hash(&host.orders.host),
        "word": Judged::host(host).code(),
        "verdict": host.verdict.as_ref().map(|verdict| verdict.host),
        "verdict_because": host.verdict.as_ref().map(|verdict| &verdict.because),
        "end": written(&host.end),
        "identity": written(&host.orders.identity),
        "machine": written(&host.machine),
        "findings": findings,
        "more_findings": host.more_findings,
        "review": host.review,
        "vars": host.vars,
        "secrets": host.secrets,
        "answers": written(&host.answers),
        "left_alone": written(&host.left_alone),
        "gaps": host.gaps,
        "more_gaps": host.more_gaps,
        "processes": written(&host.processes),
        "components": written(&host.orders.components),
        "many": host.needs_own_approval,
        "protect": host.orders.protect,
        "spare": host.orders.spare,
        "overrides": written(&host.orders.overrides),
        "settle": host.orders.settle,
        "settle_because": written(&host.settle_because),
        "bounds": written(&host.orders.bounds),
        "footprint": written(&host.footprint),
    })
}

fn finding_json(finding: &Finding, words: &dyn Words) -> Value {
    json!({
        "id": finding.id,
        "signal": finding.signal,
        "bearing": finding.bearing,
        "points": finding.points,
        "sentence": sentence(finding, words),
        "rule": finding.rule,
        "about": written(&finding.artifact),
        "evidence": written(&finding.evidence),
    })
}

fn action_json(host: &HostPlan, action: &Action, findings: &BTreeMap<&str, &Finding>, words: &dyn Words) -> Value {
    let because: Vec<Value> = action
        .because
        .iter()
        .map(|id| {
            let finding = findings.get(id.as_str());
            json!({
                "finding": id,
                "sentence": finding.map(|finding| sentence(finding, words)),
                "rule": finding.and_then(|finding| finding.rule.as_ref()),
            })
        })
        .collect();
    let mut target = written(&action.act);
    if let Some(fields) = target.as_object_mut() {
        fields.shift_remove("kind");
    }
    let mut value = json!({
        "id": action.id,
        "host": host.orders.host,
        "component": action.component,
        "kind": action.act.kind(),
        "effect": action.act.effect(),
        "undo": host.undo.get(&action.id),
        "target": target,
        "because": because,
        "needs": action.needs,
    });
    if let Some(over) = host.orders.overrides.get(&action.id) {
        value["override"] = written(over);
    }
    if let Some(around) = host.around.get(&action.id) {
        value["around"] = written(around);
    }
    if let Act::Keep { .. } = action.act {
        let needing = host
            .orders
            .actions
            .iter()
            .filter(|other| other.needs.contains(&action.id));
        let needing: Vec<ActionId> = needing.map(|other| other.id).collect();
        value["evidence_of"] = json!(needing);
    }
    value
}

/// Types whose maps have text for keys always have a JSON form.
fn written(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("a plan that was read is JSON")
}
