//! Whatever dies, and whenever: a plan with every kind of action is run on the simulated host, over the whole way from the
//! command through the link to the worker, once for each fault at each moment. The next command then settles it.

#![allow(clippy::print_stderr, reason = "the count of what was tried is published")]

mod command;
mod host;
mod moment;
mod plan;
mod truth;
mod wire;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deminer_engine::apply::Task;
use deminer_engine::approval::ApprovedPlan;
use deminer_engine::vault::Vault;
use deminer_worker::action::{Act, Action};
use deminer_worker::platform::simulated::Simulated;

use command::Run;
use host::{Deeds, Way};
use moment::{Fault, Kind, Moment, Moments, Side, by_kind};
use plan::{HOST, approved, world};
use truth::{Case, Told};

/// At least so many moments of each kind: a plan that lost some of its actions would test nothing.
const AT_LEAST: [(Kind, usize); 9] = [
    (Kind::Intent, 30),
    (Kind::Act, 45),
    (Kind::Outcome, 30),
    (Kind::Call, 170),
    (Kind::Chunk, 30),
    (Kind::FromWorker, 190),
    (Kind::Acknowledgement, 40),
    (Kind::ToWorker, 10),
    (Kind::Journal, 150),
];

/// As the README has it.
const FAULTS: usize = 2_000;

fn the_plan() -> ApprovedPlan {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(approved())
}

fn actions(approved: &ApprovedPlan) -> &[Action] {
    &approved.plan().host(HOST).expect("it is planned").orders.actions
}

/// In memory where that can be: nothing here is about a disk that forgets what was synced.
fn place() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a temporary directory")
}

/// The name of an act's kind as it is written.
fn written(act: &Act) -> String {
    let json = serde_json::to_value(act).expect("an act is written");
    json["kind"].as_str().expect("its kind").to_owned()
}

/// Runs the plan with this fault, lets the next command settle it, and holds everything against what the host shows; then,
/// where that is asked for, goes on with what is left. Gives the moments that the run passed, and what was told of its changes.
fn run(approved: &ApprovedPlan, fault: Option<(usize, Fault)>, goes_on: bool, name: &str) -> (Vec<Moment>, Told) {
    let place = place();
    let host = Simulated::new(world().clone());
    let (before, deeds) = (host.snapshot(), Deeds::default());
    let case = Case {
        name,
        host: &host,
        before: &before,
        deeds: &deeds,
        actions: actions(approved),
    };
    let way = |fault| Way::new(&host, &deeds, Arc::new(Moments::with(fault)));
    let begun = Run::begin(place.path(), approved);
    let vault = Vault::at(&begun.dir.vault());

    let moments = Arc::new(Moments::with(fault));
    begun.carry_out(Task::Begin, &Way::new(&host, &deeds, Arc::clone(&moments)));
    case.assert_free();
    let report = begun.settle(&way(None));
    case.assert_free();
    case.assert_once();
    case.assert_kept(&vault);
    let told = case.assert_told(&report);

    let rest = goes_on.then(|| begun.rest()).flatten();
    if let Some(task @ Task::Again { .. }) = rest {
        assert!(begun.carry_out(task, &way(None)), "{name}: nobody kills it");
        let report = begun.settle(&way(None));
        case.assert_free();
        case.assert_once();
        case.assert_kept(&vault);
        case.assert_told(&report);
        case.assert_all();
    }
    (moments.passed(), told)
}

