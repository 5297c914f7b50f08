//! Words of approvals.

use deminer_engine::approval::Needed;
use deminer_worker::action::Effect;

/// What somebody approved.
pub(crate) struct Approved<'a> {
    /// `preserve`, `contain`, `destroy`.
    pub(crate) effects: &'a [&'a str],
    /// How many actions, and how many of the same hosts are left out.
    pub(crate) actions: (u64, u64),
    /// How many hosts, and their names, folded.
    pub(crate) hosts: (u64, &'a str),
}

/// See the module.
pub(crate) trait ApprovalWords {
    /// What a plan needs before it is applied: so many signatures of different people, by effect; whether an unsigned yes does; the list
    /// of those who may sign, by the first digits of its sha256.
    fn needs(&self, people: Needed, unsigned: bool, list: Option<&str>) -> String;

    /// Where the signed head of a run's journals stands, and what it was signed for.
    fn head_is_signed(&self, file: &str, namespace: &str) -> String;

    /// What is approved.
    fn approves(&self, approved: &Approved<'_>) -> String;

    /// Where the signature is, and by which key.
    fn signed_with(&self, file: &str, key: &str) -> String;

    /// That there is none yet.
    fn not_signed_yet(&self) -> &'static str;

    /// That a signature would not count by the policy here.
    fn counts_not_here(&self) -> &'static str;

    /// Hosts for which too few signed: they are left alone.
    fn approved_too_rarely(&self, hosts: &str) -> String;

    /// Who signed, with which key, when.
    fn signed_by(&self, signer: &str, key: &str, at: &str) -> String;
}

/// How many people are needed to keep evidence, to contain, and to destroy.
pub(crate) fn by_effect(people: Needed) -> [u32; 3] {
    [Effect::Preserve, Effect::Contain, Effect::Destroy].map(|effect| people.of(effect))
}
