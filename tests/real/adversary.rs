//! An intruder who knows us: what is planted so that we harm an innocent, look away, or come to nothing.
//!
//! The hosts are played once, for all tests. On the first all must go that is a miner's, and nothing else. On the second
//! something is left that a person must decide, and things lie or stand where ours would. On the third there is so much
//! that nobody would read it: nothing is done.
//!
//! The image has no python: perl is run from the mounted `/usr/bin`. That a bind mount and a copied interpreter are told
//! apart from what they imitate, whatever the language, is in `modules/src/trace/tests.rs`.

mod attacks;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::LazyLock;

use serde_json::Value;

use self::attacks::{BIRTHS, DECOYS, DROPPERS, GIANT, GIANTS, GO, REGISTERED};
use crate::common::command::{Answer, Deminer};
use crate::common::plan::Planned;
use crate::infected::case::{Case, Moments};
use crate::infected::look_alike::{LookAlike, State};
use crate::infected::processes::{self, start};
use crate::site::LONG;
use crate::world::World;
use crate::world::host::Host;
use crate::world::pool::POOL;

const WATCH: &str = "3s";

/// What is planted, and what must come through it.
struct Attack {
    case: Case,
    /// Words of arguments by which those are known that must go and share their program with others.
    words: Vec<String>,
    innocents: Vec<LookAlike>,
}

impl Attack {
    fn new(case: Case) -> Attack {
        Attack {
            case,
            words: Vec::new(),
            innocents: Vec::new(),
        }
    }

    /// A script that guards the miner, in an interpreter of the host's.
    fn guarded(mut self, interpreter: &str, script: &str) -> Attack {
        self.case = self.case.file(script);
        for kind in ["keep", "freeze", "kill"] {
            self.case = self.case.act(&format!("{kind} guardian {interpreter}"));
        }
        self.ending(script)
    }

    /// Who was told this word is gone afterwards.
    fn ending(mut self, word: &str) -> Attack {
        self.words.push(word.to_owned());
        self
    }

    fn beside(mut self, innocent: LookAlike) -> Attack {
        self.innocents.push(innocent);
        self
    }

    fn is_there(&self, host: &Host<'_>) -> bool {
        let innocents = self.innocents.iter().all(|innocent| innocent.missing(host).is_none());
        innocents && self.case.missing(host).is_empty() && self.words.iter().all(|word| is_told(host, word))
    }

    fn before(&self, host: &Host<'_>) -> Vec<State> {
        self.innocents.iter().map(|innocent| innocent.state(host)).collect()
    }

    /// What is wrong, now that all should be done.
    fn wrong(&self, host: &Host<'_>, planned: &Planned, before: &[State]) -> Vec<String> {
        let mut wrong = [self.case.unplanned(planned), self.case.left(host, Moments::NEVER)].concat();
        let living = self.words.iter().filter(|word| is_told(host, word));
        wrong.extend(living.map(|word| format!("who was told {word} runs")));
        wrong.extend(self.harm(host, before));
        wrong
    }

    /// What was done to the innocents.
    fn harm(&self, host: &Host<'_>, before: &[State]) -> Vec<String> {
        let now = self.before(host);
        let both = self.innocents.iter().zip(before.iter().zip(&now));
        both.filter(|(_, (before, now))| before != now)
            .map(|(innocent, (before, now))| format!("`{}`: {before:?} is now {now:?}", innocent.name))
            .collect()
    }
}

/// Whether somebody runs who has this among its arguments.
fn is_told(host: &Host<'_>, word: &str) -> bool {
    let mut processes = host.processes().into_iter();
    processes.any(|seen| seen.process.argv.iter().any(|argument| argument == word.as_bytes()))
}

/// What is wrong, by what it is about.
type Told = BTreeMap<&'static str, Vec<String>>;

/// The scene, played once; `None` where there can be no world.
fn scene() -> Option<&'static Told> {
    // Where it fails it is not played again for the next test.
    static SCENE: LazyLock<Option<Told>> = LazyLock::new(play);
    SCENE.as_ref()
}

