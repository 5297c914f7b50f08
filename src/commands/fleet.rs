//! Which hosts a command line means, out of inventories and on their own.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use deminer_engine::inventory::{Become, Host, Inventory, Pattern, Reach, Site};

use super::{Trouble, hosts, playbook};
use crate::cli;
use crate::exit::Exit;

/// The longest file of a pattern.
const PATTERN_BYTES: u64 = 4 << 20;

/// The hosts that are meant, and the inventory that they are of.
pub(crate) struct Meant {
    /// Each name once.
    pub(crate) hosts: Vec<Host>,
    /// Without hosts where no inventory was named.
    pub(crate) inventory: Inventory,
    /// How hosts were named that no inventory knows, by their names, where those are others.
    pub(crate) words: BTreeMap<String, String>,
}

/// Reads the inventories and finds the hosts.
///
/// # Errors
/// When an inventory has mistakes, a word names nothing, or a host is named twice.
pub(crate) fn meant(fleet: &cli::Fleet, reach: &cli::Reach) -> anyhow::Result<Meant> {
    let site = Site {
        home: std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute()),
        ..Site::default()
    };
    let inventory = Inventory::load(&fleet.inventory, &site).map_err(|mistakes| playbook::mistaken(&mistakes))?;
    let mut hosts = named(&fleet.hosts, &inventory, !fleet.inventory.is_empty())?;
    if !fleet.limit.is_empty() {
        let limit = choose(fleet.limit.iter().map(String::as_str), &inventory)?;
        let limit: HashSet<&str> = limit.iter().map(|host| &*host.name).collect();
        if let Some(host) = hosts.iter().find(|host| inventory.host(&host.name).is_none()) {
            let what = format!(
                "`--limit` chooses hosts of the inventory, and `{}` is not in it",
                host.name
            );
            let hint = "leave one of them out".to_owned();
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        }
        hosts.retain(|host| limit.contains(&*host.name));
        if hosts.is_empty() {
            let hint = "`deminer inventory` shows all".to_owned();
            return Err(Trouble::new(Exit::Usage, "`--limit` leaves no host", Some(hint)).into());
        }
    }
    if hosts.is_empty() {
        let hint = "`-i` names an inventory with hosts".to_owned();
        return Err(Trouble::new(Exit::Usage, "the inventory has no hosts", Some(hint)).into());
    }
    let absolute = |file: &Option<PathBuf>| file.as_deref().map(std::path::absolute).transpose();
    let (ssh_config, control_path) = (absolute(&reach.ssh_config)?, absolute(&reach.control_path)?);
    for host in &mut hosts {
        let is_known = inventory.host(&host.name).is_some();
        if let Ok(Reach::Ssh(ssh)) = &mut host.reach {
            ssh.ssh_config = ssh_config.clone().or(ssh.ssh_config.take());
            ssh.control_path = control_path.clone().or(ssh.control_path.take());
            if reach.sudo && !is_known {
                ssh.become_root = Become::Sudo;
            }
        }
    }
    let words = fleet.hosts.iter().filter(|word| !is_of_inventory(word, &inventory));
    let words = words.filter_map(|word| Some((on_its_own(word).ok()?.name.to_string(), word.clone())));
    Ok(Meant {
        hosts,
        words: words.filter(|(name, word)| name != word).collect(),
        inventory,
    })
}

/// How all hosts of inventories are reached.
///
/// # Errors
/// When an inventory has mistakes.
pub(crate) fn whereabouts(inventory: &[PathBuf], reach: &cli::Reach) -> anyhow::Result<Vec<(String, Reach)>> {
    if inventory.is_empty() {
        return Ok(Vec::new());
    }
    let fleet = cli::Fleet {
        inventory: inventory.to_vec(),
        ..cli::Fleet::default()
    };
    let hosts = meant(&fleet, reach)?.hosts.into_iter();
    Ok(hosts
        .filter_map(|host| Some((host.name.to_string(), host.reach.ok()?)))
        .collect())
}

/// The hosts that words name; no word is all of the inventory where one is named, else this machine.
fn named(words: &[String], inventory: &Inventory, is_named: bool) -> anyhow::Result<Vec<Host>> {
    if words.is_empty() {
        return Ok(match is_named {
            true => inventory.hosts().to_vec(),
            false => vec![Host::on_command_line(hosts::LOCAL, Reach::Local)],
        });
    }
    let (of_inventory, alone): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| is_of_inventory(word, inventory));
    let mut hosts: Vec<Host> = Vec::new();
    if !of_inventory.is_empty() {
        let chosen = choose(of_inventory.iter().map(|word| word.as_str()), inventory)?;
        hosts.extend(chosen.into_iter().cloned());
    }
    let mut names: HashSet<String> = hosts.iter().map(|host| host.name.to_string()).collect();
    for word in alone {
        let host = on_its_own(word)?;
        if !names.insert(host.name.to_string()) {
            let what = format!("host `{}` is named twice", host.name);
            return Err(Trouble::new(Exit::Usage, what, Some("name it once".to_owned())).into());
        }
        hosts.push(host);
    }
    Ok(hosts)
}

