//! `deminer plan`: look at hosts, write down what would be changed; nothing is changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use deminer_engine::ask::Asker;
use deminer_engine::asked::Asked;
use deminer_engine::diagnostic::Diagnostics;
use deminer_engine::environment::{Environment, placed};
use deminer_engine::event::{EventKind, EventSink, Purpose, Variables};
use deminer_engine::fleet::{End, Order, each};
use deminer_engine::host::Transport;
use deminer_engine::inventory::Host;
use deminer_engine::journal::Journals;
use deminer_engine::look::{Lent, Outputs, RunInfo, look};
use deminer_engine::plan::{
    EXTERNAL, End as LookEnd, HostPlan, Origin, Overriding, Plan, PlanLine, PlaybookRef, ResourceRef, Site,
    VALID_FOR_MS, draft,
};
use deminer_engine::playbook::{BoundVars, CheckedPlaybook, Setting};
use deminer_engine::policy::{SitePolicy, protected};
use deminer_engine::run::{PlanStore, RunDir};
use deminer_worker::action::ActionId;
use deminer_worker::query::{HostError, Obstacle};
use deminer_worker::text::{Digest, HostBytes};
use serde_json::Value;

use super::environment::Under;
use super::people::People;
use super::progress::Watched;
use super::walk::Listening;
use super::yes::ACTION_DIGITS;
use super::{Desk, Trouble, approvals, asked, earlier, environment, fleet, playbook, walk};
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::render;
use crate::render::paste::Paste;
use crate::render::plain::plain;

/// Why a host has no plan, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unplanned {
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
}

impl Unplanned {
    fn unreached(why: &HostError) -> Unplanned {
        Unplanned {
            why: why.to_string(),
            hint: why.hint().map(str::to_owned),
        }
    }
}

impl<E: std::error::Error> From<E> for Unplanned {
    fn from(error: E) -> Unplanned {
        Unplanned {
            why: error.to_string(),
            hint: None,
        }
    }
}

/// What planning gave.
pub(crate) struct Made {
    pub(crate) plan: Plan,
    /// Hosts that are not in the plan, each with why.
    pub(crate) not_planned: Vec<(String, Unplanned)>,
    /// How it was asked for; `None` where no command line asked.
    pub(crate) asked: Option<Asked>,
    /// Whether a question needs an answer that nobody gave.
    pub(crate) unanswered: bool,
    pub(crate) took_ms: u64,
}

/// Looks, writes the plan and shows it.
///
/// # Errors
/// When the playbook is wrong, or no host could be planned.
pub(crate) async fn run(desk: &Desk, arguments: &cli::Plan) -> anyhow::Result<Exit> {
    earlier::settle(desk).await?;
    let order = walk::order(&arguments.going.walking, None)?;
    let made = make(
        desk,
        &arguments.playbook,
        &arguments.looking,
        &arguments.going.reach,
        &order,
    )
    .await?;
    let stored = store(desk, &made)?;
    if let Some(file) = &arguments.output {
        write_new(file, &made.plan.write()).with_context(|| format!("cannot write the plan {}", file.display()))?;
    }
    let file = arguments.output.clone().unwrap_or(stored);
    show(desk, &made, Some(&file), arguments.telling.format, false);
    Ok(exit(&made))
}

/// Shows a plan that was just made; `asks` where the reader is asked for a yes right after.
pub(crate) fn show(desk: &Desk, made: &Made, file: Option<&PathBuf>, format: Format, asks: bool) {
    let file = file.map(|file| file.to_string_lossy().into_owned());
    match format {
        Format::Json => {
            let mut value = render::plan::json(&made.plan, file.as_deref(), desk.lang());
            let left: Vec<_> = made
                .not_planned
                .iter()
                .map(
                    |(host, unplanned)| serde_json::json!({"host": host, "why": unplanned.why, "hint": unplanned.hint}),
                )
                .collect();
            value["not_planned"] = left.into();
            desk.screen.json(&value);
        }
        Format::Text | Format::Markdown => {
            let about = render::plan::About {
                file: file.as_deref(),
                took_ms: Some(made.took_ms),
                now_ms: desk.now_ms(),
                paste: Paste {
                    asked: made.asked.as_ref(),
                    ..desk.paste()
                },
                asks,
                knows_signers: approvals::knows_signers(desk, &made.plan),
            };
            desk.screen
                .say(&render::plan::text(&made.plan, &about, desk.screen.style()));
        }
    }
    say_not_planned(desk, made);
}

