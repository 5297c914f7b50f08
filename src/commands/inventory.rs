//! `deminer inventory`: what hosts there are, how each is reached, and why. Nothing is connected to.

use deminer_engine::inventory::Host;

use super::{Desk, Trouble, fleet};
use crate::cli::{Format, Inventory};
use crate::exit::Exit;
use crate::render;

/// Shows the hosts of a command line.
///
/// # Errors
/// When an inventory has mistakes, or names no such host.
pub(crate) fn run(desk: &Desk, arguments: &Inventory) -> anyhow::Result<Exit> {
    let meant = fleet::meant(&arguments.fleet, &arguments.reach)?;
    let mut shown: Vec<&Host> = meant.hosts.iter().collect();
    if !arguments.host.is_empty() {
        shown = arguments
            .host
            .iter()
            .map(|name| one(&meant, name))
            .collect::<anyhow::Result<_>>()?;
    }
    let warnings = meant.inventory.warnings();
    match arguments.format {
        Format::Json => {
            let groups = arguments.host.is_empty().then_some(&meant.inventory);
            desk.screen.json(&render::inventory::json(&shown, groups, warnings));
        }
        Format::Text | Format::Markdown => {
            let style = desk.screen.style();
            let text = match arguments.host.is_empty() {
                true => render::inventory::list(&shown, &arguments.fleet.inventory, style),
                false => render::inventory::hosts(&shown, style),
            };
            desk.screen.say(&text);
            if !warnings.is_empty() {
                desk.screen.note(warnings.text().trim_end());
            }
        }
    }
    Ok(Exit::Done)
}

fn one<'m>(meant: &'m fleet::Meant, name: &str) -> anyhow::Result<&'m Host> {
    meant.hosts.iter().find(|host| *host.name == *name).ok_or_else(|| {
        let what = format!("the inventory has no host `{}`", name.escape_debug());
        let hint = "`deminer inventory` shows all; `--host` takes a name, `--limit` a pattern".to_owned();
        Trouble::new(Exit::Usage, what, Some(hint)).into()
    })
}
