//! `deminer apply`: carries out what was approved by its hash, then watches.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deminer_engine::apply::{Apply, Keeping, Task};
use deminer_engine::approval::{ApprovalError, ApprovedPlan, Ask, Signed};
use deminer_engine::ask::Asker;
use deminer_engine::asked::Word;
use deminer_engine::diagnostic::Code;
use deminer_engine::event::{EventKind, EventSink, Purpose, Variables};
use deminer_engine::fleet::{Class, Order, Together, Turn, each};
use deminer_engine::journal::Journals;
use deminer_engine::look::{Outputs, RunInfo};
use deminer_engine::plan::{HostPlan, Plan};
use deminer_engine::playbook::value::duration;
use deminer_engine::playbook::{BoundVars, CheckedPlaybook, Setting, VarType, check};
use deminer_engine::policy::{Leave, Limits, SitePolicy};
use deminer_engine::report::{HostReport, Report};
use deminer_engine::resume;
use deminer_engine::run::{self, PlanStore, RunDir, list_digests};
use deminer_engine::status::Status;
use deminer_engine::used::{Used, used};
use deminer_engine::vault::{self, Vault};
use deminer_worker::action::Act;
use deminer_worker::frame::RefusalKind;
use deminer_worker::order::Stage;
use deminer_worker::text::HostBytes;
use serde_json::Value;

use super::approvals::{self, Given};
use super::environment::may_be_allowed;
use super::people::People;
use super::playbook::{Held, is_shipped, mistaken};
use super::progress::Watched;
use super::walk::Listening;
use super::yes::Approving;
use super::{Desk, Trouble, earlier, report, show, walk};
use crate::cli::{self, Format, Only};
use crate::exit::Exit;
use crate::render;
use crate::render::plain::plain;

/// The variable that `--watch` sets: the window of verify.
const WATCH: &str = "watch";

/// Applies a plan file or a stored plan.
///
/// # Errors
/// When it is refused, or could not be begun.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Apply) -> anyhow::Result<Exit> {
    earlier::settle_by(desk, &arguments.whereabouts.inventory, &arguments.going.reach).await?;
    let (plan, file) = show::read(desk, &arguments.plan)?;
    if !arguments.approval.is_empty() {
        return signed(desk, &plan, arguments).await;
    }
    let approving = Approving {
        exclude: &arguments.exclude,
        reason: arguments.reason.as_deref(),
        many: &arguments.many,
        only: arguments.only,
        ..Approving::of(&plan, &file)
    };
    let ask = match &arguments.approve {
        Some(hash) => approving.given(desk, hash)?,
        None if plan.is_empty() => return Ok(nothing_to_do(desk, &plan, arguments.telling.format)),
        None => match approving.typed(desk, arguments.telling.format).await? {
            Some(ask) => ask,
            None => return Ok(Exit::Refused),
        },
    };
    apply(desk, &plan, ask, course(arguments, arguments.only)?).await
}

/// Applies what others signed.
async fn signed(desk: &Desk, plan: &Plan, arguments: &cli::Apply) -> anyhow::Result<Exit> {
    if let Some(Only::Preserve | Only::Contain) = arguments.only {
        let what = "--only preserve and --only contain do not stand beside --approval: what is done is what was signed";
        let hint = "have that part approved: `deminer approve PLAN --only contain --key KEY`".to_owned();
        return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
    }
    let Some(given) = approvals::given(desk, plan, &arguments.approval).await? else {
        return Ok(nothing_to_do(desk, plan, arguments.telling.format));
    };
    let left = plan.hosts().filter(|host| !host.is_empty());
    let left = left
        .map(|host| host.orders.host.as_str())
        .filter(|host| given.approved.orders(host).is_none());
    let left: Vec<_> = left.map(plain).collect();
    if !left.is_empty() {
        let words = desk.lang().words();
        let left = words.commas(&render::names::brief(left.iter().map(|host| &**host)));
        desk.screen.note(&words.approved_too_rarely(&left));
    }
    let only = Only::of(resume::stage(given.approved.approval())).or(arguments.only);
    begin(desk, given.approved.clone(), Some(&given), course(arguments, only)?).await
}

fn course(arguments: &cli::Apply, only: Option<Only>) -> anyhow::Result<Course<'_>> {
    Ok(Course {
        only,
        watch: arguments.watch.as_deref(),
        answers: arguments.answers.file.as_deref(),
        order: walk::order(&arguments.going.walking, Some(&arguments.striking))?,
        together: arguments.striking.together,
        format: arguments.telling.format,
    })
}