/// Says which hosts have no plan, why, and what to do.
pub(crate) fn say_not_planned(desk: &Desk, made: &Made) {
    for (host, unplanned) in &made.not_planned {
        let what = format!("host `{host}`: {}", unplanned.why);
        desk.screen.error(&what, unplanned.hint.as_deref());
    }
}

/// What a plan comes to.
pub(crate) fn exit(made: &Made) -> Exit {
    let failed = |host: &HostPlan| matches!(host.end, LookEnd::Failed { .. });
    match made.not_planned.is_empty() {
        true if made.unanswered => Exit::Look,
        true if made.plan.hosts().any(failed) => Exit::Failed,
        true => Exit::Done,
        false => Exit::Again,
    }
}

/// Writes a file whole, for the operator only.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What is known of a host before it is reached.
struct Known {
    /// The way to it, or why there is none.
    way: Result<Arc<dyn Transport>, HostError>,
    vars: BoundVars,
}

impl Known {
    /// Binds the host's own variables under what the command line sets, and learns how it is reached.
    ///
    /// # Errors
    /// When a variable does not fit its type, or the way is none that can be tried.
    fn of(
        desk: &Desk,
        host: Host,
        checked: &CheckedPlaybook,
        environment: Option<&Environment>,
        settings: &[(String, Setting)],
        of_all: &Result<BoundVars, Diagnostics>,
    ) -> anyhow::Result<Known> {
        let own = host.settings_under(environment, checked);
        for over in &own.passed_over {
            if let Some(near) = &over.near {
                let place = over.origin.to_string();
                let said = desk
                    .lang()
                    .words()
                    .variable_passed_over(&plain(&place), &plain(&over.name), near);
                desk.screen.note(&said);
            }
        }
        let has_own = !own.settings.is_empty();
        let vars = match own.settings.is_empty() {
            true => of_all.clone(),
            false => {
                let below = environment.map(Environment::settings).unwrap_or_default();
                let all = [below, own.settings, settings.to_vec()].concat();
                checked.bind_with(&all, &desk.drawer)
            }
        };
        let vars = vars.map_err(|mistakes| {
            let mut trouble = playbook::mistaken(&mistakes);
            if has_own {
                trouble.what = format!("host `{}`:\n{}", host.name, trouble.what);
            }
            trouble
        })?;
        desk.ways.hide(desk.drawer.variables());
        let way = match host.reach {
            Ok(reach) => {
                let name = host.name.to_string();
                desk.ways.learn([(name.clone(), reach)]);
                Ok(desk.ways.to(&name)?)
            }
            Err(why) => Err(HostError::NotReached {
                obstacle: Obstacle::OurSide,
                why: why.to_string(),
                hint: why.hint(),
            }),
        };
        Ok(Known { way, vars })
    }
}

