//! `deminer undo`: lists what a run changed and can be taken back; takes it back when that list is approved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use deminer_engine::approval::{Approvals, Ask, Hosts, Requirement, Signed};
use deminer_engine::event::{EventKind, EventSink, Purpose};
use deminer_engine::fleet::{Class, End, each};
use deminer_engine::journal::{Chain, Journals};
use deminer_engine::plan::{Plan, VALID_FOR_MS};
use deminer_engine::report::Report;
use deminer_engine::run::{RunDir, RunLock, list_digests};
use deminer_engine::undo::{ApprovedUndo, HostUndo, Selection, Taken, UndoError, UndoPlan};
use deminer_engine::vault::Vault;
use deminer_worker::action::{ActionId, Arming, Undo};

use super::plan::write_new;
use super::progress::Watched;
use super::walk::Listening;
use super::{Desk, Trouble, apply, approvals, earlier, report, walk, yes};
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::render;
use crate::render::undo::Way;

/// Lists, or with a yes takes back.
///
/// # Errors
/// When there is no such run, the yes does not fit, or it could not be begun.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Undo) -> anyhow::Result<Exit> {
    earlier::settle_by(desk, &arguments.whereabouts.inventory, &arguments.going.reach).await?;
    let (run, _lock, plan) = listed(desk, arguments).await?;
    if !arguments.approval.is_empty() {
        let stated = stated(&run)?;
        let (signed, under) = approvals::signed(desk, &stated, &arguments.approval).await?;
        let needed = under.over(&stated).needed;
        let approved = plan.signed(&signed, needed, desk.now_ms()).map_err(refused)?;
        return take_back(desk, &run, approved, Some((&signed, &under)), arguments).await;
    }
    if let Some(hash) = &arguments.approve {
        if let Some(error) = approvals::wants_signatures(desk, &stated(&run)?)? {
            let hint = "have the list signed: `deminer undo RUN --output FILE`, `deminer approve FILE --key KEY`, then `deminer undo \
                        FILE --approval APPROVAL...`";
            return Err(Trouble::new(Exit::Refused, &error, Some(hint.to_owned())).into());
        }
        let approved = plan.approve(ask(desk, hash.clone(), "command line")).map_err(refused)?;
        return take_back(desk, &run, approved, None, arguments).await;
    }
    if let Some(file) = &arguments.output {
        write_new(file, &plan.write()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    match arguments.telling.format {
        Format::Json => desk.screen.json(&render::undo::json(&plan)),
        _ => {
            let way = match &arguments.output {
                Some(file) => Way::Signed(Some(file.to_string_lossy().into_owned())),
                None if approvals::wants_signatures(desk, &stated(&run)?)?.is_some() => Way::Signed(None),
                None => Way::Yes,
            };
            desk.screen.say(&text(desk, &plan, &way));
        }
    }
    Ok(Exit::Done)
}

/// The run whose changes are meant, and the list of them: that of a file must be what the run still gives. Where it is to be
/// taken back, nobody else takes back any of it, or goes on with the run, while the lock is held.
async fn listed(desk: &Desk, arguments: &cli::Undo) -> anyhow::Result<(RunDir, Option<RunLock>, UndoPlan)> {
    let is_listed_only = arguments.approval.is_empty() && arguments.approve.is_none();
    let locked = |run: &RunDir| match is_listed_only {
        true => Ok(None),
        false => run.lock().map(Some),
    };
    let named = arguments.run.as_deref().map(Path::new).filter(|name| name.is_file());
    let file = match named {
        Some(name) => Some(list(name)?.ok_or_else(|| {
            let why = format!("{} begins otherwise", name.display());
            refused(UndoError::Malformed { why })
        })?),
        None => None,
    };
    let of = |run: &RunDir, chains: &[Chain], selection: &Selection, arming, because: Option<String>| {
        UndoPlan::of(run.id().as_str(), chains, selection, arming, because).map_err(refused)
    };
    if let Some(file) = file {
        if arguments.armed || !arguments.host.is_empty() || !arguments.action.is_empty() {
            let what = "--host, --action and --armed do not stand beside a list: it says what is taken back";
            let hint = "write another: `deminer undo RUN --output FILE`".to_owned();
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        }
        let run = report::find(desk, Some(&file.of))?;
        let lock = locked(&run)?;
        let selection = Selection {
            taken: Taken::of(&desk.runs, run.id())?,
            ..file.selection()
        };
        let plan = of(&run, &run.chains()?, &selection, file.arming, file.because.clone())?;
        return Ok((run, lock, plan.is_of(&file).map_err(refused)?));
    }
    let run = report::find(desk, arguments.run.as_deref())?;
    earlier::settle_elsewhere(desk, &run).await?;
    let lock = locked(&run)?;
    let chains = run.chains()?;
    let selection = Selection {
        taken: Taken::of(&desk.runs, run.id())?,
        hosts: arguments.host.iter().cloned().collect(),
        actions: actions(&Report::from_events(&chains), &arguments.action)?,
    };
    let arming = match arguments.armed {
        true => Arming::Armed,
        false => Arming::Disarmed,
    };
    let plan = of(&run, &chains, &selection, arming, arguments.because.clone())?;
    Ok((run, lock, plan))
}

/// The list that a file holds; `None` where it is no file, or holds something else.
///
/// # Errors
/// When it begins as a list does and is none.
pub(super) fn list(file: &Path) -> anyhow::Result<Option<UndoPlan>> {
    if !file.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    match UndoPlan::is_one(&bytes) {
        true => Ok(Some(UndoPlan::read(&bytes).map_err(refused)?)),
        false => Ok(None),
    }
}

/// What the plan whose changes are taken back needed; who may destroy may give back.
///
/// # Errors
/// When the run's plan is not the one that it began with: then nobody knows what it needed.
pub(super) fn stated(of: &RunDir) -> anyhow::Result<Requirement> {
    let begun = Report::from_events(&of.chains()?).plan;
    let plan = of.plan()?.and_then(|bytes| Plan::read(&bytes).ok());
    match plan {
        Some(plan) if begun == Some(plan.hash()) => Ok(plan.header().requirement()),
        _ => {
            let what = format!("run {} does not have the plan any more that it began with", of.id());
            let hint =
                "who must say yes stands in it: put it back as it was; `deminer audit` says what else does not hold";
            Err(Trouble::new(Exit::Refused, what, Some(hint.to_owned())).into())
        }
    }
}

/// A yes to all of a list, here and now.
pub(super) fn ask(desk: &Desk, hash: String, means: &str) -> Ask {
    Ask {
        hash,
        hosts: Hosts::All,
        classes: BTreeSet::new(),
        excluded: BTreeSet::new(),
        many: BTreeMap::new(),
        reasons: BTreeMap::new(),
        approver: format!("uid {}", rustix::process::getuid().as_raw()),
        means: means.to_owned(),
        at_ms: desk.now_ms(),
        valid_for_ms: VALID_FOR_MS,
    }
}

fn text(desk: &Desk, plan: &UndoPlan, way: &Way) -> String {
    render::undo::text(plan, way, desk.screen.style(), &desk.paste())
}

/// Shows the list of a file.
pub(super) fn show(desk: &Desk, list: &UndoPlan, file: &str, format: Format) {
    match format {
        Format::Json => desk.screen.json(&render::undo::json(list)),
        _ => desk.screen.say(&text(desk, list, &Way::Signed(Some(file.to_owned())))),
    }
}

/// Shows a list and asks for a yes to it; false where it was not given.
///
/// # Errors
/// Where there is no terminal.
pub(super) async fn is_typed(desk: &Desk, list: &UndoPlan, format: Format) -> anyhow::Result<bool> {
    if !desk.screen.answers() || format != Format::Text {
        let what = "the list is not approved, and there is no terminal to ask on";
        let hint = format!("read it, then add --hash {}", list.hash().short());
        return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
    }
    desk.screen.say(&text(desk, list, &Way::Yes));
    let words = desk.lang().words();
    let touched = list.hosts.iter().filter(|host| !host.order.steps.is_empty()).count();
    let answer = yes::answer(desk, &words.type_the_hash(touched as u64)).await;
    let is_yes = answer.is_some_and(|answer| yes::is_yes(&answer, &list.hash().to_string()));
    if !is_yes {
        desk.screen.note(words.not_approved());
    }
    Ok(is_yes)
}

pub(super) fn refused(error: UndoError) -> anyhow::Error {
    let exit = match error {
        UndoError::NoReason | UndoError::UnknownAction { .. } | UndoError::Malformed { .. } => Exit::Usage,
        UndoError::Nothing { .. }
        | UndoError::Taken { .. }
        | UndoError::Journal { .. }
        | UndoError::Approval(_)
        | UndoError::OtherList { .. }
        | UndoError::Signed(_) => Exit::Refused,
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
    approved: ApprovedUndo,
    signed: Option<(&[Signed], &Approvals)>,
    arguments: &cli::Undo,
) -> anyhow::Result<Exit> {
    let order = walk::order(&arguments.going.walking, Some(&arguments.striking))?;
    let digest = approved.plan().hash();
    let runs = |host: &HostUndo| {
        let mut steps = host.order.steps.iter();
        steps.any(|step| matches!(step.undo, Undo::RunArgv { .. }))
    };
    apply::leave_to_run(desk, approved.hosts().any(runs))?;
    let approved = Arc::new(approved);
    let names: Vec<String> = approved.hosts().map(|host| host.host.clone()).collect();
    desk.ways.learn(of.ways()?);
    let ways = desk.ways.to_all(&names)?;
    let vault = Vault::at(&of.vault());
    let run = RunDir::create(&desk.runs, desk.now_ms(), &digest.to_string())?;
    let _lock = run.lock()?;
    run.write_undo(&approved.plan().write())?;
    if let Some((signed, under)) = signed {
        run.write_signed(signed, under)?;
    }
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
    if let Some(asked) = desk.asks(None) {
        sink.record(None, EventKind::Asked { asked })?;
    }
    let by = signed.iter().flat_map(|(signed, _)| signed.iter().map(Signed::told));
    sink.record(
        None,
        EventKind::Approved {
            approval: approved.approval().clone(),
            signed: by.collect(),
            lists: signed
                .as_ref()
                .map(|(_, under)| list_digests(under))
                .unwrap_or_default(),
        },
    )?;
    run.write_approval(approved.approval())?;
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