/// How an approved plan is carried out.
#[derive(Clone)]
pub(crate) struct Course<'a> {
    pub(crate) only: Option<Only>,
    /// How long verify watches; `None`: as the plan says.
    pub(crate) watch: Option<&'a str>,
    /// Answers to the questions of verify.
    pub(crate) answers: Option<&'a Path>,
    /// How it goes over the hosts.
    pub(crate) order: Order,
    /// Whether the hosts of a batch are struck in the same moment.
    pub(crate) together: bool,
    pub(crate) format: Format,
}

/// The answer to a yes to a plan that changes nothing.
pub(crate) fn nothing_to_do(desk: &Desk, plan: &Plan, format: Format) -> Exit {
    match format {
        Format::Json => desk
            .screen
            .json(&serde_json::json!({"nothing_to_do": true, "hash": plan.hash().to_string()})),
        _ => desk.screen.say(desk.lang().words().plan_is_empty()),
    }
    Exit::Done
}

/// Holds the yes against the plan, carries it out and reports.
///
/// # Errors
/// As [`fn@run`].
pub(crate) async fn apply(desk: &Desk, plan: &Plan, ask: Ask, course: Course<'_>) -> anyhow::Result<Exit> {
    approvals::allow_unsigned(desk, &plan.header().requirement())?;
    match plan.approve(ask) {
        Ok(approved) => begin(desk, approved, None, course).await,
        Err(ApprovalError::NothingToDo) => Ok(nothing_to_do(desk, plan, course.format)),
        Err(error) => Err(Trouble::new(Exit::Refused, &error, error.hint()).into()),
    }
}

/// Begins a run of an approved plan, with what was signed for it.
async fn begin(
    desk: &Desk,
    approved: ApprovedPlan,
    signed: Option<&Given>,
    course: Course<'_>,
) -> anyhow::Result<Exit> {
    let plan = approved.plan().clone();
    within_limits(desk, &approved)?;
    let ready = Ready::of(desk, approved, course.watch, course.answers)?;
    let names = in_order(&plan, ready.approved.hosts().map(|(host, _)| host.to_owned()).collect());
    desk.ways.learn(PlanStore::of(&desk.runs).ways(&plan.hash())?);
    // Before anything is written: a host to which no way is known.
    desk.ways.to_all(&names)?;

    let began = desk.now_ms();
    let turn = run::Turn::take(&desk.runs)?;
    not_used(desk, &ready.approved)?;
    let run = RunDir::create(&desk.runs, began, &plan.hash().to_string())?;
    let _lock = run.lock()?;
    run.write_plan(&plan.write())?;
    run.write_ways(&desk.ways.known(&names))?;
    if let Some(given) = signed {
        run.write_signed(&given.signed, &given.under)?;
    }
    let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::clone(&desk.clock))?;
    let mut sink = Watched::new(journals, &desk.screen, window(&ready.vars)).dying_after(desk.dies_after.as_ref());
    sink.record(
        None,
        EventKind::RunStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            playbook: format!("{} {}", ready.playbook.name(), ready.playbook.version()),
            purpose: Purpose::Apply,
            plan: Some(plan.hash()),
            hosts: names.clone(),
        },
    )?;
    drop(turn);
    let planned = PlanStore::of(&desk.runs).asked(&plan.hash())?;
    if let Some(mut asked) = desk.asks(planned) {
        let name = &plan.header().playbook.name;
        asked.playbook = asked.playbook.or_else(|| is_shipped(name).then(|| Word::text(name)));
        sink.record(None, EventKind::Asked { asked })?;
    }
    sink.record(
        None,
        EventKind::Given {
            vars: ready.vars.public().clone(),
        },
    )?;
    sink.record(
        None,
        EventKind::Approved {
            approval: ready.approved.approval().clone(),
            signed: signed
                .iter()
                .flat_map(|given| &given.signed)
                .map(Signed::told)
                .collect(),
            lists: signed.map(|given| list_digests(&given.under)).unwrap_or_default(),
        },
    )?;
    // The journal is what counts: what lies beside it comes after it, and before any host is begun.
    run.write_approval(ready.approved.approval())?;
    let tasks = names.into_iter().map(|name| (name, Task::Begin)).collect();
    carry(desk, &run, sink, ready, tasks, course).await
}

