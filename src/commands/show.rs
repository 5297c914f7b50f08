//! `deminer show`

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use deminer_engine::plan::{FileError, Plan};
use deminer_engine::run::PlanStore;

use super::{Desk, Trouble, approvals, report, undo};
use crate::cli::{Format, Show};
use crate::exit::Exit;
use crate::render;
use crate::render::paste::Paste;
use crate::render::plan::Shown;

/// Shows a plan, the part of some of its hosts, or one of its actions; or the list of an undo.
///
/// # Errors
/// When there is no such plan, host or action.
pub(crate) fn run(desk: &Desk, arguments: &Show) -> anyhow::Result<Exit> {
    if let Some(list) = undo::list(Path::new(&arguments.plan))? {
        undo::show(desk, &list, &arguments.plan, arguments.telling.format);
        return Ok(Exit::Done);
    }
    let (plan, file) = read(desk, &arguments.plan)?;
    if let Some(page) = &arguments.page {
        let text = render::review::page(&plan, &file, desk.lang());
        super::plan::write_new(page, text.as_bytes()).with_context(|| format!("cannot write {}", page.display()))?;
        desk.screen
            .note(&desk.lang().words().page_is_written(&page.to_string_lossy()));
        return Ok(Exit::Done);
    }
    if let Some(since) = &arguments.since {
        let earlier = earlier(desk, since)?;
        match arguments.telling.format {
            Format::Json => desk.screen.json(&render::since::json(&plan, &earlier)),
            _ => desk
                .screen
                .say(&render::since::text(&plan, &earlier, desk.screen.style())),
        }
        return Ok(Exit::Done);
    }
    let shown = match arguments.host.is_empty() {
        true => Shown::all(&plan),
        false => Shown::only(&plan, chosen(&plan, &arguments.host)?),
    };
    match (&arguments.action, arguments.telling.format) {
        (_, Format::Json) => desk
            .screen
            .json(&render::plan::json_of(&shown, Some(&file), desk.lang())),
        (Some(action), _) => match render::show::action(&shown, action, desk.screen.style()) {
            Ok(text) => desk.screen.say(&text),
            Err(error) => {
                let hint = error.hint().to_owned();
                return Err(Trouble::new(Exit::Usage, error, Some(hint)).into());
            }
        },
        (None, _) => {
            let asked = PlanStore::of(&desk.runs).asked(&plan.hash())?;
            let about = render::plan::About {
                file: Some(&file),
                took_ms: None,
                now_ms: desk.now_ms(),
                paste: Paste {
                    asked: asked.as_ref(),
                    ..desk.paste()
                },
                asks: false,
                knows_signers: approvals::knows_signers(desk, &plan),
            };
            desk.screen
                .say(&render::show::text(&shown, &about, desk.screen.style()));
        }
    }
    Ok(Exit::Done)
}

/// The hosts of the plan that words name, each word one or, with `*` and `?`, several.
///
/// # Errors
/// When one names none.
pub(crate) fn chosen<'a>(plan: &'a Plan, words: &[String]) -> anyhow::Result<BTreeSet<&'a str>> {
    let names: Vec<&str> = plan.hosts().map(|host| host.orders.host.as_str()).collect();
    let mut chosen = BTreeSet::new();
    for word in words {
        let meant: Vec<&str> = match names.iter().find(|name| *name == word) {
            Some(name) => vec![*name],
            None => names.iter().copied().filter(|name| fits(word, name)).collect(),
        };
        if meant.is_empty() {
            let what = format!("`{}` is no host of the plan", word.escape_debug());
            let hint = match nearest(word, &names) {
                Some(name) => format!(
                    "did you mean `{}`? `deminer show` without --host has all",
                    name.escape_debug()
                ),
                None => "`deminer show` without --host has all".to_owned(),
            };
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        }
        chosen.extend(meant);
    }
    Ok(chosen)
}

/// Whether a name is of the pattern: `*` stands for any signs, `?` for one.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut of) = (0, 0);
    // The last `*`, and up to where it reaches.
    let mut star = None;
    while of < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(sign) if *sign == '?' || *sign == name[of] => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((before, reach)) => {
                    star = Some((before, reach + 1));
                    (at, of) = (before + 1, reach + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|sign| *sign == '*')
}

/// The name that is most like the word; `None` where none is like it.
fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &&'a str| (strsim::damerau_levenshtein(word, name), *name);
    let near = names.iter().map(likeness).min()?;
    (near.0 <= 1 + word.chars().count() / 3).then_some(near.1)
}

/// The plan of a run, or one that [`read`] finds.
fn earlier(desk: &Desk, name: &str) -> anyhow::Result<Plan> {
    let Some(run) = report::named(desk, name)? else {
        return Ok(read(desk, name)?.0);
    };
    let none = || {
        let what = format!("run {} has no plan", run.id());
        Trouble::new(Exit::Usage, what, Some("`deminer runs` lists the runs".to_owned()))
    };
    let bytes = run.plan()?.ok_or_else(none)?;
    let refused = |error: FileError| Trouble::new(Exit::Refused, format!("{}: {error}", run.id()), error.hint());
    Ok(Plan::read(&bytes).map_err(refused)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    #[test]
    fn patterns() {
        let rows = [
            ("web-1", "web-1", true),
            ("web-1", "web-11", false),
            ("web-?", "web-1", true),
            ("web-?", "web-11", false),
            ("*", "", true),
            ("?", "", false),
            ("w*1", "web-1-1", true),
            ("w*1", "web-1-2", false),
            ("*b*-*", "web-1", true),
            ("simulated:*", "simulated:infected", true),
            ("挖?", "挖矿", true),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn hosts_are_named_or_the_nearest_is() {
        let plan = sample::fleet_plan();
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(&plan, &words).map(|chosen| chosen.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(
            of(&["web-[1-3]", "web-2"]).map_err(|error| error.to_string()),
            Err("`web-[1-3]` is no host of the plan".to_owned())
        );
        assert_eq!(of(&["web-2", "d*"]).expect("hosts"), ["db-1", "web-2"]);
        let error = of(&["wbe-1"]).expect_err("no such host");
        let trouble = error.downcast_ref::<Trouble>().expect("a usage error");
        assert_eq!(trouble.exit, Exit::Usage);
        assert!(
            trouble.hint.as_deref().is_some_and(|hint| hint.contains("`web-1`")),
            "{trouble:?}"
        );
        let error = of(&["nothing-like-it"]).expect_err("no such host");
        let trouble = error.downcast_ref::<Trouble>().expect("a usage error");
        assert!(
            trouble
                .hint
                .as_deref()
                .is_some_and(|hint| !hint.contains("did you mean")),
            "{trouble:?}"
        );
    }
}
