//! English words of an inventory.

use deminer_engine::inventory::{Layer, WhyUnused};

use super::super::inventory::{Entry, InventoryWords};
use super::super::things::{Noun, Things};
use super::English;
use super::things::counted;

impl InventoryWords for English {
    fn entry(&self, entry: Entry) -> &'static str {
        match entry {
            Entry::Groups => "groups",
            Entry::Listed => "listed",
            Entry::Reached => "reached",
            Entry::Settings => "settings",
            Entry::Variables => "variables",
            Entry::NotUsed => "not used",
            Entry::ToDo => "to do",
        }
    }

    fn hosts_and_groups(&self, hosts: u64, groups: u64) -> String {
        format!(
            "{} in {}",
            self.count(hosts, Noun::Host),
            counted(groups, "group", "groups")
        )
    }

    fn over_ssh(&self, end: &str, jump: Option<&str>, sudo: bool) -> String {
        let jump = match jump {
            None => String::new(),
            Some("none") => ", through no other host".to_owned(),
            Some(jump) => format!(", through {jump}"),
        };
        format!("ssh {end}{jump}{}", if sudo { ", sudo" } else { "" })
    }

    fn this_machine(&self) -> &'static str {
        "this machine"
    }

    fn in_memory(&self, world: &str) -> String {
        format!("in memory: {world}")
    }

    fn not_as_it_says(&self, why: &str) -> String {
        format!("cannot be reached: {why}")
    }

    fn said_for(&self, layer: Layer, group: Option<&str>) -> String {
        let group = group.unwrap_or_default();
        match layer {
            Layer::All => "all hosts".to_owned(),
            Layer::Group => format!("group {group}"),
            Layer::AllVars => "file of all hosts".to_owned(),
            Layer::GroupVars => format!("file of group {group}"),
            Layer::Host => "host".to_owned(),
            Layer::HostVars => "file of the host".to_owned(),
            Layer::Command => "command line".to_owned(),
        }
    }

    fn by_its_name(&self) -> &'static str {
        "nothing is said: its name"
    }

    fn stands_over(&self, value: &str, said: &str) -> String {
        format!("over {value} ({said})")
    }

    fn not_evaluated(&self, text: &str) -> String {
        format!("not evaluated: {text}")
    }

    fn encrypted(&self) -> &'static str {
        "*** (encrypted, not read)"
    }

    fn unused(&self, why: WhyUnused) -> &'static str {
        match why {
            WhyUnused::Password => {
                "no password is taken from an inventory: log in by key, agent or an open ControlMaster"
            }
            WhyUnused::SudoPassword => "no password for sudo is taken from an inventory",
            WhyUnused::Interpreter => "no interpreter of the host is needed",
            WhyUnused::HostKeys => "host keys are always checked",
            WhyUnused::Tuning => "Deminer sets this itself",
            WhyUnused::Other => "of no use here",
        }
    }

    fn all_of_one(&self, command: &str) -> String {
        format!("All of one host, and why: {command}")
    }

    fn variable_passed_over(&self, place: &str, name: &str, near: &str) -> String {
        format!("{place}: the playbook has no variable `{name}`; did you mean `{near}`?")
    }
}
