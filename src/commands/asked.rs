//! What the command line said that holds for later commands too: kept with a plan and its runs, and in what is to be pasted.

use std::path::{Path, PathBuf};

use deminer_engine::asked::{Asked, Choice, ENVIRONMENT, INVENTORY, Word};
use deminer_engine::fleet::AT_ONCE;
use deminer_engine::playbook::BoundVars;

use super::environment::is_file;
use super::playbook::Found;
use crate::cli;

/// How a plan was asked for, apart from what holds for every command.
pub(super) fn looking(name: &str, found: &Found, looking: &cli::Looking, vars: &BoundVars) -> Asked {
    let mut choices = paths(INVENTORY, &looking.fleet.inventory);
    choices.extend(looking.given.env.as_ref().map(|env| {
        let word = match is_file(env) {
            true => Word::path(Path::new(env)),
            false => Word::text(env),
        };
        Choice::of(ENVIRONMENT, word)
    }));
    let masked = |text: &String| Choice::of("--set", Word::text(vars.masked(text.clone())));
    choices.extend(looking.given.set.iter().map(masked));
    choices.extend(looking.given.set_file.iter().map(|text| {
        let (name, file) = text.split_once('=').unwrap_or_default();
        Choice::of("--set-file", Word::path_behind(&format!("{name}="), Path::new(file)))
    }));
    choices.extend(texts("--protect", &looking.protect));
    choices.extend(texts("--override", &looking.r#override));
    Asked {
        playbook: Some(match found.folder() {
            Some(_) => Word::path(Path::new(name)),
            None => Word::text(name),
        }),
        looking: choices,
        ..Asked::default()
    }
}

/// What may be done by leave.
pub(super) fn leaves(leaves: &cli::Leaves) -> Vec<Choice> {
    let allow = leaves.allow.iter().map(|leave| leave.to_string());
    let mut choices: Vec<Choice> = texts("--allow", &allow.collect::<Vec<_>>()).collect();
    choices.extend(paths("--modules", &leaves.modules));
    choices
}

/// The policy that was named.
pub(super) fn policy(policy: &cli::PolicyFile) -> Vec<Choice> {
    paths("--policy", &policy.file)
}

/// How hosts are reached.
pub(super) fn reach(reach: &cli::Reach) -> Vec<Choice> {
    let mut choices = paths("--ssh-config", &reach.ssh_config);
    choices.extend(reach.sudo.then(|| Choice::flag("--sudo")));
    choices.extend(reach.sudo_password.as_deref().map(|file| {
        let is_asked_for = file == Path::new("-");
        let word = if is_asked_for {
            Word::text("-")
        } else {
            Word::path(file)
        };
        Choice::of("--sudo-password", word)
    }));
    choices.extend(paths("--control-path", &reach.control_path));
    choices.extend(texts("--kex", &reach.kex));
    choices.extend(reach.plain_upload.then(|| Choice::flag("--plain-upload")));
    choices
}

/// How the hosts are gone over.
pub(super) fn walking(walking: &cli::Walking) -> Vec<Choice> {
    let at_once = (walking.at_once != AT_ONCE).then(|| walking.at_once.to_string());
    let mut choices: Vec<Choice> = texts("--at-once", &at_once).collect();
    choices.extend(texts("--host-timeout", &walking.host_timeout));
    choices.extend(texts("--run-timeout", &walking.run_timeout));
    choices
}

/// How hosts are struck.
pub(super) fn striking(striking: &cli::Striking) -> Vec<Choice> {
    let batches = (!striking.batches.is_empty()).then(|| striking.batches.join(","));
    let mut choices: Vec<Choice> = texts("--batches", &batches).collect();
    choices.extend(texts("--stop-when", &striking.stop_when));
    choices.extend(striking.together.then(|| Choice::flag("--together")));
    choices
}

/// Where answers stand.
pub(super) fn answers(answers: &cli::AnswersFile) -> Vec<Choice> {
    paths("--answers", &answers.file)
}

fn texts<'t>(option: &'static str, texts: impl IntoIterator<Item = &'t String>) -> impl Iterator<Item = Choice> {
    texts.into_iter().map(move |text| Choice::of(option, Word::text(text)))
}

fn paths<'p>(option: &str, paths: impl IntoIterator<Item = &'p PathBuf>) -> Vec<Choice> {
    let choice = |path: &PathBuf| Choice::of(option, Word::path(path));
    paths.into_iter().map(choice).collect()
}
