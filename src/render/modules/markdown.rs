//! The module reference as a document; a module whose page differs from the one in `docs/` does not pass the tests.

use deminer_engine::module::Module;

use super::{Fields, phases};
use crate::render::words::Lang;

/// The reference of these modules.
pub(crate) fn reference<'a>(modules: impl IntoIterator<Item = &'a Module>) -> String {
    let modules: Vec<&Module> = modules.into_iter().collect();
    let mut out = String::new();
    if modules.len() > 1 {
        out.push_str("| module | effect | phases | what it does |\n| --- | --- | --- | --- |\n");
        for module in &modules {
            let about = module.about();
            out.push_str(&format!(
                "| [`{}`](#{}) | {} | {} | {} |\n",
                about.name,
                anchor(about.name),
                about.effect,
                phases(module).join(", "),
                cell(about.summary),
            ));
        }
        out.push('\n');
    }
    let pages: Vec<String> = modules.into_iter().map(page).collect();
    out.push_str(&pages.join("\n"));
    out
}

fn page(module: &Module) -> String {
    let about = module.about();
    let handbook = match about.handbook {
        "" => String::new(),
        section => format!(" Handbook: {section}."),
    };
    let phases = Lang::En.words().and(&phases(module));
    let params = module.erased().params_schema();
    let output = module.erased().output_schema();
    format!(
        "## {}\n\n{} Effect: {}. Phases: {phases}.{handbook}\n\n{}{}Not seen: {}.\n\n```yaml\n- {}\n```\n",
        about.name,
        ended(about.summary),
        about.effect,
        table("with", &Fields::of(params.as_value()), ", must be given"),
        table("gives", &Fields::of(output.as_value()), ""),
        about.not_seen.trim_end_matches('.'),
        about.example.trim_start_matches("- "),
    )
}

fn table(heading: &str, fields: &Fields<'_>, without_default: &str) -> String {
    let rows: Vec<String> = fields
        .entries(without_default)
        .into_iter()
        .map(|(name, kind, words)| format!("| `{name}` | {} | {} |\n", cell(&kind), cell(&words)))
        .collect();
    match rows.is_empty() {
        true => format!("`{heading}`: nothing.\n\n"),
        false => format!("| {heading} | type | |\n| --- | --- | --- |\n{}\n", rows.concat()),
    }
}

/// A sentence with its full stop.
fn ended(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

/// What a cell of a table can hold.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// The heading of a module as links name it.
fn anchor(name: &str) -> String {
    name.replace('.', "")
}
