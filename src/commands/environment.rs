//! Which environment is meant: a file, or a name beside the playbook, an inventory or the working directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use deminer_engine::authored::Authored;
use deminer_engine::diagnostic::{Diagnostics, suggest};
use deminer_engine::environment::Environment;
use deminer_engine::inventory::Inventory;
use deminer_engine::playbook::CheckedPlaybook;
use deminer_engine::policy::{Leave, SitePolicy};

use super::playbook::{Found, checked, mistaken, read_bounded};
use super::{Desk, Trouble};
use crate::exit::Exit;
use crate::render::plain::plain;

/// An environment is at most so many bytes.
const BYTES: u64 = 4 << 20;

/// The folder in which environments lie.
const FOLDER: &str = "envs";

/// A playbook that is checked, and the environment that it is under.
pub(crate) struct Under {
    pub(crate) checked: Arc<CheckedPlaybook>,
    pub(crate) environment: Option<Environment>,
}

impl Under {
    /// Checks a playbook, and the environment of that name for it; steps that the environment leaves out are left out.
    ///
    /// # Errors
    /// All mistakes of the playbook, else all of the environment; when there is no such environment.
    pub(crate) fn of(
        desk: &Desk,
        found: &Found,
        environment: Option<&str>,
        inventories: &[PathBuf],
    ) -> anyhow::Result<Under> {
        let checked = checked(desk, found).map_err(|mistakes| mistaken(&mistakes))?;
        let Some(name) = environment else {
            let checked = Arc::new(checked);
            return Ok(Under {
                checked,
                environment: None,
            });
        };
        let environment = read(name, found, inventories, &checked)?.map_err(|mistakes| mistaken(&mistakes))?;
        let checked = checked
            .without(environment.disabled())
            .map_err(|why| Trouble::new(Exit::Usage, format!("--env {name}: {why}"), None))?;
        Ok(Under {
            checked: Arc::new(checked),
            environment: Some(environment),
        })
    }

    /// What the site and the environment decide together; the stricter of both.
    ///
    /// # Errors
    /// When a policy is none, both contradict each other, or more is allowed on the command line than they let be.
    pub(crate) fn policy(&self, desk: &Desk) -> anyhow::Result<SitePolicy> {
        let policy = desk.policy()?;
        let policy = match &self.environment {
            None => policy,
            Some(environment) => policy
                .and(environment.policy().clone())
                .map_err(|error| Trouble::new(Exit::Usage, &error, error.hint()))?,
        };
        may_be_allowed(desk, &policy)?;
        Ok(policy)
    }
}

/// Says which groups of an environment the inventory does not have: what it says of them counts for no host. Where no
/// inventory was named nothing is said.
pub(crate) fn say_unknown_groups(desk: &Desk, environment: Option<&Environment>, inventory: &Inventory) {
    let Some(environment) = environment.filter(|_| !inventory.hosts().is_empty()) else {
        return;
    };
    for group in environment
        .groups()
        .filter(|group| !inventory.groups().contains_key(*group))
    {
        let hint = suggest(group, inventory.groups().keys().map(|name| &**name));
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        desk.screen.note(&format!(
            "environment {}: the inventory has no group `{}`, so what stands there counts for no host{hint}",
            environment.name(),
            plain(group)
        ));
    }
}

/// The environment of that name for a playbook, else all its mistakes.
///
/// # Errors
/// When there is no such environment, or it cannot be read.
pub(crate) fn read(
    name: &str,
    found: &Found,
    inventories: &[PathBuf],
    checked: &CheckedPlaybook,
) -> anyhow::Result<Result<Environment, Diagnostics>> {
    let file = find(name, found.folder(), inventories)?;
    let shown = file.to_string_lossy();
    let text = read_bounded(&file, BYTES).map_err(|error| {
        let hint = "an environment is a YAML file in UTF-8".to_owned();
        Trouble::new(Exit::Usage, format!("{shown}: {error}"), Some(hint))
    })?;
    Ok(Environment::read(&shown, &text, checked))
}

/// The folder in which an environment's playbook lies: that of its folder `envs`, else its own.
pub(crate) fn place_of_playbook(file: &Path) -> &Path {
    let folder = file.parent().unwrap_or(Path::new(""));
    match folder.file_name().is_some_and(|name| name == FOLDER) {
        true => folder.parent().unwrap_or(Path::new("")),
        false => folder,
    }
}

/// Refuses what the command line allows and a policy does not let be allowed.
///
/// # Errors
/// Then.
pub(crate) fn may_be_allowed(desk: &Desk, policy: &SitePolicy) -> anyhow::Result<()> {
    let allowed = |leave: &Leave| desk.registry.policy().allows(*leave);
    match Leave::ALL
        .into_iter()
        .filter(allowed)
        .find(|leave| !policy.may_allow(*leave))
    {
        None => Ok(()),
        Some(leave) => {
            let what = format!("--allow {leave}: the policy does not let it be allowed");
            let hint = "leave it out, or have `leaves` of the policy or the environment changed".to_owned();
            Err(Trouble::new(Exit::Refused, what, Some(hint)).into())
        }
    }
}

/// Whether an environment is named as a file.
pub(crate) fn is_file(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yml") || name.ends_with(".yaml")
}

/// The file of an environment.
fn find(name: &str, playbook: Option<&Path>, inventories: &[PathBuf]) -> anyhow::Result<PathBuf> {
    if is_file(name) {
        return Ok(PathBuf::from(name));
    }
    let of_inventories = inventories.iter().map(|file| match file.is_dir() {
        true => file.as_path(),
        false => file.parent().unwrap_or(Path::new("")),
    });
    let folders = playbook.into_iter().chain(of_inventories).chain([Path::new("")]);
    let mut folders: Vec<PathBuf> = folders.map(|folder| folder.join(FOLDER)).collect();
    folders.dedup();
    let names = folders
        .iter()
        .flat_map(|folder| [format!("{name}.yml"), format!("{name}.yaml")].map(|file| folder.join(file)));
    if let Some(file) = names.into_iter().find(|file| file.is_file()) {
        return Ok(file);
    }
    let there = |folder: &PathBuf| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.filter_map(|file| named(&file.path())).collect::<Vec<_>>()
    };
    let mut known: Vec<String> = folders.iter().flat_map(there).collect();
    known.sort();
    known.dedup();
    let hint = suggest(name, known.iter().map(String::as_str)).unwrap_or_else(|| {
        "an environment is a file `envs/NAME.yml` beside the playbook or the inventory; or name the file".to_owned()
    });
    let what = format!("no environment `{}`", name.escape_debug());
    Err(Trouble::new(Exit::Usage, what, Some(hint)).into())
}

/// By which name a file is chosen, where it is an environment.
fn named(file: &Path) -> Option<String> {
    let is_yaml = file.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let text = is_yaml.then(|| read_bounded(file, BYTES).ok())??;
    let name = file.file_stem()?.to_str()?;
    (Authored::of(&text) == Authored::Environment).then(|| name.to_owned())
}
