//! Infected hosts beside their innocents: found, planned, approved, removed, watched over two minutes of cron.
//!
//! The hosts run together and once, for all tests: [`scene`] plants, plans, applies, waits and looks from outside; each
//! test says of one infection, or of one look-alike, what was seen.

pub(crate) mod case;
pub(crate) mod cron;
pub(crate) mod look_alike;
pub(crate) mod preload;
pub(crate) mod processes;
pub(crate) mod shell;
pub(crate) mod units;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use deminer_engine::event::EventKind;
use deminer_engine::journal::read_chain;
use deminer_worker::action::{Act, ActionId};
use deminer_worker::frame::TransactionEvent;
use deminer_worker::order::HostOrders;
use serde_json::Value;

use self::case::{Case, Moments};
use self::look_alike::LookAlike;
use crate::common::machine::written;
use crate::common::plan::Planned;
use crate::world::World;
use crate::world::host::Host;
use crate::world::pool::POOL;

/// How long the command watches: two minutes of cron, whenever they begin.
const WATCH: &str = "125s";

/// With what comes before it on a slow machine.
const LONGEST: Duration = Duration::from_secs(400);

/// What is planted on one host.
struct Plot {
    host: &'static str,
    cases: fn(&Host<'_>) -> Vec<Case>,
    look_alikes: fn(&Host<'_>) -> Vec<LookAlike>,
}

const PLOTS: [Plot; 4] = [
    Plot {
        host: "web-1",
        cases: |host| {
            vec![
                processes::plain(host),
                processes::deleted(host),
                processes::memfd(host),
                processes::kernel_thread(host),
                processes::guardians(host),
            ]
        },
        look_alikes: processes::look_alikes,
    },
    Plot {
        host: "web-2",
        cases: |host| vec![cron::crontabs(host), cron::jobs(host), preload::immutable(host)],
        look_alikes: |host| [cron::look_alikes(host), preload::look_alikes(host)].concat(),
    },
    Plot {
        host: "web-3",
        cases: |host| vec![units::service(host), shell::shells(host)],
        look_alikes: |host| [units::look_alikes(host), shell::look_alikes(host)].concat(),
    },
    Plot {
        host: "web-4",
        cases: |host| vec![units::fighting(host)],
        look_alikes: |_| Vec::new(),
    },
];

/// What was seen.
pub(crate) struct Scene {
    hosts: Vec<Told>,
}

/// What was seen of one host.
struct Told {
    cases: Vec<(Case, Vec<String>)>,
    look_alikes: Vec<(LookAlike, Vec<String>)>,
    /// Of the host as a whole.
    wrong: Vec<String>,
}

/// The scene, played once; `None` where there can be no world.
fn scene() -> Option<&'static Scene> {
    // Where it fails it is not played again for the next test.
    static SCENE: LazyLock<Option<Scene>> = LazyLock::new(play);
    SCENE.as_ref()
}

fn play() -> Option<Scene> {
    let world = World::new("infected")?;
    let pool = world.pool();
    let hosts = std::thread::scope(|scope| {
        let threads: Vec<_> = PLOTS.iter().map(|plot| scope.spawn(|| play_on(&world, plot))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a host of the scene"))
            .collect()
    });
    drop(pool);
    Some(Scene { hosts })
}

fn play_on(world: &World, plot: &Plot) -> Told {
    let mut host = world.host(plot.host);
    host.boot();
    let look_alikes = (plot.look_alikes)(&host);
    let cases = (plot.cases)(&host);
    host.wait("all that was planted", || {
        let missing = look_alikes.iter().any(|innocent| innocent.missing(&host).is_some());
        !missing && cases.iter().all(|case| case.missing(&host).is_empty())
    });
    let before: Vec<_> = look_alikes.iter().map(|innocent| innocent.state(&host)).collect();

    let deminer = host.deminer();
    let pools = format!("pools=[\"{}\"]", processes::POOL);
    let planned = Planned::on_a_host(&deminer, &["--set", "sample=2s", "--set", &pools]);
    let mut wrong = Vec::new();
    let mut expected: Vec<String> = cases.iter().flat_map(|case| case.acts.clone()).collect();
    expected.push(format!("block_address {}", POOL));
    expected.sort();
    expected.dedup();
    let acts = planned.acts();
    // What a clock starts may run in the moment of the plan: it is the infection's too.
    let planted = |act: &String| {
        cases
            .iter()
            .any(|case| case.gone.iter().any(|path| act.ends_with(path)))
    };
    let more = acts.iter().filter(|act| !expected.contains(act) && !planted(act));
    wrong.extend(more.map(|act| format!("the plan has more: `{act}`")));
    let unplanned: Vec<Vec<String>> = cases.iter().map(|case| case.unplanned(&planned)).collect();

    let words = [planned.words(WATCH).to_vec(), planned.many()].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = deminer.start(&words).answer_within(LONGEST);
    let report: Value = deminer.report();
    if answer.code != Some(0) || report["hosts"][0]["status"] != "eradicated" {
        wrong.push(format!("the apply ended so: {answer}\n{report:#}"));
    }
    let beats = host
        .read(cron::LOG)
        .map(|beats| String::from_utf8_lossy(&beats).lines().count());
    if beats.is_some_and(|beats| beats < 2) {
        wrong.push(format!("cron does not go: {beats:?} beats"));
    }
    for directory in planned.footprint() {
        if host.has(&written(&directory)) {
            wrong.push(format!("{} is left", directory.display()));
        }
    }
    if !wrong.is_empty() || unplanned.iter().any(|acts| !acts.is_empty()) {
        let shown = deminer.run(&["show", &planned.name()]);
        wrong.push(format!("the plan:\n{shown}"));
    }
    let now = look_alikes.iter().map(|innocent| innocent.state(&host));
    let harm: Vec<Vec<String>> = now
        .zip(&before)
        .map(|(now, before)| {
            if now == *before {
                Vec::new()
            } else {
                vec![format!("{before:?} is now {now:?}")]
            }
        })
        .collect();
    let moments = moments(&deminer.run_of(&report));
    let left = cases.iter().map(|case| case.left(&host, moments));
    let seen = unplanned
        .into_iter()
        .zip(left)
        .map(|(unplanned, left)| [unplanned, left].concat());
    Told {
        cases: cases.iter().cloned().zip(seen).collect(),
        look_alikes: look_alikes.into_iter().zip(harm).collect(),
        wrong: wrong
            .into_iter()
            .map(|line| format!("`{}`: {line}", plot.host))
            .collect(),
    }
}

/// When the first process of a host stood still, and when the last manager had read its units anew; the end of time where
/// that was not.
fn moments(run: &Path) -> Moments {
    let files = fs::read_dir(run.join("journal"))
        .expect("a run with its journal")
        .flatten();
    let chains = files.map(|file| read_chain(&file.path()).expect("a chain of the run"));
    let events: Vec<_> = chains.flat_map(|chain| chain.events).collect();
    let orders = events.iter().filter_map(|event| match &event.kind {
        EventKind::Planned { line, .. } => serde_json::from_value::<HostOrders>(line.clone()).ok(),
        _ => None,
    });
    let actions = orders.flat_map(|orders| orders.actions);
    let reloads = actions.filter(|action| matches!(action.act, Act::ReloadUnits { .. }));
    let reloads: Vec<ActionId> = reloads.map(|action| action.id).collect();
    let mut moments = Moments::NEVER;
    let mut reloaded = None;
    for event in &events {
        let at = event.at_ms.0 as f64 / 1000.0;
        match &event.kind {
            EventKind::Told {
                event: TransactionEvent::Frozen { .. },
                ..
            } => moments.frozen = moments.frozen.min(at),
            EventKind::Told {
                event: TransactionEvent::Outcome { action, .. },
                ..
            } if reloads.contains(action) => reloaded = reloaded.max(Some(event.at_ms)),
            _ => {}
        }
    }
    moments.reloaded = reloaded.map_or(f64::INFINITY, |at_ms| at_ms.0 as f64 / 1000.0);
    moments
}

/// # Panics
/// When an infection of this name was not planned as a whole, or something of it is left.
#[track_caller]
fn assert_removed(name: &str) {
    let Some(scene) = scene() else { return };
    let cases = scene.hosts.iter().flat_map(|told| &told.cases);
    let mut seen = cases.filter(|(case, _)| case.name == name).peekable();
    assert!(seen.peek().is_some(), "`{name}` was not planted");
    for (_, wrong) in seen {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn nothing_else_is_planned_and_nothing_of_ours_is_left() {
    let Some(scene) = scene() else { return };
    let wrong: Vec<&String> = scene.hosts.iter().flat_map(|told| &told.wrong).collect();
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.into_iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn every_look_alike_is_untouched_and_runs() {
    let Some(scene) = scene() else { return };
    let all: Vec<_> = scene.hosts.iter().flat_map(|told| &told.look_alikes).collect();
    let harmed: Vec<String> = all
        .iter()
        .flat_map(|(innocent, harm)| harm.iter().map(|harm| format!("`{}`: {harm}", innocent.name)))
        .collect();
    assert!(harmed.is_empty(), "{}", harmed.join("\n"));
}

#[test]
fn plain_in_tmp() {
    assert_removed("plain in /tmp");
}

#[test]
fn deleted_executable() {
    assert_removed("deleted exe");
}

#[test]
fn memfd() {
    assert_removed("memfd");
}

#[test]
fn fake_kernel_thread() {
    assert_removed("fake kernel thread");
}

#[test]
fn guardian_pair() {
    assert_removed("guardian pair");
}

#[test]
fn lines_of_crontabs() {
    assert_removed("crontabs");
}

#[test]
fn cron_script_at_job_and_anacrontab() {
    assert_removed("cron script, at job and anacrontab");
}

#[test]
fn immutable_files_with_a_preloaded_library() {
    assert_removed("immutable files with ld.so.preload");
}

#[test]
fn service_with_timer_and_drop_in() {
    assert_removed("service with timer and drop-in");
}

#[test]
fn units_that_fight_back() {
    assert_removed("units that fight back");
}

#[test]
fn rc_local_with_profile_and_bashrc() {
    assert_removed("rc.local with profile.d and .bashrc");
}
