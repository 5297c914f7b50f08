//! Which hosts there are, and how to reach each.
//!
//! An [`Inventory`] is read from files ([`Inventory::load`]): of our own YAML, which is described there, or Ansible's
//! inventories as they are. A [`Pattern`] chooses hosts of it. [`Host::of_destination`] is a host that is named on a command
//! line. Nothing here connects to anything; what may be run is an inventory program of Ansible's, here, by its path.

mod ansible;
mod connection;
mod destination;
mod draft;
mod given;
mod load;
pub mod name;
mod native;
mod pattern;
mod range;
mod reach;
mod resolve;
mod sheet;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

pub use connection::{Reason, Refused, Unused, WhyUnused};
pub use destination::destination;
pub use given::{Content, Given, Layer, Origin};
pub(crate) use native::TOP_KEYS;
pub use pattern::{BadPattern, Pattern};
pub use reach::{Become, Hop, Reach, Ssh};
pub use resolve::Resolved;

use crate::diagnostic::{Diagnostics, nearest};
use crate::environment::Environment;
use crate::playbook::{CheckedPlaybook, Setting};

/// The hosts of one or more files.
///
/// # The form
///
/// An inventory of our own is YAML with up to three keys at its top:
///
/// ```yaml
/// defaults:                     # what holds for every host
///   user: deploy
/// hosts:
///   web-1:                      # nothing more: its name is its address
///   web-2: {address: 192.0.2.12, port: 2222, vars: {watch: 20m}}
///   db-[01:03]: {user: root}    # db-01, db-02, db-03; also [a:f], [1:9:2]
///   here: {connection: local}
/// groups:
///   web: [web-1, web-2]         # a list is its hosts
///   prod:
///     hosts: ["db-[01:03]"]
///     children: [web]           # all hosts of web are in prod too
///     jump: ops@bastion.example.net:2222
///     sudo: true
///     vars:
///       pools: ["203.0.113.9:3333"]
/// ```
///
/// The settings of a host; all but `address` also of a group and of `defaults`:
///
/// | key | meaning |
/// | --- | --- |
/// | `address` | where it is: a name of DNS or of ssh_config, an IPv4 or IPv6 address; without it the host's name |
/// | `user` | whom to log in as; without it what ssh_config says |
/// | `port` | 1 to 65535; without it what ssh_config says |
/// | `key` | the private key; `~/` is your home, else relative to the inventory's folder |
/// | `jump` | the hosts to go through, `a@one:2222,two` or a list; `none` for none |
/// | `sudo` | `true`: become root by sudo |
/// | `ssh_config` | used in place of yours; `--ssh-config` counts more |
/// | `control_path` | the socket of a ControlMaster that you opened; may hold `%h`, `%p`, `%r`, `%C` |
/// | `connection` | `ssh`, `local` (this machine), `simulated:infected`, `simulated:clean` or `simulated:FILE` |
/// | `vars` | values for variables of playbooks |
///
/// A host of the inventory that is a `jump` is reached at its `address`, `port` and as its `user`; the rest of its settings do
/// not count there.
///
/// A group also has `hosts`, `children` and `priority`. What is nearer to the host counts: `defaults`, then groups from the
/// farthest above to the nearest, then the host. Of groups equally far from `all` the one with the higher `priority` (1 where
/// nothing is said) counts, else the later in the alphabet.
///
/// Every host is in the group `all`; one that is in no other is in `ungrouped`.
///
/// # Variables
///
/// An inventory serves many playbooks. A variable takes effect in a playbook that declares one of its name, and must fit its
/// type there: the mistake names the inventory's line. In other playbooks it is passed over; [`Host::settings`] says which,
/// and whether one of them looks like a slip of the pen. Ansible's variables are treated the same; those that begin with
/// `ansible_` are settings and never variables of a playbook.
///
/// # Ansible
///
/// Read as ansible-core reads them: INI and YAML inventories, folders of them, programs (`--list`, `--host`), and beside each
/// `group_vars` and `host_vars`, in Ansible's order of precedence. Used are `ansible_host`, `ansible_port`, `ansible_user`,
/// `ansible_ssh_private_key_file`, `ansible_become` (by sudo, as root), `ansible_connection` (`ssh`, `local`), and of the
/// `ansible_ssh_*_args` a jump host, `-F`, `-l`, `-p` and `-i`. Others are named as not used ([`Host::unused`]). Templates are
/// not evaluated and the vault is not opened: where a connection needs such a value the host is refused ([`Host::reach`]).
///
/// `.yml`, `.yaml` and `.json` are YAML, `.ini` is INI, what begins with `#!` is run. Of other names it is YAML where the first
/// line that says something is `---`, begins with `{` or ends with `:`. YAML with `hosts`, `groups` or `defaults` at its top
/// and neither `all` nor `ungrouped` is ours.
#[derive(Debug)]
pub struct Inventory {
    hosts: Vec<Host>,
    index: HashMap<Arc<str>, usize>,
    groups: IndexMap<Arc<str>, Group>,
    warnings: Diagnostics,
}

