//! One case on the path of a run: plan, what happens meanwhile, apply, and what comes after a crash. Only hosts, clock and
//! names are its own, so that it comes out the same each time.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use deminer_engine::case::{Case, Part, Shot, Yes};
use deminer_engine::plan::Plan;
use deminer_engine::report::Report;
use deminer_engine::run::RunDir;
use deminer_worker::action::{Act, Action};
use deminer_worker::text::Digest;

use super::Tests;
use super::covered::{Step, steps};
use super::stage::Stage;
use crate::cli::{self, Format, Only};
use crate::commands::environment::is_file;
use crate::commands::hosts::Ways;
use crate::commands::place::Place;
use crate::commands::yes::Approving;
use crate::commands::{Desk, Trouble, apply, earlier, plan, report, resume, walk};
use crate::render::paste::Paste;
use crate::render::screen::{Screen, WIDTH};
use crate::render::words::Lang;
use crate::render::{self, Style};

/// 2027-01-01 00:00:00 UTC, where a case does not say.
const NOW_MS: u64 = 1_798_761_600_000;

/// What messages call the plan.
const PLAN: &str = "the.plan";

const STYLE: Style = Style {
    color: false,
    width: WIDTH,
    lang: Lang::En,
};

/// What came out.
pub(super) struct Played {
    /// `None` where none was made.
    pub(super) plan: Option<Plan>,
    /// Hosts that have no plan, with why.
    pub(super) not_planned: Vec<(String, String)>,
    /// What recorded hosts were asked and do not answer: the host and the query.
    pub(super) missed: Vec<(String, String)>,
    pub(super) report: Option<Report>,
    /// With what it was refused.
    pub(super) refused: Option<String>,
    pub(super) steps: Vec<Step>,
    shown: [String; 2],
}

impl Played {
    /// As people are shown it.
    pub(super) fn shown(&self, shot: Shot) -> &str {
        match shot {
            Shot::Plan => &self.shown[0],
            Shot::Report => &self.shown[1],
        }
    }
}

/// Plays a case.
///
/// # Errors
/// When it cannot be played: a file is missing or wrong.
pub(super) fn play(tests: &Tests, case: &Case) -> anyhow::Result<Played> {
    let place = Place::new().context("no directory for a case")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let played = runtime
        .context("no threads to be had")?
        .block_on(playing(tests, case, place.path()));
    drop(place);
    played
}

async fn playing(tests: &Tests, case: &Case, runs: &Path) -> anyhow::Result<Played> {
    let folder = tests.file.parent().unwrap_or(Path::new(""));
    let stage = Stage::of(case, folder)?;
    let mut desk = desk(case, folder, runs, &stage)?;
    let looking = looking(case, folder);
    let playbook = tests.playbook.to_string_lossy();
    let order = walk::order(&walking(), None)?;
    let made = plan::make(&desk, &playbook, &looking, &cli::Reach::default(), &order).await;
    let mut refused = None;
    let mut planned = None;
    let mut not_planned = Vec::new();
    match made {
        Ok(made) => {
            not_planned = made
                .not_planned
                .iter()
                .map(|(host, why)| (host.clone(), why.why.clone()))
                .collect();
            if let Some(yes) = &case.approve {
                plan::store(&desk, &made)?;
                stage.stir(case)?;
                desk.dies_after.clone_from(&case.crash);
                let applied = match stage.takes(&made.plan) {
                    Ok(()) => apply(&desk, &made.plan, yes, case, folder).await,
                    Err(error) => Err(error),
                };
                desk.dies_after = None;
                refused = expected_end(case, applied)?;
                stage.rest().await;
                if case.crash.is_some() {
                    earlier::settle(&desk).await?;
                }
                if case.resume {
                    resume::run(&desk, &taken_up(case, folder)).await?;
                }
            }
            planned = Some(made.plan);
        }
        Err(error) => refused = expected_end::<()>(case, Err(error))?,
    }
    let run = report::find(&desk, None).ok();
    let report = match &run {
        Some(run) => Some(Report::from_events(&run.chains()?)),
        None => None,
    };
    let mut ran = Vec::new();
    for run in RunDir::list(&desk.runs)? {
        ran.extend(steps(&run.chains()?));
    }
    let mut blots = vec![(runs.to_string_lossy().into_owned(), "[runs]")];
    blots.extend(run.iter().map(|run| (run.id().to_string(), "[run]")));
    let hashes = planned
        .iter()
        .map(Plan::hash)
        .chain(report.iter().map(|report| report.head));
    for hash in hashes {
        blots.push((hash.to_string(), "[hash]"));
        blots.push((hash.short(), "[hash]"));
    }
    // What every version of the playbook and of Deminer changes, and nobody reviews.
    let blot = |text: String| blots.iter().fold(text, |text, (word, by)| text.replace(word, by));
    let about = render::plan::About {
        file: Some(PLAN),
        took_ms: None,
        now_ms: desk.now_ms(),
        paste: Paste::default(),
        asks: false,
        knows_signers: true,
    };
    let mut plan_text = planned
        .as_ref()
        .map(|plan| render::plan::text(plan, &about, &STYLE))
        .unwrap_or_default();
    for (host, why) in &not_planned {
        plan_text.push_str(&format!("\nhost `{host}`: {why}\n"));
    }
    let report_text = report
        .as_ref()
        .map(|report| render::report::text(report, &STYLE, &Paste::default()));
    Ok(Played {
        not_planned,
        missed: stage.missed(),
        refused,
        steps: ran,
        shown: [blot(plan_text), blot(report_text.unwrap_or_default())],
        plan: planned,
        report,
    })
}

