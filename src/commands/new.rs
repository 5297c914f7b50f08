//! `deminer new`: starting points with comments, as they are compiled in, under a name of the operator's.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Desk, Trouble};
use crate::cli::{Begun, New};
use crate::exit::Exit;

const PLAYBOOK: &str = include_str!("new/playbook.yml");
const MODULE: &str = include_str!("new/module.rs");
const RULES_HEAD: &str = include_str!("new/rules-head.yml");
const RULES: &str = include_str!("../../playbooks/rules/linux.yml");

/// The longest name.
const NAME_CHARS: usize = 64;

/// A file to be written.
struct Sheet {
    path: PathBuf,
    text: String,
    /// Whether one that is there already is as good.
    may_be_there: bool,
}

/// Writes what was asked for, and says what to do with it.
///
/// # Errors
/// When the name is none, or a file is there already or cannot be written.
pub(crate) fn run(desk: &Desk, arguments: &New) -> anyhow::Result<Exit> {
    let name = arguments.name.as_str();
    // The working directory is not named in what people are told.
    let to = arguments.output.strip_prefix(".").unwrap_or(&arguments.output);
    let (sheets, next) = match arguments.what {
        Begun::Playbook => {
            plain_name(name)?;
            let path = to.join(format!("{name}.yml"));
            let next = format!("deminer check {}", path.display());
            let playbook = Sheet {
                path,
                text: PLAYBOOK.replace("NAME", name),
                may_be_there: false,
            };
            (vec![playbook, rules(name, to, true)], next)
        }
        Begun::Rules => {
            plain_name(name)?;
            let next = format!("in the playbook, at miner.judge: rules: rules/{name}.yml");
            (vec![rules(name, to, false)], next)
        }
        Begun::Module => {
            let file = module_file(name)?;
            let next = format!("in modules/src/lib.rs: pub mod {file}; and its entry in the list");
            (vec![module(name, &file, to)], next)
        }
    };
    if let Some(there) = sheets.iter().find(|sheet| !sheet.may_be_there && sheet.path.exists()) {
        return Err(is_there(&there.path).into());
    }
    for sheet in &sheets {
        let shown = sheet.path.display();
        match write_new(&sheet.path, &sheet.text) {
            Ok(()) => desk.screen.say(&format!("written  {shown}\n")),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && sheet.may_be_there => {
                desk.screen.say(&format!("kept     {shown}, which is there already\n"));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(is_there(&sheet.path).into()),
            Err(error) => return Err(error).with_context(|| format!("cannot write {shown}")),
        }
    }
    desk.screen.say(&format!("next     {next}\n"));
    Ok(Exit::Done)
}

fn rules(name: &str, to: &Path, may_be_there: bool) -> Sheet {
    let shipped = RULES.lines().skip_while(|line| line.starts_with('#'));
    let body: String = shipped.map(|line| format!("{line}\n")).collect();
    Sheet {
        path: to.join("rules").join(format!("{name}.yml")),
        text: format!("{}{body}", RULES_HEAD.replace("NAME", name)),
        may_be_there,
    }
}

fn module(name: &str, file: &str, to: &Path) -> Sheet {
    let capital = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    let camel: String = file.split('_').map(capital).collect();
    Sheet {
        path: to.join(format!("{file}.rs")),
        text: MODULE.replace("starter.lines", name).replace("StarterLines", &camel),
        may_be_there: false,
    }
}

/// A name of a playbook, and of a file.
fn plain_name(name: &str) -> Result<(), Trouble> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !name.is_empty() && name.len() <= NAME_CHARS && name.chars().all(fits) && !name.starts_with('-') {
        true => Ok(()),
        false => Err(no_name(name, "letters, digits, `-` and `_`, as `web-tier`")),
    }
}

/// The file of a module of that name: `hosts.list` is in `hosts_list.rs`.
fn module_file(name: &str) -> Result<String, Trouble> {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    match name.len() <= NAME_CHARS && name.split_once('.').is_some_and(|(a, b)| word(a) && word(b)) {
        true => Ok(name.replace('.', "_")),
        false => Err(no_name(name, "a subject and a verb in small letters, as `hosts.list`")),
    }
}

fn no_name(name: &str, form: &str) -> Trouble {
    let what = format!("`{}` is no name here", name.escape_debug());
    Trouble::new(Exit::Usage, what, Some(format!("it has {form}")))
}

fn is_there(path: &Path) -> Trouble {
    let what = format!("{} is there already, and is left as it is", path.display());
    Trouble::new(
        Exit::Usage,
        what,
        Some("choose another name, or another directory with -o DIR".to_owned()),
    )
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}
