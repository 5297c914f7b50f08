//! From signals to one word: best of a group plus a quarter of the others, caps, prior, classes.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules::{Class, Group, Rules, Signal};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessVerdict {
    /// Nothing speaks of a miner, or more speaks against it.
    Clean,
    /// A person should look.
    Suspect,
    /// It mines.
    Miner,
}

/// What the signals of one process come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Weighed {
    /// The sum, prior included.
    pub(crate) points: i32,
    /// The classes that speak against it, sorted.
    pub(crate) classes: Vec<Class>,
    /// The word.
    pub(crate) verdict: ProcessVerdict,
}

/// Groups that only tell of an intruder, which a package's digest outweighs.
const CIRCUMSTANCES: [Group; 4] = [
    Group::Concealment,
    Group::Provenance,
    Group::Persistence,
    Group::Resources,
];

/// Weighs the signals of one process. `busy` chooses the prior.
pub(crate) fn weigh(signals: &[Signal], busy: bool, rules: &Rules) -> Weighed {
    let mut groups: BTreeMap<Group, Vec<i32>> = BTreeMap::new();
    for signal in signals {
        let rule = rules.of(*signal);
        groups.entry(rule.group).or_default().push(rule.points.abs());
    }
    let sums: BTreeMap<Group, i32> = groups
        .into_iter()
        .map(|(group, points)| (group, combined(&points).min(rules.cap(group))))
        .collect();
    let sum = |group: Group| sums.get(&group).copied().unwrap_or(0);

    let classes: BTreeSet<Class> = signals.iter().filter_map(|signal| rules.of(*signal).class).collect();
    let searches = signals.contains(&Signal::InteractiveTool);
    let mining: i32 = [Group::Arguments, Group::Wallet, Group::Network, Group::Identity]
        .map(sum)
        .iter()
        .sum();
    let circumstances: i32 = CIRCUMSTANCES.map(sum).iter().sum();
    // A hollowed process and a script's interpreter are packaged files too: what speaks of mining stays as it is.
    let benign = match sum(Group::Benign) {
        all if mining == 0 || searches => all,
        all => all.min(circumstances),
    };
    let prior = if busy { rules.prior.busy } else { rules.prior.idle };
    let points = prior + mining + circumstances - benign;

    let proven = points >= rules.needed && classes.len() >= 2 && classes.iter().any(|class| class.speaks_of_mining());
    let telling = mining >= TELLING && !searches || sum(Group::Concealment) >= TELLING;
    let verdict = if proven {
        ProcessVerdict::Miner
    } else if points >= 0 || telling {
        ProcessVerdict::Suspect
    } else {
        ProcessVerdict::Clean
    };
    Weighed {
        points,
        classes: classes.into_iter().collect(),
        verdict,
    }
}

/// From here on what speaks of mining, or hides, is for a person to look at whatever else is known.
const TELLING: i32 = 20;

fn combined(points: &[i32]) -> i32 {
    let best = points.iter().copied().max().unwrap_or(0);
    let all: i32 = points.iter().sum();
    best + (all - best) / 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::rules::shipped;

    #[test]
    fn words_from_signals() {
        use ProcessVerdict::{Clean, Miner, Suspect};
        use Signal as S;
        let rows: [(&str, &[Signal], bool, i32, ProcessVerdict); 9] = [
            ("nothing", &[], false, -45, Clean),
            ("busy", &[S::Busy], true, -26, Clean),
            ("busy and packaged", &[S::Busy, S::PackageFile], true, -51, Clean),
            (
                "name and load",
                &[S::MinerProgram, S::Unowned, S::Busy],
                true,
                13,
                Suspect,
            ),
            (
                "arguments alone",
                &[S::ManyXmrigOptions, S::MoneroWallet, S::PoolName, S::Busy],
                true,
                71 - 30,
                Suspect,
            ),
            (
                "concealment alone",
                &[S::KernelName, S::TemporaryPlace],
                false,
                -10,
                Suspect,
            ),
            (
                "two classes",
                &[S::MinerProgram, S::TemporaryPlace, S::StartedByLine],
                false,
                15,
                Suspect,
            ),
            (
                "three classes",
                &[
                    S::MinerProgram,
                    S::TemporaryPlace,
                    S::DeletedExecutable,
                    S::StartedByLine,
                ],
                false,
                25,
                Miner,
            ),
            (
                "a search",
                &[S::StratumUrl, S::MoneroWallet, S::InteractiveTool, S::PackageFile],
                true,
                -16,
                Clean,
            ),
        ];
        for (name, signals, busy, points, verdict) in rows {
            let weighed = weigh(signals, busy, &shipped());
            assert_eq!((weighed.points, weighed.verdict), (points, verdict), "{name}");
        }
    }
}