/// Checks, looks at every host and makes the plan.
///
/// # Errors
/// When the playbook is wrong or the journal cannot be written; hosts that fail are in [`Made::not_planned`].
pub(crate) async fn make(
    desk: &Desk,
    name: &str,
    looking: &cli::Looking,
    reach: &cli::Reach,
    order: &Order,
) -> anyhow::Result<Made> {
    let began = desk.now_ms();
    let found = playbook::find(name)?;
    let under = Under::of(desk, &found, looking.given.env.as_deref(), &looking.fleet.inventory)?;
    let policy = under.policy(desk)?;
    let Under { checked, environment } = under;
    let environment = environment.as_ref();
    let settings = settings(&looking.given)?;
    no_secret_in_words(&checked, &settings)?;
    let all = [
        environment.map(Environment::settings).unwrap_or_default(),
        settings.clone(),
    ]
    .concat();
    // What an inventory alone gives a value is bound for each host; what is wrong for all is told before one is named.
    let vars = checked.bind_partly(&all, &desk.drawer);
    let vars = vars.map_err(|mistakes| playbook::mistaken(&mistakes))?;
    let of_all = checked.bind_with(&all, &desk.drawer);
    let site = site(looking, &policy)?;
    let overrides = site.overrides.clone();
    let meant = fleet::meant(&looking.fleet, reach)?;
    let warnings = meant.inventory.warnings();
    if !warnings.is_empty() {
        desk.screen.note(warnings.text().trim_end());
    }
    environment::say_unknown_groups(desk, environment, &meant.inventory);
    let asked = desk.asks(None).map(|asked| Asked {
        folder: asked.folder,
        going: asked.going,
        hosts: meant.words,
        ..asked::looking(name, &found, looking, &vars)
    });
    let names: Vec<String> = meant.hosts.iter().map(|host| host.name.to_string()).collect();
    let mut known = HashMap::new();
    for host in meant.hosts {
        known.insert(
            host.name.to_string(),
            Known::of(desk, host, &checked, environment, &settings, &of_all)?,
        );
    }

    let people = Arc::new(People::new(desk, looking.given.answers.file.as_deref(), &checked)?);

    let run = RunDir::create(&desk.runs, began, &checked.digest().to_string())?;
    let _lock = run.lock()?;
    run.write_ways(&desk.ways.known(&names))?;
    let journals = Journals::create(&run.journal(), run.id().as_str(), Arc::clone(&desk.clock))?;
    let mut sink = Watched::new(journals, &desk.screen, None);
    sink.record(
        None,
        EventKind::RunStarted {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            playbook: format!("{} {}", checked.name(), checked.version()),
            purpose: Purpose::Look,
            plan: None,
            hosts: names.clone(),
        },
    )?;
    if let Some(asked) = asked.clone() {
        sink.record(None, EventKind::Asked { asked })?;
    }
    sink.record(
        None,
        EventKind::Given {
            vars: vars.public().clone(),
        },
    )?;
    let info = RunInfo {
        id: run.id().to_string(),
        started_at_ms: began,
    };
    let outputs = Outputs::of(run.path());
    let here = std::env::current_dir()?;
    // What is known of a host goes with its task.
    let known = Mutex::new(known);
    let listening = Listening::begin(desk);
    let ends = each(
        &names,
        order,
        &listening.halt,
        |_: &Result<PlanLine, Unplanned>| None,
        |host, slot| {
            let own = known.lock().unwrap_or_else(PoisonError::into_inner).remove(&host);
            let Known { way, vars: host_vars } = own.expect("each host is begun once");
            let (others, secrets) = (others(&host_vars, &vars), other_sources(&host_vars, &vars, &here));
            let (checked, info, site) = (Arc::clone(&checked), info.clone(), site.clone());
            let lent = Lent {
                clock: Arc::clone(&desk.clock),
                asker: Arc::clone(&people) as Arc<dyn Asker>,
                outputs: outputs.clone(),
            };
            let (mut sink, names) = (sink.clone(), Arc::clone(&desk.names));
            async move {
                let _slot = slot;
                let planned = async {
                    let reached = match way {
                        Ok(way) => way.view(&host).await,
                        Err(why) => Err(why),
                    };
                    let view = match reached {
                        Ok(view) => view,
                        Err(why) => {
                            let unplanned = Unplanned::unreached(&why);
                            sink.record(Some(&host), EventKind::unreached(why))?;
                            return Err(unplanned);
                        }
                    };
                    let (looked, _) = look(&checked, &host_vars, &info, lent, Arc::clone(&view), &mut sink).await?;
                    let mut number = 0;
                    let mut name = || {
                        number += 1;
                        names(&host, number)
                    };
                    let plan = draft(&looked, view.as_ref(), &site, &mut name).await?;
                    Ok(PlanLine::of(&HostPlan {
                        vars: others,
                        secrets,
                        ..plan
                    })?)
                };
                let planned = planned.await;
                let finished = sink.record(Some(&host), EventKind::HostFinished {});
                planned.and_then(|plan| finished.map(|()| plan).map_err(Unplanned::from))
            }
        },
    )
    .await;
    drop(listening);
    let mut plans: Vec<PlanLine> = Vec::new();
    let mut not_planned = Vec::new();
    for (host, end) in ends {
        let why = walk::ended(desk, &host, &end, false, &mut sink)?;
        match (end, why) {
            (End::Through(Ok(plan)), _) => plans.push(plan),
            (End::Through(Err(unplanned)), _) => not_planned.push((host, unplanned)),
            (_, Some(why)) => not_planned.push((host, Unplanned { why, hint: None })),
            (_, None) => {}
        }
    }
    not_planned.sort();
    sink.record(None, EventKind::RunFinished {})?;
    sink.end();
    let unanswered = people.say_open();
    let plan = Plan::of_lines(
        origin(&checked, &vars, desk.now_ms(), environment, policy, &here),
        plans,
    )?;
    say_unused(desk, &plan, &overrides);
    Ok(Made {
        plan,
        not_planned,
        asked,
        unanswered,
        took_ms: desk.now_ms().saturating_sub(began),
    })
}