/// Whether a word is a pattern of the inventory rather than a host on its own.
fn is_of_inventory(word: &str, inventory: &Inventory) -> bool {
    if inventory.hosts().is_empty() {
        return false;
    }
    if inventory.host(word).is_some() || inventory.groups().contains_key(word) {
        return true;
    }
    if word == hosts::LOCAL || word.starts_with("simulated:") || word.contains("://") {
        return false;
    }
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = word
        .rsplit_once(':')
        .is_some_and(|(_, behind)| !is_port(behind) && !behind.ends_with(']'));
    word.starts_with(['~', '!', '&', '@'])
        || word.contains(['*', '?', ','])
        || (parts && !word.contains('@'))
        || is_subscript(word)
}

/// `web[0:3]`
fn is_subscript(word: &str) -> bool {
    word.ends_with(']') && !word.starts_with('[') && !word.contains('@')
}

/// A host that no inventory knows.
fn on_its_own(word: &str) -> anyhow::Result<Host> {
    if word == hosts::LOCAL {
        return Ok(Host::on_command_line(word, Reach::Local));
    }
    if let Some(world) = word.strip_prefix("simulated:") {
        if word.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let what = format!(
                "host `{}`: the file is the host's name, and has spaces",
                word.escape_debug()
            );
            let hint = "name the file without spaces, or name the host in an inventory".to_owned();
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        }
        return Ok(Host::on_command_line(word, Reach::Simulated(world.to_owned())));
    }
    Host::of_destination(word).map_err(|bad| {
        let what = format!("host `{}`: {}", word.escape_debug(), bad.why);
        Trouble::new(Exit::Usage, what, Some(bad.help.to_owned())).into()
    })
}

fn choose<'i, 't>(words: impl IntoIterator<Item = &'t str>, inventory: &'i Inventory) -> anyhow::Result<Vec<&'i Host>> {
    let file = |name: &str| playbook::read_bounded(Path::new(name), PATTERN_BYTES).map_err(|error| error.to_string());
    let chosen = Pattern::read(words, &file).and_then(|pattern| pattern.choose(inventory));
    chosen.map_err(|bad| {
        let hint = bad.hint().map(str::to_owned);
        Trouble::new(Exit::Usage, bad, hint).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str], inventory: &[PathBuf]) -> Result<Vec<String>, String> {
        let fleet = cli::Fleet {
            hosts: words.iter().map(|word| (*word).to_owned()).collect(),
            inventory: inventory.to_vec(),
            ..cli::Fleet::default()
        };
        let meant = meant(&fleet, &cli::Reach::default()).map_err(|error| error.to_string())?;
        Ok(meant.hosts.iter().map(|host| host.name.to_string()).collect())
    }

    #[test]
    fn words_name_hosts_of_the_inventory_and_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        std::fs::write(&file, "[web]\nw[1:3]\n[canary]\nw2\n[v6]\n2001:db8::1\n").unwrap();
        let file = [file];
        let rows: [(&[&str], &[&str]); 11] = [
            (&[], &["w1", "w2", "w3", "2001:db8::1"]),
            (&["web"], &["w1", "w2", "w3"]),
            (&["web:!canary"], &["w1", "w3"]),
            (&["web", "!canary"], &["w1", "w3"]),
            (&["web[0]"], &["w1"]),
            (&["w?"], &["w1", "w2", "w3"]),
            (&["w1", "root@192.0.2.1"], &["w1", "192.0.2.1"]),
            (&["w1:2222"], &["w1:2222"]),
            (&["2001:db8::1"], &["2001:db8::1"]),
            (&["root@[2001:db8::2]:22"], &["[2001:db8::2]:22"]),
            (&["local", "simulated:clean"], &["local", "simulated:clean"]),
        ];
        for (given, expected) in rows {
            assert_eq!(words(given, &file).unwrap(), expected, "{given:?}");
        }
        assert_eq!(words(&[], &[]).unwrap(), ["local"]);
        assert_eq!(
            words(&["a@web-1:22", "ssh://b@web-2"], &[]).unwrap(),
            ["web-1:22", "web-2"]
        );
    }

    #[test]
    fn words_that_name_nothing_or_twice_are_refused() {
        for given in [
            &["-oProxyCommand=id"][..],
            &["a;b"],
            &["a@x", "b@x"],
            &["web:"],
            &["local", "local"],
            &["simulated:a b.yml"],
        ] {
            assert!(words(given, &[]).is_err(), "{given:?}");
        }
    }
}
