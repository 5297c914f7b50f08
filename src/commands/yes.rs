//! A yes to a plan: its hash on the command line, or typed on the terminal on which the plan was just shown.

use std::collections::{BTreeMap, BTreeSet};

use deminer_engine::approval::{ApprovalError, Ask, Hosts, SIGNATURE, with_dependents};
use deminer_engine::plan::{HostPlan, Plan, VALID_FOR_MS};
use deminer_worker::action::{ActionId, Effect};
use deminer_worker::order::{OrderError, survivors};

use super::{Desk, Trouble, approvals};
use crate::cli::{Format, Only};
use crate::exit::Exit;
use crate::render;
use crate::render::plan::Shown;

/// Digits of a hash that are typed at least: enough to have read them, and more than come by themselves.
const TYPED_DIGITS: usize = 4;

/// A plan as somebody is about to approve it.
pub(crate) struct Approving<'a> {
    pub(crate) plan: &'a Plan,
    /// The file that it is in.
    pub(crate) file: &'a str,
    /// Actions that are left out, by their ids.
    pub(crate) exclude: &'a [String],
    /// Why they are.
    pub(crate) reason: Option<&'a str>,
    /// Components with many targets that are meant by name.
    pub(crate) many: &'a [String],
    pub(crate) only: Option<Only>,
    /// The hosts that are meant; `None` is all.
    pub(crate) hosts: Option<BTreeSet<&'a str>>,
    /// For how long.
    pub(crate) valid_for_ms: u64,
    /// Whether it counts by a signature, for others to carry out; else it is for here and now.
    pub(crate) is_signed: bool,
}

