//! The hosts of a plan that are shown, and which of them are read as one.

use std::collections::BTreeSet;

use deminer_engine::plan::{Group, HostPlan, Plan};
use indexmap::IndexMap;

use super::super::object::act;
use super::super::words::Lang;

/// A plan, or the part of it that belongs to some of its hosts.
#[derive(Debug, Clone)]
pub(crate) struct Shown<'a> {
    plan: &'a Plan,
    /// Their names; `None` is all.
    only: Option<BTreeSet<&'a str>>,
}

impl<'a> Shown<'a> {
    /// All of it.
    pub(crate) fn all(plan: &'a Plan) -> Shown<'a> {
        Shown { plan, only: None }
    }

    /// These hosts of it.
    pub(crate) fn only(plan: &'a Plan, hosts: BTreeSet<&'a str>) -> Shown<'a> {
        Shown {
            plan,
            only: Some(hosts),
        }
    }

    /// The whole plan.
    pub(crate) fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Whether hosts of the plan are not shown.
    pub(crate) fn is_part(&self) -> bool {
        self.plan.hosts().any(|host| !self.shows(host))
    }

    fn shows(&self, host: &HostPlan) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| only.contains(host.orders.host.as_str()))
    }

    /// The hosts, by name.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &'a HostPlan> {
        self.plan.hosts().filter(|host| self.shows(host))
    }

    /// The hosts in groups, in the order of [`Plan::groups`]. What is written of one host of a group holds for each: its
    /// objects are the same in words too, processes apart, which are told by host.
    pub(crate) fn groups(&self) -> Vec<Group<'a>> {
        let mut groups = Vec::new();
        for group in self.plan.groups() {
            let mut alike: IndexMap<Vec<String>, Vec<&'a HostPlan>> = IndexMap::new();
            for host in group.hosts.into_iter().filter(|host| self.shows(host)) {
                alike.entry(objects(host)).or_default().push(host);
            }
            groups.extend(alike.into_values().map(|hosts| Group { hosts }));
        }
        groups
    }
}

/// The changes of a host as they are written, in an order of their own; of processes only what is done to them.
fn objects(host: &HostPlan) -> Vec<String> {
    let changes = host.orders.actions.iter().filter(|action| action.act.is_change());
    let mut objects: Vec<String> = changes
        .map(|action| match action.act.process() {
            Some(_) => action.act.kind().to_owned(),
            None => format!("{} {}", action.act.kind(), act(&action.act, Lang::En.words())),
        })
        .collect();
    objects.sort();
    objects
}
