//! `deminer test`: plays the cases beside playbooks on hosts of their own, and holds what comes out against what must.

mod covered;
mod hold;
mod play;
mod snapshot;
mod stage;
mod wrong;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use deminer_engine::case::{Case, TestFile};
use deminer_engine::playbook::CheckedPlaybook;

pub(crate) use self::covered::{Branch, Covered};
pub(crate) use self::wrong::{Aspect, Side, Wrong};
use super::playbook::{checked, find, mistaken, read_bounded};
use super::{Desk, Trouble};
use crate::cli::{Format, Test};
use crate::exit::Exit;
use crate::render::test as render;

/// The end of the name of a file of tests.
const END: &str = ".test.yml";

/// A file of tests is at most so many bytes.
const BYTES: u64 = 4 << 20;

/// Folders are searched so deep.
const DEPTH: usize = 16;

/// A file of tests, with the playbook that it is about.
pub(super) struct Tests {
    /// As it was named.
    pub(super) file: PathBuf,
    pub(super) read: TestFile,
    /// The playbook's file.
    pub(super) playbook: PathBuf,
    pub(super) checked: CheckedPlaybook,
}

/// How a case ended.
pub(crate) struct Ended {
    /// The file, as it was named.
    pub(crate) file: String,
    /// The line of the case.
    pub(crate) line: usize,
    pub(crate) name: String,
    /// What is not as it must be; none where all is.
    pub(crate) wrong: Vec<Wrong>,
    /// Snapshots that were written anew.
    pub(crate) accepted: Vec<String>,
    pub(crate) took: Duration,
}

/// What came of all cases.
pub(crate) struct Results {
    /// In the order of files and cases.
    pub(crate) cases: Vec<Ended>,
    /// By playbook.
    pub(crate) covered: BTreeMap<String, Covered>,
    pub(crate) took: Duration,
    /// What was played, as it was named.
    pub(crate) paths: Vec<PathBuf>,
}

/// Plays all cases that are meant.
///
/// # Errors
/// When a file is wrong, or there is none.
pub(crate) fn run(desk: &Desk, arguments: &Test) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let files = files(&arguments.paths)?;
    let mut all = Vec::new();
    for file in files {
        all.push(read(desk, file)?);
    }
    let meant: Vec<(&Tests, &Case)> = all
        .iter()
        .flat_map(|tests| tests.read.cases.iter().map(move |case| (tests, case)))
        .filter(|(tests, case)| {
            let name = format!("{}: {}", tests.file.display(), case.name);
            arguments.filter.is_empty() || arguments.filter.iter().any(|text| name.contains(text))
        })
        .collect();
    if meant.is_empty() {
        let what = "there is no case to play";
        let hint = "a test is a file `NAME.test.yml` beside `NAME.yml`; `--filter` chooses among cases".to_owned();
        return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
    }
    // A case waits as long as it works.
    let of_processors = || 2 * thread::available_parallelism().map_or(2, usize::from);
    let jobs = arguments.jobs.map_or_else(of_processors, usize::from);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..jobs.min(meant.len()) {
            scope.spawn(|| {
                while let Some((number, (tests, case))) = taken(&next, &meant) {
                    let ended = case_ended(tests, case, arguments.accept);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.insert(number, ended);
                }
            });
        }
    });
    let mut results = Results {
        cases: Vec::new(),
        covered: BTreeMap::new(),
        took: Duration::ZERO,
        paths: arguments.paths.clone(),
    };
    for tests in &all {
        let name = tests.playbook.to_string_lossy().into_owned();
        results
            .covered
            .entry(name)
            .or_insert_with(|| Covered::of(&tests.checked));
    }
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    for ((ended, steps), (tests, _)) in done.into_values().zip(&meant) {
        let name = tests.playbook.to_string_lossy().into_owned();
        if let Some(covered) = results.covered.get_mut(&name) {
            covered.add(&steps);
        }
        results.cases.push(ended);
    }
    results.took = began.elapsed();
    if let Some(file) = &arguments.junit {
        super::plan::write_new(file, render::junit(&results).as_bytes())
            .map_err(|error| Trouble::new(Exit::Failed, format!("--junit {}: {error}", file.display()), None))?;
    }
    match arguments.format {
        Format::Json => desk.screen.json(&render::json(&results)),
        Format::Text | Format::Markdown => desk.screen.say(&render::text(&results, desk.screen.style())),
    }
    let is_right = results.cases.iter().all(|case| case.wrong.is_empty());
    Ok(if is_right { Exit::Done } else { Exit::Failed })
}

