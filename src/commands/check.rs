//! `deminer check`

use serde_json::{Value, json};

use super::environment::Under;
use super::{Desk, playbook};
use crate::cli::{Check, Format};
use crate::exit::Exit;

/// Checks playbooks and says every mistake.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn run(desk: &Desk, arguments: &Check) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut all: Vec<Value> = Vec::new();
    for name in &arguments.files {
        let found = playbook::find(name)?;
        let checked = playbook::checked(desk, &found);
        if let (Ok(_), Some(_)) = (&checked, &arguments.env) {
            // Its mistakes are told as those of a playbook.
            Under::of(desk, &found, arguments.env.as_deref(), &[])?;
        }
        match (checked, arguments.format) {
            (Ok(checked), Format::Json) => all.push(json!({"file": name, "playbook": checked.name(), "mistakes": []})),
            (Ok(checked), _) => {
                let steps = checked.outline().count();
                desk.screen.say(&format!(
                    "{name}: {} {}, {steps} steps, no mistakes; no host was touched",
                    checked.name(),
                    checked.version()
                ));
            }
            (Err(mistakes), format) => {
                exit = Exit::Usage;
                match format {
                    Format::Json => all.push(json!({"file": name, "mistakes": mistakes.json()["diagnostics"]})),
                    _ => desk.screen.say(mistakes.text().trim_end()),
                }
            }
        }
    }
    if arguments.format == Format::Json {
        desk.screen.json(&json!({"files": all}));
    }
    Ok(exit)
}