fn play() -> Option<Told> {
    let world = World::new("adversary")?;
    let pool = world.pool();
    let here = &world;
    let told = std::thread::scope(|scope| {
        let plays: [fn(&World) -> Told; 3] = [on_the_first, on_the_second, on_the_third];
        let threads = plays.map(|play| scope.spawn(move || play(here)));
        let told = threads.map(|thread| thread.join().expect("a host of the scene"));
        told.into_iter().flatten().collect()
    });
    drop(pool);
    Some(told)
}

fn plan(deminer: &Deminer) -> Planned {
    let pools = format!("pools=[\"{}\"]", processes::POOL);
    Planned::on_a_host(deminer, &["--set", "sample=2s", "--set", &pools])
}

fn apply(deminer: &Deminer, planned: &Planned) -> Answer {
    let words = [planned.words(WATCH).to_vec(), planned.many()].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    deminer.start(&words).answer_within(LONG)
}

/// Whether a plan says this to a person.
fn asks(planned: &Planned, signal: &str, about: &str) -> bool {
    let findings = planned.hosts[0]["findings"].as_array().into_iter().flatten();
    let mut asked = findings.filter(|finding| finding["signal"] == signal && finding["bearing"] == "review");
    asked.any(|finding| finding["artifact"].to_string().contains(about))
}

/// Plans and applies, and when the plan is made writes these files; gives what is wrong of each attack and, under this name, of
/// the rest, with the plan and the report.
fn strike(
    host: &Host<'_>,
    name: &'static str,
    attacks: &[Attack],
    (at_apply, status): (&[&str], &str),
) -> (Told, Planned, Value) {
    let deminer = host.deminer();
    let before: Vec<Vec<State>> = attacks.iter().map(|attack| attack.before(host)).collect();
    let planned = plan(&deminer);
    for path in at_apply {
        host.write(path, "", 0o644);
    }
    let answer = apply(&deminer, &planned);
    let report = deminer.report();
    let both = attacks.iter().zip(&before);
    let mut told: Told = both
        .map(|(attack, before)| (attack.case.name, attack.wrong(host, &planned, before)))
        .collect();
    let mut more = planned.acts();
    let block = format!("block_address {POOL}");
    more.retain(|act| *act != block && !attacks.iter().any(|attack| attack.case.acts.contains(act)));
    let mut other: Vec<String> = more.iter().map(|act| format!("the plan has more: `{act}`")).collect();
    let left = planned.footprint().into_iter();
    let left = left.filter(|directory| host.path(directory).exists());
    other.extend(left.map(|directory| format!("{} is left", directory.display())));
    if report["hosts"][0]["status"] != status {
        other.push(format!("it is not {status}"));
    }
    if told.values().any(|wrong| !wrong.is_empty()) || !other.is_empty() {
        other.push(format!("{answer}\n{}", deminer.run(&["show", &planned.name()])));
    }
    told.insert(name, other);
    (told, planned, report)
}

fn on_the_first(world: &World) -> Told {
    let mut host = world.host("web-1");
    host.boot();
    let attacks = [
        attacks::log_file(&host),
        attacks::arguments(&host),
        attacks::bind_mount(&host),
        attacks::copied_perl(&host),
        attacks::tracer(&host),
        attacks::storm(&host),
        attacks::holder(&host),
        attacks::key(&host),
        attacks::decoys(&host),
    ];
    host.wait("all that was planted", || {
        attacks.iter().all(|attack| attack.is_there(&host))
    });
    let (mut told, planned, report) = strike(&host, "web-1", &attacks, (&[GO], "eradicated"));
    let mut also = |name: &'static str, holds: bool, what: &str| {
        if !holds {
            told.entry(name).or_default().push(what.to_owned());
        }
    };
    also(
        "arguments",
        asks(&planned, "suspect_process", "/opt/erp/server"),
        "nobody is asked about the server",
    );
    also("fork storm", host.has(BIRTHS), "there was no storm");
    let held = report["hosts"][0]["held"].as_array();
    let is_told = held.is_some_and(|held| held.iter().any(|held| held["path"] == "/tmp/.h/xmrig"));
    also("holder", is_told, "nobody is told who holds the file");
    also(
        "decoys",
        files(&host, "/tmp/.d") == DECOYS + 1,
        "more than the miner is gone",
    );
    told
}

