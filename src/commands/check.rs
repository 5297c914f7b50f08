//! `deminer check`

use deminer_engine::diagnostic::Diagnostics;
use serde_json::{Value, json};

use super::environment::Under;
use super::vars::Closed;
use super::{Desk, playbook};
use crate::cli::{Check, CheckFormat};
use crate::exit::Exit;
use crate::render;

/// Checks playbooks and says every mistake.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn run(desk: &Desk, arguments: &Check) -> anyhow::Result<Exit> {
    let mut told: Vec<Value> = Vec::new();
    let mut all: Vec<Diagnostics> = Vec::new();
    for name in &arguments.files {
        let found = playbook::find(name)?;
        let checked = playbook::checked(desk, &found);
        if let (Ok(_), Some(_)) = (&checked, &arguments.env) {
            // Its mistakes are told as those of a playbook.
            let under = Under::of(desk, &found, arguments.env.as_deref(), &[])?;
            let settings = under.environment.as_ref().map(|it| it.settings()).unwrap_or_default();
            let bound = under.checked.bind_partly(&settings, &Closed);
            bound.map_err(|mistakes| playbook::mistaken(&mistakes))?;
        }
        match checked {
            Ok(checked) => {
                told.push(json!({"file": name, "playbook": checked.name(), "mistakes": []}));
                if arguments.format == CheckFormat::Text {
                    let steps = checked.outline().count();
                    desk.screen.say(&format!(
                        "{name}: {} {}, {steps} steps, no mistakes; no host was touched",
                        checked.name(),
                        checked.version()
                    ));
                }
            }
            Err(mistakes) => {
                told.push(json!({"file": name, "mistakes": mistakes.json()["diagnostics"]}));
                if arguments.format == CheckFormat::Text {
                    desk.screen.say(mistakes.text().trim_end());
                }
                all.push(mistakes);
            }
        }
    }
    match arguments.format {
        CheckFormat::Text => {}
        CheckFormat::Json => desk.screen.json(&json!({"files": told})),
        CheckFormat::Sarif => desk.screen.json(&render::sarif::log(&all)),
    }
    Ok(match all.is_empty() {
        true => Exit::Done,
        false => Exit::Usage,
    })
}