/// Stores a plan, and beside it how its hosts are reached from here and how it was asked for.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn store(desk: &Desk, made: &Made) -> anyhow::Result<PathBuf> {
    let (store, hash) = (PlanStore::of(&desk.runs), made.plan.hash());
    let hosts: Vec<String> = made.plan.hosts().map(|host| host.orders.host.clone()).collect();
    let stored = store.store(&hash, &made.plan.write())?;
    store.store_ways(&hash, &desk.ways.known(&hosts))?;
    if let Some(asked) = &made.asked {
        store.store_asked(&hash, asked)?;
    }
    Ok(stored)
}

/// The variables of a host that are others than those of all.
fn others(host: &BoundVars, all: &BoundVars) -> Variables {
    let differs = |(name, value): &(&String, &Value)| all.public().get(*name) != Some(*value);
    let others = host.public().iter().filter(differs);
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Where secrets of a host come from that come from elsewhere for all.
fn other_sources(host: &BoundVars, all: &BoundVars, here: &Path) -> BTreeMap<String, Value> {
    let differs = |(name, place): &(&String, &Value)| all.sources().get(*name) != Some(*place);
    let others = host.sources().iter().filter(differs);
    others
        .map(|(name, place)| (name.clone(), placed(place, here)))
        .collect()
}

/// Refuses a secret in `--set`: everybody on this machine can read the words of a command, and a shell keeps them.
///
/// # Errors
/// Then.
pub(crate) fn no_secret_in_words(checked: &CheckedPlaybook, settings: &[(String, Setting)]) -> anyhow::Result<()> {
    let is_secret = |name: &str| checked.vars().get(name).is_some_and(|var| var.kind.value.is_secret());
    let in_words = |(name, setting): &&(String, Setting)| matches!(setting, Setting::Text(_)) && is_secret(name);
    let Some((name, _)) = settings.iter().find(in_words) else {
        return Ok(());
    };
    let what = format!("--set {name}: it is a secret, and everybody on this machine can read the words of a command");
    let hint = format!(
        "give it by `--set-file {name}=FILE`, or say where it comes from under `vars` of an environment or an inventory, as \
         `{name}: {{env: NAME}}`: `file`, `command` and `age` are the other places"
    );
    Err(Trouble::new(Exit::Usage, what, Some(hint)).into())
}

/// The longest value out of a file.
const VALUE_BYTES: u64 = 64 << 10;

/// The bytes of a reason.
const BECAUSE_BYTES: usize = 4 << 10;

/// What `--set` and `--set-file` say; of a file's text without its last line feed.
///
/// # Errors
/// When one has no `=`, or a file cannot be read.
pub(crate) fn settings(given: &cli::Given) -> anyhow::Result<Vec<(String, Setting)>> {
    let mut settings = Vec::new();
    for text in &given.set {
        let (name, value) = parted("--set", text, "VALUE")?;
        settings.push((name, Setting::Text(value.to_owned())));
    }
    for text in &given.set_file {
        let (name, file) = parted("--set-file", text, "FILE")?;
        let value = playbook::read_bounded(Path::new(file), VALUE_BYTES)
            .map_err(|error| Trouble::new(Exit::Usage, format!("--set-file {text}: {error}"), None))?;
        let value = value.strip_suffix('\n').unwrap_or(&value);
        let file = std::path::absolute(file)?;
        let (file, text) = (Arc::from(file.to_string_lossy()), value.to_owned());
        settings.push((name, Setting::File { file, text }));
    }
    Ok(settings)
}

fn parted<'t>(option: &str, text: &'t str, what: &str) -> anyhow::Result<(String, &'t str)> {
    let parted = text.split_once('=').map(|(name, value)| (name.to_owned(), value));
    parted.ok_or_else(|| {
        let hint = Some(format!("{option} NAME={what}"));
        Trouble::new(Exit::Usage, format!("{option} {text}: no `=`"), hint).into()
    })
}

