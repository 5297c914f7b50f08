//! A list of changes to take back as a file, and the yes to it: of who takes them back, or signed by others as for a plan.

use std::collections::{BTreeMap, BTreeSet};

use deminer_worker::action::Effect;
use deminer_worker::order::Approval;
use deminer_worker::text::{Digest, Wide};

use super::{ApprovedUndo, HostUndo, Selection, Taken, UndoError, UndoPlan};
use crate::approval::{
    ApprovalError, Ask, FORMAT, Hosts, Needed, Signed, SignedError, check_approval_time, check_prefix, unite_whole,
};
use crate::plan::canonical;

/// The bytes of a list.
const LIST_BYTES: usize = 1 << 30;

impl HostUndo {
    /// The hash of what is taken back on this host.
    pub fn hash(&self) -> Digest {
        Digest::of(canonical(self).unwrap_or_default().as_bytes())
    }
}

impl UndoPlan {
    /// Its file: what [`UndoPlan::read`] reads.
    pub fn write(&self) -> Vec<u8> {
        let mut line = canonical(self).unwrap_or_default();
        line.push('\n');
        line.into_bytes()
    }

    /// Reads a list. Whether a run gives it is asked by [`UndoPlan::of`] with its [`UndoPlan::selection`], and
    /// [`UndoPlan::is_of`].
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn read(bytes: &[u8]) -> Result<UndoPlan, UndoError> {
        let malformed = |why: String| UndoError::Malformed { why };
        if bytes.len() > LIST_BYTES {
            return Err(malformed(format!("it is longer than {LIST_BYTES} bytes")));
        }
        let plan: UndoPlan = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        match plan.write() == bytes {
            true => Ok(plan),
            false => Err(malformed("it is not in the form in which it was written".to_owned())),
        }
    }

    /// Whether these bytes look like a list, not like a plan.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(br#"{"arming":"#)
    }

    /// What was meant when it was made.
    pub fn selection(&self) -> Selection {
        let steps = self.hosts.iter().flat_map(|host| {
            let steps = host.order.steps.iter().map(|step| step.action);
            steps.chain(host.without.iter().map(|(action, ..)| *action))
        });
        Selection {
            hosts: self.hosts.iter().map(|host| host.host.clone()).collect(),
            actions: steps.collect(),
            taken: Taken::default(),
        }
    }

    /// Holds a list that a run gives now against the one of a file.
    ///
    /// # Errors
    /// When they differ.
    pub fn is_of(self, file: &UndoPlan) -> Result<UndoPlan, UndoError> {
        match self == *file {
            true => Ok(self),
            false => Err(UndoError::OtherList {
                run: file.of.clone(),
                given: file.hash(),
            }),
        }
    }

    /// A yes to this list.
    ///
    /// # Errors
    /// When its hash is too short or another, or it names a host that the list does not have.
    pub fn yes(&self, ask: Ask) -> Result<Approval, UndoError> {
        check_prefix(&ask.hash, self.hash())?;
        let names: BTreeSet<String> = match ask.hosts {
            Hosts::All => self.hosts.iter().map(|host| host.host.clone()).collect(),
            Hosts::Only(names) => names,
        };
        let hosts = names.into_iter().map(|name| match self.host(&name) {
            Some(host) => Ok((name, host.hash())),
            None => Err(ApprovalError::UnknownHost { host: name }),
        });
        Ok(Approval {
            format: FORMAT,
            plan: self.hash(),
            hosts: hosts.collect::<Result<_, _>>()?,
            classes: BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
            excluded: BTreeSet::new(),
            many: BTreeMap::new(),
            reasons: BTreeMap::new(),
            approver: ask.approver,
            means: ask.means,
            at_ms: Wide(ask.at_ms),
            not_after_ms: Wide(ask.at_ms.saturating_add(ask.valid_for_ms)),
        })
    }

    /// Holds a yes of here and now against the list.
    ///
    /// # Errors
    /// As [`UndoPlan::yes`].
    pub fn approve(self, ask: Ask) -> Result<ApprovedUndo, UndoError> {
        let approval = self.yes(ask)?;
        Ok(ApprovedUndo { plan: self, approval })
    }

    /// Holds what enough people signed against the list, now.
    ///
    /// # Errors
    /// When one of the approvals is for another list or its time is over, or too few people signed for any host.
    pub fn signed(self, signed: &[Signed], needed: Needed, now_ms: u64) -> Result<ApprovedUndo, UndoError> {
        for one in signed {
            self.fits(one.approval(), now_ms).map_err(|why| SignedError::Unfit {
                file: one.name().to_owned(),
                why: Box::new(why),
            })?;
        }
        let approval = unite_whole(signed, needed.most())?;
        Ok(ApprovedUndo { plan: self, approval })
    }

    fn host(&self, name: &str) -> Option<&HostUndo> {
        self.hosts.iter().find(|host| host.host == name)
    }

    /// Whether a signed approval is one of this list and good now.
    fn fits(&self, approval: &Approval, now_ms: u64) -> Result<(), ApprovalError> {
        if approval.plan != self.hash() {
            return Err(ApprovalError::WrongHash {
                given: approval.plan.to_string(),
                found: self.hash(),
            });
        }
        check_approval_time(approval, now_ms)?;
        for (name, hash) in &approval.hosts {
            if self.host(name).map(HostUndo::hash) != Some(*hash) {
                return Err(ApprovalError::UnknownHost { host: name.clone() });
            }
        }
        if !approval.excluded.is_empty() || !approval.classes.contains(&Effect::Destroy) {
            let why = "what is taken back is approved by whole hosts".to_owned();
            return Err(ApprovalError::Malformed { why });
        }
        match approval.approver.trim().is_empty() {
            true => Err(ApprovalError::Nothing { what: "approver" }),
            false => Ok(()),
        }
    }
}
