//! From what the files say to hosts: groups put in order, the nearest value of each name found.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::connection::connection;
use super::draft::{ALL, Draft, UNGROUPED};
use super::given::{Given, Sort};
use super::reach::{Hop, Reach};
use super::sheet::Mistakes;
use super::{Group, Host};
use crate::diagnostic::{Code, quoted};

/// The value that counts, and those that it stands over.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The nearest to the host.
    pub won: Arc<Given>,
    /// The others, the nearest first.
    pub lost: Vec<Arc<Given>>,
}

/// Hosts and groups, in the order of the files.
pub(super) struct Hosts {
    pub(super) hosts: Vec<Host>,
    pub(super) groups: IndexMap<Arc<str>, Group>,
}

/// The hosts and groups of a draft; `None` where groups are part of themselves.
pub(super) fn resolve(mut draft: Draft, home: Option<&Path>, mistakes: &mut Mistakes) -> Option<Hosts> {
    complete(&mut draft);
    let tree = Tree::of(&draft, mistakes)?;
    let mut of_host: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, group) in draft.groups.values().enumerate() {
        for host in &group.hosts {
            of_host.entry(host).or_default().push(at);
        }
    }
    let mut hosts = Vec::with_capacity(draft.hosts.len());
    for (name, host) in &draft.hosts {
        let direct = of_host.get(&**name).map(Vec::as_slice).unwrap_or_default();
        let groups = tree.with_ancestors(direct);
        let mut given: Vec<&Arc<Given>> = groups.iter().flat_map(|at| &draft.groups[*at].given).collect();
        given.extend(&host.given);
        given.sort_by_key(|given| given.layer);
        let (settings, vars): (Vec<_>, Vec<_>) = given.into_iter().partition(|given| given.sort == Sort::Setting);
        let (settings, vars) = (nearest(&settings), nearest(&vars));
        let reached = connection(name, &settings, &vars, home);
        let group_names = groups
            .iter()
            .filter_map(|at| Some(Arc::clone(draft.groups.get_index(*at)?.0)));
        hosts.push(Host {
            name: Arc::clone(name),
            groups: group_names.collect(),
            origin: host.origin.clone(),
            reach: reached.reach,
            settings: reached.settings,
            unused: reached.unused,
            vars: vars
                .into_iter()
                .filter(|(name, _)| !name.starts_with("ansible_"))
                .collect(),
        });
    }
    let groups = draft.groups.iter().enumerate().map(|(at, (name, group))| {
        let members = group.hosts.iter().filter_map(|host| draft.hosts.get_index_of(&**host));
        let public = Group {
            depth: tree.depth[at],
            priority: group.priority,
            children: group.children.iter().cloned().collect(),
            members: members.collect(),
            origin: group.origin.clone(),
        };
        (Arc::clone(name), public)
    });
    let groups = groups.collect();
    hops_of_the_inventory(&mut hosts);
    same_addresses(&hosts, mistakes);
    Some(Hosts { hosts, groups })
}

/// Puts groups without a parent below `all`, and hosts that are in no group into `ungrouped`.
fn complete(draft: &mut Draft) {
    let mut has_parent: IndexSet<Arc<str>> = IndexSet::new();
    let mut grouped: IndexSet<Arc<str>> = IndexSet::new();
    for (name, group) in &draft.groups {
        has_parent.extend(group.children.iter().cloned());
        if !matches!(&**name, ALL | UNGROUPED) {
            grouped.extend(group.hosts.iter().cloned());
        }
    }
    let roots = draft
        .groups
        .keys()
        .filter(|name| &***name != ALL && !has_parent.contains(&**name));
    let roots: Vec<Arc<str>> = roots.cloned().collect();
    let alone: IndexSet<Arc<str>> = draft
        .hosts
        .keys()
        .filter(|host| !grouped.contains(&**host))
        .cloned()
        .collect();
    if let Some(all) = draft.groups.get_mut(ALL) {
        all.children.extend(roots);
    }
    if let Some(ungrouped) = draft.groups.get_mut(UNGROUPED) {
        ungrouped.hosts = alone;
    }
}

/// The values by name, the nearest of each last in `given`.
fn nearest(given: &[&Arc<Given>]) -> IndexMap<Arc<str>, Resolved> {
    let mut found: IndexMap<Arc<str>, Resolved> = IndexMap::new();
    for given in given {
        match found.get_mut(&*given.name) {
            Some(resolved) => {
                let lost = std::mem::replace(&mut resolved.won, Arc::clone(given));
                resolved.lost.insert(0, lost);
            }
            None => {
                let resolved = Resolved {
                    won: Arc::clone(given),
                    lost: Vec::new(),
                };
                found.insert(Arc::clone(&given.name), resolved);
            }
        }
    }
    found
}

/// The order of groups.
struct Tree {
    /// The longest way down from `all`.
    depth: Vec<usize>,
    /// The place of each group among all: by depth, priority and name.
    rank: Vec<usize>,
    /// All above each.
    ancestors: Vec<IndexSet<usize>>,
}

