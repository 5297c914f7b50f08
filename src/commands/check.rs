//! `deminer check`

use std::path::{Path, PathBuf};

use deminer_engine::authored::Authored;
use deminer_engine::case::TestFile;
use deminer_engine::diagnostic::{Code, Diagnostic, Diagnostics, decoded};
use deminer_engine::environment::Draft;
use deminer_engine::inventory::{Inventory, Site};
use deminer_engine::module::{Misread, Module, Resource};
use deminer_engine::playbook::{CheckedPlaybook, Span, check_part};
use serde_json::{Map, Value, json};

use super::playbook::{self, Found};
use super::{Desk, Trouble, environment, test, world};
use crate::cli::{Check, CheckFormat};
use crate::exit::Exit;
use crate::render;

/// A file without mistakes.
struct Right {
    /// What it is, for programs.
    fields: Map<String, Value>,
    /// The same for people.
    line: String,
}

/// Checks all that an author writes, by itself and against what it belongs to, and says every mistake.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn run(desk: &Desk, arguments: &Check) -> anyhow::Result<Exit> {
    let found = arguments.files.iter().map(|name| playbook::find(name));
    let found: Vec<Found> = found.collect::<anyhow::Result<_>>()?;
    // All playbooks first: an environment is held against the one that it is for.
    let checked = |found: &Found| match Authored::of(&found.text) {
        Authored::Playbook => Some(playbook::checked(desk, found)),
        _ => None,
    };
    let checked: Vec<Option<Result<CheckedPlaybook, Diagnostics>>> = found.iter().map(checked).collect();
    if arguments.env.is_some() && checked.iter().all(Option::is_none) {
        let what = "--env is for playbooks, and none is named";
        let hint = "name the playbook: deminer check PLAYBOOK --env NAME".to_owned();
        return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
    }
    let named: Vec<&CheckedPlaybook> = checked.iter().flatten().flatten().collect();
    let mut all: Vec<(String, Result<Right, Diagnostics>)> = Vec::new();
    for ((name, found), checked) in arguments.files.iter().zip(&found).zip(&checked) {
        let said = match checked {
            Some(Ok(checked)) => Ok(a_playbook(name, checked)),
            Some(Err(mistakes)) => Err(mistakes.clone()),
            None => match Authored::of(&found.text) {
                Authored::Test => a_test(name, found),
                Authored::Part => a_part(name, found),
                Authored::Inventory => an_inventory(desk, name, found),
                Authored::Host => a_host(name, found),
                Authored::Rules => rules(desk, name, found),
                Authored::Playbook | Authored::Environment => an_environment(desk, name, found, &named),
            },
        };
        all.push((name.clone(), said));
        if let (Some(Ok(checked)), Some(of)) = (checked, &arguments.env)
            && let Err(mistakes) = environment::read(of, found, &[], checked)?
        {
            all.push((mistakes.file().to_owned(), Err(mistakes)));
        }
    }
    match arguments.format {
        CheckFormat::Text => {
            for (_, said) in &all {
                match said {
                    Ok(right) => desk.screen.say(&right.line),
                    Err(mistakes) => desk.screen.say(mistakes.text().trim_end()),
                }
            }
        }
        CheckFormat::Json => desk
            .screen
            .json(&json!({"files": all.iter().map(told).collect::<Vec<_>>()})),
        CheckFormat::Sarif => {
            let mistakes = all.iter().filter_map(|(_, said)| said.as_ref().err());
            desk.screen.json(&render::sarif::log(mistakes));
        }
    }
    Ok(match all.iter().all(|(_, said)| said.is_ok()) {
        true => Exit::Done,
        false => Exit::Usage,
    })
}

/// A file for programs.
fn told((file, said): &(String, Result<Right, Diagnostics>)) -> Value {
    let mut all = Map::from_iter([("file".to_owned(), json!(file))]);
    let mistakes = match said {
        Ok(right) => {
            all.extend(right.fields.clone());
            json!([])
        }
        Err(mistakes) => mistakes.json()["diagnostics"].take(),
    };
    all.insert("mistakes".to_owned(), mistakes);
    Value::Object(all)
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// So many of something whose plural is regular.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn a_playbook(name: &str, checked: &CheckedPlaybook) -> Right {
    let steps = counted(checked.outline().count(), "step");
    let (called, version) = (checked.name(), checked.version());
    Right {
        fields: fields([("playbook", json!(called))]),
        line: format!("{name}: {called} {version}, {steps}, no mistakes; no host was touched"),
    }
}

