//! `deminer throttle` and `deminer contain`: looks, shows what would be contained, and does that and nothing else after one
//! typed yes. Nothing is ended, removed or kept by it, and all of it can be taken back at once.

use deminer_worker::action::Effect;

use super::yes::{self, Approving};
use super::{Desk, apply, approvals, earlier, plan, show, walk};
use crate::cli::{Format, Only, Quiet};
use crate::exit::Exit;
use crate::render;

/// A verb and the playbook that it runs.
pub(crate) struct Verb {
    name: &'static str,
    playbook: &'static str,
}

/// `deminer throttle`.
pub(crate) const THROTTLE: Verb = Verb {
    name: "throttle",
    playbook: "quiet",
};

/// `deminer contain`.
pub(crate) const CONTAIN: Verb = Verb {
    name: "contain",
    playbook: "contain",
};

/// The one answer that is a yes.
const YES: &str = "yes";

/// Looks and asks, or with `--approve` does what a stored plan contains.
///
/// # Errors
/// As [`plan::make`] or [`apply::apply`].
pub(crate) async fn run(desk: &Desk, verb: &Verb, arguments: &Quiet) -> anyhow::Result<Exit> {
    earlier::settle(desk).await?;
    let words = desk.lang().words();
    let course = apply::Course {
        only: Some(Only::Contain),
        watch: None,
        answers: arguments.looking.given.answers.file.as_deref(),
        order: walk::order(&arguments.going.walking, None)?,
        together: false,
        format: arguments.telling.format,
    };
    let only = course.only;
    let approving = |plan, file| Approving {
        only,
        ..Approving::of(plan, file)
    };
    if let Some(hash) = &arguments.approve {
        let (plan, _) = show::read(desk, hash)?;
        let ask = approving(&plan, hash.as_str()).given(desk, hash)?;
        return apply::apply(desk, &plan, ask, course).await;
    }
    let playbook = arguments.playbook.as_deref().unwrap_or(verb.playbook);
    let made = plan::make(
        desk,
        playbook,
        &arguments.looking,
        &arguments.going.reach,
        &course.order,
    )
    .await?;
    let hash = made.plan.hash().to_string();
    plan::store(desk, &made)?;
    match arguments.telling.format {
        Format::Json => desk.screen.json(&render::quiet::json(&made.plan)),
        Format::Text | Format::Markdown => desk.screen.say(&render::quiet::text(&made.plan, desk.screen.style())),
    }
    plan::say_not_planned(desk, &made);
    let lasting = |host: &deminer_engine::plan::HostPlan| {
        let acts = host.orders.actions.iter().map(|action| &action.act);
        acts.filter(|act| act.effect() == Effect::Contain && act.is_change())
            .count()
    };
    let touched = made.plan.hosts().filter(|host| lasting(host) > 0).count();
    if touched == 0 {
        return Ok(plan::exit(&made));
    }
    if !desk.screen.answers() || arguments.telling.format != Format::Text {
        let command = desk
            .paste()
            .command(&format!("deminer {} --approve {}", verb.name, &hash[..16]));
        desk.screen.note(&words.to_do_it(&command));
        return Ok(plan::exit(&made));
    }
    approvals::allow_unsigned(desk, &made.plan.header().requirement())?;
    if yes::answer(desk, &words.type_yes(touched as u64)).await.as_deref() != Some(YES) {
        desk.screen.note(words.nothing_was_changed());
        return Ok(Exit::Refused);
    }
    let ask = approving(&made.plan, &hash).confirmed(desk);
    let exit = apply::apply(desk, &made.plan, ask, course).await?;
    let command = desk.paste().command("deminer undo");
    desk.screen.note(&words.to_take_it_back(&command));
    Ok(exit)
}
