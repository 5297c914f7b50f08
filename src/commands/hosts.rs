//! Which hosts are meant, and how each is reached.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use deminer_engine::host::{Local, Transport};
use deminer_worker::platform::simulated::{Simulated, World, clean, infected};

use super::Trouble;
use crate::exit::Exit;

/// The name of this machine in a run.
pub(crate) const LOCAL: &str = "local";

/// The hosts that a command names; none is this machine.
pub(crate) fn named(hosts: &[String]) -> Vec<String> {
    match hosts.is_empty() {
        true => vec![LOCAL.to_owned()],
        false => hosts.to_vec(),
    }
}

/// The ways to hosts, by name.
///
/// # Errors
/// When one of them is not known.
pub(crate) fn ways(names: &[String]) -> anyhow::Result<HashMap<String, Arc<dyn Transport>>> {
    names.iter().map(|name| Ok((name.clone(), transport(name)?))).collect()
}

/// The way to a host.
///
/// # Errors
/// When no such host is known.
pub(crate) fn transport(name: &str) -> anyhow::Result<Arc<dyn Transport>> {
    match name.split_once(':') {
        None if name == LOCAL => {
            let program = std::env::current_exe().context("cannot find this program's own file")?;
            Ok(Arc::new(Local::new(program)))
        }
        Some(("simulated", "infected")) => Ok(Arc::new(Simulated::new(infected()))),
        Some(("simulated", "clean")) => Ok(Arc::new(Simulated::new(clean()))),
        Some(("simulated", file)) => {
            let text =
                std::fs::read_to_string(Path::new(file)).with_context(|| format!("cannot read the world {file}"))?;
            let world = World::from_json(&text).with_context(|| format!("the world {file} cannot be simulated"))?;
            Ok(Arc::new(Simulated::new(world)))
        }
        _ => {
            let hint =
                "this machine is `local`; `simulated:infected`, `simulated:clean` and `simulated:FILE` are in memory";
            Err(Trouble::new(
                Exit::Usage,
                format!("host `{name}` is not known"),
                Some(hint.to_owned()),
            )
            .into())
        }
    }
}
