//! Which hosts are meant, and how each is reached.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use deminer_engine::host::ssh::{Ssh, SshClient, SshTarget, TargetError, Workers};
use deminer_engine::host::{Local, Transport};
use deminer_worker::platform::simulated::{Simulated, World, clean, infected};

use super::Trouble;
use crate::cli::Reach;
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

/// How hosts are reached in one command.
#[derive(Default)]
pub(crate) struct Ways {
    reach: Reach,
    /// Made when the first host over SSH is named.
    ssh: OnceLock<Arc<SshClient>>,
}

impl Ways {
    /// As the command line says.
    pub(crate) fn new(reach: Reach) -> Ways {
        Ways {
            reach,
            ssh: OnceLock::new(),
        }
    }

    /// The ways to hosts, by name.
    ///
    /// # Errors
    /// When one of them is not known.
    pub(crate) fn to_all(&self, names: &[String]) -> anyhow::Result<HashMap<String, Arc<dyn Transport>>> {
        names.iter().map(|name| Ok((name.clone(), self.to(name)?))).collect()
    }

    /// The way to a host.
    ///
    /// # Errors
    /// When no such host is known.
    pub(crate) fn to(&self, name: &str) -> anyhow::Result<Arc<dyn Transport>> {
        match name.split_once(':') {
            None if name == LOCAL => Ok(Arc::new(Local::new(this_program()?))),
            Some(("simulated", "infected")) => Ok(Arc::new(Simulated::new(infected()))),
            Some(("simulated", "clean")) => Ok(Arc::new(Simulated::new(clean()))),
            Some(("simulated", file)) => {
                let text = std::fs::read_to_string(Path::new(file))
                    .with_context(|| format!("cannot read the world {file}"))?;
                let world = World::from_json(&text).with_context(|| format!("the world {file} cannot be simulated"))?;
                Ok(Arc::new(Simulated::new(world)))
            }
            _ if name.contains('@') || name.starts_with("ssh://") => self.over_ssh(name),
            _ => {
                let hint = "this machine is `local`; `user@host` and `ssh://user@host:port` are reached over SSH; \
                            `simulated:infected`, `simulated:clean` and `simulated:FILE` are in memory";
                Err(Trouble::new(
                    Exit::Usage,
                    format!("host `{name}` is not known"),
                    Some(hint.to_owned()),
                )
                .into())
            }
        }
    }

    fn over_ssh(&self, name: &str) -> anyhow::Result<Arc<dyn Transport>> {
        let refused = |error: TargetError| Trouble::new(Exit::Usage, &error, error.hint());
        let target = SshTarget {
            ssh_config: self.reach.ssh_config.clone(),
            ..SshTarget::parse(name).map_err(refused)?
        };
        let client = match self.ssh.get() {
            Some(client) => client,
            None => {
                let client = Arc::new(ssh_client()?);
                self.ssh.get_or_init(|| client)
            }
        };
        Ok(Arc::new(Ssh::new(target, Arc::clone(client)).map_err(refused)?))
    }
}

fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}

/// Workers lie beside the command; sockets where the login keeps them, else among temporary files.
fn ssh_client() -> anyhow::Result<SshClient> {
    let command = this_program()?;
    let folder = command.parent().unwrap_or(Path::new("/")).to_owned();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let place = runtime
        .filter(|path| path.is_absolute() && path.is_dir())
        .unwrap_or_else(std::env::temp_dir);
    Ok(SshClient::new(place, Workers::new(folder, command)))
}
