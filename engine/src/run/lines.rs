//! The lines that a run's chains have, against those that its own has noted of all others.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::text::Digest;

use super::{RunDir, RunError};
use crate::event::EventKind;
use crate::journal::{Chain, file_name, head_of};

/// The lines of a run's chains, by their hashes.
pub(crate) struct Lines {
    /// Of each chain, by file name.
    pub(crate) of: BTreeMap<String, Vec<Digest>>,
    /// Whose chain a file is; `None` is the run's own.
    pub(crate) hosts: BTreeMap<String, Option<String>>,
    /// What the run's own chain noted of all others: the number of that line from 1, and their heads by file name.
    noted: Vec<(usize, BTreeMap<String, Digest>)>,
}

impl Lines {
    /// Reads the hashes of these chains of a run.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn of(run: &RunDir, chains: &[Chain]) -> Result<Lines, RunError> {
        let mut lines = Lines {
            of: BTreeMap::new(),
            hosts: BTreeMap::new(),
            noted: Vec::new(),
        };
        for chain in chains
            .iter()
            .filter(|chain| chain.run.as_deref() == Some(run.id().as_str()))
        {
            let file = file_name(chain.host.as_deref());
            lines.of.insert(file.clone(), run.hashes_of(chain.host.as_deref())?);
            lines.hosts.insert(file, chain.host.clone());
        }
        let own = chains
            .iter()
            .filter(|chain| chain.run.is_some() && chain.host.is_none());
        for event in own.flat_map(|chain| &chain.events) {
            if let EventKind::Heads { of } = &event.kind {
                let number = usize::try_from(event.seq.0).unwrap_or(usize::MAX);
                lines.noted.push((number, of.clone()));
            }
        }
        Ok(lines)
    }

    /// The files of chains that lack a line which was noted.
    pub(crate) fn short(&self) -> BTreeSet<&String> {
        let noted = self.noted.iter().flat_map(|(_, heads)| heads);
        noted
            .filter(|(file, head)| !self.has(file, head))
            .map(|(file, _)| file)
            .collect()
    }

    fn has(&self, file: &str, head: &Digest) -> bool {
        self.of.get(file).is_some_and(|lines| lines.contains(head))
    }

    /// The heads of all chains together that were printed before the run grew, and of which no line is missing: where it was
    /// through, the line after the note was the last of its own chain; where it was taken up, the one two lines before.
    pub(crate) fn earlier(&self, run: &str) -> Vec<Digest> {
        let own_file = file_name(None);
        let own = self.of.get(&own_file).map(Vec::as_slice).unwrap_or_default();
        let mut earlier = Vec::new();
        let is_whole = |heads: &BTreeMap<String, Digest>| heads.iter().all(|(file, head)| self.has(file, head));
        for (number, heads) in self.noted.iter().filter(|(_, heads)| is_whole(heads)) {
            let last = [number.checked_add(1), number.checked_sub(2)];
            let last = last
                .into_iter()
                .flatten()
                .filter_map(|number| own.get(number.checked_sub(1)?));
            earlier.extend(last.map(|last| {
                let all = heads.iter().map(|(file, head)| (file.clone(), *head));
                head_of(run, all.chain([(own_file.clone(), *last)]))
            }));
        }
        earlier
    }
}