/// What the reader of an inventory is told of the place where it runs.
#[derive(Debug, Clone)]
pub struct Site {
    /// What `~/` stands for; `None`: not known.
    pub home: Option<PathBuf>,
    /// How long the runs of one inventory program may take together.
    pub program_timeout: Duration,
}

impl Default for Site {
    fn default() -> Site {
        Site {
            home: None,
            program_timeout: load::PROGRAM,
        }
    }
}

/// A host, with all that the inventory says of it and why.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name, unique in an inventory; see [`name::host`].
    pub name: Arc<str>,
    /// All groups that it is in, those above them too: the farthest first, `all` the first of all.
    pub groups: Vec<Arc<str>>,
    /// Where it is named first.
    pub origin: Origin,
    /// How it is reached, or why it cannot be as the inventory says.
    pub reach: Result<Reach, Refused>,
    /// The settings of its connection that are set, by the names of our own form: `address`, `user`, `jump`, ...
    pub settings: IndexMap<&'static str, Resolved>,
    /// The variables for playbooks.
    pub vars: IndexMap<Arc<str>, Resolved>,
    /// What Ansible says of connections and is not used.
    pub unused: Vec<Unused>,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// The longest way down to it from `all`, which is at 0.
    pub depth: usize,
    /// Of groups of one depth the higher counts.
    pub priority: i64,
    /// The groups right below it.
    pub children: Vec<Arc<str>>,
    /// Where it is named first.
    pub origin: Origin,
    /// The hosts right in it.
    members: Vec<usize>,
}

/// The values of an inventory for one playbook.
#[derive(Debug, Clone, Default)]
pub struct HostSettings {
    /// For [`CheckedPlaybook::bind`]; what `--set` says goes behind them.
    pub settings: Vec<(String, Setting)>,
    /// The variables that the playbook does not declare.
    pub passed_over: Vec<PassedOver>,
}

/// A variable of an inventory that a playbook does not declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Its name.
    pub name: Arc<str>,
    /// Where.
    pub origin: Origin,
    /// A variable of the playbook that it looks like, and that nothing else sets for this host.
    pub near: Option<String>,
}

impl Inventory {
    /// Reads files and folders, one over the other: what a later one says counts more. No path is an inventory without
    /// hosts. Programs among them are run.
    ///
    /// # Errors
    /// All mistakes of all files; [`Inventory::warnings`] has what is none.
    pub fn load(paths: &[PathBuf], site: &Site) -> Result<Inventory, Diagnostics> {
        load::load(paths, site)
    }

    fn new(found: resolve::Hosts, warnings: Diagnostics) -> Inventory {
        let resolve::Hosts { hosts, groups } = found;
        let index = hosts.iter().enumerate().map(|(at, host)| (Arc::clone(&host.name), at));
        Inventory {
            index: index.collect(),
            hosts,
            groups,
            warnings,
        }
    }

