//! The locking of condemned accounts.
//!
//! Proposes that no password fits an account any more and that it is expired, so that no key and no cron job of it gets in
//! either, as by `usermod -L -e 1` (usermod(8)). Nothing of it is deleted, and it is unlocked as it was. Root is never
//! locked; on the host neither is the account that our own session came in by, nor one that services run as.

use async_trait::async_trait;
use deminer_engine::finding::Condemned;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, ModuleError, Outcome, Proposal, Responder};
use deminer_engine::playbook::Phase;
use deminer_worker::action::{Act, Effect};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::condemned_list::{self, Proposals, Proposed};

/// `account.lock`.
pub struct AccountLock;

/// Which.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The accounts to lock, as the trace lists them, each with the findings that condemn it. Anything but an account is
    /// refused. Example: `accounts: "{{ steps.trace.accounts }}"`.
    pub accounts: Vec<Condemned>,
}

#[async_trait]
impl Responder for AccountLock {
    const ABOUT: About = About {
        name: "account.lock",
        summary: "Proposes to lock accounts: no password fits, and no key and no cron job gets in; nothing is deleted.",
        effect: Effect::Destroy,
        phases: &[Phase::Eradicate],
        handbook: "2.1.3.5",
        not_seen: "who is in already stays in; services that ask neither PAM nor the password go on",
        example: "{id: lock, use: account.lock, with: {accounts: \"{{ steps.trace.accounts }}\"}}",
    };
    type Params = Params;
    type Output = Proposed;

    async fn propose(
        &self,
        _: &dyn HostView,
        params: Params,
    ) -> Result<(Outcome<Proposed>, Vec<Proposal>), ModuleError> {
        let mut proposals = Proposals::default();
        for (index, condemned) in params.accounts.iter().enumerate() {
            let account = condemned_list::account("accounts", index, condemned)?.clone();
            proposals.add(condemned.component, Act::LockAccount { account }, &condemned.because);
        }
        let (output, proposals) = proposals.finish();
        Ok((Outcome::of(output), proposals))
    }
}
