//! Whether the directory of a run is as Deminer wrote it; no host is asked.
//!
//! Whoever can write the directory can write all of it anew. What holds it is what was printed elsewhere: the head of its
//! journals, a hash of one line, which says of everything before it that it is unchanged and nothing is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use deminer_worker::frame::EvidenceItem;
use deminer_worker::text::{Digest, Wide};
use serde::Serialize;

use crate::approval::{HASH_DIGITS, SignedBy, beside, digits_of};
use crate::event::{EventKind, Purpose};
use crate::journal::{Chain, ChainEnd, heads};
use crate::plan::Plan;
use crate::run::{Lines, RunDir, RunError};
use crate::undo::UndoPlan;
use crate::vault::{ManifestEntry, Vault, VaultError};

/// What looking at a run's directory showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// The run.
    pub run: String,
    /// The head of all its journals together.
    pub head: Digest,
    /// Chains, the run's own first.
    pub chains: u64,
    /// Lines that hold, in all chains.
    pub lines: u64,
    /// Contents of the vault that are what their names say.
    pub sound: u64,
    /// Whether the run is through: else its chains may grow.
    pub finished: bool,
    /// What does not hold.
    pub problems: Vec<Problem>,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum Problem {
    /// A line that does not fit the one before: it or what follows was changed.
    Broken {
        /// The chain's host; `None` for the run's own.
        host: Option<String>,
        /// The line, from 1.
        line: u64,
        /// What does not fit.
        why: String,
    },
    /// A part of a line at the end, which a crash leaves.
    Torn {
        /// The chain's host; `None` for the run's own.
        host: Option<String>,
        /// Its bytes.
        bytes: u64,
    },
    /// A chain of another run, or the second of one host.
    Stranger {
        /// The host that it says it is of.
        host: Option<String>,
    },
    /// A host of the run has no chain.
    NoChain {
        /// Which.
        host: String,
    },
    /// A file lies among the journals and is none of this run.
    Stray {
        /// Its name.
        file: String,
    },
    /// A host's chain lacks lines that it had when the run's own was written.
    Short {
        /// Which.
        host: String,
    },
    /// The plan is not there, cannot be read, or is another than the run began with.
    Plan {
        /// The hash that the run began with.
        expected: Digest,
        /// The plan's; `None` where there is none.
        found: Option<Digest>,
    },
    /// A host's part of the plan is another than the one that was carried out.
    HostPlan {
        /// Which.
        host: String,
    },
    /// The approval is not there, or another than the one that was checked.
    Approval {},
    /// A file of the signed approvals is not there, or another than the one that was checked.
    Signed {
        /// Its name in `approvals/`.
        file: String,
    },
    /// A content of the vault is not what its name says.
    Damaged {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A content that was stored is not there.
    Missing {
        /// Which.
        sha256: Digest,
    },
    /// A line of the vault's list cannot be read.
    Manifest {
        /// The line, from 1.
        line: u64,
    },
    /// The vault's list does not say of a content what the journal of its host says.
    Unlisted {
        /// Which.
        sha256: Digest,
        /// The host.
        host: String,
    },
    /// The vault's list says of a content what no journal says.
    Claimed {
        /// Which.
        sha256: Digest,
        /// The host, by the list.
        host: String,
    },
    /// No journal of the run has, or ever had, that head.
    Head {
        /// As it was given.
        given: String,
    },
}

/// Why a run could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its directory.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A head has too few digits, or none.
    #[error("`{given}` is no head of a journal: {HASH_DIGITS} to 64 hexadecimal digits are needed")]
    ShortHead {
        /// As it was given, bounded.
        given: String,
    },
}

/// Looks at all of a run. `head` is what was printed: the head of all journals, or of one of them at any time.
///
/// # Errors
/// When the directory cannot be read. What does not hold is no error but the answer.
pub fn audit(run: &RunDir, head: Option<&str>) -> Result<Audit, AuditError> {
    let chains = run.chains()?;
    let mut audit = Audit {
        run: run.id().to_string(),
        head: heads(run.id().as_str(), &chains),
        chains: chains.len() as u64,
        lines: chains.iter().map(|chain| chain.lines).sum(),
        sound: 0,
        finished: false,
        problems: Vec::new(),
    };
    audit.chains(&chains);
    let strays = run.strays(&chains)?;
    audit
        .problems
        .extend(strays.into_iter().map(|file| Problem::Stray { file }));
    audit.plan(run, &chains)?;
    audit.vault(run, &chains)?;
    let lines = Lines::of(run, &chains)?;
    audit.shortened(&lines);
    if let Some(head) = head {
        audit.head(head, &lines)?;
    }
    Ok(audit)
}