/// Refuses a yes that was used: what it means was begun by a run that is kept here.
fn not_used(desk: &Desk, approved: &ApprovedPlan) -> anyhow::Result<()> {
    let Some(Used { run, hosts }) = used(&desk.runs, approved)? else {
        return Ok(());
    };
    let hosts: Vec<_> = hosts.iter().map(|host| plain(host)).collect();
    let hosts = hosts.join(", ");
    let what = format!("the yes to this plan was used: run {run} began it on {hosts}");
    let paste = desk.paste();
    let hint = format!(
        "`{}` goes on with what that run has left; to strike anew, plan again",
        paste.command(&format!("deminer resume {run}"))
    );
    Err(Trouble::new(Exit::Refused, what, Some(hint)).into())
}

/// Holds what was approved against what bounds it, by the plan and by the policy here.
///
/// # Errors
/// When it goes further, or not now.
pub(crate) fn within_limits(desk: &Desk, approved: &ApprovedPlan) -> anyhow::Result<()> {
    let policy = desk.policy()?;
    may_be_allowed(desk, &policy)?;
    let plan = approved.plan();
    for (host, _) in approved.hosts() {
        let Some(host) = plan.host(host) else { continue };
        if let Some(unknown) = policy.unprotected_by(&host.orders.protect, &host.orders.spare) {
            let what = format!(
                "host `{}`: the policy here protects {unknown}, and the plan was made without that",
                host.orders.host
            );
            let hint = "plan again under this policy: what it protects is left alone then";
            return Err(Trouble::new(Exit::Refused, what, Some(hint.to_owned())).into());
        }
    }
    let limits = limits(plan, policy);
    let approval = approved.approval();
    for (host, _) in approved.hosts() {
        let actions = plan
            .host(host)
            .map(|host| host.orders.actions.as_slice())
            .unwrap_or_default();
        let meant = actions.iter().filter(|action| {
            approval.classes.contains(&action.act.effect()) && !approval.excluded.contains(&action.id)
        });
        let held = limits.hold(host, meant, desk.now_ms());
        held.map_err(|error| Trouble::new(Exit::Refused, &error, Some(error.hint())))?;
    }
    Ok(())
}

/// What bounds a plan: what it states itself, and the policy here.
fn limits(plan: &Plan, policy: SitePolicy) -> Limits {
    plan.header().limits.clone().and(policy.limits)
}

/// An approved plan with all that carrying it out needs beside the hosts.
pub(crate) struct Ready {
    approved: ApprovedPlan,
    playbook: Arc<CheckedPlaybook>,
    vars: BoundVars,
    host_vars: BTreeMap<String, BoundVars>,
    people: Arc<People>,
    limits: Limits,
}

impl Ready {
    /// Reads the playbook and its variables out of the plan.
    ///
    /// # Errors
    /// When this version reads the playbook otherwise, a value does not fit, or it does what nobody allowed here.
    pub(crate) fn of(
        desk: &Desk,
        approved: ApprovedPlan,
        watch: Option<&str>,
        answers: Option<&Path>,
    ) -> anyhow::Result<Ready> {
        let plan = approved.plan();
        let (playbook, vars) = playbook_of(desk, plan, watch)?;
        let runs = |host: &HostPlan| {
            let mut acts = host.orders.actions.iter().map(|action| &action.act);
            acts.any(|act| matches!(act, Act::RunArgv { .. }))
        };
        leave_to_run(desk, plan.hosts().any(runs))?;
        let host_vars = host_vars(desk, &playbook, &vars, plan, watch)?;
        desk.ways.hide(desk.drawer.variables());
        let people = Arc::new(People::new(desk, answers, &playbook)?);
        Ok(Ready {
            limits: limits(approved.plan(), desk.policy()?),
            approved,
            playbook,
            vars,
            host_vars,
            people,
        })
    }

    /// How long verify watches; `None` where the playbook does not say.
    pub(crate) fn window(&self) -> Option<Duration> {
        window(&self.vars)
    }
}