/// With what a case was refused, where it says that it is; a crash that was ordered is no end of the case.
fn expected_end<T>(case: &Case, ended: anyhow::Result<T>) -> anyhow::Result<Option<String>> {
    match ended {
        Ok(_) => Ok(None),
        Err(_) if case.crash.is_some() => Ok(None),
        Err(error) if case.expect.refused.is_some() && error.downcast_ref::<Trouble>().is_some() => {
            Ok(Some(format!("{error:#}")))
        }
        Err(error) => Err(error),
    }
}

fn desk(case: &Case, folder: &Path, runs: &Path, stage: &Stage) -> anyhow::Result<Desk> {
    let screen = Screen::on(STYLE, false, Box::new(std::io::sink()), Box::new(std::io::sink()));
    let leaves = cli::Leaves {
        allow: case.allow.clone(),
        ..cli::Leaves::default()
    };
    let now_ms = case.now_ms.unwrap_or(NOW_MS);
    let policy = case.policy.as_ref().map(|policy| folder.join(policy));
    Ok(Desk {
        clock: Arc::new(move || now_ms),
        runs: runs.to_owned(),
        ways: Ways::staged(stage.hosts.clone()),
        names: Arc::new(|host, number| {
            let mut name = [0; 16];
            name.copy_from_slice(&Digest::of(format!("{number} of {host}").as_bytes()).0[..16]);
            name
        }),
        by: "uid 0".to_owned(),
        ..Desk::bare(screen).under(&leaves)?.alone(policy)
    })
}

fn looking(case: &Case, folder: &Path) -> cli::Looking {
    let named = |name: &String| folder.join(name).to_string_lossy().into_owned();
    let env = match case.env.as_ref().filter(|env| is_file(env)) {
        Some(file) => Some(named(file)),
        None => case.env.clone(),
    };
    cli::Looking {
        fleet: cli::Fleet {
            hosts: case.hosts.iter().map(|host| host.name.clone()).collect(),
            inventory: case.inventory.iter().map(|name| folder.join(name)).collect(),
            limit: Vec::new(),
        },
        given: cli::Given {
            set: case.set.clone(),
            set_file: Vec::new(),
            env,
            answers: answers(case, folder),
        },
        protect: Vec::new(),
        r#override: Vec::new(),
        leaves: cli::Leaves::default(),
        policy: cli::PolicyFile::default(),
    }
}

fn answers(case: &Case, folder: &Path) -> cli::AnswersFile {
    cli::AnswersFile {
        file: case.answers.as_ref().map(|file| folder.join(file)),
    }
}

/// One host after the other, so that events have one order.
fn walking() -> cli::Walking {
    cli::Walking {
        at_once: 1,
        host_timeout: None,
        run_timeout: None,
    }
}

async fn apply(desk: &Desk, plan: &Plan, yes: &Yes, case: &Case, folder: &Path) -> anyhow::Result<()> {
    let only = yes.only.map(|part| match part {
        Part::Preserve => Only::Preserve,
        Part::Contain => Only::Contain,
        Part::Eradicate => Only::Eradicate,
    });
    let mut exclude = Vec::new();
    for named in &yes.exclude {
        let ids = left_out(plan, named);
        if ids.is_empty() {
            let what = format!("approve: no action of the plan is `{named}`");
            let actions = plan.hosts().flat_map(|host| &host.orders.actions);
            let names: BTreeSet<String> = actions.map(name_of).map(|name| format!("`{name}`")).collect();
            let hint = format!("there are {}", names.into_iter().collect::<Vec<_>>().join(", "));
            return Err(Trouble::new(crate::exit::Exit::Usage, what, Some(hint)).into());
        }
        exclude.extend(ids);
    }
    let own = plan.hosts().flat_map(|host| {
        let components = host.needs_own_approval.iter();
        components.map(|component| format!("{}:{component}", host.orders.host))
    });
    let own: Vec<String> = own.collect();
    let approving = Approving {
        exclude: &exclude,
        reason: yes.reason.as_deref(),
        many: &own,
        only,
        ..Approving::of(plan, PLAN)
    };
    let ask = approving.given(desk, &plan.hash().to_string())?;
    let file = answers(case, folder).file;
    let course = apply::Course {
        only,
        watch: case.watch.as_deref(),
        answers: file.as_deref(),
        order: walk::order(&walking(), None)?,
        together: false,
        format: Format::Text,
    };
    apply::apply(desk, plan, ask, course).await.map(|_| ())
}

/// How a case names an action: `KIND PATH`, `block_address ADDRESS`, or `KIND` alone.
fn name_of(action: &Action) -> String {
    let kind = action.act.kind();
    match (&action.act, super::hold::path_of(&action.act)) {
        (Act::BlockAddress { address, .. }, _) => format!("{kind} {address}"),
        (_, Some(path)) => format!("{kind} {path}"),
        (_, None) => kind.to_owned(),
    }
}

/// The actions that a case names so, or by their kind.
fn left_out(plan: &Plan, named: &str) -> Vec<String> {
    let actions = plan.hosts().flat_map(|host| &host.orders.actions);
    let meant = actions.filter(|action| action.act.kind() == named || name_of(action) == named);
    meant.map(|action| action.id.to_string()).collect()
}

fn taken_up(case: &Case, folder: &Path) -> cli::Resume {
    cli::Resume {
        run: None,
        again: cli::Again {
            watch: case.watch.clone(),
            answers: answers(case, folder),
            leaves: cli::Leaves::default(),
            policy: cli::PolicyFile::default(),
            whereabouts: cli::Whereabouts::default(),
            striking: cli::Striking::default(),
            going: cli::Going {
                walking: walking(),
                reach: cli::Reach::default(),
            },
            telling: cli::Telling {
                runs: cli::Runs { directory: None },
                language: cli::Language { lang: None },
                format: Format::Text,
            },
        },
    }
}
