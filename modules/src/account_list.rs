//! The accounts of the host's own files, and what is odd about them.
//!
//! Looks at `/etc/passwd`, `/etc/shadow` and `/etc/group`, byte for byte, and at the copies `passwd-` and `shadow-` from
//! before the last change (passwd(5), shadow(5), group(5)): a second name for root, passwords that are empty, accounts of
//! the system that can log in, names that look like others, a shell with a blank at its end, which is another program. An
//! oddness is for a person to look at; it condemns nobody. Password hashes never leave the host. It cannot see accounts of
//! LDAP, SSSD or NIS. Handbook: `cat /etc/passwd`, `cat /etc/shadow`, `awk -F: '$3==0'`.

use async_trait::async_trait;
use deminer_engine::finding::Finding;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Account;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account_signs;
use crate::questions;

/// `account.list`.
pub struct AccountList;

/// What counts as new.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// A password that was set within so many days before now is told as new; 0 tells none. Example: `new_days: 14`.
    pub new_days: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { new_days: 7 }
    }
}

/// The accounts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In the order of the file.
    pub rows: Vec<Account>,
    /// The accounts that somebody can get in by: a password is set or empty, and the shell lets one in.
    pub open: Vec<Account>,
}

#[async_trait]
impl Collector for AccountList {
    const ABOUT: About = About {
        name: "account.list",
        summary: "Lists the accounts of /etc/passwd with groups and whether a password is set, and what is odd or new.",
        effect: Effect::Read,
        phases: &[Phase::Gather],
        handbook: "2.1.3.1",
        not_seen: "accounts of LDAP, SSSD or NIS",
        example: "{id: users, use: account.list, with: {new_days: 14}}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, params: Params) -> Result<Outcome<Output>, ModuleError> {
        let facts = questions::facts(host).await?.value;
        let seen = questions::accounts(host).await?;
        let today = u32::try_from(facts.host_time_ms.0 / 86_400_000).unwrap_or(u32::MAX);
        let findings: Vec<Finding> = account_signs::findings(&seen.value, today, params.new_days);
        let open = seen
            .value
            .iter()
            .filter(|account| account_signs::is_open(account))
            .cloned()
            .collect();
        let output = Output { rows: seen.value, open };
        Ok(Outcome {
            findings,
            ..Outcome::of(output).seen_with(seen.coverage)
        })
    }
}