fn taken<'m, T>(next: &AtomicUsize, all: &'m [T]) -> Option<(usize, &'m T)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    Some((number, all.get(number)?))
}

/// Plays one case and holds it against what it must be.
fn case_ended(tests: &Tests, case: &Case, accept: bool) -> (Ended, Vec<covered::Step>) {
    let began = Instant::now();
    let mut ended = Ended {
        file: tests.file.to_string_lossy().into_owned(),
        line: case.line,
        name: case.name.clone(),
        wrong: Vec::new(),
        accepted: Vec::new(),
        took: Duration::ZERO,
    };
    let mut steps = Vec::new();
    match play::play(tests, case) {
        Ok(played) => {
            ended.wrong = hold::against(&case.expect, &played);
            for shot in &case.snapshots {
                let file = snapshot::File::of(&tests.file, &case.name, *shot);
                match snapshot::hold(&file, played.shown(*shot), accept && ended.wrong.is_empty()) {
                    Ok(snapshot::Held::Same) => {}
                    Ok(snapshot::Held::Written) => ended.accepted.push(file.shown()),
                    Ok(snapshot::Held::Differs(wrong)) => ended.wrong.push(wrong),
                    Err(why) => ended.wrong.push(Wrong::Failed(format!("{}: {why}", file.shown()))),
                }
            }
            steps = played.steps;
        }
        Err(error) => {
            let hint = error.downcast_ref::<Trouble>().and_then(|trouble| trouble.hint.clone());
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            ended.wrong.push(Wrong::Failed(format!("{error:#}{hint}")));
        }
    }
    ended.took = began.elapsed();
    (ended, steps)
}

/// The files that are named, and those below the folders that are, in the order of their names.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let here = [PathBuf::from(".")];
    let mut files = Vec::new();
    for path in if paths.is_empty() { &here[..] } else { paths } {
        if path.is_dir() {
            search(path, DEPTH, &mut files)
                .map_err(|error| Trouble::new(Exit::Usage, format!("{}: {error}", path.display()), None))?;
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn search(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let name = name.to_string_lossy();
        let path = match folder == Path::new(".") {
            true => PathBuf::from(&*name),
            false => entry.path(),
        };
        // Links are not followed: no folder is searched twice.
        if kind.is_dir() && depth > 0 && !name.starts_with('.') && name != "target" {
            search(&path, depth - 1, files)?;
        } else if kind.is_file() && name.ends_with(END) {
            files.push(path);
        }
    }
    Ok(())
}

fn read(desk: &Desk, file: PathBuf) -> anyhow::Result<Tests> {
    let shown = file.to_string_lossy();
    let text = read_bounded(&file, BYTES).map_err(|error| {
        let hint = "a file of tests is a YAML file in UTF-8".to_owned();
        Trouble::new(Exit::Usage, format!("{shown}: {error}"), Some(hint))
    })?;
    let read = TestFile::read(&shown, &text).map_err(|mistakes| mistaken(&mistakes))?;
    let playbook = playbook_of(&file, &read);
    let allowed = read.cases.iter().flat_map(|case| case.allow.iter().copied());
    let under = crate::cli::Leaves {
        allow: allowed.collect(),
        ..crate::cli::Leaves::default()
    };
    let found = find(&playbook.to_string_lossy())?;
    let bare = Desk::bare(desk.screen.clone()).under(&under)?;
    let checked = checked(&bare, &found).map_err(|mistakes| mistaken(&mistakes))?;
    Ok(Tests {
        file: file.clone(),
        read,
        playbook,
        checked,
    })
}

/// The file of the playbook that is tested, or the name of a shipped one.
pub(super) fn playbook_of(file: &Path, read: &TestFile) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new(""));
    match &read.playbook {
        // A name without an ending is that of a shipped one.
        Some(playbook) if Path::new(playbook).extension().is_none() => PathBuf::from(playbook),
        Some(playbook) => folder.join(playbook),
        None => {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            folder.join(format!("{}.yml", name.strip_suffix(END).unwrap_or(&name)))
        }
    }
}