impl Tree {
    fn of(draft: &Draft, mistakes: &mut Mistakes) -> Option<Tree> {
        let count = draft.groups.len();
        let mut parents: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (at, group) in draft.groups.values().enumerate() {
            for child in group
                .children
                .iter()
                .filter_map(|child| draft.groups.get_index_of(&**child))
            {
                parents[child].push(at);
                children[at].push(child);
            }
        }
        let mut open: Vec<usize> = parents.iter().map(Vec::len).collect();
        let mut next: Vec<usize> = (0..count).filter(|at| open[*at] == 0).collect();
        let mut depth = vec![0; count];
        let mut ancestors: Vec<IndexSet<usize>> = vec![IndexSet::new(); count];
        let mut seen = 0;
        while let Some(at) = next.pop() {
            seen += 1;
            for child in &children[at] {
                depth[*child] = depth[*child].max(depth[at] + 1);
                let above: Vec<usize> = ancestors[at].iter().copied().chain([at]).collect();
                ancestors[*child].extend(above);
                open[*child] -= 1;
                if open[*child] == 0 {
                    next.push(*child);
                }
            }
        }
        if seen < count {
            cycle(draft, &parents, &open, mistakes);
            return None;
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|at| {
            let (name, group) = draft.groups.get_index(*at).expect("it is one of them");
            (depth[*at], group.priority, name)
        });
        let mut rank = vec![0; count];
        for (place, at) in order.into_iter().enumerate() {
            rank[at] = place;
        }
        Some(Tree { depth, rank, ancestors })
    }

    /// Groups with all above them, the farthest from the host first.
    fn with_ancestors(&self, direct: &[usize]) -> Vec<usize> {
        let above = direct.iter().flat_map(|at| self.ancestors[*at].iter().copied());
        let all: IndexSet<usize> = above.chain(direct.iter().copied()).collect();
        let mut all: Vec<usize> = all.into_iter().collect();
        all.sort_by_key(|at| self.rank[*at]);
        all
    }
}

/// Names one circle of groups: each that was not reached has a parent that was not.
fn cycle(draft: &Draft, parents: &[Vec<usize>], open: &[usize], mistakes: &mut Mistakes) {
    let Some(start) = (0..open.len()).find(|at| open[*at] > 0) else {
        return;
    };
    let mut way = vec![start];
    loop {
        let last = way[way.len() - 1];
        let Some(parent) = parents[last].iter().copied().find(|at| open[*at] > 0) else {
            return;
        };
        if let Some(from) = way.iter().position(|at| *at == parent) {
            way.drain(..from);
            way.push(parent);
            break;
        }
        way.push(parent);
    }
    way.reverse();
    let name = |at: &usize| draft.groups.get_index(*at).map_or("", |(name, _)| name).to_owned();
    let shown: Vec<String> = way.iter().take(12).map(|at| quoted(&name(at))).collect();
    let origin = &draft.groups[way[0]].origin;
    let message = format!("groups are part of themselves: {} ({origin})", shown.join(" > "));
    mistakes.unplaced(
        Code::InventoryCycle,
        message,
        "remove one of them from the `children` of the one before",
    );
}

/// Puts in where a hop is that an inventory of our own names as one of its hosts: Ansible and ssh know nothing of it.
fn hops_of_the_inventory(hosts: &mut [Host]) {
    let is_own = |host: &Host| {
        host.settings
            .get("jump")
            .is_some_and(|jump| jump.won.sort == Sort::Setting)
    };
    if !hosts.iter().any(is_own) {
        return;
    }
    let places: HashMap<Arc<str>, Hop> = hosts
        .iter()
        .filter_map(|host| match &host.reach {
            Ok(Reach::Ssh(ssh)) => {
                let hop = Hop {
                    user: ssh.user.clone(),
                    address: ssh.address.clone(),
                    port: ssh.port,
                };
                Some((Arc::clone(&host.name), hop))
            }
            _ => None,
        })
        .collect();
    for host in hosts.iter_mut().filter(|host| is_own(host)) {
        let Ok(Reach::Ssh(ssh)) = &mut host.reach else {
            continue;
        };
        for hop in ssh.jump.iter_mut().flatten() {
            if let Some(place) = places.get(hop.address.as_str()) {
                let (user, port) = (hop.user.take(), hop.port);
                *hop = place.clone();
                hop.user = user.or(hop.user.take());
                hop.port = port.or(hop.port);
            }
        }
    }
}

/// Warns of hosts that are reached at one address and port.
fn same_addresses(hosts: &[Host], mistakes: &mut Mistakes) {
    let mut places: IndexMap<(String, u16, Option<String>), Vec<&Host>> = IndexMap::new();
    for host in hosts {
        if let Ok(Reach::Ssh(ssh)) = &host.reach {
            let address = ssh.address.to_ascii_lowercase();
            let key = (address, ssh.port.unwrap_or(22), ssh.jump_text());
            places.entry(key).or_default().push(host);
        }
    }
    for ((address, port, _), hosts) in places.into_iter().filter(|(_, hosts)| hosts.len() > 1) {
        let mut names: Vec<String> = hosts.iter().take(12).map(|host| quoted(&host.name)).collect();
        if hosts.len() > names.len() {
            names.push(format!("{} more", hosts.len() - names.len()));
        }
        let message = format!("{} are all reached at {address} port {port}", names.join(", "));
        mistakes.warning(
            Code::SameAddress,
            message,
            "if they are one host, keep one: it would be worked on twice",
        );
    }
}
