//! The accounts of the host's own files.
//!
//! Looks at `/etc/passwd` and `/etc/shadow`, byte for byte: a shell with a blank at its end is another program (passwd(5),
//! shadow(5)). Password hashes never leave the host. It cannot see accounts of LDAP, SSSD or NIS, nor who is logged in.

use async_trait::async_trait;
use deminer_engine::host::HostView;
use deminer_engine::module::{About, Collector, ModuleError, Outcome};
use deminer_engine::playbook::Phase;
use deminer_worker::action::Effect;
use deminer_worker::query::Account;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::questions;

/// `account.list`.
pub struct AccountList;

/// Takes none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {}

/// The accounts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Output {
    /// In the order of the file.
    pub rows: Vec<Account>,
}

#[async_trait]
impl Collector for AccountList {
    const ABOUT: About = About {
        name: "account.list",
        summary: "Lists the accounts of /etc/passwd: user id, home, shell, and whether a password is set.",
        effect: Effect::Read,
        phases: &[Phase::Gather],
        handbook: "2.1.3.1",
        not_seen: "accounts of LDAP, SSSD or NIS; who is logged in",
        example: "{id: users, use: account.list}",
    };
    type Params = Params;
    type Output = Output;

    async fn collect(&self, host: &dyn HostView, _: Params) -> Result<Outcome<Output>, ModuleError> {
        let seen = questions::accounts(host).await?;
        Ok(Outcome::of(Output { rows: seen.value }).seen_with(seen.coverage))
    }
}