impl<'a> Approving<'a> {
    /// All of a plan, here and now.
    pub(crate) fn of(plan: &'a Plan, file: &'a str) -> Approving<'a> {
        Approving {
            plan,
            file,
            exclude: &[],
            reason: None,
            many: &[],
            only: None,
            hosts: None,
            valid_for_ms: VALID_FOR_MS,
            is_signed: false,
        }
    }

    /// The yes that was given on the command line.
    ///
    /// # Errors
    /// When what it leaves out or adds is not in the plan.
    pub(crate) fn given(&self, desk: &Desk, hash: &str) -> anyhow::Result<Ask> {
        Ok(self.ask(
            desk,
            hash.to_owned(),
            many(self.many)?,
            "command line",
            self.excluded()?,
        ))
    }

    /// The yes of somebody who was shown all that is meant and asked for it by a question of its own.
    pub(crate) fn confirmed(&self, desk: &Desk) -> Ask {
        self.ask(
            desk,
            self.plan.hash().to_string(),
            BTreeMap::new(),
            "terminal",
            BTreeSet::new(),
        )
    }

    /// Shows the plan and asks for a yes; `None` where it was not given.
    ///
    /// # Errors
    /// Where there is no terminal, or the plan cannot be approved any more.
    pub(crate) async fn typed(&self, desk: &Desk, format: Format) -> anyhow::Result<Option<Ask>> {
        if !desk.screen.answers() || format != Format::Text {
            let what = "the plan is not approved, and there is no terminal to ask on";
            let command = desk
                .paste()
                .command(&format!("deminer show {}", render::plain::shell_word(self.file)));
            let option = if self.is_signed { "--hash" } else { "--approve" };
            let hint = format!("read it with `{command}`, then add {option} and its hash");
            return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
        }
        self.may_be_asked(desk)?;
        let about = render::plan::About {
            file: Some(self.file),
            took_ms: None,
            now_ms: desk.now_ms(),
            paste: desk.paste(),
            asks: true,
            knows_signers: true,
        };
        let style = desk.screen.style();
        let shown = match &self.hosts {
            Some(hosts) => Shown::only(self.plan, hosts.clone()),
            None => Shown::all(self.plan),
        };
        desk.screen.say(&render::plan::text_of(&shown, &about, style));
        self.asked(desk).await
    }

    /// Asks for a yes to a plan that stands on the terminal; `None` where it was not given.
    ///
    /// # Errors
    /// When the plan cannot be approved any more, or what is left out is not in it.
    pub(crate) async fn asked(&self, desk: &Desk) -> anyhow::Result<Option<Ask>> {
        self.may_be_asked(desk)?;
        let (words, excluded) = (desk.lang().words(), self.excluded()?);
        self.check_whole(&excluded)?;
        let (now_ms, not_after_ms) = (desk.now_ms(), self.plan.header().not_after_ms.0);
        if now_ms > not_after_ms {
            let error = ApprovalError::PlanExpired { not_after_ms, now_ms };
            return Err(Trouble::new(Exit::Refused, &error, error.hint()).into());
        }
        if !excluded.is_empty() {
            let left_out = render::plan::actions(self.plan, &excluded, words);
            desk.screen.say(&words.leaves_out(&left_out));
        }
        match self.only {
            Some(Only::Preserve) => desk.screen.say(words.only_preserves()),
            Some(Only::Contain) => desk.screen.say(words.only_contains()),
            Some(Only::Eradicate) | None => {}
        }
        let mut named = many(self.many)?;
        for (host, component) in self.own_yes(&excluded) {
            if named.get(&host).is_some_and(|named| named.contains(&component)) {
                continue;
            }
            let name = format!("{host}:{component}");
            if answer(desk, &words.type_the_component(&name)).await.as_deref() != Some(name.as_str()) {
                return Ok(self.declined(desk));
            }
            named.entry(host).or_default().insert(component);
        }
        let touched = self.meant().filter(|host| !host.is_empty()).count() as u64;
        let answer = answer(desk, &words.type_the_hash(touched)).await;
        if !answer.is_some_and(|answer| is_yes(&answer, &self.plan.hash().to_string())) {
            return Ok(self.declined(desk));
        }
        let changes = self.meant().flat_map(|host| &host.orders.actions);
        let changes = changes.filter(|action| action.act.is_change() && !excluded.contains(&action.id));
        let at = render::unit::time(desk.now_ms());
        desk.screen
            .note(&words.approved_here(&at, changes.count() as u64, touched));
        Ok(Some(self.ask(
            desk,
            self.plan.hash().to_string(),
            named,
            "terminal",
            excluded,
        )))
    }

    /// Says that nothing was done, and where the plan is.
    fn declined(&self, desk: &Desk) -> Option<Ask> {
        let words = desk.lang().words();
        desk.screen.note(words.not_approved());
        let file = render::plain::shell_word(self.file);
        let verb = if self.is_signed { "approve" } else { "apply" };
        let command = desk.paste().command(&format!("deminer {verb} {file}"));
        desk.screen.note(&words.still_there(&command));
        None
    }

    fn ask(
        &self,
        desk: &Desk,
        hash: String,
        many: BTreeMap<String, BTreeSet<u32>>,
        means: &str,
        excluded: BTreeSet<ActionId>,
    ) -> Ask {
        Ask {
            hash,
            hosts: match &self.hosts {
                Some(hosts) => Hosts::Only(hosts.iter().map(|host| (*host).to_owned()).collect()),
                None => Hosts::All,
            },
            classes: classes(self.only),
            reasons: self
                .reason
                .map(|why| excluded.iter().map(|id| (*id, why.to_owned())).collect())
                .unwrap_or_default(),
            excluded,
            many,
            approver: desk.by.clone(),
            means: if self.is_signed { SIGNATURE } else { means }.to_owned(),
            at_ms: desk.now_ms(),
            valid_for_ms: self.valid_for_ms,
        }
    }

    /// Refuses to ask for a yes that leaves one process of a component alive and kills another, and does not say why.
    fn check_whole(&self, excluded: &BTreeSet<ActionId>) -> anyhow::Result<()> {
        if self.reason.is_some_and(|why| !why.trim().is_empty()) || !classes(self.only).contains(&Effect::Destroy) {
            return Ok(());
        }
        for host in self.meant() {
            let actions = &host.orders.actions;
            let allowed = actions
                .iter()
                .map(|action| action.id)
                .filter(|id| !excluded.contains(id));
            if let Some(kill) = survivors(actions, &allowed.collect()).next() {
                let error = ApprovalError::Orders(OrderError::halved(&host.orders.host, kill));
                return Err(Trouble::new(Exit::Refused, &error, error.hint()).into());
            }
        }
        Ok(())
    }

    /// Refuses to ask for a yes that does not count.
    fn may_be_asked(&self, desk: &Desk) -> anyhow::Result<()> {
        match self.is_signed {
            true => Ok(()),
            false => approvals::allow_unsigned(desk, &self.plan.header().requirement()),
        }
    }

    /// The hosts that are meant.
    fn meant(&self) -> impl Iterator<Item = &'a HostPlan> {
        let meant = |host: &&HostPlan| {
            let hosts = self.hosts.as_ref();
            hosts.is_none_or(|hosts| hosts.contains(host.orders.host.as_str()))
        };
        self.plan.hosts().filter(meant)
    }

    /// The components that need a yes of their own for what is not left out.
    fn own_yes(&self, excluded: &BTreeSet<ActionId>) -> Vec<(String, u32)> {
        let of_host = self.meant().flat_map(|host| {
            let actions = host.orders.actions.iter();
            let meant = actions.filter(|action| !excluded.contains(&action.id));
            let many = deminer_worker::many::many_targets(meant);
            many.into_iter().map(|component| (host.orders.host.clone(), component))
        });
        of_host.collect()
    }

    /// The actions that are left out: each as it was named, and what needs it.
    fn excluded(&self) -> anyhow::Result<BTreeSet<ActionId>> {
        let mut excluded = BTreeSet::new();
        for name in self.exclude {
            let actions = self.plan.hosts().flat_map(|host| &host.orders.actions);
            let alike: Vec<ActionId> = actions
                .map(|action| action.id)
                .filter(|id| name.len() >= ACTION_DIGITS && id.to_string().starts_with(&name.to_ascii_lowercase()))
                .collect();
            let [id] = alike[..] else {
                let what = format!("--exclude {name}: names {} actions of the plan, not one", alike.len());
                let hint = format!("give {ACTION_DIGITS} digits of its id or more; `deminer show` lists them");
                return Err(Trouble::new(Exit::Usage, what, Some(hint)).into());
            };
            excluded.insert(id);
        }
        Ok(with_dependents(self.plan, &excluded))
    }
}

