//! `docs/handbook.md`: no bullet of the handbook without a module, a step and a test, and each of them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use deminer_engine::module::Registry;
use deminer_engine::playbook::{CheckedPlaybook, Sources, check};
use deminer_engine::policy::{Leave, Policy};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The sections that speak of a Linux host, in the handbook's own numbers, and its last sentence.
const SECTIONS: [&str; 15] = [
    "1.1", "1.1.1", "1.1.2", "1.2", "1.3", "1.4", "2.1.1", "2.1.3.1", "2.1.3.2", "2.1.3.4", "2.1.3.5", "2.2", "3.1",
    "5.1", "",
];

/// One row: the bullet, and what stands in code in the three cells behind it.
#[derive(Debug, PartialEq, Eq)]
struct Bullet {
    section: String,
    words: String,
    modules: Vec<String>,
    steps: Vec<String>,
    tests: Vec<String>,
}

struct Beside(std::path::PathBuf);

impl Sources for Beside {
    fn load(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.join(path)).ok()
    }
}

/// What stands in backticks.
fn coded(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of a document, in order.
fn bullets(document: &str) -> Vec<Bullet> {
    let text = fs::read_to_string(Path::new(ROOT).join("docs").join(document)).expect("the document is there");
    let mut section = String::new();
    let mut bullets = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let number = heading.split(' ').next().unwrap_or_default();
            let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            section = if is_number { number.to_owned() } else { String::new() };
            continue;
        }
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            assert!(!line.starts_with('|'), "{document}: a row that is none: {line}");
            continue;
        };
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells.len(), 4, "{document}: {line}");
        if cells[1].starts_with("---") || !cells[1].contains('`') && !cells[3].contains('`') {
            continue;
        }
        bullets.push(Bullet {
            section: section.clone(),
            words: cells[0].to_owned(),
            modules: coded(cells[1]),
            steps: coded(cells[2]),
            tests: coded(cells[3]),
        });
    }
    bullets
}

fn registry() -> Registry {
    deminer_modules::registry().under(Policy::allowing([Leave::CommandRead]))
}

/// The playbook that a step's first words name: a shipped one, or `examples/NAME`.
fn playbook(name: &str) -> Arc<CheckedPlaybook> {
    let path = match name.strip_prefix("examples/") {
        Some(name) => format!("examples/{name}.yml"),
        None => format!("playbooks/{name}.yml"),
    };
    let whole = Path::new(ROOT).join(&path);
    let text = fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{path}: {error}"));
    let beside = Beside(whole.parent().expect("a folder").to_path_buf());
    let checked = check(&path, &text, &registry(), &beside);
    Arc::new(checked.unwrap_or_else(|mistakes| panic!("{}", mistakes.text())))
}

/// The module that a step uses; `None` for what computes or stops, and for what is no step.
fn module_of(step: &str) -> Option<String> {
    if let Some((name, part)) = step.split_once(' ') {
        let playbook = playbook(name);
        match part.split_once('.') {
            Some(("vars", var)) => assert!(playbook.vars().contains_key(var), "{step}: no such variable"),
            None if part == "repeat" => assert!(playbook.max_rounds() > 1, "{step}: it does not repeat"),
            None if part == "hand_over" => assert!(playbook.text().contains("hand_over:"), "{step}: it does not"),
            _ => panic!("{step}: neither a variable nor `repeat` nor `hand_over`"),
        }
        return None;
    }
    let (name, id) = step
        .rsplit_once('/')
        .unwrap_or_else(|| panic!("{step}: not PLAYBOOK/STEP"));
    let playbook = playbook(name);
    let outline = playbook.outline().find(|outline| outline.step == id);
    let outline = outline.unwrap_or_else(|| panic!("{step}: no such step"));
    outline.module.map(|(module, _)| module.to_owned())
}

/// Whether that function is there and is run as a test.
fn is_test(named: &str) -> bool {
    let (file, function) = named
        .split_once(": ")
        .unwrap_or_else(|| panic!("{named}: not FILE: FUNCTION"));
    let text = fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_else(|error| panic!("{named}: {error}"));
    let lines: Vec<&str> = text.lines().collect();
    let words = format!("fn {function}(");
    lines.iter().enumerate().any(|(number, line)| {
        let marks = lines[..number]
            .iter()
            .rev()
            .map(|line| line.trim())
            .take_while(|line| line.starts_with("#["));
        line.contains(&words)
            && marks
                .into_iter()
                .any(|mark| mark == "#[test]" || mark.starts_with("#[tokio::test"))
    })
}

#[test]
fn no_bullet_is_without_a_module_a_step_and_a_test() {
    let bullets = bullets("handbook.md");
    for bullet in &bullets {
        assert!(!bullet.words.trim().is_empty(), "{bullet:?}");
        assert!(!bullet.modules.is_empty(), "{bullet:?}");
        assert!(!bullet.steps.is_empty(), "{bullet:?}");
        assert!(!bullet.tests.is_empty(), "{bullet:?}");
    }
    let sections: Vec<&str> = bullets.iter().map(|bullet| &*bullet.section).collect();
    let mut once = sections.clone();
    once.dedup();
    assert_eq!(once, SECTIONS, "each section once, in the handbook's order");
}

#[test]
fn both_languages_have_the_same_rows() {
    let [english, chinese] = ["handbook.md", "handbook.zh.md"].map(bullets);
    let apart = |bullets: Vec<Bullet>| -> Vec<_> {
        let named = |bullet: Bullet| (bullet.section, bullet.modules, bullet.steps, bullet.tests);
        bullets.into_iter().map(named).collect()
    };
    assert_eq!(apart(english), apart(chinese));
}

#[test]
fn what_is_named_is_there() {
    let registry = registry();
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_deminer"))
        .arg("--help")
        .output();
    let help = String::from_utf8(help.expect("the built program starts").stdout).expect("text");
    for bullet in bullets("handbook.md") {
        for named in &bullet.modules {
            match named.strip_prefix("deminer ") {
                Some(verb) => {
                    let listed = help
                        .lines()
                        .any(|line| line.trim_start().split(' ').next() == Some(verb));
                    assert!(listed, "{named}: no such command");
                }
                None => assert!(
                    named == "ask" || registry.find(named).is_some(),
                    "{named}: no such module"
                ),
            }
        }
        let used: BTreeSet<String> = bullet.steps.iter().filter_map(|step| module_of(step)).collect();
        for named in bullet
            .modules
            .iter()
            .filter(|named| !named.starts_with("deminer ") && *named != "ask")
        {
            assert!(used.contains(named), "{named} is used by none of {:?}", bullet.steps);
        }
        for named in &bullet.tests {
            assert!(is_test(named), "{named}: no such test");
        }
    }
}

#[test]
fn every_module_serves_a_bullet() {
    let named: BTreeSet<String> = bullets("handbook.md")
        .into_iter()
        .flat_map(|bullet| bullet.modules)
        .collect();
    let unnamed: Vec<&str> = of_the_handbook()
        .into_iter()
        .filter(|name| !named.contains(*name))
        .collect();
    assert_eq!(unnamed, Vec::<&str>::new());
}

/// The modules that say themselves which section they are for.
fn of_the_handbook() -> Vec<&'static str> {
    let modules = deminer_modules::all();
    let abouts = modules.iter().map(|module| module.about());
    abouts
        .filter(|about| !about.handbook.is_empty())
        .map(|about| about.name)
        .collect()
}