/// What the site protects, by its policy and the command line: paths, and networks that are never blocked; and what of it is
/// touched all the same.
fn site(looking: &cli::Looking, policy: &SitePolicy) -> anyhow::Result<Site> {
    let mut site = Site {
        protect: policy.protect.clone(),
        spare: policy.spare.clone(),
        effects: policy.limits.effects,
        ..Site::default()
    };
    for text in &looking.r#override {
        let (action, because) = parted("--override", text, "REASON")?;
        let digits = action.to_ascii_lowercase();
        let is_id = digits.len() >= ACTION_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_id || because.trim().is_empty() || because.len() > BECAUSE_BYTES {
            let what = format!("--override {text}: not an action's id and a reason");
            let hint = format!(
                "give {ACTION_DIGITS} digits or more of an id that `deminer show` has under what is left alone, and why: \
                 --override 0a1b2c3d=\"it came with the intruder\""
            );
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        }
        site.overrides.push(Overriding {
            action: digits,
            because: because.to_owned(),
        });
    }
    for named in &looking.protect {
        let (path, net) = protected(named).map_err(|_| {
            let what = format!("--protect {named}: neither an absolute path nor a network");
            let hint = "as in --protect /srv/app or --protect 192.0.2.0/24".to_owned();
            Trouble::new(Exit::Usage, what, Some(hint))
        })?;
        site.protect.extend(path);
        site.spare.extend(net);
    }
    Ok(site)
}

/// Says which overrides met nothing: the object changed, a firm rule protects it, or nothing is planned for it.
fn say_unused(desk: &Desk, plan: &Plan, overrides: &[Overriding]) {
    if overrides.is_empty() {
        return;
    }
    let used: BTreeSet<ActionId> = plan
        .hosts()
        .flat_map(|host| host.orders.overrides.keys().copied())
        .collect();
    for over in overrides {
        if !used.iter().any(|action| over.means(*action)) {
            desk.screen.note(&desk.lang().words().overrides_nothing(&over.action));
        }
    }
}

fn origin(
    checked: &CheckedPlaybook,
    vars: &BoundVars,
    now_ms: u64,
    environment: Option<&Environment>,
    policy: SitePolicy,
    here: &Path,
) -> Origin {
    let resources = checked.resources().iter().map(|resource| {
        let held = ResourceRef {
            sha256: resource.sha256,
            text: HostBytes::from(&*resource.text),
        };
        (resource.path.clone(), held)
    });
    let secrets: BTreeSet<String> = checked
        .vars()
        .iter()
        .filter(|(_, var)| var.kind.value.is_secret())
        .map(|(name, _)| name.clone())
        .collect();
    let externals = checked.externals();
    let version = |name: &str| match externals.get(name) {
        None => env!("CARGO_PKG_VERSION").to_owned(),
        Some(sha256) => format!("{EXTERNAL}{sha256}"),
    };
    let modules: BTreeMap<String, String> = checked
        .outline()
        .filter_map(|step| Some((step.module?.0.to_owned(), version(step.module?.0))))
        .collect();
    Origin {
        playbook: PlaybookRef {
            name: checked.name().to_owned(),
            version: checked.version(),
            sha256: Digest::of(checked.text().as_bytes()),
            text: HostBytes::from(checked.text()),
        },
        resources: resources.collect(),
        modules,
        vars: vars.public().clone(),
        secrets,
        sources: vars
            .sources()
            .iter()
            .map(|(name, place)| (name.clone(), placed(place, here)))
            .collect(),
        environment: environment.map(Environment::stated),
        limits: policy.limits,
        created_at_ms: now_ms,
        valid_for_ms: VALID_FOR_MS,
        approvals: policy.approvals.stated(),
    }
}