impl Audit {
    fn chains(&mut self, chains: &[Chain]) {
        let mut seen = BTreeSet::new();
        for chain in chains {
            let host = chain.host.clone();
            match &chain.end {
                ChainEnd::Whole => {}
                ChainEnd::Torn { bytes } => self.problems.push(Problem::Torn {
                    host: host.clone(),
                    bytes: *bytes,
                }),
                ChainEnd::Broken { line, why } => self.problems.push(Problem::Broken {
                    host: host.clone(),
                    line: *line,
                    why: why.clone(),
                }),
            }
            let is_other = chain.run.as_ref().is_some_and(|run| *run != self.run);
            if is_other || !seen.insert(host.clone()) {
                self.problems.push(Problem::Stranger { host });
            }
        }
        let last = own(chains).and_then(|chain| chain.events.last());
        self.finished = last.is_some_and(|event| matches!(event.kind, EventKind::RunFinished {}));
        if !self.finished {
            return;
        }
        // A run that is through wrote something down of each of its hosts.
        for host in of_run(chains) {
            if !seen.contains(&Some(host.clone())) {
                self.problems.push(Problem::NoChain { host });
            }
        }
    }

    fn plan(&mut self, run: &RunDir, chains: &[Chain]) -> Result<(), AuditError> {
        let begun = own(chains).into_iter().flat_map(|chain| &chain.events);
        let mut expected = None;
        let mut approved = None;
        let mut is_undo = false;
        for event in begun {
            match &event.kind {
                EventKind::RunStarted { plan, purpose, .. } => {
                    expected = *plan;
                    is_undo = *purpose == Purpose::Undo;
                }
                EventKind::Approved {
                    approval,
                    signed,
                    lists,
                } => {
                    approved = Some(approval);
                    self.signed(run, signed, lists)?;
                }
                _ => {}
            }
        }
        if let Some(approved) = approved
            && run.approval()?.as_ref() != Some(approved)
        {
            self.problems.push(Problem::Approval {});
        }
        let Some(expected) = expected else { return Ok(()) };
        if is_undo {
            let list = run.undo()?.and_then(|bytes| UndoPlan::read(&bytes).ok());
            let found = list.as_ref().map(UndoPlan::hash);
            if found != Some(expected) {
                self.problems.push(Problem::Plan { expected, found });
            }
            return Ok(());
        }
        let plan = run.plan()?.and_then(|bytes| Plan::read(&bytes).ok());
        let found = plan.as_ref().map(Plan::hash);
        if found != Some(expected) {
            self.problems.push(Problem::Plan { expected, found });
        }
        let Some(plan) = plan else { return Ok(()) };
        for chain in chains {
            let Some(host) = &chain.host else { continue };
            for event in &chain.events {
                if let EventKind::Planned { sha256, .. } = &event.kind
                    && plan.host_hash(host) != Some(*sha256)
                {
                    self.problems.push(Problem::HostPlan { host: host.clone() });
                }
            }
        }
        Ok(())
    }

    fn vault(&mut self, run: &RunDir, chains: &[Chain]) -> Result<(), AuditError> {
        let vault = Vault::at(&run.vault());
        let check = vault.verify_all()?;
        self.sound = check.sound;
        self.problems
            .extend(check.damaged.into_iter().map(|damaged| Problem::Damaged {
                file: damaged.path.display().to_string(),
                why: damaged.why,
            }));
        self.problems.extend(
            check
                .manifest_damaged
                .into_iter()
                .map(|line| Problem::Manifest { line }),
        );
        let mut missing: BTreeSet<Digest> = check.missing.into_iter().collect();
        for event in chains.iter().flat_map(|chain| &chain.events) {
            if let EventKind::Stored { sha256, .. } = &event.kind
                && !vault.has(sha256)
            {
                missing.insert(*sha256);
            }
        }
        self.problems
            .extend(missing.into_iter().map(|sha256| Problem::Missing { sha256 }));
        self.listed(&vault.manifest()?.entries, chains);
        Ok(())
    }

