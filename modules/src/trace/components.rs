//! What belongs together: a miner, its guardian, their lines and files are one component.

use std::collections::BTreeMap;

use deminer_engine::finding::{Artifact, Bearing, Condemned, Finding, FindingId};

/// Something stated of the host, with the things that tie it to others.
#[derive(Debug, Clone)]
pub(crate) struct Tied {
    pub(crate) artifact: Artifact,
    pub(crate) because: Vec<FindingId>,
    /// Names of things that only what belongs together shares: a pid, a path, a content.
    pub(crate) ties: Vec<String>,
}

pub(crate) fn pid_tie(pid: u32) -> String {
    format!("pid {pid}")
}

/// Numbers the condemned by component, from 1 by the lowest pid; review takes the number of what it is tied to, else 0.
pub(crate) fn number(condemned: &[Tied], review: &[Tied]) -> (Vec<Condemned>, Vec<Condemned>) {
    let mut parents: Vec<usize> = (0..condemned.len()).collect();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, tied) in condemned.iter().enumerate() {
        for tie in &tied.ties {
            match first.get(tie.as_str()) {
                Some(other) => {
                    let (a, b) = (root(&parents, at), root(&parents, *other));
                    parents[a.max(b)] = a.min(b);
                }
                None => {
                    first.insert(tie, at);
                }
            }
        }
    }
    let roots: Vec<usize> = (0..condemned.len()).map(|at| root(&parents, at)).collect();
    let mut lowest: BTreeMap<usize, (u32, usize)> = BTreeMap::new();
    for (tied, root) in condemned.iter().zip(&roots) {
        let pid = match &tied.artifact {
            Artifact::Process { process } => process.pid,
            _ => u32::MAX,
        };
        let known = lowest.entry(*root).or_insert((pid, *root));
        known.0 = known.0.min(pid);
    }
    let mut order: Vec<(u32, usize)> = lowest.into_values().collect();
    order.sort_unstable();
    let numbers: BTreeMap<usize, u32> = order.iter().zip(1u32..).map(|((_, root), id)| (*root, id)).collect();
    let numbered = |tied: &Tied, component: u32| Condemned {
        component,
        artifact: tied.artifact.clone(),
        because: tied.because.clone(),
    };
    let proven = condemned
        .iter()
        .zip(&roots)
        .map(|(tied, root)| numbered(tied, numbers[root]))
        .collect();
    let open = review
        .iter()
        .map(|tied| {
            let at = tied.ties.iter().find_map(|tie| first.get(tie.as_str()));
            numbered(tied, at.map_or(0, |at| numbers[&roots[*at]]))
        })
        .collect();
    (proven, open)
}

fn root(parents: &[usize], mut at: usize) -> usize {
    while parents[at] != at {
        at = parents[at];
    }
    at
}

/// What a trace has found so far; each artifact once, reasons added up.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) condemned: Vec<Tied>,
    pub(crate) review: Vec<Tied>,
    pub(crate) findings: Vec<Finding>,
}

impl Account {
    /// Adds an artifact that belongs to the intruder. `true` where it was not known yet. What left it to a person before, a
    /// suspicion for one, is no longer stated.
    pub(crate) fn condemn(&mut self, finding: Finding, more: &[FindingId], ties: Vec<String>) -> bool {
        let key = finding.artifact.key();
        self.review.retain(|tied| tied.artifact.key() != key);
        self.findings
            .retain(|stated| stated.bearing != Bearing::Review || stated.artifact.key() != key);
        add(&mut self.condemned, &mut self.findings, finding, more, ties)
    }

    /// Adds an artifact that a person should look at, unless it is condemned already.
    pub(crate) fn ask(&mut self, finding: Finding, more: &[FindingId], ties: Vec<String>) {
        let key = finding.artifact.key();
        if !self.condemned.iter().any(|tied| tied.artifact.key() == key) {
            add(&mut self.review, &mut self.findings, finding, more, ties);
        }
    }
}

fn add(
    list: &mut Vec<Tied>,
    findings: &mut Vec<Finding>,
    finding: Finding,
    more: &[FindingId],
    ties: Vec<String>,
) -> bool {
    let key = finding.artifact.key();
    let known = list.iter().position(|tied| tied.artifact.key() == key);
    let at = known.unwrap_or_else(|| {
        list.push(Tied {
            artifact: finding.artifact.clone(),
            because: Vec::new(),
            ties: Vec::new(),
        });
        list.len() - 1
    });
    let tied = &mut list[at];
    for id in [&finding.id].into_iter().chain(more) {
        if !tied.because.contains(id) {
            tied.because.push(id.clone());
        }
    }
    for tie in ties {
        if !tied.ties.contains(&tie) {
            tied.ties.push(tie);
        }
    }
    if !findings.iter().any(|stated| stated.id == finding.id) {
        findings.push(finding);
    }
    known.is_none()
}

#[cfg(test)]
mod tests {
    use deminer_worker::query::Peer;

    use super::*;

    fn remote(port: u16) -> Artifact {
        let address = "198.51.100.23".to_owned();
        Artifact::Remote {
            peer: Peer { address, port },
        }
    }

    #[test]
    fn what_is_condemned_is_left_to_nobody() {
        let says = |port, signal: &str, bearing| Finding::new(remote(port), signal, bearing, "{what}");
        let mut account = Account::default();
        account.ask(says(1, "suspect", Bearing::Review), &[], Vec::new());
        account.ask(says(2, "suspect", Bearing::Review), &[], Vec::new());
        assert!(account.condemn(says(1, "starts", Bearing::Condemns), &[], Vec::new()));
        account.ask(says(1, "again", Bearing::Review), &[], Vec::new());
        let stated: Vec<(&str, String)> = account
            .findings
            .iter()
            .map(|finding| (finding.signal.as_str(), finding.artifact.key()))
            .collect();
        assert_eq!(
            stated,
            [("suspect", remote(2).key()), ("starts", remote(1).key())],
            "of what is condemned only what condemns it"
        );
        assert_eq!((account.condemned.len(), account.review.len()), (1, 1));
    }
}
