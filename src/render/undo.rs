//! What of a run can be taken back, before it is.

use deminer_engine::undo::{NoWay, UndoPlan};
use deminer_worker::action::{Arming, Undo};
use deminer_worker::text::Digest;
use serde_json::{Value, json};

use super::Style;
use super::object::{object, short_id};
use super::plain::plain;
use super::table::Table;
use super::unit::count;

/// For people.
pub(crate) fn text(plan: &UndoPlan, style: &Style) -> String {
    let steps: usize = plan.hosts.iter().map(|host| host.order.steps.len()).sum();
    let mut out = style.hang(
        "",
        &format!(
            "{} of run {} can be taken back. Nothing has been changed; nothing is started by it.",
            count(steps as u64, "change", "changes"),
            plain(&plan.of)
        ),
    );
    let mut table = Table::new(&["action", "host", "gives back", "object"]);
    for host in &plan.hosts {
        for (step, about) in host.order.steps.iter().zip(&host.objects) {
            table.row(vec![
                short_id(step.action),
                plain(&host.host).into_owned(),
                way(&step.undo, step.arming).to_owned(),
                object(about),
            ]);
        }
    }
    out.push('\n');
    out.push_str(&table.text(style));
    let without = plan
        .hosts
        .iter()
        .flat_map(|host| host.without.iter().map(move |left| (host, left)));
    for (at, (host, (action, about, why))) in without.enumerate() {
        let lead = if at == 0 { "\nstays     " } else { "          " };
        out.push_str(&style.hang(
            lead,
            &format!(
                "{} {} {}: {}",
                short_id(*action),
                plain(&host.host),
                object(about),
                no_way(*why)
            ),
        ));
    }
    out.push('\n');
    match (&plan.arming, &plan.because) {
        (Arming::Armed, because) => out.push_str(&style.hang(
            "armed     ",
            &format!(
                "what starts something will start it again: {}",
                plain(because.as_deref().unwrap_or_default())
            ),
        )),
        (Arming::Disarmed, _) => out.push_str(&style.hang(
            "disarmed  ",
            "what could start the intruder comes back where nothing reads it: lines as comments, files as `.NAME.disarmed`, \
             programs without their execute bits",
        )),
    }
    out.push_str(&format!("hash      {}\n", plan.hash().short()));
    out.push_str(&format!("next      {}\n", next(plan)));
    out
}

/// The command that takes it back.
fn next(plan: &UndoPlan) -> String {
    let armed = match plan.arming {
        Arming::Armed => " --armed --because TEXT",
        Arming::Disarmed => "",
    };
    format!(
        "deminer undo {}{armed} --approve {}",
        plain(&plan.of),
        plan.hash().short()
    )
}

/// For programs.
pub(crate) fn json(plan: &UndoPlan) -> Value {
    let hash: Digest = plan.hash();
    json!({"undo": plan, "hash": hash})
}

fn way(undo: &Undo, arming: Arming) -> &'static str {
    let armed = arming == Arming::Armed;
    match undo {
        Undo::None => "nothing",
        Undo::Thaw { .. } => "lets it run",
        Undo::RestoreFile { .. } if armed => "the file",
        Undo::RestoreFile { .. } => "the file, not executable",
        Undo::RestoreLines { .. } if armed => "the lines",
        Undo::RestoreLines { .. } => "the lines, as comments",
        Undo::SetFlags { .. } => "its flags",
        Undo::RestoreStarter { .. } if armed => "the file",
        Undo::RestoreStarter { .. } => "the file, disarmed",
        Undo::RestoreLink { .. } if armed => "the link",
        Undo::RestoreLink { .. } => "the link, disarmed",
        Undo::UnlockAccount { .. } => "the login",
        Undo::Unblock { .. } | Undo::EndIsolation {} => "the network",
        Undo::Unthrottle { .. } => "its CPU time",
        Undo::RunArgv { .. } => "by its command",
    }
}

fn no_way(why: NoWay) -> &'static str {
    match why {
        NoWay::None => "there is no way back; what it ran or held is in the vault",
        NoWay::Unknown => "it is not known whether it was done: look at the host",
        NoWay::DoesNotFit => {
            "what the host says of the way back does not fit the plan: restore it by hand from the vault"
        }
        NoWay::NotKept => "this host gave no copy of it",
    }
}