#[test]
fn whatever_dies_whenever_the_next_command_knows_what_was_done() {
    let approved = the_plan();
    let planned: BTreeSet<String> = actions(&approved).iter().map(|action| written(&action.act)).collect();
    let unknown = serde_json::from_str::<Act>(r#"{"kind": "?"}"#).expect_err("no such act");
    let words: Vec<String> = unknown
        .to_string()
        .split('`')
        .skip(3)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    assert_eq!(planned, words.into_iter().collect(), "every kind of action is planned");

    assert!(
        actions(&approved)
            .iter()
            .all(|action| Act::KINDS.contains(&action.act.kind()))
    );

    let (moments, told) = run(&approved, None, true, "no fault");
    assert_eq!((told.not_done, told.unknown), (0, 0), "{told:?}");
    let (again, _) = run(&approved, None, true, "no fault, again");
    assert_eq!(moments, again, "every run passes the same moments");
    let counts = by_kind(&moments);
    for (kind, least) in AT_LEAST {
        assert!(
            counts.get(&kind).is_some_and(|count| *count >= least),
            "{kind:?}: {counts:?}"
        );
    }

    let tolds = at_each(&moments, |at, fault, name| {
        // At each moment one of the three is gone on with.
        let goes_on = Fault::ALL[at % Fault::ALL.len()] == fault;
        run(&approved, Some((at, fault)), goes_on, name).1
    });
    assert!(tolds.len() > FAULTS, "{}", tolds.len());
    let sum = |of: fn(&Told) -> usize| tolds.iter().map(of).sum::<usize>();
    let (done, not_done, unknown) = (
        sum(|told| told.done),
        sum(|told| told.not_done),
        sum(|told| told.unknown),
    );
    eprintln!(
        "{} faults at {} moments {counts:?}: {done} changes told done, {not_done} not done, {unknown} unknown",
        tolds.len(),
        moments.len()
    );
    assert!(
        done > 0 && not_done > 0 && unknown * 20 < done + not_done,
        "most is known"
    );
}

/// Does something for each fault at each moment, on all CPUs; gives what it gave.
fn at_each<T: Send>(moments: &[Moment], work: impl Fn(usize, Fault, &str) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let share = || {
        let mut given = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (at, fault) = (number / Fault::ALL.len(), Fault::ALL[number % Fault::ALL.len()]);
            let Some(moment) = moments.get(at) else { return given };
            let name = format!(
                "{fault:?} {:?} moment {at}, {:?} `{}`",
                moment.side, moment.kind, moment.what
            );
            given.push(work(at, fault, &name));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(share)).collect();
        let given = working
            .into_iter()
            .map(|working| working.join().expect("every fault is survived"));
        given.flatten().collect()
    })
}

/// The settling of a run whose link was cut right after its commit, with this fault of its own. Gives the moments that it passed.
fn settle(approved: &ApprovedPlan, cut: (usize, Fault), fault: Option<(usize, Fault)>, name: &str) -> Vec<Moment> {
    let place = place();
    let host = Simulated::new(world().clone());
    let (before, deeds) = (host.snapshot(), Deeds::default());
    let case = Case {
        name,
        host: &host,
        before: &before,
        deeds: &deeds,
        actions: actions(approved),
    };
    let begun = Run::begin(place.path(), approved);
    let way = |moments: &Arc<Moments>| Way::new(&host, &deeds, Arc::clone(moments));
    begun.carry_out(Task::Begin, &way(&Arc::new(Moments::with(Some(cut)))));
    let moments = Arc::new(Moments::with(fault));
    // Killed or not, what it left is settled by the next.
    let _ = begun.try_to_settle(&way(&moments));
    case.assert_free();
    let report = begun.settle(&way(&Arc::new(Moments::default())));
    case.assert_free();
    case.assert_once();
    case.assert_kept(&Vault::at(&begun.dir.vault()));
    case.assert_told(&report);
    case.assert_all();
    moments.passed()
}

#[test]
fn who_settles_may_die_too() {
    let approved = the_plan();
    let (moments, _) = run(&approved, None, false, "no fault");
    let is_commit = |moment: &Moment| moment.side == Side::After && moment.what.contains("\"commit\"");
    let commit = moments.iter().position(is_commit).expect("it commits");
    let cut = (commit, Fault::LinkIsCut);
    let moments = settle(&approved, cut, None, "no fault");
    let passed = at_each(&moments, |at, fault, name| {
        settle(&approved, cut, Some((at, fault)), name).len()
    });
    assert!(
        passed.len() > 100 && passed.iter().any(|passed| *passed < moments.len()),
        "{}",
        passed.len()
    );
    eprintln!(
        "{} faults while it is settled, at {:?}",
        passed.len(),
        by_kind(&moments)
    );
}