/// An environment, against the playbook that it is for: one that was named too, else the one that lies where it must, else
/// a shipped one; where there is none, by itself.
fn an_environment(desk: &Desk, name: &str, found: &Found, named: &[&CheckedPlaybook]) -> Result<Right, Diagnostics> {
    let draft = Draft::read(&found.file, &found.text);
    let called = draft.name().unwrap_or_default().to_owned();
    let meant = draft.playbook().map(str::to_owned);
    let beside = |meant: &String| {
        let place = environment::place_of_playbook(Path::new(&found.file));
        let file = place.join(format!("{meant}.yml"));
        [&*file.to_string_lossy(), meant.as_str()].into_iter().find_map(|name| {
            let checked = playbook::checked(desk, &playbook::find(name).ok()?).ok()?;
            (checked.name() == meant).then_some(checked)
        })
    };
    let own;
    let checked = match named.iter().find(|checked| Some(checked.name()) == meant.as_deref()) {
        Some(checked) => Some(*checked),
        None => {
            own = meant.as_ref().and_then(beside);
            own.as_ref()
        }
    };
    let Some(checked) = checked else {
        let mistakes = draft.mistakes();
        return match mistakes.is_empty() {
            false => Err(mistakes),
            true => Ok(Right {
                fields: fields([("environment", json!(called)), ("playbook", Value::Null)]),
                line: format!(
                    "{name}: environment {called}, no mistakes of its own, held against no playbook (deminer check PLAYBOOK \
                     --env {name}); no host was touched"
                ),
            }),
        };
    };
    draft.held(checked)?;
    let (playbook, version) = (checked.name(), checked.version());
    Ok(Right {
        fields: fields([("environment", json!(called)), ("playbook", json!(playbook))]),
        line: format!("{name}: environment {called} for {playbook} {version}, no mistakes; no host was touched"),
    })
}

fn a_part(name: &str, found: &Found) -> Result<Right, Diagnostics> {
    let steps = counted(check_part(&found.file, &found.text)?, "step");
    Ok(Right {
        fields: fields([("part", json!(name))]),
        line: format!(
            "{name}: {steps} to include, no mistakes of their own, the rest is checked with a playbook that includes them; no \
             host was touched"
        ),
    })
}

/// An inventory, in any of its forms.
fn an_inventory(desk: &Desk, name: &str, found: &Found) -> Result<Right, Diagnostics> {
    let inventory = Inventory::load(&[PathBuf::from(&found.file)], &Site::default())?;
    let warnings = inventory.warnings();
    if !warnings.is_empty() {
        desk.screen.note(warnings.text().trim_end());
    }
    let hosts = inventory.hosts().len();
    let told = counted(hosts, "host");
    Ok(Right {
        fields: fields([("inventory", json!(name)), ("hosts", json!(hosts))]),
        line: format!("{name}: an inventory of {told}, no mistakes; no host was touched"),
    })
}

fn a_host(name: &str, found: &Found) -> Result<Right, Diagnostics> {
    let world = world::read(&found.file, &found.text)?;
    let processes = match world.processes.len() {
        1 => "1 process".to_owned(),
        processes => format!("{processes} processes"),
    };
    let files = counted(world.files.len(), "file");
    Ok(Right {
        fields: fields([("host", json!(world.hostname))]),
        line: format!("{name}: a simulated host of {processes} and {files}, no mistakes; no host was touched"),
    })
}

/// Rules, by the module that reads them; where none does, what the one says that came farthest.
fn rules(desk: &Desk, name: &str, found: &Found) -> Result<Right, Diagnostics> {
    let file = Resource {
        path: found.file.clone(),
        text: found.text.clone(),
    };
    let mut farthest: Option<Misread> = None;
    for module in desk.registry.iter().map(Module::erased) {
        match module.reads(&file) {
            Some(Ok(())) => {
                let module = module.about().name;
                return Ok(Right {
                    fields: fields([("rules", json!(name)), ("module", json!(module))]),
                    line: format!("{name}: rules for {module}, no mistakes; no host was touched"),
                });
            }
            Some(Err(misread)) if farthest.as_ref().is_none_or(|other| other.at < misread.at) => {
                farthest = Some(misread);
            }
            Some(Err(_)) | None => {}
        }
    }
    let mistake = match farthest {
        Some(misread) => decoded(Code::ResourceWrong, &found.text, 0, misread.at, &misread.why),
        None => Diagnostic::error(Code::ResourceWrong, Span::default(), "no module reads such a file"),
    };
    Err(Diagnostics::new(&found.file, found.text.as_str(), vec![mistake]))
}

fn a_test(name: &str, found: &Found) -> Result<Right, Diagnostics> {
    let read = TestFile::read(&found.file, &found.text)?;
    let playbook = test::playbook_of(Path::new(&found.file), &read);
    let shown = playbook.to_string_lossy();
    if playbook::find(&shown).is_err() {
        let message = format!("there is no playbook `{}`", shown.escape_debug());
        let help =
            "a test lies beside its playbook, `NAME.test.yml` beside `NAME.yml`, or names it: `playbook: ../shop.yml`";
        let mistake = Diagnostic::error(Code::TestValue, read.at, message).help(help);
        return Err(Diagnostics::new(&found.file, found.text.as_str(), vec![mistake]));
    }
    let cases = counted(read.cases.len(), "case");
    Ok(Right {
        fields: fields([("test", json!(read.name)), ("playbook", json!(shown))]),
        line: format!("{name}: tests of {shown}, {cases}, no mistakes; no host was touched"),
    })
}