    /// What a person should look at.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// All hosts, in the order in which the files name them first.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.index.get(name).map(|at| &self.hosts[*at])
    }

    /// All groups, `all` and `ungrouped` first.
    pub fn groups(&self) -> &IndexMap<Arc<str>, Group> {
        &self.groups
    }

    /// The hosts of a group and of all below it, each once: its own first, then those of its children, level by level; of
    /// `all` in the order in which the files name them. Empty where there is no such group.
    pub fn members(&self, group: &str) -> Vec<&Host> {
        let places = self.member_places(group);
        places.into_iter().map(|at| &self.hosts[at]).collect()
    }

    fn member_places(&self, group: &str) -> Vec<usize> {
        if group == draft::ALL {
            return (0..self.hosts.len()).collect();
        }
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        let (mut visited, mut next) = (HashSet::from([group]), VecDeque::from([group]));
        while let Some(name) = next.pop_front() {
            let Some(group) = self.groups.get(name) else {
                continue;
            };
            found.extend(group.members.iter().copied().filter(|at| seen.insert(*at)));
            next.extend(
                group
                    .children
                    .iter()
                    .map(|child| &**child)
                    .filter(|child| visited.insert(child)),
            );
        }
        found
    }
}

impl Host {
    /// The host that a destination of the command line names: `user@host:port`, `ssh://user@host:port`. Its name is the
    /// host, with the port where one is given.
    ///
    /// # Errors
    /// When a part of it is no name; see [`name`].
    pub fn of_destination(text: &str) -> Result<Host, name::BadName> {
        let hop = destination(text)?;
        let (user, port) = (hop.user.clone(), hop.port);
        let shown = Hop { user: None, ..hop };
        let name = match shown.port {
            // Without brackets: there is no port to part it from.
            None => shown.address.clone(),
            Some(_) => shown.to_string(),
        };
        let ssh = Ssh {
            address: shown.address,
            user,
            port,
            ..Ssh::default()
        };
        Ok(Host::on_command_line(&name, Reach::Ssh(ssh)))
    }

    /// A host that is named on the command line and reached so.
    pub fn on_command_line(name: &str, reach: Reach) -> Host {
        Host {
            name: Arc::from(name),
            groups: Vec::new(),
            origin: Origin {
                file: Arc::from("the command line"),
                line: None,
            },
            reach: Ok(reach),
            settings: IndexMap::new(),
            vars: IndexMap::new(),
            unused: Vec::new(),
        }
    }

    /// Puts the file of `--ssh-config` over what the inventory says.
    pub fn use_ssh_config(&mut self, file: PathBuf) {
        if let Ok(Reach::Ssh(ssh)) = &mut self.reach {
            ssh.ssh_config = Some(file);
        }
    }

    /// What it sets of a playbook's variables, each with where; mistakes of type are told by [`CheckedPlaybook::bind`].
    pub fn settings(&self, playbook: &CheckedPlaybook) -> HostSettings {
        self.settings_under(None, playbook)
    }

    /// The same, with what an environment says of its groups between what the inventory says of them and of the host.
    pub fn settings_under(&self, environment: Option<&Environment>, playbook: &CheckedPlaybook) -> HostSettings {
        let mut found = HostSettings::default();
        let mut of_host = Vec::new();
        for (name, resolved) in &self.vars {
            if playbook.vars().contains_key(&**name) {
                let is_host = |given: &Arc<Given>| given.layer >= Layer::Host;
                for lost in resolved.lost.iter().rev() {
                    let passed = (name.to_string(), Setting::Passed(Arc::clone(lost)));
                    match is_host(lost) {
                        true => of_host.push(passed),
                        false => found.settings.push(passed),
                    }
                }
                let won = (name.to_string(), Setting::Given(Arc::clone(&resolved.won)));
                match is_host(&resolved.won) {
                    true => of_host.push(won),
                    false => found.settings.push(won),
                }
                continue;
            }
            let unset = playbook
                .vars()
                .keys()
                .map(String::as_str)
                .filter(|var| !self.vars.contains_key(*var));
            found.passed_over.push(PassedOver {
                name: Arc::clone(name),
                origin: resolved.won.origin.clone(),
                near: nearest(name, unset).map(str::to_owned),
            });
        }
        found.settings.extend(
            environment
                .iter()
                .flat_map(|environment| environment.settings_of_groups(self)),
        );
        found.settings.extend(of_host);
        found
    }
}

#[cfg(test)]
mod tests;
