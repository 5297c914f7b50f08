//! `deminer apply`: carries out what was approved by its hash, then watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use deminer_engine::apply::{Apply, Keeping};
use deminer_engine::approval::{ApprovalError, Ask, Hosts, with_dependents};
use deminer_engine::event::{EventKind, EventSink, Purpose};
use deminer_engine::journal::Journals;
use deminer_engine::look::RunInfo;
use deminer_engine::plan::{Plan, VALID_FOR_MS};
use deminer_engine::playbook::value::duration;
use deminer_engine::playbook::{BoundVars, CheckedPlaybook, Setting, VarType, check};
use deminer_engine::report::{HostReport, Report};
use deminer_engine::run::RunDir;
use deminer_engine::status::Status;
use deminer_engine::vault::{self, Vault};
use deminer_worker::action::{ActionId, Effect};
use deminer_worker::frame::RefusalKind;
use deminer_worker::order::Stage;

use super::playbook::{Held, mistaken};
use super::progress::Watched;
use super::{Desk, Trouble, earlier, hosts, show};
use crate::cli::{self, Format, Only};
use crate::exit::Exit;
use crate::render;

/// The variable that `--watch` sets: the window of verify.
const WATCH: &str = "watch";

/// A yes as it stands on the command line.
pub(crate) struct Yes<'a> {
    pub(crate) hash: &'a str,
    pub(crate) exclude: &'a [String],
    pub(crate) many: &'a [String],
    pub(crate) means: &'a str,
}

/// Applies a plan file or a stored plan.
///
/// # Errors
/// When it is refused, or could not be begun.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Apply) -> anyhow::Result<Exit> {
    earlier::settle(desk).await?;
    let (plan, _) = show::read(desk, &arguments.plan)?;
    let yes = Yes {
        hash: &arguments.approve,
        exclude: &arguments.exclude,
        many: &arguments.many,
        means: "command line",
    };
    apply(
        desk,
        &plan,
        &yes,
        arguments.only,
        arguments.watch.as_deref(),
        arguments.format,
    )
    .await
}

