//! What an author writes: a playbook, an environment for it, a file of its tests, steps that it includes, rules, and which
//! hosts there are. Which of them a text is, its keys say.

use serde_json::Value;

use crate::diagnostic::nearest;
use crate::module::Registry;
use crate::playbook::node::{Kind, read};
use crate::{case, environment, host, inventory, playbook};

/// What an author writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authored {
    /// [`playbook`]
    Playbook,
    /// [`environment`]
    Environment,
    /// [`case`]
    Test,
    /// A file of steps that playbooks include.
    Part,
    /// [`crate::inventory`]
    Inventory,
    /// A host in memory, for tests.
    Host,
    /// A file that a module reads.
    Rules,
}

impl Authored {
    /// All that there are.
    pub const ALL: [Authored; 7] = [
        Authored::Playbook,
        Authored::Environment,
        Authored::Test,
        Authored::Part,
        Authored::Inventory,
        Authored::Host,
        Authored::Rules,
    ];

    /// What a text is: by its first key, else by most of its keys; a playbook where nothing speaks for another.
    pub fn of(text: &str) -> Authored {
        let keys = top_keys(text);
        if keys.is_empty() && text.lines().any(is_section) {
            return Authored::Inventory;
        }
        let by_first = |it: &Authored| keys.first().is_some_and(|key| key == it.keys()[0]);
        if let Some(said) = Authored::ALL.into_iter().find(by_first) {
            return said;
        }
        let likeness = |it: &Authored| {
            let near = |key: &&String| nearest(key, it.keys().iter().copied()).is_some();
            let is = |key: &&String| it.keys().contains(&key.as_str());
            (keys.iter().filter(is).count(), keys.iter().filter(near).count())
        };
        // Of equals the first is taken.
        let most = Authored::ALL.into_iter().rev().max_by_key(likeness);
        let is_most_of_it = |it: &Authored| 2 * likeness(it).1 > keys.len();
        most.filter(is_most_of_it).unwrap_or(Authored::Playbook)
    }

    /// The schema of it, for editors; of a playbook that may use these modules. `None` where there is none.
    pub fn schema(self, registry: &Registry) -> Option<Value> {
        match self {
            Authored::Playbook | Authored::Part => Some(playbook::schema(registry)),
            Authored::Environment => Some(environment::schema()),
            Authored::Test => Some(case::schema()),
            Authored::Host => Some(host::simulated_schema()),
            Authored::Inventory | Authored::Rules => None,
        }
    }

    /// Its keys, the first of them first.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Authored::Playbook => &playbook::PLAYBOOK_KEYS,
            Authored::Environment => &environment::read::TOP_KEYS,
            Authored::Test => &case::read::TOP_KEYS,
            Authored::Part => &playbook::PART_KEYS,
            Authored::Inventory => &inventory::TOP_KEYS,
            Authored::Host => &HOST_KEYS,
            Authored::Rules => &RULES_KEYS,
        }
    }
}

/// Keys of a host in memory; most have the first of them.
const HOST_KEYS: [&str; 7] = [
    "hostname",
    "cpus",
    "memory",
    "packages",
    "processes",
    "files",
    "accounts",
];

/// Keys of the files that modules read.
const RULES_KEYS: [&str; 11] = [
    "needed",
    "version",
    "busy_percent",
    "prior",
    "caps",
    "signals",
    "lists",
    "config_names",
    "home_configs",
    "families",
    "keys",
];

/// Whether a line begins a section, as inventories in INI have them; `[1]` is a list.
fn is_section(line: &str) -> bool {
    let name = line
        .trim_end()
        .strip_prefix('[')
        .and_then(|line| line.strip_suffix(']'));
    name.is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()) && !name.contains([',', '"', '\'']))
}

/// The keys of the outermost map, in their order; of what is no YAML those that begin a line.
fn top_keys(text: &str) -> Vec<String> {
    if let Ok(node) = read(text) {
        let Kind::Map(pairs) = node.kind else { return Vec::new() };
        return pairs
            .iter()
            .filter_map(|(key, _)| key.text().map(str::to_owned))
            .collect();
    }
    let key = |line: &str| {
        let key = line.split_once(':')?.0.trim_matches(['"', '\'']);
        let is_word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        is_word.then(|| key.to_owned())
    };
    text.lines().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_says_what_a_text_is() {
        use Authored::{Environment, Host, Inventory, Part, Playbook, Rules, Test};
        let rows = [
            ("playbook: a\nversion: 1\nphases: {}\n", Playbook),
            ("playbook: a\ntest: b\n", Playbook),
            ("# a remark\nenvironment: prod\n", Environment),
            ("{environment: prod, vars: {watch: 1m}}", Environment),
            ("environment: prod\nplaybook: a\nphases: {}\nversion: 1\n", Environment),
            ("test: a\nplaybook: b.yml\ncases: []\n", Test),
            ("vars: {a: 1}\nenvironment: prod\n", Environment),
            ("vars: {a: 1}\npolicy: {}\n", Environment),
            ("cases: []\n", Test),
            ("enviroment: prod\nvars: {a: 1}\n", Environment),
            ("tset: a\n", Test),
            ("vars: {}\nplaybook: a\nphases: {}\n", Playbook),
            ("hosts: {}\ndefaults: {}\ngroups: {}\n", Inventory),
            ("groups: {}\ndefaults: {}\n", Inventory),
            ("all: {children: {}}\n", Inventory),
            ("# web\n[web]\nweb-1 ansible_host=192.0.2.1\n", Inventory),
            ("hostname: web-1\ncpu: 4\n", Host),
            ("{\"hostname\": \"web-1\"}", Host),
            ("cpus: 4\nprocesses: []\nmemory: 1\n", Host),
            ("version: 1\nneded: 20\nsignals: []\n", Rules),
            ("version: 1\nkeys: []\n", Rules),
            ("steps: []\n", Part),
            ("help: what runs\nsteps: []\n", Part),
            ("vars: {a: {type: int}}\nsteps: []\n", Part),
            ("vars: {a: {type: int}}\n", Playbook),
            ("", Playbook),
            ("[1]", Playbook),
            ("environment: prod\nvars: {\n", Environment),
            ("\"test\": a\ncases: [\n", Test),
        ];
        for (text, expected) in rows {
            assert_eq!(Authored::of(text), expected, "{text}");
        }
    }
}
