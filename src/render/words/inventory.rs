//! Words of an inventory.

use deminer_engine::inventory::{Layer, WhyUnused};

/// What is told of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The groups that it is in.
    Groups,
    /// Where it is named first.
    Listed,
    /// How it is reached.
    Reached,
    /// The settings of its connection.
    Settings,
    /// Its variables.
    Variables,
    /// What is said of its connection and is not used.
    NotUsed,
    /// What is to be done about it.
    ToDo,
}

/// See the module.
pub(crate) trait InventoryWords {
    /// The name of an entry.
    fn entry(&self, entry: Entry) -> &'static str;

    /// How many hosts and groups there are.
    fn hosts_and_groups(&self, hosts: u64, groups: u64) -> String;

    /// Over SSH: where to, through which hosts, and whether by sudo.
    fn over_ssh(&self, end: &str, jump: Option<&str>, sudo: bool) -> String;

    /// It is this machine.
    fn this_machine(&self) -> &'static str;

    /// It is in memory.
    fn in_memory(&self, world: &str) -> String;

    /// It cannot be reached as the inventory says.
    fn not_as_it_says(&self, why: &str) -> String;

    /// How near to the host something is said.
    fn said_for(&self, layer: Layer, group: Option<&str>) -> String;

    /// That something says nothing: its own name stands for it.
    fn by_its_name(&self) -> &'static str;

    /// What a value stands over, and where that is said.
    fn stands_over(&self, value: &str, said: &str) -> String;

    /// In the place of a value that is a template.
    fn not_evaluated(&self, text: &str) -> String;

    /// In the place of a value that is encrypted.
    fn encrypted(&self) -> &'static str;

    /// Why something is not used.
    fn unused(&self, why: WhyUnused) -> &'static str;

    /// How to see all of one host.
    fn all_of_one(&self, command: &str) -> String;

    /// That the playbook has no variable of this name, said at `place`, and which one it looks like.
    fn variable_passed_over(&self, place: &str, name: &str, near: &str) -> String;
}