/// Holds the yes against the plan, carries it out and reports.
///
/// # Errors
/// As [`run`].
pub(crate) async fn apply(
    desk: &Desk,
    plan: &Plan,
    yes: &Yes<'_>,
    only: Option<Only>,
    watch: Option<&str>,
    format: Format,
) -> anyhow::Result<Exit> {
    let ask = Ask {
        hash: yes.hash.to_owned(),
        hosts: Hosts::All,
        classes: BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
        excluded: excluded(plan, yes.exclude)?,
        many: many(yes.many)?,
        approver: format!("uid {}", rustix::process::getuid().as_raw()),
        means: yes.means.to_owned(),
        at_ms: desk.now_ms(),
        valid_for_ms: VALID_FOR_MS,
    };
    let approved = match plan.approve(ask) {
        Ok(approved) => approved,
        Err(ApprovalError::NothingToDo) => {
            match format {
                Format::Json => desk
                    .screen
                    .json(&serde_json::json!({"nothing_to_do": true, "hash": plan.hash().to_string()})),
                _ => desk
                    .screen
                    .say("Nothing to do: the plan changes nothing on any host. Nothing was changed."),
            }
            return Ok(Exit::Done);
        }
        Err(error) => return Err(Trouble::new(Exit::Refused, &error, error.hint()).into()),
    };
    let (playbook, vars) = playbook_of(desk, plan, watch)?;
    let names: Vec<String> = approved.hosts().map(|(host, _)| host.to_owned()).collect();
    let mut ways = Vec::new();
    for host in &names {
        ways.push((host.clone(), hosts::transport(host)?));
    }

    let began = desk.now_ms();
    let run = RunDir::create(&desk.runs, began, &plan.hash().to_string())?;
    let _lock = run.lock()?;
    run.write_plan(&plan.write())?;
    run.write_approval(approved.approval())?;
    let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::clone(&desk.clock))?;
    let mut sink = Watched::new(journals, &desk.screen, window(&vars));
    sink.record(
        None,
        EventKind::RunStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            playbook: format!("{} {}", playbook.name(), playbook.version()),
            purpose: Purpose::Apply,
            plan: Some(plan.hash()),
            hosts: names,
        },
    )?;
    sink.record(
        None,
        EventKind::Approved {
            approval: approved.approval().clone(),
        },
    )?;
    let vault = Vault::create(&run.vault(), Some(vault::QUOTA))?;
    let work = Arc::new(Apply {
        approved,
        playbook,
        vars,
        run: RunInfo {
            id: run.id().to_string(),
            started_at_ms: began,
        },
        keeping: Keeping {
            vault,
            run: run.id().to_string(),
            clock: Arc::clone(&desk.clock),
        },
        until: match only {
            Some(Only::Preserve) => Stage::Preserve,
            Some(Only::Contain) => Stage::Contain,
            None => Stage::Eradicate,
        },
    });
    let mut tasks = tokio::task::JoinSet::new();
    for (host, way) in ways {
        let (work, mut sink) = (Arc::clone(&work), sink.clone());
        tasks.spawn(async move { work.to_host(&host, way.as_ref(), &mut sink).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a host's task failed")??;
    }
    let open = Report::from_events(&run.chains()?)
        .hosts
        .iter()
        .any(|host| !host.finished);
    if !open {
        sink.record(None, EventKind::RunFinished {})?;
    }
    sink.end();
    let report = Report::from_events(&run.chains()?);
    run.write_report(&render::report::markdown(&report))?;
    match format {
        Format::Json => desk.screen.json(&render::report::json(&report)),
        Format::Markdown => desk.screen.say(&render::report::markdown(&report)),
        Format::Text => desk.screen.say(&render::report::text(&report, desk.screen.style())),
    }
    Ok(exit(&report))
}

/// Digits of an action's id that name it.
pub(crate) const ACTION_DIGITS: usize = 8;

/// The actions that are left out: each as it was named, and what needs it.
fn excluded(plan: &Plan, named: &[String]) -> anyhow::Result<BTreeSet<ActionId>> {
    let mut excluded = BTreeSet::new();
    for name in named {
        let actions = plan.hosts().flat_map(|host| &host.orders.actions);
        let alike: Vec<ActionId> = actions
            .map(|action| action.id)
            .filter(|id| name.len() >= ACTION_DIGITS && id.to_string().starts_with(&name.to_ascii_lowercase()))
            .collect();
        let [id] = alike[..] else {
            let what = format!("--exclude {name}: names {} actions of the plan, not one", alike.len());
            let hint = format!("give {ACTION_DIGITS} digits of its id or more; `deminer show` lists them");
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        };
        excluded.insert(id);
    }
    Ok(with_dependents(plan, &excluded))
}

/// The components with many targets that are meant by name, by host.
fn many(named: &[String]) -> anyhow::Result<BTreeMap<String, BTreeSet<u32>>> {
    let mut many: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for name in named {
        let component = name
            .rsplit_once(':')
            .and_then(|(host, number)| Some((host, number.parse().ok()?)));
        let Some((host, component)) = component else {
            let what = format!("--many {name}: not HOST:COMPONENT");
            return Err(Trouble::new(Exit::Usage, what, Some("as in --many web-1:2".to_owned())).into());
        };
        many.entry(host.to_owned()).or_default().insert(component);
    }
    Ok(many)
}

/// The playbook and its variables, from the plan itself; only the window of verify may be another.
fn playbook_of(desk: &Desk, plan: &Plan, watch: Option<&str>) -> anyhow::Result<(Arc<CheckedPlaybook>, BoundVars)> {
    let header = plan.header();
    let sources = Held(&header.resources);
    // The plan's reader held the text against its digest, and a plan is UTF-8.
    let text = String::from_utf8_lossy(header.playbook.text.as_bytes());
    let checked = check(
        &format!("{}.yml", header.playbook.name),
        &text,
        &desk.registry,
        &sources,
    )
    .map_err(|mistakes| {
        let hint = "another version of Deminer made this plan: plan again".to_owned();
        Trouble::new(Exit::Refused, mistakes.text().trim_end(), Some(hint))
    })?;
    let mut settings: Vec<(String, Setting)> = header
        .vars
        .iter()
        .map(|(name, value)| (name.clone(), Setting::Value(value.clone())))
        .collect();
    if let Some(watch) = watch {
        if checked
            .vars()
            .get(WATCH)
            .is_none_or(|var| var.kind.value != VarType::Duration)
        {
            let what = format!("--watch {watch}: the playbook declares no variable `{WATCH}` of type duration");
            return Err(Trouble::new(Exit::Usage, what, None).into());
        }
        settings.push((WATCH.to_owned(), Setting::Text(watch.to_owned())));
    }
    let vars = checked.bind(&settings).map_err(|mistakes| mistaken(&mistakes))?;
    Ok((Arc::new(checked), vars))
}

/// How long verify watches, by the variables.
fn window(vars: &BoundVars) -> Option<Duration> {
    duration(vars.public().get(WATCH)?.as_str()?).ok()
}

/// What a report comes to: its worst host.
pub(crate) fn exit(report: &Report) -> Exit {
    let of = |host: &HostReport| match host.status {
        // Another Deminer works on it.
        Status::Failed if host.refused == Some(RefusalKind::Busy) => Exit::Again,
        Status::Clean | Status::Eradicated | Status::Contained | Status::Proposed | Status::Undone => Exit::Done,
        Status::Returned => Exit::Returned,
        Status::Unreachable | Status::Blocked => Exit::Again,
        Status::NotApproved => Exit::Refused,
        Status::Suspected | Status::Partial | Status::Drifted | Status::CannotSay => Exit::Look,
        Status::Failed | Status::Cancelled => Exit::Failed,
    };
    let rank = |exit: &Exit| match exit {
        Exit::Done => 0,
        Exit::Look => 1,
        Exit::Again => 2,
        Exit::Refused => 3,
        Exit::Returned => 4,
        _ => 5,
    };
    report.hosts.iter().map(of).max_by_key(rank).unwrap_or(Exit::Done)
}
