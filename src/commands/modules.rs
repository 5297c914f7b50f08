//! `deminer modules`

use super::{Desk, Trouble};
use crate::cli::{Format, Modules};
use crate::exit::Exit;
use crate::render;

/// Lists modules, or shows one.
///
/// # Errors
/// When there is no such module.
pub(crate) fn run(desk: &Desk, arguments: &Modules) -> anyhow::Result<Exit> {
    match (&arguments.name, arguments.format) {
        (None, Format::Json) => desk.screen.json(&render::modules::json(desk.registry.iter())),
        (None, Format::Markdown) => desk.screen.say(&render::modules::markdown(desk.registry.iter())),
        (None, Format::Text) => desk
            .screen
            .say(&render::modules::list(&desk.registry, desk.screen.style())),
        (Some(name), format) => {
            let module = desk.registry.find(name).ok_or_else(|| {
                let hint = "`deminer modules` lists all".to_owned();
                Trouble::new(Exit::Usage, format!("no module `{name}`"), Some(hint))
            })?;
            match format {
                Format::Json => desk.screen.json(&render::modules::json([module])),
                Format::Markdown => desk.screen.say(&render::modules::markdown([module])),
                Format::Text => desk.screen.say(&render::modules::one(module, desk.screen.style())),
            }
        }
    }
    Ok(Exit::Done)
}