/// What a yes is to: where only a part is asked for, to nothing but that part.
fn classes(only: Option<Only>) -> BTreeSet<Effect> {
    match only {
        Some(Only::Preserve) => BTreeSet::from([Effect::Preserve]),
        Some(Only::Contain) => BTreeSet::from([Effect::Contain]),
        Some(Only::Eradicate) | None => BTreeSet::from([Effect::Preserve, Effect::Contain, Effect::Destroy]),
    }
}

/// Digits of an action's id that name it.
pub(crate) const ACTION_DIGITS: usize = 8;

/// Asks, and waits for a line; `None` where the input ends.
pub(crate) async fn answer(desk: &Desk, question: &str) -> Option<String> {
    let mut typed = desk.typing.listen().await;
    desk.screen.question(question);
    let answer = typed.line().await;
    if answer.is_none() {
        // What follows does not stand behind the question.
        desk.screen.note("");
    }
    answer
}

/// Whether what was typed begins the hash, in digits enough.
pub(crate) fn is_yes(answer: &str, hash: &str) -> bool {
    (TYPED_DIGITS..=hash.len()).contains(&answer.len()) && hash.starts_with(&answer.to_ascii_lowercase())
}

/// The components with many targets that are meant by name, by host.
fn many(named: &[String]) -> anyhow::Result<BTreeMap<String, BTreeSet<u32>>> {
    let mut many: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for name in named {
        let component = name
            .rsplit_once(':')
            .and_then(|(host, number)| Some((host, number.parse().ok()?)));
        let Some((host, component)) = component else {
            let what = format!("--many {name}: not HOST:COMPONENT");
            return Err(Trouble::new(Exit::Usage, what, Some("as in --many web-1:2".to_owned())).into());
        };
        many.entry(host.to_owned()).or_default().insert(component);
    }
    Ok(many)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reflex_is_no_yes() {
        let hash = "7c1e4b90d2a855f3";
        let rows = [
            ("", false),
            ("y", false),
            ("yes", false),
            ("7c1", false),
            ("7c1e", true),
            ("7C1E4b", true),
            ("7c1e4b90d2a855f3", true),
            ("7c1e4b90d2a855f30", false),
            ("7c1f", false),
            ("7c1e 4b90", false),
            ("c1e4", false),
        ];
        for (answer, expected) in rows {
            assert_eq!(is_yes(answer, hash), expected, "{answer}");
        }
    }
}
