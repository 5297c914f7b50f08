//! What of a run can be taken back, before it is.

use deminer_engine::policy::Leave;
use deminer_engine::undo::UndoPlan;
use deminer_worker::action::{Arming, Undo};
use deminer_worker::text::Digest;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::Style;
use super::names;
use super::object::{object, short_id};
use super::paste::{Paste, leave};
use super::plain::{plain, shell_word};
use super::style::padded;
use super::table::Table;
use super::words::{GivesBack, Label};

/// The column of the last lines.
const COLUMN: usize = 10;

/// The file of a list, as it is called in what is to be pasted.
const LIST: &str = "undo.list";

/// For people; `file` is where the list was written for others to sign.
pub(crate) fn text(plan: &UndoPlan, way: &Way, style: &Style, paste: &Paste<'_>) -> String {
    let words = style.words();
    let lead = |label: Label| padded(words.label(label), COLUMN);
    let steps: usize = plan.hosts.iter().map(|host| host.order.steps.len()).sum();
    let programs = programs(plan);
    let mut out = style.hang("", &words.can_be_taken_back(steps as u64, programs, &plain(&plan.of)));
    let heading = [Label::Action, Label::Host, Label::GivesBack, Label::Object];
    let mut table = Table::new(&heading.map(|label| words.label(label)));
    for host in &plan.hosts {
        for (step, about) in host.order.steps.iter().zip(&host.objects) {
            table.row(vec![
                short_id(step.action),
                plain(&host.host).into_owned(),
                words.gives_back(gives_back(&step.undo, step.arming)).to_owned(),
                object(about, words),
            ]);
        }
    }
    out.push('\n');
    out.push_str(&table.text(style));
    out.push('\n');
    // Of several hosts the same is said once, without the names of its actions.
    let mut alike: IndexMap<(String, &str), Vec<(String, &str)>> = IndexMap::new();
    for host in &plan.hosts {
        for (action, about, why) in &host.without {
            let of = alike.entry((object(about, words), words.no_way(*why))).or_default();
            of.push((short_id(*action), &host.host));
        }
    }
    let any = !alike.is_empty();
    for (at, ((about, why), of)) in alike.into_iter().enumerate() {
        let lead = if at == 0 {
            lead(Label::StaysAsItIs)
        } else {
            padded("", COLUMN)
        };
        let hosts: Vec<_> = of.iter().map(|(_, host)| plain(host)).collect();
        let hosts = names::brief(hosts.iter().map(|host| &**host)).join(" ");
        let what = match &of[..] {
            [(action, _)] => format!("{action} {hosts} {about}"),
            _ => format!("{hosts} {about}"),
        };
        out.push_str(&style.hang(&lead, &words.of(&what, why)));
    }
    if any {
        out.push('\n');
    }
    match plan.arming {
        Arming::Armed => {
            let because = plain(plan.because.as_deref().unwrap_or_default());
            out.push_str(&style.hang(&lead(Label::Armed), &words.armed(&because)));
        }
        Arming::Disarmed => out.push_str(&style.hang(&lead(Label::Disarmed), words.disarmed())),
    }
    out.push_str(&format!("{}{}\n", lead(Label::Hash), plan.hash().short()));
    // Never wrapped: it is to be pasted.
    let commands = commands(plan, way);
    for (label, command) in [Label::Next, Label::Then, Label::Then].into_iter().zip(commands) {
        out.push_str(&format!("{}{}\n", lead(label), paste.command(&command)));
    }
    out
}

/// How many programs of hosts it runs.
fn programs(plan: &UndoPlan) -> u64 {
    let steps = plan.hosts.iter().flat_map(|host| &host.order.steps);
    steps.filter(|step| matches!(step.undo, Undo::RunArgv { .. })).count() as u64
}

/// How a list comes to be carried out.
pub(crate) enum Way {
    /// By the yes of whoever sits here.
    Yes,
    /// By signatures; the file that the list stands in, where there is one.
    Signed(Option<String>),
}

/// The commands that take it back, one after the other.
fn commands(plan: &UndoPlan, way: &Way) -> Vec<String> {
    let because = plan.because.as_deref().unwrap_or_default();
    let armed = match plan.arming {
        Arming::Armed => format!(" --armed --because {}", shell_word(&plain(because))),
        Arming::Disarmed => String::new(),
    };
    let run = shell_word(&plain(&plan.of));
    let leave = leave(Leave::CommandRun, programs(plan) > 0);
    let signed = |file: &str| {
        let file = shell_word(&plain(file));
        [
            format!("deminer approve {file} --key KEY"),
            format!("deminer undo {file} --approval FILE...{leave}"),
        ]
    };
    match way {
        Way::Yes => vec![format!(
            "deminer undo {run}{armed} --approve {}{leave}",
            plan.hash().short()
        )],
        Way::Signed(Some(file)) => signed(file).into(),
        Way::Signed(None) => {
            let written = format!("deminer undo {run}{armed} --output {LIST}");
            std::iter::once(written).chain(signed(LIST)).collect()
        }
    }
}

/// For programs.
pub(crate) fn json(plan: &UndoPlan) -> Value {
    let hash: Digest = plan.hash();
    json!({"undo": plan, "hash": hash})
}