fn on_the_second(world: &World) -> Told {
    let mut host = world.host("web-2");
    host.boot();
    let attacks = [
        attacks::registered(&host),
        attacks::mixed_line(&host),
        attacks::giant(&host),
    ];
    let [giant, disk] = GIANTS;
    host.wait("all that was planted", || {
        attacks.iter().all(|attack| attack.is_there(&host)) && !host.running(giant).is_empty()
    });
    let mut told = in_our_way(&host, &attacks);

    let sparse = || [giant, disk].map(|path| Sparse::of(&host, path));
    let (before, running) = (sparse(), living(&host, &[giant]));
    let (struck, planned, report) = strike(&host, "web-2", &attacks, (&[], "cannot_say"));
    told.extend(struck);
    let mut also = |name: &'static str, holds: bool, what: &str| {
        if !holds {
            told.entry(name).or_default().push(what.to_owned());
        }
    };
    also(
        "registered",
        asks(&planned, "packaged_executable", REGISTERED),
        "nobody is asked about its file",
    );
    also(
        "mixed line",
        asks(&planned, "starts_condemned", "/var/spool/cron/crontabs/deploy"),
        "nobody is asked about the line",
    );
    also(
        "giant",
        asks(&planned, "executable_too_large", giant),
        "nobody is asked about it",
    );
    also(
        "giant",
        before.iter().all(|sparse| sparse.size == GIANT) && sparse() == before,
        "a giant is not as it was",
    );
    also(
        "giant",
        living(&host, &[giant]) == running,
        "it is not the same process",
    );
    let gaps = report["counts"]["material_gaps"].as_u64();
    also(
        "giant",
        gaps.is_some_and(|gaps| gaps > 0),
        "that it was not read is no gap",
    );
    told
}

/// A file of which only what can be known without reading it is compared.
#[derive(Debug, PartialEq, Eq)]
struct Sparse {
    inode: u64,
    size: u64,
    blocks: u64,
    mtime: i64,
}

impl Sparse {
    fn of(host: &Host<'_>, path: &str) -> Sparse {
        let meta = std::fs::symlink_metadata(host.path(path)).expect("a file of the test");
        Sparse {
            inode: meta.ino(),
            size: meta.size(),
            blocks: meta.blocks(),
            mtime: meta.mtime(),
        }
    }
}

/// Those that run one of these files and do not stand still.
fn living(host: &Host<'_>, programs: &[&str]) -> Vec<(u32, u64)> {
    let seen = programs.iter().flat_map(|exe| host.running(exe));
    let moving = seen.filter(|seen| matches!(seen.process.state, 'R' | 'S' | 'D'));
    moving.map(|seen| seen.process.key()).collect()
}

fn files(host: &Host<'_>, directory: &str) -> usize {
    std::fs::read_dir(host.path(directory)).map_or(0, Iterator::count)
}

