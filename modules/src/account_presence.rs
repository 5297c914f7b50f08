//! Whether condemned accounts are open.

use deminer_engine::host::HostView;
use deminer_engine::module::ModuleError;
use deminer_worker::query::{Coverage, Password};

use crate::presence::Sought;
use crate::questions;
use crate::remnant::{Remnant, Seen};

/// Condemned accounts that somebody can get in by: there, and not locked and expired. One that was made anew under the same
/// name counts.
pub(crate) async fn open_accounts(
    host: &dyn HostView,
    sought: &Sought,
    coverage: &mut Coverage,
) -> Result<Vec<Remnant>, ModuleError> {
    if sought.accounts.is_empty() {
        return Ok(Vec::new());
    }
    let facts = questions::facts(host).await?.value;
    let today = u32::try_from(facts.host_time_ms.0 / 86_400_000).unwrap_or(u32::MAX);
    let seen = questions::accounts(host).await?;
    coverage.unite(&seen.coverage);
    let unseen = seen.coverage.material().next().map(|gap| gap.why);
    let mut found = Vec::new();
    for of in &sought.accounts {
        let object = of.object.name.clone();
        let mut of_name = seen.value.iter().filter(|account| account.name == object).peekable();
        let is_open = of_name.peek().is_some() && !of_name.clone().all(|account| account.is_shut(today));
        let is_told = of_name.any(|account| account.password != Password::Unknown);
        match (is_open, unseen) {
            (true, None) => {
                let (name, uid) = (object, of.object.uid);
                found.push(Remnant::of(&of.condemned, is_told, Seen::Account { name, uid }));
            }
            (_, Some(why)) => found.push(Remnant::of(&of.condemned, false, Seen::Unseen { object, why })),
            (false, None) => {}
        }
    }
    Ok(found)
}