/// Does what is to be done on the hosts of a run, then says how it ended.
///
/// # Errors
/// When the run cannot be written, or no way to a host is known.
pub(crate) async fn carry(
    desk: &Desk,
    run: &RunDir,
    mut sink: Watched,
    ready: Ready,
    tasks: Vec<(String, Task)>,
    course: Course<'_>,
) -> anyhow::Result<Exit> {
    let names: Vec<String> = tasks.iter().map(|(name, _)| name.clone()).collect();
    let tasks: HashMap<String, Task> = tasks.into_iter().collect();
    let ways = desk.ways.to_all(&names)?;
    let work = Arc::new(Apply {
        run: RunInfo {
            id: run.id().to_string(),
            started_at_ms: desk.now_ms(),
        },
        keeping: Keeping {
            vault: Vault::create(&run.vault(), Some(vault::QUOTA))?,
            run: run.id().to_string(),
            clock: Arc::clone(&desk.clock),
        },
        asker: Arc::clone(&ready.people) as Arc<dyn Asker>,
        outputs: Outputs::of(run.path()),
        until: match course.only {
            Some(Only::Preserve) => Stage::Preserve,
            Some(Only::Contain) => Stage::Contain,
            Some(Only::Eradicate) | None => Stage::Eradicate,
        },
        together: course.together,
        watches: course.only != Some(Only::Eradicate),
        limits: ready.limits,
        approved: ready.approved,
        playbook: ready.playbook,
        vars: ready.vars,
        host_vars: ready.host_vars,
    });
    let listening = Listening::begin(desk);
    let together = together(&course, &names);
    let ends = each(&names, &course.order, &listening.halt, class_of, |host, slot| {
        let turn = match together.get(&host) {
            Some(together) => Turn::together(slot, together),
            None => Turn::of(slot),
        };
        let (work, way, mut sink, run) = (Arc::clone(&work), Arc::clone(&ways[&host]), sink.clone(), run.clone());
        let task = tasks[&host].clone();
        async move {
            work.to_host(&host, &task, &way, turn, &mut sink).await?;
            status_of(&run, &host)
        }
    })
    .await;
    drop(listening);
    walk::say_ended(desk, ends, |host, _| Ok(run.has_committed(host)?), &mut sink)?;
    let report = walk::end(desk, run, sink)?;
    ready.people.say_open();
    report::show(desk, &report, course.format);
    Ok(exit(&report))
}

/// The hosts in the order in which they are struck: those on which keys are removed first, since who holds keys reaches
/// others; those on which nothing is changed last, so that a first batch tries the plan on one that is.
fn in_order(plan: &Plan, mut names: Vec<String>) -> Vec<String> {
    let removes_keys =
        |act: &Act| matches!(act, Act::EditLines { remove, .. } if remove.iter().any(|of| is_key(&of.line)));
    names.sort_by_key(|host| {
        let actions = plan.host(host).map(|plan| plan.orders.actions.as_slice());
        let any = |is: &dyn Fn(&Act) -> bool| actions.unwrap_or_default().iter().any(|action| is(&action.act));
        (!any(&removes_keys), !any(&Act::is_change))
    });
    names
}

/// Whether a line lets somebody in: it names a kind of key (sshd(8), AUTHORIZED_KEYS FILE FORMAT). The file's own name says
/// nothing: `AuthorizedKeysFile` may be any.
fn is_key(line: &HostBytes) -> bool {
    let mut words = line.as_bytes().split(|b| b.is_ascii_whitespace());
    words.any(|word| KEY_KINDS.iter().any(|kind| word.starts_with(kind)))
}