fn gives_back(undo: &Undo, arming: Arming) -> GivesBack {
    let armed = arming == Arming::Armed;
    match undo {
        Undo::None => GivesBack::Nothing,
        Undo::Thaw { .. } => GivesBack::Running,
        Undo::RestoreFile { .. } => GivesBack::File { armed },
        Undo::RestoreLines { .. } => GivesBack::Lines { armed },
        Undo::SetFlags { .. } => GivesBack::Flags,
        Undo::RestoreStarter { .. } => GivesBack::Starter { armed },
        Undo::RestoreLink { .. } => GivesBack::Link { armed },
        Undo::UnlockAccount { .. } => GivesBack::Login,
        Undo::Unblock { .. } | Undo::EndIsolation { .. } => GivesBack::Network,
        Undo::Unthrottle { .. } => GivesBack::CpuTime,
        Undo::RunArgv { .. } => GivesBack::ByCommand,
    }
}

#[cfg(test)]
mod tests {
    use deminer_engine::event::EventKind;
    use deminer_engine::undo::Selection;
    use deminer_worker::query::HostIdentity;

    use super::*;
    use crate::render::sample::{self, Night};
    use crate::render::words::Lang;

    #[test]
    fn what_can_be_taken_back() {
        let chains = Night::of_all_acts().chains();
        let list = |arming, because: Option<&str>| {
            let because = because.map(str::to_owned);
            UndoPlan::of("20261114-0244-7c1e", &chains, &Selection::default(), arming, because).expect("a list")
        };
        let disarmed = list(Arming::Disarmed, None);
        let paste = Paste {
            lang: Some(Lang::Zh),
            ..Paste::default()
        };
        insta::assert_snapshot!("undo", text(&disarmed, &Way::Yes, &Style::PLAIN, &Paste::default()));
        insta::assert_snapshot!("undo_zh", text(&disarmed, &Way::Signed(None), &Style::CHINESE, &paste));
        let armed = text(
            &list(Arming::Armed, Some("it is ours")),
            &Way::Yes,
            &Style::PLAIN,
            &Paste::default(),
        );
        assert!(armed.contains("--armed --because 'it is ours' --approve "), "{armed}");
    }

    #[test]
    fn what_is_given_back_is_given_to_the_machine_of_the_plan() {
        let plan = sample::fleet_plan();
        let planned = plan.host("web-1").expect("a host").orders.identity.clone();
        let other = HostIdentity {
            machine_id: Some("another".to_owned()),
            ..planned.clone()
        };
        let reached = EventKind::Reached {
            identity: other,
            host_key: None,
            clock: None,
        };
        let chains = Night::of(plan).all_done("web-1").tell("web-1", reached).chains();
        let list = UndoPlan::of(
            "20261114-0244-7c1e",
            &chains,
            &Selection::default(),
            Arming::Disarmed,
            None,
        );
        let hosts = list.expect("a list").hosts;
        let web_1 = hosts.iter().find(|host| host.host == "web-1").expect("it was changed");
        assert_eq!(web_1.order.identity, planned);
    }

    #[test]
    fn what_stays_on_several_hosts_is_said_once() {
        let hosts = ["web-1", "web-2", "web-3", "web-9"];
        let night = Night::of(sample::fleet_plan());
        let chains = hosts.into_iter().fold(night, Night::all_done).chains();
        let list = UndoPlan::of(
            "20261114-0244-7c1e",
            &chains,
            &Selection::default(),
            Arming::Disarmed,
            None,
        )
        .expect("a list");
        let text = text(&list, &Way::Yes, &Style::PLAIN, &Paste::default());
        let stays: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("there is no way back"))
            .collect();
        assert_eq!(stays.len(), 3, "{text}");
        assert!(stays.iter().all(|line| line.contains("web-[1-3,9] pid ")), "{text}");
    }

    #[test]
    fn what_was_gone_already_is_not_on_the_list() {
        use deminer_worker::action::{Act, Done};
        use deminer_worker::frame::Outcome;
        let night = Night::of(sample::plan()).ready("web-1").commit("web-1");
        let kills = night.actions("web-1", &["kill"]);
        let removals = night.actions("web-1", &["remove_file"]);
        let gone = |night: Night, action| night.outcome("web-1", action, Outcome::Done { done: Done::Gone });
        let night = kills.iter().fold(night, gone);
        let night = removals.iter().fold(night, |night, action| {
            let Act::RemoveFile { file } = &action.act else {
                unreachable!("only such are chosen")
            };
            let undo = Undo::RestoreFile { file: file.clone() };
            night.outcome(
                "web-1",
                action,
                Outcome::Done {
                    done: Done::Changed { undo },
                },
            )
        });
        let chains = night.struck("web-1").chains();
        let list = UndoPlan::of(
            "20261114-0244-7c1e",
            &chains,
            &Selection::default(),
            Arming::Disarmed,
            None,
        )
        .expect("a list");
        let [host] = &list.hosts[..] else {
            panic!("one host: {list:#?}")
        };
        assert_eq!((host.order.steps.len(), host.without.len()), (2, 0), "{list:#?}");
    }
}
