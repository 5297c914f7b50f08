//! `deminer explain`

use deminer_engine::diagnostic::Code;

use super::{Desk, Trouble};
use crate::cli::{Explain, Format};
use crate::exit::Exit;
use crate::render;

/// Explains one code, or lists all.
///
/// # Errors
/// When there is no such code.
pub(crate) fn run(desk: &Desk, arguments: &Explain) -> anyhow::Result<Exit> {
    let code = arguments.code.as_deref().map(find).transpose()?;
    match (code, arguments.format) {
        (None, Format::Json) => desk.screen.json(&render::explain::json(Code::ALL, desk.lang())),
        (Some(code), Format::Json) => desk.screen.json(&render::explain::json(&[code], desk.lang())),
        (None, _) => desk.screen.say(&render::explain::list(desk.screen.style())),
        (Some(code), _) => desk.screen.say(&render::explain::one(code, desk.screen.style())),
    }
    Ok(Exit::Done)
}

fn find(name: &str) -> anyhow::Result<Code> {
    let written = name.trim_matches(['[', ']']).to_ascii_uppercase();
    let found = Code::ALL.iter().copied().find(|code| code.as_str() == written);
    found.ok_or_else(|| {
        let hint = "`deminer explain` lists all".to_owned();
        Trouble::new(Exit::Usage, format!("no code `{name}`"), Some(hint)).into()
    })
}