const KEY_KINDS: [&[u8]; 5] = [b"ssh-rsa", b"ssh-ed25519", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-"];

/// Where the hosts of each batch wait for each other, by host; of nobody unless that was asked for.
fn together(course: &Course<'_>, names: &[String]) -> HashMap<String, Together> {
    let mut places = HashMap::new();
    for batch in course.order.parts(names).into_iter().filter(|_| course.together) {
        let together = Together::of(batch.len());
        places.extend(batch.iter().map(|host| (host.clone(), together.clone())));
    }
    places
}

/// What of a host's end may end the run.
fn class_of(ended: &anyhow::Result<Status>) -> Option<Class> {
    ended.as_ref().map_or(Some(Class::Failed), |status| Class::of(*status))
}

/// How a host ended, by its chain.
fn status_of(run: &RunDir, host: &str) -> anyhow::Result<Status> {
    let report = Report::from_events(&run.chains_of(host)?);
    let host = report.hosts.iter().find(|report| report.host == host);
    Ok(host.map_or(Status::CannotSay, |host| host.status))
}

/// Refuses to run a program of a host to change something, where nobody allowed it for this command too.
///
/// # Errors
/// Then.
pub(crate) fn leave_to_run(desk: &Desk, runs: bool) -> anyhow::Result<()> {
    if !runs || desk.registry.policy().allows(Leave::CommandRun) {
        return Ok(());
    }
    let what = "it runs a program of the host to change something, and nobody allowed it";
    let hint = format!("where it is meant, allow it here too: `--allow {}`", Leave::CommandRun);
    Err(Trouble::new(Exit::Refused, what, Some(hint)).into())
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
        let hint = match mistakes.iter().all(|mistake| mistake.code == Code::NeedsLeave) {
            true => "what was allowed for the plan is to be allowed for its later looks too".to_owned(),
            false if header.externals().next().is_some() => {
                "it was planned with external modules: give them with `--modules DIR --allow module.external`"
                    .to_owned()
            }
            false => "another version of Deminer made this plan: plan again".to_owned(),
        };
        Trouble::new(Exit::Refused, mistakes.text().trim_end(), Some(hint))
    })?;
    let found = checked.externals();
    if let Some((name, sha256)) = header
        .externals()
        .find(|(name, sha256)| found.get(name) != Some(sha256))
    {
        let what = match found.get(name) {
            None => format!("module `{name}` came from outside when this was planned, and does not now"),
            Some(now) => format!("external module `{name}` is another file: planned with {sha256}, found {now}"),
        };
        let hint = "give the same file with `--modules`, or plan again".to_owned();
        return Err(Trouble::new(Exit::Refused, what, Some(hint)).into());
    }
    if let Some((name, _)) = found
        .iter()
        .find(|(name, _)| header.externals().all(|(known, _)| known != **name))
    {
        let what = format!("module `{name}` comes from outside now, and did not when this was planned");
        return Err(Trouble::new(Exit::Refused, what, Some("plan again".to_owned())).into());
    }
    let disabled = header.environment.as_ref().map(|environment| &environment.disabled);
    let checked = checked
        .without(disabled.unwrap_or(&BTreeMap::new()))
        .map_err(|why| Trouble::new(Exit::Refused, why, Some("plan again".to_owned())))?;
    let mut settings = stored(&checked, &header.vars, &header.secrets);
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
    // What only the lines of hosts have is bound for each of them.
    let vars = checked.bind_partly(&settings, &desk.drawer);
    let vars = vars.map_err(|mistakes| mistaken(&mistakes))?;
    Ok((Arc::new(checked), vars))
}

/// Variables as a plan holds them; of its secrets those that later steps read are had again from where they come from.
fn stored(playbook: &CheckedPlaybook, vars: &Variables, secrets: &BTreeMap<String, Value>) -> Vec<(String, Setting)> {
    let values = vars
        .iter()
        .map(|(name, value)| (name.clone(), Setting::Value(value.clone())));
    let places = secrets.iter().filter(|_| playbook.reads_secrets_later());
    let places = places.map(|(name, place)| (name.clone(), Setting::Secret(place.clone())));
    values.chain(places).collect()
}

/// The variables of the hosts that have others, by host.
fn host_vars(
    desk: &Desk,
    playbook: &CheckedPlaybook,
    vars: &BoundVars,
    plan: &Plan,
    watch: Option<&str>,
) -> anyhow::Result<BTreeMap<String, BoundVars>> {
    let mut bound = BTreeMap::new();
    for host in plan
        .hosts()
        .filter(|host| !host.vars.is_empty() || !host.secrets.is_empty())
    {
        // What the command line says counts more than any inventory.
        let own = host.vars.iter().filter(|(name, _)| watch.is_none() || *name != WATCH);
        let all: Variables = vars
            .public()
            .iter()
            .chain(own)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let places = plan.header().secrets.iter().chain(&host.secrets);
        let places = places.map(|(name, place)| (name.clone(), place.clone())).collect();
        let vars = playbook.bind_with(&stored(playbook, &all, &places), &desk.drawer);
        let vars = vars.map_err(|mistakes| mistaken(&mistakes))?;
        bound.insert(host.orders.host.clone(), vars);
    }
    Ok(bound)
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
        Status::Unreachable | Status::Blocked | Status::Waiting => Exit::Again,
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

#[cfg(test)]
mod tests;