/// Applies a plan while another Deminer has the host, and while something lies where its journal would: nothing is done.
fn in_our_way(host: &Host<'_>, attacks: &[Attack]) -> Told {
    let programs: Vec<&str> = attacks
        .iter()
        .flat_map(|attack| attack.case.programs.iter().map(String::as_str))
        .collect();
    let deminer = host.deminer();
    let planned = plan(&deminer);
    let places = planned.footprint();
    let [place] = &places[..] else {
        panic!("more than one directory: {places:?}")
    };
    let place = place.to_str().expect("a name of ours");
    let running = living(host, &programs);
    let refused = |code: i32, why: &str| -> Vec<String> {
        let answer = apply(&deminer, &planned);
        let report = &deminer.report()["hosts"][0];
        let done = report["tally"]["done"].as_u64();
        let holds = answer.code == Some(code) && report["status"] == "failed" && done == Some(0);
        let untouched = living(host, &programs) == running && attacks.iter().all(|attack| attack.is_there(host));
        match holds && untouched && answer.err.contains(why) {
            true => Vec::new(),
            false => vec![format!("{answer}\n{report:#}\nuntouched: {untouched}")],
        }
    };

    let held = "/run/held";
    start(
        host,
        &format!("flock /root sh -c 'echo > {held}; for i in $(seq 6000); do [ -e {held} ] || exit; sleep 0.1; done'"),
    );
    host.wait("the lock of another", || host.has(held));
    let mut told = Told::from([("lock", refused(7, "another Deminer is at work"))]);
    host.sh(&format!("rm {held}; flock /root true"));

    let (target, journal) = ("/srv/journals", deminer_worker::journal::FILE_NAME);
    host.write(&format!("{target}/{journal}"), "of a customer's\n", 0o600);
    host.sh(&format!("chmod 700 {target}; ln -s {target} {place}"));
    let before = host.snapshot(&[target, place], &[]);
    let mut wrong = refused(1, "lies there");
    wrong.extend(before.changes(&host.snapshot(&[target, place], &[])));
    host.sh(&format!("rm {place}; cp -a {target} {place}"));
    let before = host.snapshot(&[target, place], &[]);
    wrong.extend(refused(1, "lies there"));
    wrong.extend(before.changes(&host.snapshot(&[target, place], &[])));
    told.insert("journal", wrong);
    told
}

fn on_the_third(world: &World) -> Told {
    let mut host = world.host("web-3");
    host.boot();
    let attack = attacks::droppers(&host);
    host.wait("all that was planted", || attack.is_there(&host));
    let before = attack.before(&host);
    let planned = plan(&host.deminer());
    let mut wrong = attack.harm(&host, &before);
    wrong.extend(planned.acts());
    let shown = &planned.json["hosts"][0];
    let why = shown["end"]["why"].as_str().unwrap_or_default();
    if shown["verdict"] != "infected" || shown["word"] != "failed" || !why.contains("Too many") {
        wrong.push(format!("it is not said: {} {why}", shown["word"]));
    }
    if files(&host, "/var/tmp/.d") != DROPPERS + 1 {
        wrong.push("a file is gone".to_owned());
    }
    Told::from([("droppers", wrong)])
}

/// # Panics
/// When anything is wrong with this.
#[track_caller]
fn assert_nothing_wrong(name: &str) {
    let Some(told) = scene() else { return };
    let wrong = told.get(name).unwrap_or_else(|| panic!("`{name}` was not planted"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_log_file_that_names_a_customers_database() {
    assert_nothing_wrong("log-file");
}

#[test]
fn a_server_under_a_miners_arguments() {
    assert_nothing_wrong("arguments");
}

#[test]
fn the_systems_programs_mounted_in_a_temporary_place() {
    assert_nothing_wrong("bind mount");
}

#[test]
fn a_copied_perl() {
    assert_nothing_wrong("copied perl");
}

#[test]
fn a_tracer_that_continues_its_child() {
    assert_nothing_wrong("tracer");
}

#[test]
fn a_fork_storm() {
    assert_nothing_wrong("fork storm");
}

#[test]
fn a_foreign_holder_of_the_miners_file() {
    assert_nothing_wrong("holder");
}

#[test]
fn keys_whose_comments_were_exchanged() {
    assert_nothing_wrong("key");
}

#[test]
fn ten_thousand_decoys() {
    assert_nothing_wrong("decoys");
}

#[test]
fn so_many_droppers_that_nobody_reads_them() {
    assert_nothing_wrong("droppers");
}

#[test]
fn a_miner_in_the_package_database() {
    assert_nothing_wrong("registered");
}

#[test]
fn a_line_with_a_backup_and_a_dropper() {
    assert_nothing_wrong("mixed line");
}

#[test]
fn a_sparse_executable_of_900_gib() {
    assert_nothing_wrong("giant");
}

#[test]
fn another_deminer_has_the_host() {
    assert_nothing_wrong("lock");
}

#[test]
fn something_lies_where_our_journal_would() {
    assert_nothing_wrong("journal");
}

#[test]
fn nothing_else_is_planned_and_all_of_it_goes() {
    assert_nothing_wrong("web-1");
}

#[test]
fn what_is_left_to_a_person_is_never_called_eradicated() {
    assert_nothing_wrong("web-2");
}
