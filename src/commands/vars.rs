//! `deminer vars`: every variable of a playbook, its value, and who says what of it. No secret is opened, no host touched.

use deminer_engine::diagnostic::suggest;
use deminer_engine::environment::{SecretError, SecretSource, Secrets};
use deminer_engine::inventory::Host;

use super::environment::Under;
use super::fleet::Meant;
use super::plan::{no_secret_in_words, settings};
use super::{Desk, Trouble, environment, fleet, playbook};
use crate::cli::{Fleet, Format, Vars};
use crate::exit::Exit;
use crate::render;

/// Stands for every secret: it is never shown, and long enough to be one.
struct Closed;

impl Secrets for Closed {
    fn open(&self, _: &SecretSource) -> Result<String, SecretError> {
        Ok("************".to_owned())
    }
}

/// Shows them.
///
/// # Errors
/// When the playbook, the environment or the inventory has mistakes, or a value does not fit.
pub(crate) fn run(desk: &Desk, arguments: &Vars) -> anyhow::Result<Exit> {
    let found = playbook::find(&arguments.playbook)?;
    let given = &arguments.given;
    let under = Under::of(desk, &found, given.env.as_deref(), &arguments.inventory)?;
    let host = match &arguments.host {
        None => None,
        Some(name) => Some(one(desk, name, arguments, &under)?),
    };
    let environment = under.environment.as_ref();
    let mut all = environment
        .map(|environment| environment.settings())
        .unwrap_or_default();
    if let Some(host) = &host {
        all.extend(host.settings_under(environment, &under.checked).settings);
    }
    let set = settings(given)?;
    no_secret_in_words(&under.checked, &set)?;
    all.extend(set);
    // Those that must be given and are not are shown as such.
    let vars = under.checked.bind_partly(&all, &Closed);
    let vars = vars.map_err(|mistakes| playbook::mistaken(&mistakes))?;
    let about = render::vars::About {
        playbook: format!("{} {}", under.checked.name(), under.checked.version()),
        host: host.as_ref().map(|host| host.name.to_string()),
        environment: environment.map(|environment| environment.name().to_owned()),
    };
    match arguments.format {
        Format::Json => desk
            .screen
            .json(&render::vars::json(&about, under.checked.vars(), &vars)),
        Format::Text | Format::Markdown => {
            let text = render::vars::text(&about, under.checked.vars(), &vars, desk.screen.style());
            desk.screen.say(&text);
        }
    }
    Ok(Exit::Done)
}

/// The host that is meant; where an inventory was named, it has it.
fn one(desk: &Desk, name: &str, arguments: &Vars, under: &Under) -> anyhow::Result<Host> {
    let fleet = Fleet {
        hosts: vec![name.to_owned()],
        inventory: arguments.inventory.clone(),
        limit: Vec::new(),
    };
    let Meant {
        mut hosts, inventory, ..
    } = fleet::meant(&fleet, &Default::default())?;
    environment::say_unknown_groups(desk, under.environment.as_ref(), &inventory);
    let is_known = |host: &Host| inventory.host(&host.name).is_some();
    if !arguments.inventory.is_empty() && !hosts.iter().all(is_known) {
        let what = format!("the inventory has no host `{}`", name.escape_debug());
        let names = inventory.hosts().iter().map(|host| &*host.name);
        let hint = suggest(name, names).or_else(|| Some("`deminer inventory` shows all".to_owned()));
        return Err(Trouble::new(Exit::Usage, what, hint).into());
    }
    match (hosts.pop(), hosts.is_empty()) {
        (Some(host), true) => Ok(host),
        _ => {
            let what = format!("`{}` is more than one host", name.escape_debug());
            let hint = "name one: `deminer inventory` shows all".to_owned();
            Err(Trouble::new(Exit::Usage, what, Some(hint)).into())
        }
    }
}
