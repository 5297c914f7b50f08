//! `deminer modules`

use deminer_engine::playbook::Library;

use super::{Desk, Trouble};
use crate::cli::{Format, Modules};
use crate::exit::Exit;
use crate::render;

/// The text of a file of the library, named as playbooks name it or without the mark.
fn shelved(desk: &Desk, name: &str) -> Option<&'static str> {
    let path = name.strip_prefix(Library::MARK).unwrap_or(name);
    desk.registry.shelf().find(path)
}

/// Lists modules and the library, or shows one of either.
///
/// # Errors
/// When there is no such module.
pub(crate) fn run(desk: &Desk, arguments: &Modules) -> anyhow::Result<Exit> {
    let shelved = arguments.name.as_deref().and_then(|name| shelved(desk, name));
    if let (Some(text), Format::Text) = (shelved, arguments.format) {
        desk.screen.say(text);
        return Ok(Exit::Done);
    }
    match (&arguments.name, arguments.format) {
        (None, Format::Json) => desk.screen.json(&render::modules::catalogue(&desk.registry)),
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
