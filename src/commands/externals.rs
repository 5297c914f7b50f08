//! The modules that come from outside: programs in folders that the operator names, started only by leave.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use deminer_engine::external::{Limits, describe, is_name};
use deminer_engine::module::Registry;
use deminer_engine::policy::Leave;

use super::Trouble;
use crate::exit::Exit;

/// The variable that names folders where the command line does not.
const MODULES: &str = "DEMINER_MODULES";

/// The modules that are taken in one command.
const MOST: usize = 64;

/// With the modules of these folders, each of which describes itself.
///
/// # Errors
/// When folders are named and nobody allowed their modules, or one is none.
pub(super) fn added(registry: Registry, named: &[PathBuf]) -> anyhow::Result<Registry> {
    let allowed = registry.policy().allows(Leave::ModuleExternal);
    let folders = match named {
        [] if !allowed => return Ok(registry),
        [] => std::env::var_os(MODULES)
            .map(|all| {
                std::env::split_paths(&all)
                    .filter(|path| !path.as_os_str().is_empty())
                    .collect()
            })
            .unwrap_or_default(),
        named => named.to_vec(),
    };
    if !allowed {
        let what = "--modules: its modules are programs of this machine, and nobody allowed them";
        let hint = format!("where it is meant, allow it: `--allow {}`", Leave::ModuleExternal);
        return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
    }
    let mut files = Vec::new();
    for folder in &folders {
        files.extend(modules_in(folder)?);
    }
    if files.len() > MOST {
        let what = format!("--modules: {} modules, {MOST} is the limit", files.len());
        return Err(Trouble::new(Exit::Usage, what, Some("name folders of fewer".to_owned())).into());
    }
    if files.is_empty() {
        return Ok(registry);
    }
    let place = std::env::temp_dir();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no thread to be had")?.block_on(async {
        let mut registry = registry;
        for file in files {
            let shown = file.display();
            let module = describe(&file, &place, Limits::default()).await.map_err(|why| {
                let hint = format!("run it by hand: `{shown} describe`");
                Trouble::new(Exit::Usage, format!("external module {shown}: {why}"), Some(hint))
            })?;
            registry = registry.with(module).map_err(|name| {
                let what = format!("external module {shown}: there is a module `{name}` already");
                Trouble::new(Exit::Usage, what, Some("give it another name".to_owned()))
            })?;
        }
        Ok(registry)
    })
}

/// The files of a folder that are named as modules, by name.
fn modules_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        let what = format!("--modules {}: {error}", folder.display());
        Trouble::new(Exit::Usage, what, Some("it is a folder of programs".to_owned()))
    })?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_name))
        .collect();
    files.sort();
    Ok(files)
}
