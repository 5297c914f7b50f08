//! `deminer show`

use std::path::Path;

use anyhow::Context;
use deminer_engine::plan::Plan;
use deminer_engine::run::PlanStore;

use super::{Desk, Trouble};
use crate::cli::{Format, Show};
use crate::exit::Exit;
use crate::render;

/// Shows a plan, or one of its actions.
///
/// # Errors
/// When there is no such plan or action.
pub(crate) fn run(desk: &Desk, arguments: &Show) -> anyhow::Result<Exit> {
    let (plan, file) = read(desk, &arguments.plan)?;
    match (&arguments.action, arguments.format) {
        (_, Format::Json) => desk.screen.json(&render::plan::json(&plan, Some(&file), desk.lang())),
        (Some(action), _) => match render::show::action(&plan, action, desk.screen.style()) {
            Ok(text) => desk.screen.say(&text),
            Err(error) => {
                let hint = error.hint().to_owned();
                return Err(Trouble::new(Exit::Usage, error, Some(hint)).into());
            }
        },
        (None, _) => {
            let about = render::plan::About {
                file: Some(&file),
                took_ms: None,
                now_ms: desk.now_ms(),
                paste: desk.paste(),
                asks: false,
            };
            desk.screen.say(&render::show::text(&plan, &about, desk.screen.style()));
        }
    }
    Ok(Exit::Done)
}

/// The plan of that file, or the stored one whose hash begins so; and its file.
///
/// # Errors
/// When there is none, or its bytes are no plan.
pub(crate) fn read(desk: &Desk, name: &str) -> anyhow::Result<(Plan, String)> {
    let path = Path::new(name);
    let (file, bytes) = if path.is_file() {
        (
            path.to_path_buf(),
            std::fs::read(path).with_context(|| format!("cannot read the plan {name}"))?,
        )
    } else {
        PlanStore::of(&desk.runs)
            .find(name)
            .map_err(|error| Trouble::new(Exit::Usage, &error, error.hint()))?
    };
    let plan = Plan::read(&bytes)
        .map_err(|error| Trouble::new(Exit::Refused, format!("{}: {error}", file.display()), error.hint()))?;
    Ok((plan, file.to_string_lossy().into_owned()))
}
