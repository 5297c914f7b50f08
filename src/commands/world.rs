//! Hosts in memory, as files describe them.

use deminer_engine::diagnostic::{Code, Diagnostic, Diagnostics, decoded, nearest};
use deminer_worker::platform::simulated::{SAMPLES, World, sample};

use super::{Trouble, playbook};
use crate::exit::Exit;

/// The world of that name: a sample, or a file of JSON or YAML.
///
/// # Errors
/// When there is neither, or the file describes none.
pub(crate) fn simulated(world: &str) -> anyhow::Result<World> {
    if let Some(sample) = sample(world) {
        return Ok(sample);
    }
    let text = std::fs::read_to_string(world).map_err(|error| {
        let samples = SAMPLES.map(|sample| format!("simulated:{sample}"));
        let meant = nearest(world, SAMPLES).map(|near| format!("did you mean `simulated:{near}`?"));
        let hint = meant.unwrap_or_else(|| {
            format!(
                "there are `{}` and `{}`, or the file of a world",
                samples[0], samples[1]
            )
        });
        let what = format!("no simulated host `{}`: {error}", world.escape_debug());
        Trouble::new(Exit::Usage, what, Some(hint))
    })?;
    Ok(read(world, &text).map_err(|mistakes| playbook::mistaken(&mistakes))?)
}

/// The world that a file of JSON or YAML describes.
///
/// # Errors
/// When it describes none.
pub(crate) fn read(file: &str, text: &str) -> Result<World, Diagnostics> {
    let wrong = |mistake: Diagnostic| Diagnostics::new(file, text, vec![mistake]);
    let world = match file.ends_with(".yml") || file.ends_with(".yaml") {
        true => from_yaml(text),
        false => from_json(text),
    };
    let world: World = world.map_err(|(at, why)| wrong(decoded(Code::HostFile, text, 0, at, &why)))?;
    let whole = world.check();
    whole.map_err(|error| wrong(Diagnostic::error(Code::HostFile, Default::default(), error.to_string())))?;
    Ok(world)
}

/// Where and why a text is no world: line and column, from 1.
type Wrong = (Option<(usize, usize)>, String);

fn from_json(text: &str) -> Result<World, Wrong> {
    serde_json::from_str(text).map_err(|error| match from_yaml(text) {
        // It says where a word begins, not where it was through with it.
        Err(wrong) => wrong,
        Ok(_) => (Some((error.line(), error.column())), error.to_string()),
    })
}

/// A world that is written in YAML, as playbooks are.
fn from_yaml(text: &str) -> Result<World, Wrong> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let at = error.location().map(|at| (number(at.line()), number(at.column())));
        (at, error.without_snippet().to_string())
    })
}
