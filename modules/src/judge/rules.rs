//! The rules as data: which signals there are, how much each weighs, and the lists that they look in.

use std::collections::BTreeMap;
use std::fmt;

use deminer_engine::module::{Misread, Resource};
use deminer_worker::text::HostPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use crate::places::Places;
use crate::resource_text::{self, of_version_1, wrong};

macro_rules! signals {
    ($($name:ident $code:literal),* $(,)?) => {
        /// What can be recognised of a process. The code of each is its name in the rules.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        pub(crate) enum Signal { $(#[serde(rename = $code)] $name),* }

        impl Signal {
            /// All of them.
            pub(crate) const ALL: &[Signal] = &[$(Signal::$name),*];

            /// Its name in the rules.
            pub(crate) fn code(self) -> &'static str {
                match self { $(Signal::$name => $code),* }
            }
        }
    };
}

signals! {
    StratumUrl "stratum_url",
    PoolName "pool_name",
    XmrigOptions "xmrig_options",
    ManyXmrigOptions "many_xmrig_options",
    Algorithm "algorithm",
    EncodedPool "encoded_pool",
    GpuMinerOptions "gpu_miner_options",
    MinergateOptions "minergate_options",
    Benchmark "benchmark",
    IndicatorName "indicator_name",
    MoneroWallet "monero_wallet",
    EvmWallet "evm_wallet",
    PoolConnection "pool_connection",
    IndicatorConnection "indicator_connection",
    PoolPort "pool_port",
    MinerProgram "miner_program",
    IndicatorDigest "indicator_digest",
    KernelName "kernel_name",
    EmptyArguments "empty_arguments",
    MemoryExecutable "memory_executable",
    DeletedExecutable "deleted_executable",
    OtherName "other_name",
    TemporaryPlace "temporary_place",
    HiddenPlace "hidden_place",
    ScriptPlace "script_place",
    UnownedInSystem "unowned_in_system",
    ModifiedPackageFile "modified_package_file",
    Unowned "unowned",
    StartedByLine "started_by_line",
    DownloadToShell "download_to_shell",
    Guarded "guarded",
    Busy "busy",
    PackageFile "package_file",
    ComputeProfile "compute_profile",
    InteractiveTool "interactive_tool",
}

/// Signals that speak of the same thing; of one group the best counts whole, the others a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Group {
    Arguments,
    Wallet,
    Network,
    Identity,
    Concealment,
    Provenance,
    Persistence,
    Resources,
    Benign,
}

/// Kinds of evidence that one intruder's trick does not forge together. Resources are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// What it says in its arguments, wallets and pool names included. Whoever starts a process writes them.
    Arguments,
    /// Whom it talks to.
    Network,
    /// What the file that it runs is.
    Identity,
    /// How it hides.
    Concealment,
    /// Where it runs from.
    Provenance,
    /// What starts it again.
    Persistence,
}

impl Class {
    /// Whether it speaks of mining itself, and not only of an intruder.
    pub fn speaks_of_mining(self) -> bool {
        matches!(self, Class::Arguments | Class::Network | Class::Identity)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Arguments => "arguments",
            Class::Network => "network",
            Class::Identity => "identity",
            Class::Concealment => "concealment",
            Class::Provenance => "provenance",
            Class::Persistence => "persistence",
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesText {
    version: Spanned<u32>,
    needed: i32,
    busy_percent: u32,
    prior: Prior,
    caps: BTreeMap<Group, i32>,
    signals: Vec<Spanned<SignalText>>,
    lists: Lists,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalText {
    code: Signal,
    group: Group,
    #[serde(default)]
    class: Option<Class>,
    points: i32,
    say: String,
}

/// What a process weighs before anything is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prior {
    /// One that is busy.
    pub(crate) busy: i32,
    /// One that is not.
    pub(crate) idle: i32,
    /// Seconds of CPU time since it began from which on a process that rests now is weighed as a busy one; `None`: only
    /// the sample counts.
    #[serde(default)]
    pub(crate) worked_s: Option<u32>,
}

/// The lists that signals look in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lists {
    pub(crate) miner_programs: Vec<String>,
    pub(crate) xmrig_options: Vec<String>,
    pub(crate) miner_only_options: Vec<String>,
    pub(crate) xmrig_short_options: Vec<String>,
    pub(crate) algorithms: Vec<String>,
    pub(crate) pools: Vec<String>,
    pub(crate) pool_ports: Vec<u16>,
    pub(crate) pool_schemes: Vec<String>,
    pub(crate) kernel_names: Vec<String>,
    pub(crate) interpreters: Vec<String>,
    pub(crate) interactive_tools: Vec<String>,
    pub(crate) compute_programs: Vec<String>,
    /// Programs through which people log in; with none, nobody is taken for one who did.
    #[serde(default)]
    pub(crate) login_programs: Vec<String>,
    /// Programs that start the jobs of a batch system.
    #[serde(default)]
    pub(crate) batch_programs: Vec<String>,
    temporary_places: Vec<String>,
    system_places: Vec<String>,
    local_places: Vec<String>,
    usual_hidden_names: Vec<String>,
}

/// How one signal counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) group: Group,
    pub(crate) class: Option<Class>,
    pub(crate) points: i32,
    pub(crate) say: String,
    /// `rules/linux.yml:58`.
    pub(crate) place: String,
}