    /// Holds the vault's list against what the journals say of the same contents. A line goes before its event: who was killed
    /// between them left one line more, in a chain that was taken up or is not through.
    fn listed(&mut self, entries: &[ManifestEntry], chains: &[Chain]) {
        let key = |host: &str, item: &EvidenceItem, sha256: Digest, size: Wide| {
            (
                host.to_owned(),
                sha256,
                size,
                serde_json::to_string(item).unwrap_or_default(),
            )
        };
        // How often each stands in the list, less how often a journal says it.
        let mut listed: BTreeMap<_, usize> = BTreeMap::new();
        for entry in entries {
            *listed
                .entry(key(&entry.host, &entry.item, entry.sha256, entry.size))
                .or_default() += 1;
        }
        let mut cut = BTreeSet::new();
        for chain in chains {
            let Some(host) = &chain.host else { continue };
            let is = |kind: fn(&EventKind) -> bool| chain.events.iter().any(|event| kind(&event.kind));
            if is(|kind| matches!(kind, EventKind::Resumed { .. } | EventKind::Lost { .. }))
                || !is(|kind| matches!(kind, EventKind::HostFinished {}))
            {
                cut.insert(host.clone());
            }
            for event in &chain.events {
                let EventKind::Stored { item, sha256, size } = &event.kind else {
                    continue;
                };
                let stored = key(host, item, *sha256, *size);
                match listed.get_mut(&stored).filter(|left| **left > 0) {
                    Some(left) => *left -= 1,
                    None => self.problems.push(Problem::Unlisted {
                        sha256: *sha256,
                        host: host.clone(),
                    }),
                }
            }
        }
        for ((host, sha256, ..), left) in listed {
            if !cut.contains(&host) {
                let claimed = Problem::Claimed { sha256, host };
                self.problems.extend(std::iter::repeat_n(claimed, left));
            }
        }
    }

    fn signed(
        &mut self,
        run: &RunDir,
        signed: &[SignedBy],
        lists: &BTreeMap<String, Digest>,
    ) -> Result<(), AuditError> {
        let approvals = signed.iter().zip(1..).flat_map(|(by, number)| {
            let file = format!("{number}.json");
            [
                (beside(Path::new(&file)).display().to_string(), by.signature),
                (file, by.sha256),
            ]
        });
        let lists = lists.iter().map(|(file, sha256)| (file.clone(), *sha256));
        for (file, sha256) in approvals.chain(lists) {
            if !run.is_approval_of(&file, sha256)? {
                self.problems.push(Problem::Signed { file });
            }
        }
        Ok(())
    }

    /// Holds each chain against what the run's own says of how far it was.
    fn shortened(&mut self, lines: &Lines) {
        for file in lines.short() {
            let host = lines.hosts.get(file).cloned().flatten().unwrap_or_else(|| file.clone());
            self.problems.push(Problem::Short { host });
        }
    }

    /// Whether the run has, or had, this head: of one chain at any time, or of all together now, or when it was through or
    /// taken up.
    fn head(&mut self, given: &str, lines: &Lines) -> Result<(), AuditError> {
        let digits = digits_of(given).map_err(|given| AuditError::ShortHead { given })?;
        let is = |hash: &Digest| hash.to_string().starts_with(&digits);
        let is_of_one = || lines.of.values().flatten().any(is);
        if !is(&self.head) && !is_of_one() && !lines.earlier(&self.run).iter().any(is) {
            self.problems.push(Problem::Head { given: digits });
        }
        Ok(())
    }
}

/// The run's own chain.
fn own(chains: &[Chain]) -> Option<&Chain> {
    chains.iter().find(|chain| chain.run.is_some() && chain.host.is_none())
}

/// The hosts of the run, by its first event.
fn of_run(chains: &[Chain]) -> Vec<String> {
    let first = own(chains).and_then(|chain| chain.events.first());
    match first.map(|event| &event.kind) {
        Some(EventKind::RunStarted { hosts, .. }) => hosts.clone(),
        _ => Vec::new(),
    }
}
