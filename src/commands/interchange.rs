//! `deminer export`, `deminer import`: playbooks to and from OASIS CACAO 2.0. No host is touched.

use deminer_engine::playbook::parse;
use serde_json::Value;

use super::playbook::{checked, find, mistaken, read_bounded};
use super::{Desk, Trouble};
use crate::cli::{Export, Import};
use crate::exit::Exit;
use crate::render::cacao;
use crate::render::plain::plain;

/// A document is at most so many bytes.
const DOCUMENT_BYTES: u64 = 16 << 20;

/// Prints a playbook as a CACAO document.
///
/// # Errors
/// When the playbook has mistakes.
pub(crate) fn export(desk: &Desk, arguments: &Export) -> anyhow::Result<Exit> {
    let found = find(&arguments.playbook)?;
    checked(desk, &found).map_err(|mistakes| mistaken(&mistakes))?;
    let playbook = parse(&found.file, &found.text).map_err(|mistakes| mistaken(&mistakes))?;
    desk.screen.json(&cacao::document(&playbook));
    Ok(Exit::Done)
}

/// Prints a CACAO document as a playbook: one of ours as it was, of another's its commands, for people to carry out.
///
/// # Errors
/// When it is no such document.
pub(crate) fn import(desk: &Desk, arguments: &Import) -> anyhow::Result<Exit> {
    let shown = arguments.file.display().to_string();
    let wrong = |why: String| {
        let hint = "it is a JSON document of CACAO Security Playbooks 2.0".to_owned();
        Trouble::new(Exit::Usage, format!("{}: {why}", plain(&shown)), Some(hint))
    };
    let text = read_bounded(&arguments.file, DOCUMENT_BYTES).map_err(|error| wrong(error.to_string()))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("no JSON: {error}")))?;
    if document["type"] != "playbook" || document["spec_version"] != "cacao-2.0" {
        return Err(wrong("no playbook of `spec_version` cacao-2.0".to_owned()).into());
    }
    let ours = cacao::origin(&document).and_then(|text| Some((text, parse(&shown, text).ok()?)));
    if let Some((text, playbook)) = &ours
        && cacao::document(playbook) == document
    {
        desk.screen.say(text.trim_end());
        return Ok(Exit::Done);
    }
    if ours.is_some() {
        desk.screen
            .note("it was made by Deminer and changed since: it is read like one of others");
    }
    let foreign = cacao::foreign(&document);
    for lost in &foreign.lost {
        desk.screen.note(&format!("not taken over: {}", plain(lost)));
    }
    desk.screen.say(foreign.playbook.trim_end());
    Ok(Exit::Done)
}