/// The rules, read and checked: every signal has its rule.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) needed: i32,
    /// Hundredths of a per cent of one CPU.
    pub(crate) busy_centi: u32,
    pub(crate) prior: Prior,
    pub(crate) lists: Lists,
    pub(crate) places: Places,
    system: Vec<HostPath>,
    local: Vec<HostPath>,
    caps: BTreeMap<Group, i32>,
    signals: BTreeMap<Signal, Rule>,
}

impl Rules {
    /// Reads a rules file.
    ///
    /// # Errors
    /// With the place, when it is no YAML of this form, names an unknown signal, or one twice, or lacks one.
    pub(crate) fn read(resource: &Resource) -> Result<Rules, Misread> {
        let text: RulesText = resource_text::read(resource)?;
        of_version_1(resource, "rules", &text.version)?;
        let mut signals = BTreeMap::new();
        for entry in text.signals {
            let at = entry.referenced;
            let SignalText {
                code,
                group,
                class,
                points,
                say,
            } = entry.value;
            if (points < 0) != (group == Group::Benign) {
                let why = format!(
                    "signal `{}`: group `benign` has points below 0, the others above",
                    code.code()
                );
                return Err(wrong(resource, at, why));
            }
            let rule = Rule {
                group,
                class,
                points,
                say,
                place: format!("{}:{}", resource.path, at.line()),
            };
            if signals.insert(code, rule).is_some() {
                let why = format!("signal `{}` stands here a second time", code.code());
                return Err(wrong(resource, at, why));
            }
        }
        if let Some(missing) = Signal::ALL.iter().find(|signal| !signals.contains_key(signal)) {
            let why = format!("signal `{}` has no rule", missing.code());
            return Err(wrong(resource, None, why));
        }
        let paths = |names: &[String]| {
            names
                .iter()
                .map(|name| HostPath::from(name.as_str()))
                .collect::<Vec<_>>()
        };
        Ok(Rules {
            needed: text.needed,
            busy_centi: text.busy_percent.saturating_mul(100),
            prior: text.prior,
            places: Places {
                temporary: paths(&text.lists.temporary_places),
                usual_hidden: text
                    .lists
                    .usual_hidden_names
                    .iter()
                    .map(|name| name.clone().into_bytes())
                    .collect(),
            },
            system: paths(&text.lists.system_places),
            local: paths(&text.lists.local_places),
            lists: text.lists,
            caps: text.caps,
            signals,
        })
    }

    /// The rule of a signal.
    pub(crate) fn of(&self, signal: Signal) -> &Rule {
        &self.signals[&signal]
    }

    /// The most that a group can count; without a cap in the rules, nothing bounds it.
    pub(crate) fn cap(&self, group: Group) -> i32 {
        self.caps.get(&group).copied().unwrap_or(i32::MAX)
    }

    /// Whether packages alone put programs there.
    pub(crate) fn is_system(&self, path: &HostPath) -> bool {
        self.system.iter().any(|place| path.is_below(place)) && !self.local.iter().any(|place| path.is_below(place))
    }
}

/// Whether a list holds this name, letter case aside.
pub(crate) fn holds(list: &[String], name: &[u8]) -> bool {
    list.iter().any(|entry| entry.as_bytes().eq_ignore_ascii_case(name))
}

/// The last component of an executable's path, the mark of a memory file left out.
pub(crate) fn program(path: &HostPath) -> &[u8] {
    let name = path.file_name();
    name.strip_prefix(b"memfd:").unwrap_or(name)
}

/// Whether a list holds this program, the version at its end left out: `python3.11` is `python`.
pub(crate) fn holds_versioned(list: &[String], name: &[u8]) -> bool {
    let end = name
        .iter()
        .rposition(|b| !(b.is_ascii_digit() || *b == b'.'))
        .map_or(0, |at| at + 1);
    holds(list, name) || holds(list, &name[..end])
}

#[cfg(any(test, fuzzing))]
pub(crate) fn shipped() -> Rules {
    Rules::read(&shipped_resource()).expect("the shipped rules are well formed")
}

#[cfg(any(test, fuzzing))]
pub(crate) fn shipped_resource() -> Resource {
    Resource {
        path: "rules/linux.yml".to_owned(),
        text: include_str!("../../../playbooks/rules/linux.yml").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_cite_their_lines() {
        let rules = shipped();
        let text = shipped_resource().text;
        for signal in Signal::ALL {
            let place = &rules.of(*signal).place;
            let number: usize = place.strip_prefix("rules/linux.yml:").unwrap().parse().unwrap();
            let line = text.lines().nth(number - 1).unwrap();
            assert_eq!(line.trim(), format!("- code: {}", signal.code()));
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        let text = shipped_resource().text;
        let rows = [
            (
                "unknown signal",
                text.replace("code: stratum_url", "code: stratum_uri"),
                "rules/linux.yml:26:",
            ),
            (
                "lacking",
                text.replace("code: busy\n", "code: unowned\n"),
                "rules/linux.yml:",
            ),
            ("version", text.replace("version: 1", "version: 9"), "rules/linux.yml:8"),
            ("sign", text.replace("points: -25", "points: 25"), "rules/linux.yml:"),
            (
                "unknown key",
                text.replace("needed: 20", "need: 20"),
                "rules/linux.yml:9:",
            ),
        ];
        for (name, text, at) in rows {
            let resource = Resource {
                path: "rules/linux.yml".to_owned(),
                text,
            };
            let misread = Rules::read(&resource).expect_err(name).to_string();
            assert!(misread.starts_with(at), "{name}: {misread}");
        }
    }
}
