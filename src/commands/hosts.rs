//! How each host is reached.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context;
use async_trait::async_trait;
use deminer_engine::host::ssh::{Become, Secret, Ssh, SshClient, SshTarget, TargetError, Workers};
use deminer_engine::host::{Link, Local, Transport};
use deminer_engine::inventory::{self, Reach};
use deminer_worker::platform::simulated::{Simulated, World};
use deminer_worker::query::HostError;

use super::{Trouble, playbook, typing, world};
use crate::cli;
use crate::exit::Exit;

/// The name of this machine in a run.
pub(crate) const LOCAL: &str = "local";

/// The longest password.
const PASSWORD_BYTES: u64 = 4 << 10;

/// How hosts are reached in one command.
#[derive(Default)]
pub(crate) struct Ways {
    reach: cli::Reach,
    /// What is known of hosts, by name.
    known: Mutex<BTreeMap<String, Reach>>,
    /// Hosts that are here already, by name: of a test.
    staged: HashMap<String, Arc<dyn Transport>>,
    /// What simulated hosts are when they begin, by name.
    worlds: Mutex<BTreeMap<String, Arc<World>>>,
    /// Made when the first host over SSH is named.
    ssh: OnceLock<Arc<SshClient>>,
    password: OnceLock<Option<Secret>>,
    /// Variables of our environment that hold secrets.
    hidden: Mutex<BTreeSet<String>>,
}

impl Ways {
    /// As the command line says.
    pub(crate) fn new(reach: cli::Reach) -> Ways {
        Ways {
            reach,
            ..Ways::default()
        }
    }

    /// To these hosts, wherever they are said to be.
    pub(crate) fn staged(hosts: HashMap<String, Arc<dyn Transport>>) -> Ways {
        Ways {
            staged: hosts,
            ..Ways::default()
        }
    }

    /// Starts no ssh with these variables of our environment: they hold secrets.
    pub(crate) fn hide(&self, names: impl IntoIterator<Item = String>) {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// Learns how hosts are reached; what was learned before counts more.
    pub(crate) fn learn(&self, ways: impl IntoIterator<Item = (String, Reach)>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (host, reach) in ways {
            known.entry(host).or_insert(reach);
        }
    }

    /// What is known of these hosts, for a later command.
    pub(crate) fn known<'n>(&self, hosts: impl IntoIterator<Item = &'n String>) -> BTreeMap<String, Reach> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |host: &String| Some((host.clone(), known.get(host)?.clone()));
        hosts.into_iter().filter_map(of).collect()
    }

    /// The ways to hosts, by name.
    ///
    /// # Errors
    /// When one of them is not known.
    pub(crate) fn to_all(&self, names: &[String]) -> anyhow::Result<HashMap<String, Arc<dyn Transport>>> {
        names.iter().map(|name| Ok((name.clone(), self.to(name)?))).collect()
    }

    /// The way to a host that was learned, or whose name says it.
    ///
    /// # Errors
    /// When no such host is known.
    pub(crate) fn to(&self, name: &str) -> anyhow::Result<Arc<dyn Transport>> {
        if let Some(host) = self.staged.get(name) {
            return Ok(Arc::clone(host));
        }
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        let reach = match (known, name.strip_prefix("simulated:")) {
            (Some(reach), _) => reach,
            (None, _) if name == LOCAL => Reach::Local,
            (None, Some(world)) => Reach::Simulated(world.to_owned()),
            (None, None) => {
                let hint =
                    "name the inventory that it is in, with -i FILE; `deminer inventory` shows what hosts there are";
                let what = format!("nothing is known of the way to host `{}`", name.escape_debug());
                return Err(Trouble::new(Exit::Usage, what, Some(hint.to_owned())).into());
            }
        };
        match reach {
            Reach::Local => Ok(Arc::new(Local::new(this_program()?))),
            Reach::Simulated(world) => Ok(Arc::new(Rehearsal {
                world: self.world(&world)?,
                host: OnceLock::new(),
            })),
            Reach::Ssh(ssh) => self.over_ssh(ssh),
        }
    }

    /// What a simulated host of this name is when it begins, read once.
    fn world(&self, name: &str) -> anyhow::Result<Arc<World>> {
        let mut worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(name) {
            return Ok(Arc::clone(world));
        }
        let world = Arc::new(world::simulated(name)?);
        worlds.insert(name.to_owned(), Arc::clone(&world));
        Ok(world)
    }

    fn over_ssh(&self, ssh: inventory::Ssh) -> anyhow::Result<Arc<dyn Transport>> {
        let refused = |error: TargetError| Trouble::new(Exit::Usage, &error, error.hint());
        let jump = ssh.jump_text();
        let usual = SshTarget::new(ssh.address);
        let target = SshTarget {
            user: ssh.user,
            port: ssh.port.and_then(NonZeroU16::new),
            key: ssh.key,
            jump,
            ssh_config: self.reach.ssh_config.clone().or(ssh.ssh_config),
            control_path: self.reach.control_path.clone().or(ssh.control_path),
            r#become: match ssh.become_root {
                inventory::Become::No => Become::No,
                inventory::Become::Sudo => Become::Sudo {
                    password: self.password()?,
                },
            },
            connect_timeout: ssh.connect_timeout.unwrap_or(usual.connect_timeout),
            kex: self.reach.kex.clone(),
            plain_upload: self.reach.plain_upload,
            ..usual
        };
        let client = match self.ssh.get() {
            Some(client) => client,
            None => {
                let client = Arc::new(ssh_client()?);
                self.ssh.get_or_init(|| client)
            }
        };
        client.hide(self.hidden.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Ok(Arc::new(Ssh::new(target, Arc::clone(client)).map_err(refused)?))
    }

    /// The password for sudo, read or asked for once in a command; `None` where there is to be none.
    fn password(&self) -> anyhow::Result<Option<Secret>> {
        if let Some(password) = self.password.get() {
            return Ok(password.clone());
        }
        let password = match self.reach.sudo_password.as_deref() {
            None => None,
            Some(file) if file == Path::new("-") => Some(typing::hidden("password for sudo: ").map_err(|error| {
                let hint = "`--sudo-password FILE` reads it from a file".to_owned();
                Trouble::new(Exit::Usage, format!("the password for sudo: {error}"), Some(hint))
            })?),
            Some(file) => {
                let read = playbook::read_bounded(file, PASSWORD_BYTES);
                let text = read.with_context(|| format!("cannot read --sudo-password {}", file.display()))?;
                Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
            }
        };
        Ok(self.password.get_or_init(|| password.map(Secret::new)).clone())
    }
}

/// A simulated host that comes to life when it is first reached: thousands that wait take no memory.
struct Rehearsal {
    world: Arc<World>,
    host: OnceLock<Simulated>,
}

#[async_trait]
impl Transport for Rehearsal {
    async fn connect(&self, name: &str) -> Result<Arc<Link>, HostError> {
        let host = self
            .host
            .get_or_init(|| Simulated::new(World::clone(&self.world).of_host(name)));
        host.connect(name).await
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
