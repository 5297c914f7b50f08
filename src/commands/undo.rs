//! `deminer undo`: lists what a run changed and can be taken back; takes it back when that list is approved.

use std::collections::BTreeSet;
use std::sync::Arc;

use deminer_engine::event::{EventKind, EventSink, Purpose};
use deminer_engine::fleet::{Class, End, each};
use deminer_engine::journal::Journals;
use deminer_engine::report::Report;
use deminer_engine::run::RunDir;
use deminer_engine::undo::{Selection, UndoError, UndoPlan};
use deminer_engine::vault::Vault;
use deminer_worker::action::{ActionId, Arming, Undo};

use super::progress::Watched;
use super::walk::Listening;
use super::{Desk, Trouble, apply, earlier, report, walk, yes};
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::render;

/// Lists, or with a yes takes back.
///
/// # Errors
/// When there is no such run, the yes does not fit, or it could not be begun.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Undo) -> anyhow::Result<Exit> {
    earlier::settle_by(desk, &arguments.whereabouts.inventory, &arguments.going.reach).await?;
    let run = report::find(desk, arguments.run.as_deref())?;
    let chains = run.chains()?;
    let selection = Selection {
        hosts: arguments.host.iter().cloned().collect(),
        actions: actions(&Report::from_events(&chains), &arguments.action)?,
    };
    let arming = match arguments.armed {
        true => Arming::Armed,
        false => Arming::Disarmed,
    };
    let plan = UndoPlan::of(
        run.id().as_str(),
        &chains,
        &selection,
        arming,
        arguments.because.clone(),
    );
    let plan = plan.map_err(refused)?;
    match &arguments.approve {
        Some(hash) => take_back(desk, &run, plan, hash, arguments).await,
        None => {
            match arguments.telling.format {
                Format::Json => desk.screen.json(&render::undo::json(&plan)),
                _ => {
                    let text = render::undo::text(&plan, desk.screen.style(), &desk.paste());
                    desk.screen.say(&text);
                }
            }
            Ok(Exit::Done)
        }
    }
}

fn refused(error: UndoError) -> anyhow::Error {
    let exit = match error {
        UndoError::NoReason | UndoError::UnknownAction { .. } => Exit::Usage,
        UndoError::Nothing { .. } | UndoError::Journal { .. } | UndoError::Approval(_) => Exit::Refused,
    };
    Trouble::new(exit, &error, error.hint()).into()
}

/// The actions that are meant, each by the first digits of its id.
fn actions(report: &Report, named: &[String]) -> anyhow::Result<BTreeSet<ActionId>> {
    let all: BTreeSet<ActionId> = report
        .hosts
        .iter()
        .flat_map(|host| host.changes.iter().map(|change| change.action))
        .collect();
    let mut meant = BTreeSet::new();
    for name in named {
        let alike: Vec<ActionId> = all
            .iter()
            .copied()
            .filter(|id| name.len() >= yes::ACTION_DIGITS && id.to_string().starts_with(&name.to_ascii_lowercase()))
            .collect();
        let [id] = alike[..] else {
            let what = format!("--action {name}: names {} changes of the run, not one", alike.len());
            let hint = format!(
                "give {} digits of its id or more; `deminer undo` lists them",
                yes::ACTION_DIGITS
            );
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        };
        meant.insert(id);
    }
    Ok(meant)
}

async fn take_back(
    desk: &Desk,
    of: &RunDir,
    plan: UndoPlan,
    hash: &str,
    arguments: &cli::Undo,
) -> anyhow::Result<Exit> {
    let order = walk::order(&arguments.going.walking, Some(&arguments.striking))?;
    let digest = plan.hash();
    let approver = format!("uid {}", rustix::process::getuid().as_raw());
    let mut steps = plan.hosts.iter().flat_map(|host| &host.order.steps);
    apply::leave_to_run(desk, steps.any(|step| matches!(step.undo, Undo::RunArgv { .. })))?;
    let approved = plan.approve(hash, &approver, "command line");
    let approved = Arc::new(approved.map_err(refused)?);
    let names: Vec<String> = approved.plan().hosts.iter().map(|host| host.host.clone()).collect();
    desk.ways.learn(of.ways()?);
    let ways = desk.ways.to_all(&names)?;
    let vault = Vault::at(&of.vault());
    let run = RunDir::create(&desk.runs, desk.now_ms(), &digest.to_string())?;
    let _lock = run.lock()?;
    run.write_ways(&desk.ways.known(&names))?;
    let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::clone(&desk.clock))?;
    let mut sink = Watched::new(journals, &desk.screen, None);
    sink.record(
        None,
        EventKind::RunStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            playbook: format!("undo of {}", of.id()),
            purpose: Purpose::Undo,
            plan: Some(digest),
            hosts: names.clone(),
        },
    )?;
    let listening = Listening::begin(desk);
    let class_of = |ended: &anyhow::Result<()>| ended.is_err().then_some(Class::Failed);
    let ends = each(&names, &order, &listening.halt, class_of, |host, slot| {
        let (approved, vault, mut sink) = (Arc::clone(&approved), vault.clone(), sink.clone());
        let way = Arc::clone(&ways[&host]);
        async move {
            let _slot = slot;
            approved.to_host(&host, way.as_ref(), &vault, &mut sink).await?;
            Ok(())
        }
    })
    .await;
    drop(listening);
    // What was begun is asked of the host by the next command.
    walk::say_ended(desk, ends, |_, end| Ok(!matches!(end, End::NotBegun(_))), &mut sink)?;
    let report = walk::end(desk, &run, sink)?;
    report::show(desk, &report, arguments.telling.format);
    Ok(apply::exit(&report))
}
